"""Before a run: which cases train and which validate, and what it takes on this machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.images import read_image
from MSLesionSegLib.protocol import Progress

from .case_hash import voxel_sha256
from .case_loading import prepared_facts
from .cases import Case, index_cases
from .machine import free_disk, free_memory, same_disk
from .patch_workers import worker_count
from .preflight_measure import Pace
from .prepared_cache import entry_name
from .rehearsal import SYNTHETIC_PATIENTS
from .training_set import CaseRecord, planned_parts

PREPARE_SECONDS = 15.0
"""Of one raw case of three contrasts, on two cores."""
SYNTHETIC_SECONDS = 7.0
"""Of the lesions of one synthetic patient."""
PATCH_SECONDS = 0.1
"""Of a core, for one patch."""
STATISTICS_SHARE = 128 / 3
"""Patches after an epoch from which batch statistics are taken; without the way back they take a third of the time."""
COMPARED_PAINTED = 6
FINAL_PREDICTIONS = 12
"""Of each validation case at the end: four choices of contrasts, once plain and once with the mirrored window."""
PREPARED_BYTES = 30_000_000
OTHER_FILES_BYTES = 50_000_000
STATES_OF_WEIGHTS = 5
"""Copies of the weights in a checkpoint: network, mean, two of the optimiser, best; twice while it is replaced."""
WORKER_BYTES = 400_000_000
BASE_BYTES = 700_000_000
"""Of the cases that are mapped, and of what prepares them, beyond what a few steps take."""


@dataclass(frozen=True)
class PlannedCases:
    """Who does what in the run.

    Attributes:
        train, validation, test: names of annotated cases.
        backgrounds: names of cases without a mask that are trained on as backgrounds.
        prepared: number of these, but for the test, that are prepared already.
        known: cases of validation and test that the starting model was trained on.
        checked: number of hashes of cases in the starting model; None without one.
        twice: pairs of cases with one FLAIR.
        new_patients: patients whom the run will allot to a part.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    backgrounds: tuple[str, ...]
    prepared: int
    known: tuple[str, ...]
    checked: int | None
    twice: tuple[tuple[str, str], ...]
    new_patients: tuple[str, ...]

    @property
    def to_prepare(self) -> int:
        """Number of cases that the run has to prepare first."""
        return len(self.train) + len(self.validation) + len(self.backgrounds) - self.prepared


@dataclass(frozen=True)
class Need:
    """What a run takes and what there is: seconds and bytes; None where it is not known."""

    seconds: float
    disk: int
    disk_free: int
    memory: int | None
    memory_free: int | None


def plan_cases(
    dataset: Path, cache: Path, leave_out: str | None, start_hashes: Sequence[str] | None, progress: Progress
) -> PlannedCases:
    """Find out who would train and validate, without writing anything.

    Args:
        dataset: folder of annotated cases.
        cache: folder of prepared cases; it may not be there.
        leave_out: a patient who validates in this run.
        start_hashes: of the cases that the starting model knows; None without such a model.
        progress: in the stage of the cases; may cancel.

    Raises:
        StudyError: a case cannot be used, or none is left to train on.
        UsageError: see ``planned_parts``.
    """
    if not dataset.is_dir():
        raise StudyError(f"There is no folder {dataset}.", "Name the folder of a data set (docs/formats.md).")
    cases, problems = index_cases(dataset)
    if problems:
        told = "\n".join(f"  {problem.case}: {problem.message}" for problem in problems)
        raise StudyError(
            f"{dataset} has cases that cannot be used:\n{told}", "`mslesionseg cases` lists them with hints."
        )
    parts, new = planned_parts(dataset, cases, leave_out)
    annotated = [case for case in cases if case.mask is not None]
    names = {
        part: tuple(case.name for case in annotated if parts[case.patient] == part)
        for part in ("train", "validation", "test")
    }
    if not names["train"]:
        raise StudyError(f"{dataset} holds no annotated case to train on.", "docs/formats.md shows where masks lie.")
    backgrounds = [case for case in cases if case.background is not None and parts[case.patient] == "train"]
    records, prepared = [], 0
    kept_out = [case for case in cases if case.mask is None and parts.get(case.patient, "train") != "train"]
    looked_at = annotated + kept_out + backgrounds
    for number, case in enumerate(looked_at):
        progress.update(number / len(looked_at), case.name)
        sha256, found = _hash(case, cache)
        prepared += found and parts[case.patient] != "test"
        records.append(CaseRecord(case.name, parts[case.patient], sha256))
    return PlannedCases(
        **names,
        backgrounds=tuple(case.name for case in backgrounds),
        prepared=prepared,
        known=tuple(r.case for r in records if r.part != "train" and r.flair_sha256 in set(start_hashes or ())),
        checked=None if start_hashes is None else len(start_hashes),
        twice=_same(records),
        new_patients=new,
    )


def estimate(
    cases: PlannedCases,
    pace: Pace,
    *,
    run: Path,
    cache: Path,
    batch: int,
    steps: int | None,
    hours: float | None,
    epoch_steps: int,
    rehearses: bool,
    cores: int,
) -> Need:
    """Time, disk and memory of a run: arithmetic on what was measured, and a guess to that extent.

    Args:
        cases: who does what.
        pace: of this machine.
        run, cache: folders that will be written.
        batch: patches a step.
        steps: of the run; None where ``hours`` gives its length.
        hours: for the training alone.
        epoch_steps: steps an epoch.
        rehearses: whether the run starts from a model, so that it is compared with it and mixed at its end.
        cores: of the machine.
    """
    validating = len(cases.validation)
    patches = PATCH_SECONDS * batch / cores if "CPU" in pace.device else 0.0
    step = pace.step_seconds + patches
    epoch = epoch_steps * step + STATISTICS_SHARE * pace.step_seconds / batch + validating * pace.case_seconds
    training = hours * 3600 if steps is None else epoch * steps / epoch_steps
    seconds = training + cases.to_prepare * PREPARE_SECONDS + validating * FINAL_PREDICTIONS * pace.case_seconds
    if rehearses:
        compared = validating or len(cases.train)
        painted = 4
        seconds += _missing_synthetic(cache, SYNTHETIC_PATIENTS + painted + COMPARED_PAINTED) * SYNTHETIC_SECONDS
        seconds += 5 * (painted + validating) * pace.case_seconds
        seconds += compared * PREPARE_SECONDS + 2 * (compared + COMPARED_PAINTED) * pace.case_seconds
    weights = 4 * pace.parameters
    disk = 2 * STATES_OF_WEIGHTS * weights + OTHER_FILES_BYTES
    disk += cases.to_prepare * PREPARED_BYTES if same_disk(run, cache) else 0
    memory = None
    if pace.memory is not None:
        memory = pace.memory + STATES_OF_WEIGHTS * weights + BASE_BYTES + worker_count() * WORKER_BYTES
    return Need(seconds, disk, free_disk(run), memory, free_memory())


def concerns(cases: PlannedCases, need: Need) -> list[str]:
    """Sentences on what may go wrong or mean little; none where all is well."""
    told = [f"{first} and {second} have the same FLAIR; remove one of them." for first, second in cases.twice]
    if cases.known:
        told.append(
            f"The starting model was trained on {', '.join(cases.known)}, which must not be trained on; the run will "
            "be refused. Start from another model."
        )
    if not cases.validation:
        told.append("Nobody validates: the weights of the last step are kept, and no figure says whether that is wise.")
    if need.disk > need.disk_free:
        told.append(f"The disk has {_gigabytes(need.disk_free)} free, and the run takes {_gigabytes(need.disk)}.")
    if need.memory is not None and need.memory_free is not None and need.memory > need.memory_free:
        told.append(
            f"{_gigabytes(need.memory_free)} of memory are free, and the run takes about {_gigabytes(need.memory)}; "
            "close other programs."
        )
    return told


def as_sentence(cases: PlannedCases, pace: Pace, need: Need) -> str:
    """The whole of it for a reader."""
    parts = [f"{_counted(len(cases.train), 'case')} to train on"]
    parts += [f"{_counted(len(cases.backgrounds), 'background')}"] if cases.backgrounds else []
    parts.append(f"{_counted(len(cases.validation), 'case')} to validate with" if cases.validation else "none validate")
    if cases.test:
        parts.append(f"{len(cases.test)} kept for a test")
    told = [f"{', '.join(parts)}."]
    if cases.validation and not cases.known and cases.checked is not None:
        told.append(
            f"Never trained on, by the hash of the FLAIR's voxels: {', '.join(cases.validation)} "
            f"(the starting model knows {_counted(cases.checked, 'case')})."
        )
    told.append(f"On {pace.device} it takes about {duration_words(need.seconds)}")
    told[-1] += f" ({pace.step_seconds:.2g} s a step, {pace.case_seconds:.2g} s to predict a case)"
    told[-1] += f", {_gigabytes(need.disk)} of disk ({_gigabytes(need.disk_free)} free)"
    if need.memory is not None:
        free = f" ({_gigabytes(need.memory_free)} free)" if need.memory_free is not None else ""
        told[-1] += f" and {_gigabytes(need.memory)} of memory{free}"
    return " ".join(told) + "."


def duration_words(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{max(10, 10 * round(seconds / 10))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def _hash(case: Case, cache: Path) -> tuple[str, bool]:
    """SHA-256 of the FLAIR's voxels, and whether the case is prepared."""
    if case.mask is not None or case.background is not None:
        kept = cache / entry_name(prepared_facts(case)) / "case.json"
        if kept.is_file():
            return json.loads(kept.read_text(encoding="utf-8"))["flair_sha256"], True
    return voxel_sha256(read_image(case.images["FLAIR"])), False


def _same(records: Sequence[CaseRecord]) -> tuple[tuple[str, str], ...]:
    first: dict[str, str] = {}
    pairs = [(first.setdefault(record.flair_sha256, record.case), record.case) for record in records]
    return tuple(pair for pair in pairs if pair[0] != pair[1])


def _missing_synthetic(cache: Path, wanted: int) -> int:
    """How many of the synthetic patients the cache does not hold yet."""
    facts = (path.read_text(encoding="utf-8") for path in cache.glob("*/facts.json"))
    return max(0, wanted - sum('"synthetic lesions"' in text for text in facts))


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
