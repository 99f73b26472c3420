"""Two folders of masks become a folder of scores."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from MSLesionSegLib.command_record import refuse_other_commands, write_record
from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.protocol import Progress
from MSLesionSegLib.provenance import file_sha256
from MSLesionSegLib.results import ResultFolder

from .case_scores import CaseScores, score_case
from .columns import columns
from .figures import draw_figures
from .page import cell, page
from .pairing import MaskFiles, find_brains, find_masks
from .policy import Policy
from .reading import read_pair
from .summary import Unpaired, summary

CASES_FILE, SUMMARY_FILE, PAGE_FILE = "cases.csv", "summary.json", "evaluation.html"


def evaluate(
    predicted: Path,
    truth: Path,
    out: Path,
    progress: Progress,
    *,
    brains: Path | None = None,
    policy: Policy | None = None,
) -> dict[str, Any]:
    """Score predicted against annotated masks and write ``cases.csv``, ``summary.json``, figures and a page.

    Args:
        predicted, truth: folders as ``find_masks`` reads them; cases are paired by name.
        out: folder for the result, written whole or not at all.
        progress: told of each case; may cancel. Has a stage ``score`` and a stage ``write``.
        brains: folder of brain masks; None takes those beside the predictions.
        policy: the definitions; None takes the usual ones.

    Returns:
        What ``summary.json`` holds.

    Raises:
        StudyError: no case is on both sides, or a file cannot be used.
        OutputError: ``out`` cannot be written, or holds another command's result.
    """
    started, policy = datetime.now(UTC), policy or Policy()
    with ResultFolder(out) as result:
        refuse_other_commands(result, "evaluate")
        found, annotated = find_masks(predicted), find_masks(truth)
        given = {} if brains is None else find_brains(brains)
        names = [name for name in found.cases if name in annotated.cases]
        unpaired = Unpaired(
            tuple(name for name in found.cases if name not in annotated.cases),
            tuple(name for name in annotated.cases if name not in found.cases),
            (*found.left_out, *annotated.left_out),
        )
        _tell(unpaired, progress)
        if not names:
            raise StudyError(
                f"No case is in both: {predicted} holds {_some(found.cases)}, {truth} {_some(annotated.cases)}.",
                "Cases are paired by name, sub-XX or sub-XX_ses-YY.",
            )
        progress.stage("score")
        cases, inputs = [], {}
        for number, name in enumerate(names):
            progress.update(number / len(names), name)
            brain = given.get(name) if brains is not None else found.cases[name].brain
            pair = read_pair(found.cases[name], annotated.cases[name], brain)
            for note in pair.notes:
                progress.warn(f"{name}: {note}")
            cases.append(score_case(name, annotated.cases[name].patient, pair, policy))
            inputs[name] = _hashes(found.cases[name], annotated.cases[name], brain)
        progress.stage("write")
        whole = summary(cases, unpaired, policy)
        result.write_text(CASES_FILE, _csv(cases, policy))
        figures = draw_figures(result.staging, cases, whole)
        result.write_text(SUMMARY_FILE, json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        result.write_text(PAGE_FILE, page(cases, whole, figures, result.staging, policy))
        paths = {"predicted": str(predicted), "truth": str(truth), "brains": None if brains is None else str(brains)}
        write_record(result, "evaluate", started, settings=policy.settings(), inputs=inputs, paths=paths)
        progress.check()
    return whole


def _tell(unpaired: Unpaired, progress: Progress) -> None:
    for text, names in (("no annotation", unpaired.predicted), ("no prediction", unpaired.annotated)):
        if names:
            progress.warn(f"Not scored, because there is {text}: {', '.join(names)}.")
    for sentence in unpaired.left_out:
        progress.warn(f"Left out: {sentence}")


def _some(names: Sequence[str] | dict[str, MaskFiles]) -> str:
    shown = list(names)[:3]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _csv(cases: Sequence[CaseScores], policy: Policy) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    shown = columns(policy)
    writer.writerow(column.name for column in shown)
    for case in cases:
        writer.writerow(cell(case.values.get(column.name), column) for column in shown)
    return text.getvalue()


def _hashes(predicted: MaskFiles, truth: MaskFiles, brain: Path | None) -> dict[str, str]:
    files = {"mask": predicted.mask, "probability": predicted.probability, "truth": truth.mask, "brain_mask": brain}
    return {role: file_sha256(path) for role, path in files.items() if path is not None}
