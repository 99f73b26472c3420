"""A small folder of studies with the model's results, for tests of the work list in the panel."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from Testing.slicer.scene_results import OBLIQUE, SHAPE, mask_of, on_grid, probability_map, write_result

from MSLesionSegLib.finish import PROBABILITY_FILE
from MSLesionSegLib.nifti import write_nifti
from MSLesionSegLib.provenance import PROVENANCE_FILE, file_sha256, read_provenance, write_provenance
from MSLesionSegTrainingLib.worklist import PRESEGMENTED

LEFT_HANDED = OBLIQUE @ np.diag([1.0, 1.0, -1.0])
"""Axes of a file whose slices Slicer turns round."""


def make_studies(root: Path, *, results: bool = True) -> Path:
    """``sub-01`` to ``sub-03``, the second with left-handed axes and T1w; the model is least sure of the last.

    Args:
        root: is made.
        results: also what ``batch`` leaves.
    """
    for number in (1, 2, 3):
        name = f"sub-{number:02d}"
        direction = LEFT_HANDED if number == 2 else OBLIQUE
        rng = np.random.default_rng(number)
        flair = on_grid(rng.integers(0, 900, SHAPE).astype(np.int16), direction)
        folder = root / name / "anat"
        folder.mkdir(parents=True)
        write_nifti(folder / f"{name}_FLAIR.nii.gz", flair)
        moving = {}
        if number == 2:
            write_nifti(folder / f"{name}_T1w.nii.gz", flair)
            moving = {"T1w": (flair, sitk.Transform(3, sitk.sitkIdentity))}
        if results:
            probability = probability_map()
            probability[:number] = 0.5  # the more of these, the less sure
            probability[:, 0, 0] = 0.0
            result = root / PRESEGMENTED / name
            result.parent.mkdir(parents=True, exist_ok=True)
            write_result(result, flair, probability, threshold=0.6, moving=moving)
            provenance = read_provenance(result)
            outputs = {PROBABILITY_FILE: file_sha256(result / PROBABILITY_FILE)}
            write_provenance(result / PROVENANCE_FILE, {**provenance, "outputs": outputs})
    return root


def model_mask() -> np.ndarray:
    """The mask of every result, (z, y, x) 0 and 1, in the order of the file."""
    return mask_of("large", "middle", "small").astype(np.uint8)
