"""Heads to train the brain network on: raw images with reference masks, and label maps to draw images from.

All arrays are (z, y, x) on 3 mm isotropic grids with the axes of ``model_grid``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from MSLesionSegLib.brain_mask import normalise_head
from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.grid import model_grid, resample
from MSLesionSegLib.head_shape import Label, head_labels
from MSLesionSegLib.images import read_image
from MSLesionSegLib.implicit import smooth_noise

from .case_hash import voxel_sha256

HEAD_SPACING_MM = 3.0
#: Reference masks found defective by eye: of sub-03 the frontal poles, the vertex and the lower cerebellum are missing
#: (1174 and 1197 mL), that of sub-19 takes in skull and scalp (2335 and 2351 mL). They are not trained on as they are.
DEFECTIVE_REFERENCES = ("sub-03", "sub-19")
_INSIDE_CLASSES, _OUTSIDE_CLASSES = 5, 10


@dataclass(frozen=True)
class Head:
    """One head to draw training windows from.

    Attributes:
        patient: e.g. "sub-12"; synthetic heads have their own names.
        name: file name, or the name again.
        image: raw image, None for a synthetic head.
        values: normalised intensities, float32; zeros for a synthetic head.
        labels: classes for random contrasts, uint8, 0 is air.
        brain: share of brain in each voxel, 0 to 1, float32; None while it is not known.
        dark: labels of air and compact bone, which give no signal in nearly every contrast.
        to_common: transform of a raw image's points into the common space of the patient's dates.
    """

    patient: str
    name: str
    image: sitk.Image | None
    values: np.ndarray
    labels: np.ndarray
    brain: np.ndarray | None
    dark: tuple[int, ...] = (0,)
    to_common: sitk.Transform | None = None

    def with_brain(self, brain: np.ndarray) -> Head:
        """The same head with another brain, and label classes to match."""
        labels = self.labels if self.image is None else contrast_classes(self.values, brain > 0.5)
        return replace(self, brain=brain.astype(np.float32), labels=labels)


def raw_heads(data: Path, leave_out: str | None = None) -> list[Head]:
    """All raw series of ``longitudinal``; those with a defective reference have no brain yet.

    Args:
        data: the folder with ``longitudinal``.
        leave_out: patient to leave out, all dates.
    """
    heads = []
    for path in sorted(data.glob("longitudinal/sub-*/ses-*/anat/*.nii.gz")):
        patient = path.name.split("_")[0]
        if patient == leave_out:
            continue
        image = read_image(path)
        to_common = common_transform(data, path)
        coarse = resample(image, model_grid(image, HEAD_SPACING_MM))
        values = normalise_head(sitk.GetArrayFromImage(coarse))
        head = Head(patient, path.name, image, values, np.zeros(0, np.uint8), None, (0, 1), to_common)
        if patient not in DEFECTIVE_REFERENCES:
            brain = resample(reference_mask(data, patient), coarse, to_common)
            head = head.with_brain(np.clip(sitk.GetArrayFromImage(brain), 0, 1))
        heads.append(head)
    if not heads:
        raise StudyError(f"{data} holds no raw heads.", "Give the folder that holds longitudinal/sub-*/ses-*/anat.")
    return heads


def raw_flairs(data: Path) -> list[Path]:
    """The raw FLAIRs, sorted."""
    return sorted(data.glob("longitudinal/sub-*/ses-*/anat/*_FLAIR.nii.gz"))


def flair_hashes(data: Path, leave_out: str | None = None) -> list[str]:
    """Hashes of the FLAIR voxels of the raw heads that are trained on."""
    return [voxel_sha256(read_image(path)) for path in raw_flairs(data) if not path.name.startswith(f"{leave_out}_")]


def reference_mask(data: Path, patient: str) -> sitk.Image:
    """The reference brain mask of a patient, in the common space of the two dates, uint8."""
    path = data / f"longitudinal/derivatives/common/{patient}/{patient}_space-common_desc-brain_mask.nii.gz"
    return sitk.Cast(sitk.ReadImage(str(path)) > 0, sitk.sitkUInt8)


def common_transform(data: Path, path: Path) -> sitk.Transform:
    """Transform from the points of a raw image to those of the common space, from the reference transforms."""
    patient, session, rest = path.name.split("_", 2)
    contrast = rest.split(".")[0]
    folder = data / "longitudinal/derivatives/transforms" / patient / session
    flair = sitk.ReadTransform(str(folder / f"{patient}_{session}_from-FLAIR_to-common.txt")).GetInverse()
    if contrast == "FLAIR":
        return flair
    other = sitk.ReadTransform(str(folder / f"{patient}_{session}_from-{contrast}_to-FLAIR.txt")).GetInverse()
    return sitk.CompositeTransform([flair, other])


def reference_on(data: Path, path: Path, image: sitk.Image) -> sitk.Image:
    """The reference brain mask on the grid of a raw image, uint8."""
    patient = path.name.split("_")[0]
    return resample(reference_mask(data, patient), image, common_transform(data, path), "linear", antialias=False) > 0.5


def contrast_classes(values: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Classes of like intensity, in the brain and outside it apart; uint8, 0 is the darkest class outside (air)."""
    labels = np.zeros(values.shape, np.uint8)
    for region, first, count in ((~brain, 0, _OUTSIDE_CLASSES), (brain, _OUTSIDE_CLASSES, _INSIDE_CLASSES)):
        if not region.any():
            continue
        inside = values[region]
        edges = np.quantile(inside[inside > 0.1] if (inside > 0.1).any() else inside, np.linspace(0, 1, count)[1:-1])
        edges = np.concatenate([[0.1], edges])
        labels[region] = first + np.searchsorted(edges, inside)
    return labels


def synthetic_heads(count: int, seed: int) -> list[Head]:
    """Random anatomies with exaggerated variation; nothing of them comes from a patient."""
    heads = []
    for number in range(count):
        head = head_labels(np.random.default_rng([seed, number]), spacing_mm=HEAD_SPACING_MM, variation=1.6)
        name = f"synthetic-{number}"
        brain = ndimage.gaussian_filter(head.brain().astype(np.float32), 0.4)
        heads.append(Head(name, name, None, np.zeros(0, np.float32), head.labels, brain, (Label.AIR, Label.BONE)))
    return heads


def grafted_heads(data: Path, per_brain: int, seed: int) -> list[Head]:
    """Real brains (tissue maps of ``cross-sectional``) in shells of CSF, bone and scalp over a random face and neck."""
    heads = []
    folder = data / "cross-sectional" / "derivatives" / "tissue"
    for path in sorted(folder.glob("sub-*/anat/*_dseg.nii.gz")):
        tissue, brain = _tissue_map(path)
        for number in range(per_brain):
            rng = np.random.default_rng([seed, int(path.name[4:6]), number])
            name = f"{path.name.split('_')[0]}-tissue-{number}"
            labels = _graft(tissue, brain > 0.5, rng)
            heads.append(Head(name, name, None, np.zeros(0, np.float32), labels, brain, (0, 2)))
    return heads


def _tissue_map(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Tissue classes 1 to 3 (0 outside) and brain share, on a grid with room for the head around the brain."""
    classes = sitk.ReadImage(str(path))
    mask = sitk.ReadImage(str(path).replace("_dseg", "_desc-brain_mask"))
    grid = model_grid(classes, HEAD_SPACING_MM)
    tissue = sitk.GetArrayFromImage(resample(sitk.Cast(classes, sitk.sitkUInt8), grid, interpolator="nearest"))
    brain = sitk.GetArrayFromImage(resample(sitk.Cast(mask, sitk.sitkUInt8), grid, antialias=False))
    found = np.argwhere(brain > 0.5)
    box = tuple(slice(a, b + 1) for a, b in zip(found.min(0), found.max(0), strict=True))
    margin = ((30, 8), (17, 10), (10, 10))
    tissue, brain = np.pad(tissue[box], margin), ndimage.gaussian_filter(np.pad(brain[box], margin), 0.3)
    tissue[(tissue == 0) & (brain > 0.5)] = 1
    return tissue, brain


def _graft(tissue: np.ndarray, brain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Labels of a head around a brain: shells of random, uneven thickness, and blobs of random classes below them."""
    shape = brain.shape
    near = ndimage.distance_transform_edt(~brain) <= 3
    hull = brain | (ndimage.distance_transform_edt(near) > 3)
    distance = ndimage.distance_transform_edt(~hull, sampling=HEAD_SPACING_MM).astype(np.float32)
    distance += smooth_noise(rng, shape, HEAD_SPACING_MM, 25.0) * np.float32(0.8)
    csf, bone, scalp = rng.uniform(0.5, 4.0), rng.uniform(3.0, 9.0), rng.uniform(2.5, 10.0)
    z, y, x = (np.arange(n, dtype=np.float32) for n in shape)
    found = np.argwhere(brain)
    low, high, middle = found.min(0), found.max(0), found.mean(0)
    radius_y, radius_x = (
        (high[1] - low[1]) / 2 * rng.uniform(0.85, 1.1),
        (high[2] - low[2]) / 2 * rng.uniform(0.75, 1.05),
    )
    centre_y = middle[1] - rng.uniform(0, 12)
    column = ((y - centre_y) / radius_y)[None, :, None] ** 2 + ((x - middle[2]) / radius_x)[None, None, :] ** 2
    column = column * (1 + rng.uniform(0, 1.2) * np.clip((low[0] + 15 - z) / 40, 0, 1))[:, None, None]
    below = (column < 1) & (z < middle[0] - rng.uniform(0, 12))[:, None, None]
    blobs = smooth_noise(rng, shape, HEAD_SPACING_MM, rng.uniform(8, 20))
    body = 4 + np.digitize(blobs, np.quantile(blobs, [0.15, 0.35, 0.55, 0.7, 0.85])).astype(np.uint8)
    labels = np.where(below & (distance > csf), body, 0).astype(np.uint8)
    base = below & (rng.random() < 0.6)
    shell = (distance <= csf + bone + scalp) & ~base
    labels[shell] = 3
    labels[(distance <= csf + bone) & ~base] = 2
    labels[(distance <= csf + rng.uniform(1.0, bone)) & base] = 2
    labels[distance <= csf] = 1
    labels[hull & ~brain] = 1
    labels[brain] = _OUTSIDE_CLASSES + tissue[brain]
    return labels
