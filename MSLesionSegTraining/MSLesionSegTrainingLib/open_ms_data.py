"""The Ljubljana data in the BIDS names of ``MSLESIONSEG_DATA``, as canvases and masks to paint.

Lesjak et al., *A Novel Public MR Image Dataset of Multiple Sclerosis Patients With Lesion Segmentations Based on
Multi-rater Consensus*, Neuroinformatics 2017, doi 10.1007/s12021-017-9348-7 (CC BY).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch
from scipy import ndimage

from MSLesionSegLib.brain_mask import find_brain
from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.grid import Grid, model_grid, resample
from MSLesionSegLib.images import read_image
from MSLesionSegLib.prepare import prepare
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegLib.study import Study, read_study

from .canvases import Canvas, real_canvas, tissue_canvas
from .lesion_index import index_lesions
from .patches import MaskPool

SPACING_MM = 1.0


def labelled_patients(data: Path) -> list[str]:
    """Patients with images and a consensus mask, sorted."""
    folders = sorted((data / "cross-sectional").glob("sub-*"))
    if not folders:
        raise StudyError(
            f"{data} holds no cross-sectional/sub-* folder.", "docs/scientist.md shows how the folder is laid out."
        )
    return [folder.name for folder in folders]


def patient_study(data: Path, patient: str) -> tuple[Study, sitk.Image]:
    """The stripped, registered study of one patient and its consensus mask on the same grid."""
    folder = data / "cross-sectional" / patient / "anat"
    images = [folder / f"{patient}_space-MNI_{contrast}.nii.gz" for contrast in ("FLAIR", "T1w", "T2w")]
    return read_study(*images), read_label(_consensus(data, patient))


def read_label(path: Path) -> sitk.Image:
    """A label image as stored, uint8."""
    return sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkUInt8)


def load_real(data: Path, patient: str) -> Canvas:
    """Prepare one labelled patient with the engine's own preparation."""
    study, mask = patient_study(data, patient)
    prepared = prepare(study, spacing_mm=SPACING_MM, progress=SilentProgress(), find_brain=find_brain)
    lesion = sitk.GetArrayFromImage(resample(mask, prepared.grid, interpolator="nearest")) > 0
    return real_canvas(patient, prepared.channels, prepared.brain, lesion)


def load_tissue(data: Path, patient: str) -> Canvas:
    """Bring the tissue map of one patient to the model grid, cropped to the brain."""
    folder = data / "cross-sectional" / "derivatives" / "tissue" / patient / "anat"
    classes = read_label(folder / f"{patient}_space-orig_dseg.nii.gz")
    grid = model_grid(classes, SPACING_MM)
    shares = [sitk.GetArrayFromImage(resample(classes == value, grid)) for value in (1, 2, 3)]
    brain = _on_grid(folder / f"{patient}_space-orig_desc-brain_mask.nii.gz", grid)
    lesion = _on_grid(folder / f"{patient}_space-orig_label-lesion_mask.nii.gz", grid)
    found = np.argwhere(brain)
    box = tuple(slice(max(0, a - 8), b + 9) for a, b in zip(found.min(0), found.max(0), strict=True))
    tissue = np.stack([np.clip(np.rint(share[box] * 255), 0, 255).astype(np.uint8) for share in shares])
    return tissue_canvas(patient, as_white_matter(tissue, lesion[box]), brain[box], lesion[box])


def as_white_matter(tissue: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    """Tissue shares with white matter where the lesions are.

    FAST, going by T1w, calls lesions grey matter: left so, they would be painted as spots of grey matter in white
    matter that no label names. Grey matter within 1 mm of a lesion becomes white matter as well.

    Args:
        tissue: (3, z, y, x) uint8, shares of CSF, grey and white matter in 255ths.
        lesion: (z, y, x) bool.
    """
    filled = tissue.copy()
    rim = ndimage.binary_dilation(lesion, np.ones((3, 3, 3))) & ~lesion
    filled[2][rim] += filled[1][rim]
    filled[1][rim] = 0
    filled[:, lesion] = np.array([0, 0, 255], np.uint8)[:, None]
    return filled


def load_canvases(data: Path, leave_out: str | None) -> tuple[list[Canvas], MaskPool]:
    """Everything there is to train on.

    Args:
        data: the folder with ``cross-sectional``.
        leave_out: patient of whom neither images nor mask nor tissue map may be used, e.g. ``sub-07``.

    Returns:
        Canvases (real first) and the masks to paint.
    """
    real = [load_real(data, patient) for patient in labelled_patients(data) if patient != leave_out]
    tissue_root = data / "cross-sectional" / "derivatives" / "tissue"
    tissue = [load_tissue(data, f.name) for f in sorted(tissue_root.glob("sub-*")) if f.name != leave_out]
    masks, indices = [], []
    for folder in sorted((data / "cross-sectional" / "derivatives" / "consensus").glob("sub-*")):
        if folder.name == leave_out:
            continue
        mask = read_label(_consensus(data, folder.name))
        array = sitk.GetArrayFromImage(resample(mask, model_grid(mask, SPACING_MM), interpolator="nearest"))
        masks.append(torch.from_numpy(array)[None])
        indices.append(index_lesions(array > 0))
    return real + tissue, MaskPool(masks, indices)


def flair_image(data: Path, patient: str) -> sitk.Image:
    """The FLAIR of a labelled patient, for its hash."""
    return read_image(data / "cross-sectional" / patient / "anat" / f"{patient}_space-MNI_FLAIR.nii.gz")


def _consensus(data: Path, patient: str) -> Path:
    folder = data / "cross-sectional" / "derivatives" / "consensus" / patient / "anat"
    return folder / f"{patient}_space-MNI_label-lesion_mask.nii.gz"


def _on_grid(path: Path, grid: Grid) -> np.ndarray:
    return sitk.GetArrayFromImage(resample(read_label(path) != 0, grid)) > 0.5
