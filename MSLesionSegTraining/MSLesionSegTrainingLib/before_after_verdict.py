"""Whether a new model is better than the one before, and where it is worse: a rule, not an impression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .before_after_case import STATES, ComparedCase
from .evaluation.cohort import PatientDraws, summarise
from .evaluation.policy import Policy

MARGIN = 0.01
"""Smaller changes of the mean are no difference."""
LEAST_PATIENTS = 5
"""From so many patients on, the interval of the change must leave 0 out as well."""
COMPARED = ("dice", "overlap_f1", "overlap_recall", "overlap_precision", "volume_error_abs_ml", "false_positives")
FOUND_NOW, LOST_NOW = STATES[(False, True)], STATES[(True, False)]


@dataclass(frozen=True)
class Verdict:
    """What the comparison says.

    Attributes:
        word: "better", "worse", "no difference" or "not known", by the cases that neither model was trained on.
        forgets: whether the painted patients lose more than the margin; None where none were painted.
        sentence: the same for a reader, with figures.
        worse_in: sentences on all places where the new model is worse; empty if there are none.
    """

    word: str
    forgets: bool | None
    sentence: str
    worse_in: tuple[str, ...]


def changes(cases: Sequence[ComparedCase], policy: Policy) -> dict[str, Any]:
    """Of some cases: before, after and after - before of each score, with intervals over patients.

    Returns:
        Score -> ``before``, ``after`` and ``change``, see ``summarise``; ``score`` is the mean of Dice and lesion F1.
    """
    if not cases:
        return {}
    draws = PatientDraws.of([case.patient for case in cases], policy, np.random.default_rng(policy.seed))
    told = {}
    for name in ("score", *COMPARED):
        pairs = [(_value(case.before, name), _value(case.after, name)) for case in cases]
        told[name] = {
            "before": summarise([before for before, _ in pairs], draws),
            "after": summarise([after for _, after in pairs], draws),
            "change": summarise([after - before for before, after in pairs], draws),
        }
    return told


def judge(cases: Sequence[ComparedCase], policy: Policy) -> Verdict:
    """Compare by the mean of Dice and lesion F1 (any overlap) over the cases that neither model was trained on.

    Better or worse is a change of the mean by more than ``MARGIN``, and from ``LEAST_PATIENTS`` patients on one whose
    interval leaves 0 out. Painted patients are judged by their Dice alone, and only for a loss: they stand for what the
    new model must not forget.

    Args:
        cases: annotated and painted ones.
        policy: the bootstrap.
    """
    counted = [case for case in cases if case.kind == "annotated" and not case.trained]
    painted = [case for case in cases if case.kind == "painted"]
    forgets = None
    worse = list(_worse_cases(cases))
    sentences = []
    word = "not known"
    if counted:
        told = changes(counted, policy)
        change, patients = told["score"]["change"], len({case.patient for case in counted})
        word = _word(change, patients)
        sentences.append(
            f"{_SAYS[word]} on {_counted(len(counted), 'case')} of {_counted(patients, 'patient')}: Dice "
            f"{_from_to(told['dice'])}, lesion F1 {_from_to(told['overlap_f1'])}."
        )
        if patients < LEAST_PATIENTS:
            sentences.append("So few patients show a tendency and prove nothing.")
    else:
        sentences.append("Whether it is better is not known: one of the models was trained on every annotated case.")
    if painted:
        told = changes(painted, policy)["dice"]
        loss = -told["change"]["mean"]
        forgets = loss > MARGIN
        sentences.append(
            f"On {_counted(len(painted), 'painted patient')} {'it FORGETS' if forgets else 'it forgets nothing'}: Dice "
            f"{_from_to(told)}."
        )
        if forgets:
            worse.insert(0, f"painted patients: Dice {-loss:+.3f}")
    return Verdict(word, forgets, " ".join(sentences), tuple(worse))


_SAYS = {
    "better": "The new model is BETTER",
    "worse": "The new model is WORSE",
    "no difference": "There is NO DIFFERENCE between the models",
}


def _value(values: dict[str, Any], name: str) -> float:
    if name == "score":
        return (float(values["dice"]) + float(values["overlap_f1"])) / 2
    return float(values[name])


def _word(change: dict[str, Any], patients: int) -> str:
    mean, ends = change["mean"], change["mean_interval"]
    if abs(mean) <= MARGIN or (patients >= LEAST_PATIENTS and ends[0] <= 0 <= ends[1]):
        return "no difference"
    return "better" if mean > 0 else "worse"


def _worse_cases(cases: Sequence[ComparedCase]) -> list[str]:
    """A sentence on each annotated case with a lower score, lost lesions or more false ones."""
    told = []
    for case in cases:
        if case.kind != "annotated":
            continue
        parts = [
            f"{name} {_value(case.before, column):.3f} to {_value(case.after, column):.3f}"
            for name, column in (("Dice", "dice"), ("lesion F1", "overlap_f1"))
            if _value(case.after, column) < _value(case.before, column) - MARGIN
        ]
        lost = [lesion.volume_mm3 for lesion in case.lesions if lesion.state == LOST_NOW]
        if lost:
            parts.append(f"{_counted(len(lost), 'lesion')} lost (largest {max(lost):.0f} mm3)")
        more = int(case.after["false_positives"]) - int(case.before["false_positives"])
        if more > 0:
            parts.append(f"{_counted(more, 'false lesion')} more")
        if parts:
            told.append(f"{case.name}{' (trained on)' if case.trained else ''}: {', '.join(parts)}")
    return told


def _from_to(told: dict[str, Any]) -> str:
    return f"{told['before']['mean']:.3f} to {told['after']['mean']:.3f}"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
