"""The report before/after as Markdown and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from MSLesionSegLib import __version__

from .before_after_case import FALSE_STATES, STATES, ComparedCase
from .before_after_models import ComparedModel
from .before_after_verdict import COMPARED, FOUND_NOW, LOST_NOW, MARGIN, Verdict, changes
from .evaluation.columns import columns
from .evaluation.policy import Policy
from .evaluation.summary import RESEARCH_USE

FORMAT_VERSION = 1
_CHANGED = (FOUND_NOW, LOST_NOW, FALSE_STATES["after"], FALSE_STATES["before"])
"""States of lesions that the report lists one by one."""
_MOST_LISTED = 60


def as_json(
    models: tuple[ComparedModel, ComparedModel], cases: Sequence[ComparedCase], verdict: Verdict, policy: Policy
) -> dict[str, Any]:
    """What ``before_after.json`` holds: plain values, all that the report says and every lesion."""
    before, after = models
    return {
        "format_version": FORMAT_VERSION,
        "tool_version": __version__,
        "notice": RESEARCH_USE,
        "models": {
            when: {"name": model.name, "threshold": model.threshold, "min_lesion_mm3": model.min_lesion_mm3}
            for when, model in (("before", before), ("after", after))
        },
        "verdict": {**asdict(verdict), "worse_in": list(verdict.worse_in)},
        "summary": {kind: changes(some, policy) for kind, some in _kinds(cases).items()},
        "cases": [
            {
                **{name: getattr(case, name) for name in ("name", "patient", "kind", "trained", "before", "after")},
                "lesions": [asdict(lesion) for lesion in case.lesions],
            }
            for case in cases
        ],
        "policy": policy.settings(),
    }


def as_markdown(
    models: tuple[ComparedModel, ComparedModel], cases: Sequence[ComparedCase], verdict: Verdict, policy: Policy
) -> str:
    """The report for a reader."""
    before, after = models
    kinds = _kinds(cases)
    parts = [
        "# Before and after",
        RESEARCH_USE,
        f"Before: {before.name} (threshold {before.threshold:g}). After: {after.name} (threshold {after.threshold:g}).",
        f"**{verdict.sentence}**",
        "## Where the new model is worse",
        "\n".join(f"- {sentence}" for sentence in verdict.worse_in) or "Nowhere in these cases.",
    ]
    titles = {
        "counted": "Annotated cases that neither model was trained on",
        "trained": "Annotated cases that a model was trained on: they flatter it and do not count",
        "painted": "Painted patients: synthetic images of these brains, lesions of synthetic patients",
    }
    for kind, title in titles.items():
        if kinds[kind]:
            parts += [f"## {title}", _mean_table(kinds[kind], policy), _case_table(kinds[kind])]
    parts += [
        "## Lesion by lesion",
        _state_table([case for case in cases if case.kind == "annotated"]),
        _changed_table(cases),
        "## What is counted",
        f"- **Verdict**: mean of Dice and lesion F1 over cases that neither model was trained on. A change of the mean "
        f"up to {MARGIN:g} is no difference; from 5 patients on, its bootstrap interval must leave 0 out as well. "
        f"Painted patients: a loss of Dice above {MARGIN:g} is forgetting.\n"
        + "\n".join(f"- **{name}**: {text}" for name, text in policy.sentences().items()),
    ]
    return "\n\n".join(parts) + "\n"


def _kinds(cases: Sequence[ComparedCase]) -> dict[str, list[ComparedCase]]:
    return {
        "counted": [case for case in cases if case.kind == "annotated" and not case.trained],
        "trained": [case for case in cases if case.kind == "annotated" and case.trained],
        "painted": [case for case in cases if case.kind == "painted"],
    }


def _mean_table(cases: Sequence[ComparedCase], policy: Policy) -> str:
    meanings = {column.name: column.meaning for column in columns(policy)}
    told = changes(cases, policy)
    rows = []
    for name in COMPARED:
        before, after, change = (told[name][when] for when in ("before", "after", "change"))
        ends = change["mean_interval"]
        interval = f" ({ends[0]:+.3f} to {ends[1]:+.3f})" if ends else ""
        means = [f"{part['mean']:.3f}" for part in (before, after)]
        rows.append((meanings[name], *means, f"{change['mean']:+.3f}{interval}"))
    return _table((f"mean of {len(cases)}", "before", "after", "change (95 % interval)"), rows)


def _case_table(cases: Sequence[ComparedCase]) -> str:
    rows = []
    for case in cases:
        old, new = case.before, case.after
        rows.append(
            (
                case.name,
                f"{old['load_ml']:.2f}",
                f"{old['predicted_ml']:.2f} to {new['predicted_ml']:.2f}",
                f"{old['dice']:.3f} to {new['dice']:.3f}",
                f"{old['overlap_f1']:.3f} to {new['overlap_f1']:.3f}",
                f"{old['missed']} to {new['missed']} of {new['lesions']}",
                f"{old['false_positives']} to {new['false_positives']}",
            )
        )
    head = ("case", "annotated mL", "marked mL", "Dice", "lesion F1", "lesions missed", "false lesions")
    return _table(head, rows)


def _state_table(cases: Sequence[ComparedCase]) -> str:
    states = (*STATES.values(), *FALSE_STATES.values())
    rows = []
    for case in cases:
        counts = Counter(lesion.state for lesion in case.lesions)
        rows.append((case.name, *(str(counts[state]) for state in states)))
    return _table(("case", *states), rows)


def _changed_table(cases: Sequence[ComparedCase]) -> str:
    """The lesions whose state has changed, those of each state largest first."""
    changed = [
        (case.name, lesion.state, f"{lesion.volume_mm3:.0f}", ", ".join(f"{mm:.1f}" for mm in lesion.centroid_ras_mm))
        for state in _CHANGED
        for case in cases
        for lesion in case.lesions
        if lesion.state == state
    ]
    if not changed:
        return "No lesion was found, lost or falsely marked by one model alone."
    table = _table(("case", "what", "mm3", "centre, RAS mm"), changed[:_MOST_LISTED])
    left = len(changed) - _MOST_LISTED
    return table + (f"\n\n{left} more are in `before_after.json`." if left > 0 else "")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
