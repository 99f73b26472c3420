"""A small data set of files: stripped balls of brains of half a litre, coarse enough to be prepared in a second."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MSLesionSegTrainingLib.split import write_split

SHAPE = (32, 32, 32)
SPACING_MM = 4.0
RADIUS_MM = 50.0


def add_case(root: Path, patient: str, seed: int, *, rise: float = 250.0) -> None:
    """One annotated FLAIR with three lesions of its own; ``rise`` is how much brighter they are than the tissue."""
    rng = np.random.default_rng(seed)
    places = np.indices(SHAPE) - 15.5
    inside = (places**2).sum(0) < (RADIUS_MM / SPACING_MM) ** 2
    mask = np.zeros(SHAPE, np.uint8)
    for size in (3, 2, 2):
        z, y, x = rng.integers(10, 20, 3)
        mask[z : z + size, y : y + size, x : x + 2] = 1
    values = inside * (400 + rng.normal(0, 15, SHAPE) + rise * mask)
    _write(values.clip(0).astype(np.int16), root / patient / "anat" / f"{patient}_FLAIR.nii.gz")
    name = f"{patient}_label-lesion_mask.nii.gz"
    _write(mask, root / "derivatives" / "annotations" / patient / "anat" / name)


def add_split(root: Path, **parts: str) -> None:
    """``split.tsv``; patients are named as in ``sub_01="train"``."""
    write_split(root, {name.replace("_", "-"): part for name, part in parts.items()})


def _write(array: np.ndarray, path: Path) -> None:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((SPACING_MM,) * 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
