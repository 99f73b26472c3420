"""The evaluation as one HTML page with everything inside it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from .case_scores import CaseScores, Value
from .columns import Column, columns
from .policy import Policy

_STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; color: #1b1b1b; margin: 0 auto; padding: 1rem; max-width: 60rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.notice { color: #a01c00; font-weight: 600; } .quiet { color: #5c5c5c; font-size: .9rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #dcdcdc; text-align: right; vertical-align: top; }
th:first-child, td:first-child, td.text { text-align: left; } thead th { border-bottom: 2px solid #1b1b1b; }
.policy td { text-align: left; } figure { margin: 0; } img { width: 100%; height: auto; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: 1rem; }
"""


def page(
    cases: Sequence[CaseScores], summary: dict[str, Any], figures: dict[str, str], folder: Path, policy: Policy
) -> str:
    """The page as HTML text.

    Args:
        cases: its rows.
        summary: of these cases.
        figures: file name -> what it shows.
        folder: where these files lie; they are embedded.
        policy: gives the columns.
    """
    parts = [
        "<h1>Evaluation of lesion masks</h1>",
        f'<p class="notice">{escape(summary["notice"])}</p>',
        f"<p>{_counted(summary['cases'], 'case')} of {_counted(summary['patients'], 'patient')}, "
        f"{escape(summary['tool'])} {escape(summary['tool_version'])}.</p>",
        *_unpaired(summary),
        "<h2>All cases</h2>",
        _cohort_table(summary, policy),
        "<h2>Figures</h2>",
        f'<div class="figures">{"".join(_figure(folder / name, text) for name, text in figures.items())}</div>',
        "<h2>Recall by size of lesion</h2>",
        _size_table(summary["recall_by_size"]),
        "<h2>What is counted</h2>",
        _table((), [(name, text) for name, text in summary["policy_text"].items()], "policy"),
        "<h2>Each case</h2>",
        _case_table(cases, policy),
        *_notes(summary["notes"]),
        f'<p class="quiet">{escape(", ".join(f"{name} {text}" for name, text in summary["software"].items()))}</p>',
    ]
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation of lesion masks</title><style>{_STYLE}</style></head><body>\n"
    )
    return head + "\n".join(parts) + "\n</body></html>\n"


def cell(value: Value, column: Column) -> str:
    """A value as text: the column's decimals, empty where there is none."""
    if value is None:
        return ""
    if isinstance(value, float) and column.decimals is not None:
        return f"{round(value, column.decimals) + 0.0:.{column.decimals}f}"
    return str(value)


def _cohort_table(summary: dict[str, Any], policy: Policy) -> str:
    rows = []
    for column in (column for column in columns(policy) if column.main):
        score = summary["scores"][column.name]
        if not score["n"]:
            rows.append((column.meaning, "not computed", "", "0"))
        else:
            rows.append((column.meaning, *(_estimate(score, kind) for kind in ("mean", "median")), str(score["n"])))
    level = f"({100 * policy.level:g} % interval)"
    return _table(("score", f"mean {level}", f"median {level}", "cases"), rows)


def _size_table(rows: list[dict[str, Any]]) -> str:
    return _table(
        ("mm3", "lesions", "found", "recall", "interval"),
        [
            (row["size_mm3"], str(row["lesions"]), str(row["found"]), _number(row["recall"]), _range(row["interval"]))
            for row in rows
        ],
    )


def _case_table(cases: Sequence[CaseScores], policy: Policy) -> str:
    shown = [column for column in columns(policy) if column.name not in ("patient", "notes")]
    shown = [column for column in shown if any(case.values.get(column.name) is not None for case in cases)]
    rows = [tuple(cell(case.values.get(column.name), column) for column in shown) for case in cases]
    explained = "; ".join(f"{column.name}: {column.meaning}" for column in shown)
    return _table([column.name for column in shown], rows) + f'<p class="quiet">{escape(explained)}.</p>'


def _unpaired(summary: dict[str, Any]) -> list[str]:
    unpaired = summary["unpaired"]
    told = {
        "Predicted only, not scored": unpaired["predicted_only"],
        "Annotated only, not scored": unpaired["annotated_only"],
        "Left out": unpaired["left_out"],
    }
    return [f"<p><b>{text}:</b> {escape(', '.join(names))}.</p>" for text, names in told.items() if names]


def _notes(notes: dict[str, str]) -> list[str]:
    if not notes:
        return []
    return ["<h2>Notes</h2>", _table((), list(notes.items()), "policy")]


def _figure(path: Path, text: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return (
        f'<figure><img alt="{escape(text)}" src="data:image/png;base64,{data}">'
        f'<figcaption class="quiet">{escape(text)}</figcaption></figure>'
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "") -> str:
    top = f"<thead><tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr></thead>" if head else ""
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows)
    return f'<div class="wide"><table class="{kind}">{top}<tbody>\n{body}\n</tbody></table></div>'


def _estimate(score: dict[str, Any], kind: str) -> str:
    ends = _range(score[f"{kind}_interval"])
    return f"{_number(score[kind])} ({ends})" if ends else _number(score[kind])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _range(ends: list[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.4g} to {ends[1]:.4g}"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
