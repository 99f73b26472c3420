"""A result of the scene as a folder again, for the commands that make something of results."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from MSLesionSegLib.errors import OutputError, StudyError
from MSLesionSegLib.finish import BRAIN_FILE, FLAIR_FILE, MASK_FILE, PROBABILITY_FILE, SECOND_FILE, ZONES_FILE
from MSLesionSegLib.nifti import compact, write_nifti
from MSLesionSegLib.provenance import PROVENANCE_FILE, file_sha256, write_provenance

from .measured import flair_grid
from .review import Review
from .state import ModuleState
from .volumes import node_to_image, node_voxels

LESIONS_FILE = "reader_lesions.nii.gz"


def write_result_folder(state: ModuleState, folder: Path) -> Path:
    """Write a study of the scene as ``segment`` would have left it, with the mask that the reader made of it.

    All images lie on the FLAIR node's own grid, without its parent transform. Threshold and minimum size are those of
    the review. T1w and T2w are left out. A temporary folder is meant: it is not written all or nothing.

    Args:
        state: a study with a result, under review or waiting.
        folder: is made.

    Returns:
        The file of the reader's lesions, uint16, each with the number of its row in the review; outside the record of
        what ``segment`` has written, so that it is given to a command by name.

    Raises:
        StudyError: there is no result, or one of a version that kept no brain mask.
        OutputError: the folder cannot be written.
    """
    review = Review(state.scene, state)
    if not review.has_result:
        raise StudyError("There is no result.", "Find the lesions of a study first.")
    review.refresh()
    if not state.provenance:
        raise StudyError(f"No model has looked at {state.flair.GetName()}.", "Find the lesions with a model first.")
    if state.brain_map is None:
        raise StudyError("The result in this scene has no brain mask.", "Find the lesions again.")
    grid, lesions = flair_grid(state), review.numbered_mask()
    images = {
        FLAIR_FILE: compact(node_to_image(state.flair, to_world=False)),
        PROBABILITY_FILE: grid.image(node_voxels(state.probability)),
        BRAIN_FILE: grid.image(node_voxels(state.brain_map).astype(np.uint8)),
        MASK_FILE: grid.image((lesions > 0).astype(np.uint8)),
    }
    if state.zone_map is not None:
        images[ZONES_FILE] = grid.image(node_voxels(state.zone_map).astype(np.uint8))
    if state.second_map is not None:
        images[SECOND_FILE] = grid.image(node_voxels(state.second_map))
    record = state.provenance
    settings = {**record["settings"], "threshold": state.threshold, "min_lesion_mm3": state.minimum_mm3}
    try:
        folder.mkdir(parents=True)
        for name, image in images.items():
            write_nifti(folder / name, image)
        write_nifti(folder / LESIONS_FILE, grid.image(lesions))
        outputs = {name: file_sha256(folder / name) for name in images}
        run = {"started_utc": record["run"]["started_utc"], "inputs": {"FLAIR": str(folder / FLAIR_FILE)}}
        write_provenance(folder / PROVENANCE_FILE, {**record, "settings": settings, "outputs": outputs, "run": run})
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{folder} cannot be written.", "Check that the disk is not full.") from error
    return folder / LESIONS_FILE
