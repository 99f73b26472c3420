"""What a study trains, validates and tests on: canvases by part, among them painted patients."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from MSLesionSegLib.protocol import Progress

from .canvases import Canvas, ShapeMask, shapes_of
from .case_loading import load_case, load_shapes, load_tissue
from .painted_patients import paint_patient
from .painting import LesionLevels, measure_levels
from .prepared_cache import PreparedCache
from .study_split import StudyPatients

SEEN_PAINTED = 4
"""Painted patients made from what is trained on, at most, beside those made from what is not."""


@dataclass(frozen=True)
class StudyData:
    """Everything that the runs of a study read.

    Attributes:
        train: real studies first, then tissue maps.
        shapes: to paint into them.
        levels: lesion intensities, measured in the real ones of ``train``; all painted patients have them.
        seen: painted patients whose brain and shapes are trained on; beside ``unseen`` they show over-fitting.
        unseen: patients who validate, real and painted; those who test where there are none.
        validation: real and painted patients who choose each run's threshold.
        real: patients of the test part.
        painted: test patients whose shapes and brains belong to patients of the test part.
        brains: painted test patient -> whose brain it is.
        cases: name, part and hash of the FLAIR of each annotated case.
    """

    train: list[Canvas]
    shapes: list[ShapeMask]
    levels: LesionLevels
    seen: list[Canvas]
    unseen: list[Canvas]
    validation: list[Canvas]
    real: list[Canvas]
    painted: list[Canvas]
    brains: dict[str, str]
    cases: list[dict[str, str]]


@dataclass(frozen=True)
class _Part:
    """What there is of one part of the patients: name -> canvas or shapes."""

    real: dict[str, Canvas]
    tissue: dict[str, Canvas]
    shapes: dict[str, ShapeMask]

    @property
    def brains(self) -> dict[str, Canvas]:
        """Tissue maps, which hold no lesions of their own; real studies where there are none."""
        return self.tissue or self.real


def load_study_data(patients: StudyPatients, cache: PreparedCache, progress: Progress) -> StudyData:
    """Prepare all cases, and paint the painted patients.

    No brain, shape or image is used in two parts; only the intensities of painted lesions come from training cases.

    Args:
        patients: who is in which part.
        cache: of prepared cases.
        progress: in the stage of the preparation.

    Raises:
        StudyError: a case cannot be used.
    """
    total = len(patients.cases) + len(patients.tissue) + len(patients.shapes)
    parts = {part: _Part({}, {}, {}) for part in ("train", "validation", "test")}
    owners = {case.name: case.patient for case in patients.cases}
    records = []
    for number, case in enumerate(patients.cases):
        progress.update(0.7 * number / total, case.name)
        canvas, sha256 = load_case(cache, case, progress)
        part = parts[patients.parts[case.patient]]
        part.real[case.name] = canvas
        if (shapes := shapes_of(canvas)) is not None:
            part.shapes[case.name] = shapes
        records.append({"case": case.name, "part": patients.parts[case.patient], "flair_sha256": sha256})
    for number, (patient, folder) in enumerate(patients.tissue.items(), start=len(patients.cases)):
        progress.update(0.7 * number / total, f"tissue map of {patient}")
        parts[patients.parts[patient]].tissue[patient] = load_tissue(cache, folder)
    for number, (patient, path) in enumerate(patients.shapes.items(), start=total - len(patients.shapes)):
        progress.update(0.7 * number / total, f"lesions of {patient}")
        if (shapes := load_shapes(cache, path)) is not None:
            parts[patients.parts[patient]].shapes[patient] = shapes
    levels = measure_levels(list(parts["train"].real.values()))
    painted: dict[str, list[Canvas]] = {}
    brains: dict[str, str] = {}
    for number, (name, part) in enumerate(parts.items()):
        pairs = _pairs(part, owners, most=SEEN_PAINTED if name == "train" else len(part.shapes))
        painted[name] = []
        for shown, (shapes_name, brain_name) in enumerate(pairs):
            progress.update(0.7 + 0.1 * (number + shown / len(pairs)), f"painting {shapes_name} for {name}")
            rng = np.random.default_rng((zlib.crc32(name.encode()), zlib.crc32(shapes_name.encode())))
            brain, shapes = part.brains[brain_name], part.shapes[shapes_name]
            painted[name].append(paint_patient(rng, shapes_name, brain, shapes, levels))
        if name == "test":
            brains = dict(pairs)
    train, test = parts["train"], parts["test"]
    validation = [*parts["validation"].real.values(), *painted["validation"]]
    real = list(test.real.values())
    return StudyData(
        train=[*train.real.values(), *train.tissue.values()],
        shapes=list(train.shapes.values()),
        levels=levels,
        seen=painted["train"] or list(train.real.values()),
        unseen=validation or painted["test"] or real,
        validation=validation,
        real=real,
        painted=painted["test"],
        brains=brains,
        cases=records,
    )


def _pairs(part: _Part, owners: dict[str, str], most: int) -> list[tuple[str, str]]:
    """Whose shapes go into whose brain, never into the own one; brains are used in turn."""
    pairs: list[tuple[str, str]] = []
    brains = list(part.brains)
    for shapes in part.shapes:
        others = [brain for brain in brains if owners.get(brain, brain) != owners.get(shapes, shapes)]
        if others and len(pairs) < most:
            pairs.append((shapes, others[len(pairs) % len(others)]))
    return pairs


def real_only(canvases: Sequence[Canvas]) -> list[Canvas]:
    """The canvases of real studies."""
    return [canvas for canvas in canvases if canvas.channels is not None]
