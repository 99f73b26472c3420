"""A small BIDS data set of stripped, made-up heads, some of them broken on purpose."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from MSLesionSegLib.bundle import save_bundle
from MSLesionSegLib.bundle_schema import ModelDescription
from MSLesionSegLib.networks import build_network
from MSLesionSegLib.normalise import NORMALISATION

SIZE_ZYX = (44, 60, 50)
SPACING_MM = 3.0
ARCHITECTURE = {"type": "efficientnet3d_unet", "widths": [8, 8, 8, 8, 8], "depths": [1, 1, 1, 1], "expansion": 2}


def write_flair(path: Path, seed: int) -> None:
    """A stripped brain of about 1 litre with four bright lesions, 3 mm voxels."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(SIZE_ZYX, dtype=np.float32)
    inside = ((z - 22) / 19) ** 2 + ((y - 30) / 27) ** 2 + ((x - 25) / 22) ** 2 < 1
    lesions = np.zeros(SIZE_ZYX, np.float32)
    for _ in range(4):
        at = rng.uniform((14, 18, 16), (30, 42, 34))
        lesions += np.exp(-(((z - at[0]) ** 2 + (y - at[1]) ** 2 + (x - at[2]) ** 2) / 4))
    voxels = inside * (300 + 300 * lesions + rng.normal(0, 15, SIZE_ZYX))
    image = sitk.GetImageFromArray(voxels.astype(np.int16))
    image.SetSpacing((SPACING_MM,) * 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))


def make_cohort(root: Path, good: int, *, broken: bool = True) -> Path:
    """``sub-01`` and so on; with ``broken`` then a cut file, a constant image, and a folder without FLAIR."""
    for number in range(1, good + 1):
        write_flair(root / f"sub-{number:02d}" / "anat" / f"sub-{number:02d}_FLAIR.nii.gz", number)
    if broken:
        cut, constant, none = (root / f"sub-{good + k:02d}" / "anat" for k in (1, 2, 3))
        write_flair(cut / f"sub-{good + 1:02d}_FLAIR.nii.gz", 1)
        file = cut / f"sub-{good + 1:02d}_FLAIR.nii.gz"
        file.write_bytes(file.read_bytes()[:5000])
        constant.mkdir(parents=True)
        image = sitk.Image((50, 60, 44), sitk.sitkInt16) + 7
        sitk.WriteImage(image, str(constant / f"sub-{good + 2:02d}_FLAIR.nii.gz"))
        write_flair(none / f"sub-{good + 3:02d}_T1w.nii.gz", 3)
    return root


def tiny_model(folder: Path, normalisation: str = NORMALISATION) -> Path:
    """A bundle of a small untrained network of 5 mm voxels, which segments a brain in a second."""
    torch.manual_seed(0)
    description = ModelDescription.model_validate(
        {
            "format_version": 1,
            "kind": "lesion",
            "name": "tiny",
            "version": "1.0",
            "architecture": ARCHITECTURE,
            "contrasts": ["FLAIR", "T1w", "T2w"],
            "spacing_mm": 5.0,
            "normalisation": normalisation,
            "threshold": 0.6,
            "min_lesion_mm3": 3.0,
            "patch": [32, 32, 32],
            "flip": False,
            "training": {"data": ["made up"], "licence": "Apache-2.0", "case_hashes": ["ab" * 32], "recipe": {}},
            "scores": [],
            "created": "2026-01-31T12:00:00Z",
        }
    )
    return save_bundle(folder, description, build_network(ARCHITECTURE).state_dict(), "# Tiny\n")
