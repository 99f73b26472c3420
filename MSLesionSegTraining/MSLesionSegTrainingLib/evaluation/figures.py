"""The figures of an evaluation as PNG; equal input gives equal bytes with one version of matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .case_scores import CaseScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_INCHES, _DPI = (6.0, 4.5), 150
_COLOUR, _QUIET = "#1f5fa8", "#808080"
_LEAST_LOAD_ML = 0.01
"""Where a case without lesion stands on the logarithmic axis."""


def draw_figures(folder: Path, cases: Sequence[CaseScores], summary: dict[str, Any]) -> dict[str, str]:
    """Draw Dice against lesion load, Bland-Altman of volume, recall by size and, with probabilities, reliability.

    Args:
        folder: where the PNG files go.
        cases: at least one.
        summary: of these cases.

    Returns:
        File name -> what it shows, in order.
    """
    figures: dict[str, tuple[str, Callable[[Axes], None]]] = {
        "dice_against_load.png": (
            "Dice of each case against its lesion load.",
            lambda axes: _dice_against_load(axes, cases),
        ),
        "volume_bland_altman.png": (
            "Bland-Altman plot of lesion volume: bias and 95 % limits of agreement.",
            lambda axes: _bland_altman(axes, cases, summary["volume_agreement"]),
        ),
        "recall_by_size.png": (
            "Share of annotated lesions found (any overlap) by their size, all cases together.",
            lambda axes: _recall_by_size(axes, summary["recall_by_size"]),
        ),
    }
    if summary["calibration"] is not None:
        figures["reliability.png"] = (
            "Reliability: share of lesion among voxels of a probability, near lesions.",
            lambda axes: _reliability(axes, summary["calibration"]),
        )
    for name, (_, draw) in figures.items():
        _write(folder / name, draw)
    return {name: text for name, (text, _) in figures.items()}


def _write(path: Path, draw: Callable[[Axes], None]) -> None:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
        figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure.add_subplot())
        figure.savefig(path, format="png", metadata={"Software": None})


def _column(cases: Sequence[CaseScores], name: str) -> np.ndarray:
    return np.array([case.values[name] for case in cases], dtype=float)


def _dice_against_load(axes: Axes, cases: Sequence[CaseScores]) -> None:
    from matplotlib.ticker import FuncFormatter

    loads = _column(cases, "load_ml")
    axes.scatter(np.maximum(loads, _LEAST_LOAD_ML), _column(cases, "dice"), color=_COLOUR, alpha=0.7)
    axes.set_xscale("log")
    low = np.floor(np.log10(max(_LEAST_LOAD_ML, loads.min())))
    high = np.ceil(np.log10(max(_LEAST_LOAD_ML, loads.max())) + 1e-9)
    axes.set(xlim=(0.8 * 10**low, 1.25 * 10 ** max(high, low + 1)), ylim=(-0.03, 1.03), ylabel="Dice")
    empty = f" (no lesion: {_LEAST_LOAD_ML:g})" if (loads == 0).any() else ""
    axes.set_xlabel(f"lesion load, mL{empty}")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(color="#e6e6e6")
    axes.set_axisbelow(True)


def _bland_altman(axes: Axes, cases: Sequence[CaseScores], agreement: dict[str, Any]) -> None:
    errors = _column(cases, "volume_error_ml")
    axes.scatter((_column(cases, "load_ml") + _column(cases, "predicted_ml")) / 2, errors, color=_COLOUR, alpha=0.7)
    lines = {f"bias {agreement['bias_ml']:+.3g} mL": agreement["bias_ml"]}
    if agreement["limits_ml"] is not None:
        lines |= {f"limit {limit:+.3g} mL": limit for limit in agreement["limits_ml"]}
    for number, height in enumerate(lines.values()):
        axes.axhline(height, color=_QUIET, linestyle="--" if number else "-", linewidth=1.2, zorder=0)
    reach = max(0.1, 1.25 * float(np.abs([*errors, *lines.values()]).max()))
    axes.set(xlabel="mean of predicted and annotated volume, mL", ylabel="predicted - annotated, mL")
    axes.set_ylim(-reach, reach)
    axes.set_title("   ".join(lines), fontsize=10, color=_QUIET)


def _recall_by_size(axes: Axes, rows: list[dict[str, Any]]) -> None:
    for place, row in enumerate(rows):
        recall = row["recall"]
        if recall is not None:
            axes.bar(place, recall, color=_COLOUR, width=0.65)
        if row["interval"] is not None:
            low, high = row["interval"]
            axes.vlines(place, low, high, color="black", linewidth=1.5)
        top = max([0.0 if recall is None else recall, *(row["interval"] or [])])
        share = "none" if recall is None else f"{row['found']} of {row['lesions']}"
        axes.text(place, top + 0.02, share, ha="center", va="bottom", fontsize=10)
    axes.set_xticks(range(len(rows)), [row["size_mm3"] for row in rows])
    axes.set(ylim=(0, 1.12), xlabel="volume of the annotated lesion, mm\u00b3", ylabel="found")
    axes.set_yticks(np.arange(0, 1.01, 0.2))


def _reliability(axes: Axes, calibration: dict[str, Any]) -> None:
    voxels = np.array(calibration["voxels"])
    filled = voxels > 0
    probability, share = (np.array(calibration[name])[filled] for name in ("mean_probability", "lesion_share"))
    axes.plot((0, 1), (0, 1), color=_QUIET, linestyle="--", linewidth=1.2)
    axes.plot(probability, share, color=_COLOUR, linewidth=1.2)
    axes.scatter(probability, share, s=12 + 120 * voxels[filled] / voxels.max(), color=_COLOUR, alpha=0.8)
    axes.set(
        xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="mean probability", ylabel="share of lesion", aspect="equal"
    )
    title = f"ECE {calibration['ece']:.3f}   Brier {calibration['brier']:.3f}   (larger dot: more voxels)"
    axes.set_title(title, fontsize=10, color=_QUIET)
