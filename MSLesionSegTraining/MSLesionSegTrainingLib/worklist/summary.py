"""What a data set holds so far, as figures and as one page: cases, load, lesions by size, annotators, time spent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from MSLesionSegLib.annotated_case import CasePlace, read_json, write_whole
from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.images import read_image
from MSLesionSegLib.lesions import label_lesions, lesion_mask
from MSLesionSegLib.protocol import Progress

from ..evaluation.policy import Policy
from ..mask_files import read_mask
from . import WORK
from .work_list import STATES, WorkCase

SUMMARY_FILE = "summary.html"
_STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; color: #1b1b1b; margin: 0 auto; padding: 1rem; max-width: 60rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #dcdcdc; text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 2px solid #1b1b1b; }
"""


def summarise(root: Path, cases: Sequence[WorkCase], progress: Progress) -> dict[str, Any]:
    """Read the finished masks and add up.

    Args:
        root: folder of the studies.
        cases: its work list.
        progress: told how far it is; may cancel.

    Returns:
        ``states`` (state -> cases), ``cases`` (a row a finished case: case, annotator, second_reader, dice, lesions,
        load_ml, minutes), ``sizes`` (bin in mm3 -> lesions), ``annotators`` (name -> cases and minutes), ``problems``
        (a sentence for each mask that cannot be read).
    """
    policy = Policy()
    names = policy.size_names()
    rows, problems, sizes = [], [], Counter(dict.fromkeys(names, 0))
    finished = [case for case in cases if case.state == "done"]
    for number, case in enumerate(finished):
        progress.update(number / len(finished), case.name)
        try:
            volumes = _lesion_mm3(case, policy)
        except MSLesionSegError as error:
            problems.append(f"{case.name}: {error.message}")
            continue
        sizes.update(names[place] for place in np.searchsorted(policy.size_edges_mm3, volumes, side="right"))
        place = CasePlace.of(case.name)
        sidecars = [
            read_json(place.annotation(root) / place.mask_name(which).replace(".nii.gz", ".json"))
            for which in ("", "second")
        ]
        rows.append(
            {
                "case": case.name,
                "annotator": case.annotator,
                "second_reader": case.second_reader,
                "dice": sidecars[1].get("Agreement", {}).get("Dice"),
                "lesions": len(volumes),
                "load_ml": round(float(sum(volumes)) / 1000.0, 3),
                "minutes": round(float(sidecars[0].get("SecondsSpent", 0.0)) / 60.0, 1),
            }
        )
    annotators: dict[str, dict[str, float]] = {}
    for row in rows:
        one = annotators.setdefault(row["annotator"] or "not named", {"cases": 0, "minutes": 0.0})
        one["cases"] += 1
        one["minutes"] = round(one["minutes"] + row["minutes"], 1)
    states = Counter(case.state for case in cases)
    return {
        "states": {state: states[state] for state in STATES},
        "cases": rows,
        "sizes": dict(sizes),
        "annotators": dict(sorted(annotators.items())),
        "problems": problems,
    }


def write_summary(root: Path, summary: dict[str, Any]) -> Path:
    """Write the page ``derivatives/worklist/summary.html``, whole or not at all; returns its path.

    Raises:
        OSError: it cannot be written.
    """
    loads = [row["load_ml"] for row in summary["cases"]]
    middle = f"{np.median(loads):.2f} mL ({min(loads):.2f} to {max(loads):.2f})" if loads else "no finished case"
    parts = [
        "<h1>Annotated cases</h1>",
        f"<p>{escape(', '.join(f'{number} {state}' for state, number in summary['states'].items()))}. "
        f"Lesion load, median and range: {middle}.</p>",
        *(f"<p><b>Left out:</b> {escape(sentence)}</p>" for sentence in summary["problems"]),
        "<h2>Lesions by size</h2>",
        _table(("mm3", "lesions"), summary["sizes"].items()),
        "<h2>Annotators</h2>",
        _table(
            ("annotator", "cases", "minutes"),
            [(name, one["cases"], one["minutes"]) for name, one in summary["annotators"].items()],
        ),
        "<h2>Finished cases</h2>",
        _table(
            ("case", "annotator", "second reader", "Dice of the two", "lesions", "load, mL", "minutes"),
            [tuple("" if value is None else value for value in row.values()) for row in summary["cases"]],
        ),
        "<p>A lesion is a 26-connected component of the mask of at least 3 mm3.</p>",
    ]
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Annotated cases</title><style>{_STYLE}</style></head><body>\n"
    )
    path = root / WORK / SUMMARY_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, head + "\n".join(parts) + "\n</body></html>\n")
    return path


def _lesion_mm3(case: WorkCase, policy: Policy) -> np.ndarray:
    """Volume of each lesion of the finished mask in mm3."""
    grid = Grid.of(read_image(case.study.images["FLAIR"]))
    mask = read_mask(case.mask, grid)
    lesions = label_lesions(lesion_mask(mask.view(np.uint8), 0.5, policy.min_lesion_mm3, grid.spacing))
    return np.bincount(lesions.ravel())[1:] * float(np.prod(grid.spacing))


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(str(value))}</td>' for value in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table></div>'
