"""``followup.html``: what changed, as one page with everything inside it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ..report_page import html_page, html_table
from .files import STABLE

_COLUMNS = ("", "kind", "change, mL", "noise alone, mL", "z", "baseline, mL", "follow-up, mL", "position, RAS mm")


def followup_page(data: Mapping[str, Any], picture: bytes | None) -> str:
    """The page as HTML text.

    Args:
        data: what ``followup.json`` holds.
        picture: the overview as PNG; None where there is none.
    """
    listed = [row for row in data["changes"] if row["kind"] != STABLE]
    stable = [row for row in data["changes"] if row["kind"] == STABLE]
    parts = [
        "<h1>MS lesions: what changed</h1>",
        f'<p class="notice">{escape(data["notice"])}</p>',
        f"<p>{escape(data['summary_sentence'])}</p>",
        _figures(data),
        *(f'<p class="warning">{escape(note)}</p>' for note in data["notes"]),
        "<h2>Changes</h2>",
        _table(listed) if listed else "<p>No change is listed.</p>",
        _image(picture),
        '<p class="quiet">A change is listed where the subtraction of the two FLAIRs stands out of its noise and the '
        "network's probability agrees. Change: the volume that grew or shrank, a voxel that changed by half counted by "
        "half; it is drawn with its blurred rim and mostly looks larger. Noise alone: what two scans of an unchanged "
        "brain would differ by (95 %). Baseline and follow-up: the whole lesion, which may hold several changes.</p>",
        f"<h2>Stable lesions ({len(stable)})</h2>",
        _table(stable) if stable else "<p>None.</p>",
        "<h2>How it was made</h2>",
        html_table((), _made(data), "text"),
        f'<p class="quiet">{escape(data["tool"])} {escape(data["tool_version"])}.</p>',
    ]
    return html_page("MS lesions: what changed", parts)


def _figures(data: Mapping[str, Any]) -> str:
    counts = data["counts"]
    cells = "".join(f"<div><b>{count}</b>{escape(kind)}</div>" for kind, count in counts.items())
    return f'<div class="figures">{cells}</div>'


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    cells = [
        (
            str(row["id"]),
            row["kind"],
            f"{row['change_ml']:+.3f}",
            f"{row['noise_ml']:.3f}",
            f"{row['z']:+.1f}",
            f"{row['baseline_ml']:.3f}",
            f"{row['followup_ml']:.3f}",
            " ".join(f"{row[f'followup_{axis}_mm']:.0f}" for axis in "ras"),
        )
        for row in rows
    ]
    return html_table(_COLUMNS, cells)


def _image(picture: bytes | None) -> str:
    if picture is None:
        return ""
    encoded = base64.b64encode(picture).decode("ascii")
    return f'<p><img alt="the largest changes" style="max-width:100%" src="data:image/png;base64,{encoded}"></p>'


def _made(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    fit = data["registration"]
    return [
        (
            "registration",
            f"affine inside the brain, compared half-way; stretch {fit['least_stretch']:.3f} to "
            f"{fit['greatest_stretch']:.3f}; edges add {fit['residual_mm']:.2f} mm of noise; correlation of the two "
            f"FLAIRs {fit['correlation']:.2f}, overlap of the brains {fit['brain_overlap']:.3f}",
        ),
        (
            "lesion volume",
            f"{data['lesion_ml']['baseline']:.2f} mL at baseline, {data['lesion_ml']['followup']:.2f} mL at "
            "follow-up, each by its own mask",
        ),
        *((name, ", ".join(f"{file} {sha}" for file, sha in files.items())) for name, files in data["inputs"].items()),
    ]
