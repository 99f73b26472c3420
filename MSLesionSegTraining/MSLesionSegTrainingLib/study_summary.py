"""The scores of all runs of a study together: each arm, and what network and sampler change."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .evaluation.cohort import PatientDraws, summarise
from .evaluation.columns import columns
from .evaluation.evaluate import CASES_FILE
from .evaluation.policy import Policy
from .study_scoring import GROUPS
from .study_settings import ARMS, Arm, StudyRun

EFFECT_COLUMNS = (
    "dice",
    "precision",
    "recall",
    "specificity",
    "accuracy",
    "overlap_f1",
    "overlap_recall",
    "overlap_precision",
)
#: Effect -> how it comes from the four arms; a name of an arm is "network_sampler".
EFFECTS: dict[str, Callable[[Mapping[str, float]], float]] = {
    "network": lambda arm: (
        (arm["efficientnet_lesion"] + arm["efficientnet_uniform"] - arm["unet_lesion"] - arm["unet_uniform"]) / 2
    ),
    "sampler": lambda arm: (
        (arm["efficientnet_lesion"] + arm["unet_lesion"] - arm["efficientnet_uniform"] - arm["unet_uniform"]) / 2
    ),
    "interaction": lambda arm: (
        (arm["efficientnet_lesion"] - arm["efficientnet_uniform"]) - (arm["unet_lesion"] - arm["unet_uniform"])
    ),
}

Rows = list[dict[str, str]]
"""Rows of ``cases.csv`` with ``group``, ``network``, ``sampler`` and ``seed`` before the columns of the evaluation."""


def collect(study: Path, runs: Sequence[StudyRun]) -> Rows:
    """The rows of all runs, read from the evaluation of each."""
    rows: Rows = []
    for group in GROUPS:
        for run in runs:
            path = study / "runs" / run.name / "scores" / group / CASES_FILE
            if not path.exists():
                continue
            facts = {"group": group, "network": run.arm.network, "sampler": run.arm.sampler, "seed": str(run.seed)}
            with path.open(encoding="utf-8", newline="") as stream:
                rows += [{**facts, **row} for row in csv.DictReader(stream)]
    return rows


def arm_name(arm: Arm) -> str:
    """Of an arm in ``summary.json``."""
    return f"{arm.network}_{arm.sampler}"


def summarise_group(rows: Rows, policy: Policy) -> dict[str, Any]:
    """Scores of one group of test patients.

    Args:
        rows: of this group alone.
        policy: columns, and the bootstrap over patients.

    Returns:
        ``cases`` (names), ``values`` (column -> arm -> case -> mean over seeds, None where it is not defined), ``arms``
        (arm -> column -> see ``summarise``) and ``effects`` (effect -> column -> the same of differences within cases).
    """
    cases = list(dict.fromkeys(row["case"] for row in rows))
    patients = {row["case"]: row["patient"] for row in rows}
    draws = PatientDraws.of([patients[case] for case in cases], policy, np.random.default_rng(policy.seed))
    names = [column.name for column in columns(policy) if column.score]
    values = {name: {arm_name(arm): _over_seeds(rows, arm, name, cases) for arm in ARMS} for name in names}
    arms = {
        arm_name(arm): {name: summarise(list(values[name][arm_name(arm)].values()), draws) for name in names}
        for arm in ARMS
    }
    effects = {
        effect: {
            name: summarise([_change(change, values[name], case) for case in cases], draws) for name in EFFECT_COLUMNS
        }
        for effect, change in EFFECTS.items()
    }
    return {"cases": cases, "values": values, "arms": arms, "effects": effects}


def _over_seeds(rows: Rows, arm: Arm, name: str, cases: Sequence[str]) -> dict[str, float | None]:
    found: dict[str, list[float]] = {case: [] for case in cases}
    for row in rows:
        if (row["network"], row["sampler"]) == (arm.network, arm.sampler) and row[name]:
            found[row["case"]].append(float(row[name]))
    return {case: sum(each) / len(each) if each else None for case, each in found.items()}


def _change(
    change: Callable[[Mapping[str, float]], float], by_arm: Mapping[str, Mapping[str, float | None]], case: str
) -> float | None:
    scores = {arm: of_case[case] for arm, of_case in by_arm.items()}
    return None if None in scores.values() else change(scores)
