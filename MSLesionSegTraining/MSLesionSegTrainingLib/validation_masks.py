"""Masks of an annotated case by one or two models, to be looked at beside the annotation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.command_record import refuse_other_commands, write_record
from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.lesions import lesion_mask
from MSLesionSegLib.predictor import Predictor
from MSLesionSegLib.prepare import prepare
from MSLesionSegLib.protocol import Progress
from MSLesionSegLib.provenance import file_sha256
from MSLesionSegLib.results import ResultFolder
from MSLesionSegLib.segment import listed_on_flair
from MSLesionSegLib.study import CONTRASTS, read_study

from .before_after_models import ComparedModel
from .cases import Case, index_cases
from .mask_files import read_mask

COMMAND = "validation-masks"
ANNOTATION = "annotation"


def write_masks(
    dataset: Path,
    name: str,
    models: Mapping[str, ComparedModel],
    asked: Mapping[str, str],
    out: Path,
    progress: Progress,
    device: str,
) -> dict[str, Path]:
    """Segment one annotated case with some models, as ``segment`` does, and write the masks on its FLAIR's grid.

    Args:
        dataset: folder of annotated cases.
        name: of the case.
        models: "before", "after" -> model.
        asked: "before", "after" -> how the model was named, for the record.
        out: folder for ``annotation.nii.gz`` and a ``WHEN.nii.gz`` for each model; written whole or not at all.
        progress: of this command; may cancel.
        device: "auto", "cpu" or "cuda".

    Returns:
        "annotation", "before", "after" -> file.

    Raises:
        StudyError: there is no such case with a mask, or an image cannot be used.
        OutputError: ``out`` cannot be written, or holds another command's result.
    """
    started, case = datetime.now(UTC), _find(dataset, name)
    with ResultFolder(out) as result:
        refuse_other_commands(result, COMMAND)
        study = read_study(*(case.images.get(contrast) for contrast in CONTRASTS))
        grid = Grid.of(study.flair)
        prepared = prepare(study, spacing_mm=1.0, progress=progress)
        masks = {ANNOTATION: read_mask(case.mask, grid)}
        for when, model in models.items():
            predictor = Predictor(model.network, patch=model.patch, flip=model.flip, device=device)
            probability = predictor.predict(prepared.channels, prepared.brain, progress)
            on_flair, _ = listed_on_flair(probability, prepared, study.flair, model.threshold)
            masks[when] = lesion_mask(on_flair, model.threshold, model.min_lesion_mm3, grid.spacing) > 0
        for when, mask in masks.items():
            result.write_image(f"{when}.nii.gz", sitk.Cast(grid.image(mask.astype(np.uint8)), sitk.sitkUInt8))
        inputs = {role: file_sha256(path) for role, path in {**case.images, "mask": case.mask}.items()}
        settings = {
            when: {"asked": asked[when], "name": model.name, "threshold": model.threshold}
            for when, model in models.items()
        }
        write_record(result, COMMAND, started, settings=settings, inputs=inputs, paths={}, case=name)
    return {when: out / f"{when}.nii.gz" for when in masks}


def _find(dataset: Path, name: str) -> Case:
    if not dataset.is_dir():
        raise StudyError(f"There is no folder {dataset}.", "Name the folder of a data set (docs/formats.md).")
    cases, _ = index_cases(dataset)
    for case in cases:
        if case.name == name and case.mask is not None:
            return case
    known = ", ".join(case.name for case in cases if case.mask is not None) or "none"
    raise StudyError(f"{dataset} holds no annotated case {name}.", f"Annotated cases: {known}.")
