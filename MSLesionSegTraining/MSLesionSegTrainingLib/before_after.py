"""A model before and after a training, on annotated cases and on painted patients: better, worse, and where."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from MSLesionSegLib.command_record import refuse_other_commands, write_record
from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.lesions import hold_back_small, lesion_mask, quantise_probability
from MSLesionSegLib.prepare import PreparedStudy
from MSLesionSegLib.protocol import Progress
from MSLesionSegLib.provenance import file_sha256
from MSLesionSegLib.results import ResultFolder

from .before_after_case import ComparedCase, compare_case, predict
from .before_after_models import ComparedModel
from .before_after_report import as_json, as_markdown
from .before_after_verdict import Verdict, judge
from .canvases import Canvas, real_canvas
from .cases import Case, index_cases
from .evaluation.case_scores import score_case
from .evaluation.policy import Policy
from .evaluation.reading import Pair
from .painted_patients import paint_patient
from .painting import measure_levels
from .prepared_cache import PreparedCache
from .rehearsal import SYNTHETIC_PATIENTS, synthetic_shapes, synthetic_twin
from .retrain_blend import PAINTED
from .split import read_split
from .study_progress import PartProgress
from .study_scoring import unit_grid
from .training_set import PREPARED

REPORT_FILE, JSON_FILE = "before_after.md", "before_after.json"
FIRST_PAINTED = SYNTHETIC_PATIENTS + PAINTED
"""Synthetic patients from this number on are painted here: those before it train, or choose the weights."""


@dataclass(frozen=True)
class Comparison:
    """The result.

    Attributes:
        verdict: what it says.
        cases: annotated cases, then painted patients.
    """

    verdict: Verdict
    cases: tuple[ComparedCase, ...]


def compare(
    before: ComparedModel,
    after: ComparedModel,
    dataset: Path,
    out: Path,
    progress: Progress,
    *,
    parts: Sequence[str] = ("validation",),
    painted: int = 6,
    cache: Path | None = None,
    device: str = "auto",
) -> Comparison:
    """Compare two models on the annotated cases of a data set; write ``before_after.md`` and ``before_after.json``.

    Both segment as ``segment`` would with their own threshold. Painted patients are synthetic images of the brains of
    these cases with lesions of synthetic patients: what any model should still find.

    Args:
        before, after: the models.
        dataset: folder of annotated cases.
        out: folder for the report, written whole or not at all.
        progress: of this comparison alone, 0 to 1; may cancel.
        parts: of ``split.tsv`` whose cases are compared; where they hold none, the training cases are, which a model
            trained on them makes worthless for the verdict.
        painted: number of painted patients.
        cache: folder of prepared cases, which keeps the synthetic patients; None takes one inside the data set.
        device: "auto", "cpu" or "cuda".

    Raises:
        StudyError: there is no annotated case, or one cannot be used.
        OutputError: ``out`` cannot be written, or holds another command's result.
    """
    started, policy, models = datetime.now(UTC), Policy(), (before, after)
    chosen = _chosen(dataset, parts)
    with ResultFolder(out) as result:
        refuse_other_commands(result, "compare")
        cases: list[ComparedCase] = []
        imitated: list[ComparedCase] = []
        prepared_cache = PreparedCache(cache or dataset / PREPARED)
        shares = [painted // len(chosen) + (number < painted % len(chosen)) for number in range(len(chosen))]
        for number, (case, share) in enumerate(zip(chosen, shares, strict=True)):
            start, end = number / len(chosen), (number + 1) / len(chosen)
            part = PartProgress(progress, start, end, case.name)
            compared, prepared, lesion = compare_case(case, models, policy, part.part(0.0, 0.5), device)
            cases.append(compared)
            twin = synthetic_twin(_canvas(case.name, prepared, lesion))
            for copy in range(share):
                identity = FIRST_PAINTED + len(imitated)
                part.update(0.5 + 0.5 * copy / share, f"painted patient {len(imitated) + 1} of {painted}")
                imitated.append(_compare_painted(identity, twin, prepared_cache, models, policy, part, device))
        cases += imitated
        verdict = judge(cases, policy)
        record = as_json(models, cases, verdict, policy)
        result.write_text(JSON_FILE, json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        result.write_text(REPORT_FILE, as_markdown(models, cases, verdict, policy))
        write_record(
            result,
            "compare",
            started,
            settings=policy.settings(),
            inputs={case.name: _hashes(case) for case in chosen},
            paths={},
            models={when: model.name for when, model in zip(("before", "after"), models, strict=True)},
        )
        progress.check()
    return Comparison(verdict, tuple(cases))


def _chosen(dataset: Path, parts: Sequence[str]) -> list[Case]:
    if not dataset.is_dir():
        raise StudyError(f"There is no folder {dataset}.", "Name the folder of a data set (docs/formats.md).")
    cases, problems = index_cases(dataset)
    wrong = [problem for problem in problems if not problem.warning]
    if wrong:
        told = "\n".join(f"  {problem.case}: {problem.message}" for problem in wrong)
        raise StudyError(
            f"{dataset} has cases that cannot be used:\n{told}", "`mslesionseg cases` lists them with hints."
        )
    split = read_split(dataset)
    annotated = [case for case in cases if case.mask is not None]
    for wanted in (tuple(parts), ("train",)):
        chosen = [case for case in annotated if split.get(case.patient, "train") in wanted]
        if chosen:
            return chosen
    raise StudyError(f"{dataset} holds no annotated case to compare on.", "Give --part, or annotate a case.")


def _canvas(name: str, prepared: PreparedStudy, lesion: np.ndarray) -> Canvas:
    """A prepared study, cut to its brain."""
    found = np.argwhere(prepared.brain)
    box = tuple(slice(int(low), int(high) + 1) for low, high in zip(found.min(0), found.max(0), strict=True))
    present = tuple(bool(channel.any()) for channel in prepared.channels)
    channels = np.ascontiguousarray(prepared.channels[(slice(None), *box)])
    return real_canvas(name, channels, prepared.brain[box], lesion[box], present)


def _compare_painted(
    identity: int,
    brain: Canvas,
    cache: PreparedCache,
    models: tuple[ComparedModel, ComparedModel],
    policy: Policy,
    progress: Progress,
    device: str,
) -> ComparedCase:
    shapes = synthetic_shapes(cache, identity)
    name = f"painted-{identity - FIRST_PAINTED + 1}"
    canvas = paint_patient(np.random.default_rng((identity, 5)), name, brain, shapes, measure_levels([]))
    truth, inside = canvas.lesion[0].numpy() > 0, canvas.brain[0].numpy() > 0
    channels, grid, scores = canvas.channels.float().numpy(), unit_grid(canvas.index.shape), []
    for model in models:
        progress.check()
        probability = predict(model, channels, inside, _Quiet(progress), device)
        probability, _ = hold_back_small(quantise_probability(probability), model.threshold)
        mask = lesion_mask(probability, model.threshold, model.min_lesion_mm3) > 0
        scores.append(score_case(name, name, Pair(grid, truth, mask, probability, inside, ()), policy).values)
    return ComparedCase(name, name, "painted", False, *scores)


class _Quiet(Progress):
    """Only passes a cancel on."""

    def __init__(self, outer: Progress) -> None:
        super().__init__()
        self._outer = outer

    def check(self) -> None:
        self._outer.check()


def _hashes(case: Case) -> dict[str, str]:
    return {role: file_sha256(path) for role, path in {**case.images, "mask": case.mask}.items()}
