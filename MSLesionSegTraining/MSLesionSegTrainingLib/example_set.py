"""A small data set of synthetic studies with known lesions, in the layout of annotated cases."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.phantom import make_phantom
from MSLesionSegLib.protocol import Progress
from MSLesionSegLib.study import CONTRASTS

from .cases import ANNOTATIONS
from .split import write_split

NAME = "Synthetic studies of MSLesionSeg"


def make_example_set(dataset: Path, cases: int, progress: Progress) -> None:
    """Write synthetic studies as annotated cases: the last validates, the others train. About 10 s a case.

    Cases that are there already are kept, so that a stopped run goes on.

    Args:
        dataset: a folder that is new, empty, or holds such a set.
        cases: how many patients, each with its own seed.
        progress: told how far it is; may cancel.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
    """
    description = dataset / "dataset_description.json"
    if dataset.exists() and any(dataset.iterdir()) and not _is_ours(description):
        raise OutputError(f"{dataset} holds other files.", "Name a new or an empty folder.")
    try:
        _describe(description, "raw")
        _describe(dataset / ANNOTATIONS / "dataset_description.json", "derivative")
        patients = [f"sub-{number:02d}" for number in range(1, cases + 1)]
        for number, patient in enumerate(patients):
            progress.update(number / cases, patient)
            if not (dataset / ANNOTATIONS / patient).is_dir():
                _add_case(dataset, patient, number + 1)
        write_split(dataset, {patient: "train" for patient in patients[:-1]} | {patients[-1]: "validation"})
    except OSError as error:
        raise OutputError(f"{dataset} cannot be written ({error.strerror}).", "Name another folder.") from error


def _add_case(dataset: Path, patient: str, seed: int) -> None:
    """One case; its mask comes last, in one step, so that a case with a mask is whole."""
    with tempfile.TemporaryDirectory(dir=dataset, prefix=".partial-") as temporary:
        phantom = Path(temporary, "phantom")
        make_phantom(phantom, seed=seed)
        images = dataset / patient / "anat"
        images.mkdir(parents=True, exist_ok=True)
        for contrast in CONTRASTS:
            os.replace(phantom / f"{contrast}.nii.gz", images / f"{patient}_{contrast}.nii.gz")
        masks = Path(temporary, patient, "anat")
        masks.mkdir(parents=True)
        shutil.move(phantom / "lesions_truth.nii.gz", masks / f"{patient}_label-lesion_mask.nii.gz")
        os.replace(masks.parent, dataset / ANNOTATIONS / patient)


def _describe(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {"Name": NAME, "BIDSVersion": "1.10.0", "DatasetType": kind, "License": "Apache-2.0"}
    if kind == "derivative":
        values["GeneratedBy"] = [{"Name": "mslesionseg", "Version": __version__}]
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _is_ours(description: Path) -> bool:
    try:
        return json.loads(description.read_text(encoding="utf-8")).get("Name") == NAME
    except (OSError, ValueError):
        return False
