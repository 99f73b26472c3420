"""One page to look through a cohort: the overview and figures of each case, the sentence of each that failed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from MSLesionSegLib.finish import OVERVIEW_FILE

QUALITY_FILE = "quality.html"
_STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; color: #1b1b1b; margin: 0 auto; padding: 1rem; max-width: 100rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.notice { color: #a01c00; font-weight: 600; } .quiet { color: #5c5c5c; font-size: .9rem; }
.cases { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid #dcdcdc; padding: .5rem; } img { width: 100%; height: auto; }
.failed { border-color: #a01c00; }
"""


def write_quality_page(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write ``quality.html``, whole or not at all. Failed cases come first; images stay in the folders of their cases.

    Args:
        folder: of the batch, which holds a folder for each finished case.
        rows: of the cohort's table (see ``cohort_table``).

    Raises:
        OSError: it cannot be written.
    """
    failed = [row for row in rows if row["state"] == "failed"]
    done = [row for row in rows if row["state"] == "done"]
    waiting = len(rows) - len(failed) - len(done)
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Cohort</title><style>{_STYLE}</style></head><body>\n"
    )
    parts = [
        "<h1>Lesions of a cohort</h1>",
        '<p class="notice">For research use only. Look at every mask.</p>',
        f"<p>{len(done)} done, {len(failed)} failed, {waiting} waiting.</p>",
    ]
    if failed:
        parts += ["<h2>Failed</h2>", '<div class="cases">', *map(_failed, failed), "</div>"]
    parts += ["<h2>Done</h2>", '<div class="cases">', *(_done(folder, row) for row in done), "</div>"]
    partial = folder / f"{QUALITY_FILE}.partial"
    partial.write_text(head + "\n".join(parts) + "\n</body></html>\n", encoding="utf-8", newline="\n")
    os.replace(partial, folder / QUALITY_FILE)


def _failed(row: Mapping[str, Any]) -> str:
    return (
        f'<figure class="failed"><figcaption><b>{escape(row["case"])}</b><br>{escape(row["message"])}<br>'
        f'<span class="quiet">{escape(row["hint"])}</span></figcaption></figure>'
    )


def _done(folder: Path, row: Mapping[str, Any]) -> str:
    case = row["case"]
    picture = f"{quote(case)}/{OVERVIEW_FILE}"
    shown = f'<img loading="lazy" alt="slices of {escape(case)} with lesions outlined" src="{picture}">'
    if not (folder / case / OVERVIEW_FILE).is_file():
        shown = '<span class="quiet">no overview</span>'
    figures = f"{row['lesion_count']} lesions, {row['lesion_volume_ml']} mL, on {row['contrasts']}"
    return (
        f'<figure><a href="{picture}">{shown}</a><figcaption><b>{escape(case)}</b>: {escape(figures)}<br>'
        f'<span class="quiet">{escape(str(row["notes"]))}</span></figcaption></figure>'
    )
