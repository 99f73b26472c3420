"""A synthetic study of a whole head with known MS lesions, for tests, the demonstration and screenshots.

Three contrasts on three different oblique, anisotropic grids, the patient moved a little between them. The study shares
code with the training of the networks, so no figure of quality comes from it.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from . import __version__
from .head_shape import Head, draw_parameters, head_labels
from .phantom_lesions import PlantedLesion, lesion_share, plant_lesions
from .protocol import Progress, SilentProgress
from .provenance import file_sha256
from .results import ResultFolder
from .signal_model import BRAINWEB, FREE_WATER, SEQUENCES, TISSUES, coil_bias, rician, tissue_signal

PHANTOM_FILE = "phantom.json"
HEAD_SPACING_MM = 1.0
_SLICE_WEIGHTS = (0.5, 1.0, 1.0, 1.0, 0.5)
_GAIN = {"FLAIR": 3.0, "T1w": 4.0, "T2w": 2.5}
_NOISE = {"FLAIR": 2.5, "T1w": 2.0, "T2w": 3.0}
_SEQUENCES = SEQUENCES | {"FLAIR": replace(SEQUENCES["FLAIR"], fat_saturation=0.4)}

_AXIAL = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_SAGITTAL = ((0, 1, 0), (0, 0, -1), (-1, 0, 0))
_GRIDS = {
    "FLAIR": ((232, 272, 50), (0.9, 0.9, 3.0), _AXIAL, (8.0, -2.0, 3.0), (0.0, 4.0, 8.0)),
    "T1w": ((256, 256, 156), (1.0, 1.0, 1.2), _SAGITTAL, (3.0, 2.0, -4.0), (0.0, 4.0, -10.0)),
    "T2w": ((344, 408, 38), (0.6, 0.6, 4.0), _AXIAL, (-6.0, 3.0, 2.0), (2.0, 2.0, 6.0)),
}
"""Size, spacing in mm, image axes in LPS before tilting, tilt in degrees about L, P and S, centre in LPS mm."""


def make_phantom(folder: Path, *, seed: int = 0, progress: Progress | None = None) -> None:
    """Write a synthetic study; equal seeds give equal bytes. About 8 s on one core.

    Writes ``FLAIR.nii.gz``, ``T1w.nii.gz``, ``T2w.nii.gz`` (int16), ``T1w_to_FLAIR.tfm`` and ``T2w_to_FLAIR.tfm``
    (rigid, as ``SimpleITK.Resample(moving, flair, transform)`` takes them), ``lesions_truth.nii.gz`` and
    ``brain_truth.nii.gz`` (uint8, 1 inside) on the FLAIR grid, and ``phantom.json`` (seed, anatomy, tissue constants,
    sequences, motion, and each lesion's place, centre in RAS mm and volume).

    Args:
        folder: a new or empty folder. One that holds this very phantom, unchanged, is left as it is.
        seed: chooses anatomy, lesions, motion and noise.
        progress: told how far it is; may cancel.

    Raises:
        OutputError: the folder holds other files or cannot be written; it is left as it was.
        Cancelled: a cancel was asked for; nothing is written.
    """
    progress = progress or SilentProgress()
    folder = Path(folder)
    if _is_intact(folder, seed):
        return
    with ResultFolder(folder) as out:
        anatomy_rng, lesion_rng, motion_rng, *image_rngs = (
            np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(6)
        )
        progress.update(0.02, "making the anatomy")
        parameters = replace(draw_parameters(anatomy_rng, 0.4), rotation_deg=(0.0, 0.0, 0.0), shift_mm=(0.0, 0.0, 0.0))
        head = head_labels(anatomy_rng, spacing_mm=HEAD_SPACING_MM, parameters=parameters)
        progress.update(0.25, "planting lesions")
        lesions = plant_lesions(head, lesion_rng)
        share = lesion_share(head, lesions)

        flair_grid = _grid("FLAIR")
        motion = {name: _draw_motion(motion_rng) for name in ("T1w", "T2w")}
        for number, (name, rng) in enumerate(zip(_GRIDS, image_rngs, strict=True)):
            progress.update(0.35 + 0.18 * number, f"scanning {name}")
            image = _scan(name, head, share, motion.get(name), rng)
            out.write_image(f"{name}.nii.gz", image)
            if name in motion:
                out.write_transform(f"{name}_to_FLAIR.tfm", motion[name])
        progress.update(0.9, "writing the truth")
        brain = acquire(head.image(head.brain().astype(np.float32)), flair_grid) >= 0.5
        truth, table = _truth(head, lesions, brain, flair_grid)
        out.write_image("lesions_truth.nii.gz", truth)
        out.write_image("brain_truth.nii.gz", _on_grid(brain.astype(np.uint8), flair_grid))
        record = _record(seed, head, table, motion, float(brain.sum() * np.prod(flair_grid.GetSpacing()) / 1000.0))
        files = sorted(p.name for p in out.staging.iterdir())
        record["outputs"] = {name: file_sha256(out.file(name)) for name in files}
        out.write_text(PHANTOM_FILE, json.dumps(record, indent=2, sort_keys=True) + "\n")
        progress.update(1.0)


def acquire(image: sitk.Image, grid: sitk.Image, motion: sitk.Transform | None = None) -> np.ndarray:
    """Scan an image of the head with a slice profile as thick as the slices of ``grid``.

    Args:
        image: the head, finely sampled.
        grid: an image with the geometry of the series.
        motion: maps points of the head's frame to where the patient lies in this series; none is the identity.

    Returns:
        (z, y, x) float32 on ``grid``.
    """
    back = motion.GetInverse() if motion is not None else sitk.Transform()
    thickness = grid.GetSpacing()[2]
    normal = np.array(grid.GetDirection()).reshape(3, 3)[:, 2]
    total = None
    for weight, place in zip(_SLICE_WEIGHTS, np.linspace(-0.5, 0.5, len(_SLICE_WEIGHTS)), strict=True):
        origin = np.array(grid.GetOrigin()) + normal * thickness * place
        part = sitk.Resample(
            image, grid.GetSize(), back, sitk.sitkLinear, origin.tolist(), grid.GetSpacing(), grid.GetDirection(), 0.0
        )
        array = sitk.GetArrayFromImage(part) * np.float32(weight / sum(_SLICE_WEIGHTS))
        total = array if total is None else total + array
    return total


def _scan(
    name: str, head: Head, share: np.ndarray, motion: sitk.Transform | None, rng: np.random.Generator
) -> sitk.Image:
    fine = tissue_signal(head.labels, _SEQUENCES[name], rng, spacing_mm=head.spacing_mm, lesions=share)
    fine = ndimage.gaussian_filter(fine, 0.4 / head.spacing_mm, truncate=2.5)
    fine *= coil_bias(rng, fine.shape, head.spacing_mm, 0.25)
    grid = _grid(name)
    noisy = rician(acquire(head.image(fine), grid, motion), _NOISE[name], rng) * _GAIN[name]
    return _on_grid(np.clip(np.rint(noisy), 0, 32767).astype(np.int16), grid)


def _rotation(degrees: tuple[float, float, float]) -> sitk.Euler3DTransform:
    rotation = sitk.Euler3DTransform()
    rotation.SetRotation(*(float(np.deg2rad(d)) for d in degrees))
    return rotation


def _draw_motion(rng: np.random.Generator) -> sitk.Euler3DTransform:
    """A rigid movement of a patient between two series: 2 to 4 degrees and 2 to 5 mm along some axis."""
    turn, shift = rng.standard_normal(3), rng.standard_normal(3)
    motion = _rotation(tuple(turn / np.linalg.norm(turn) * rng.uniform(2, 4)))
    motion.SetTranslation((shift / np.linalg.norm(shift) * rng.uniform(2, 5)).tolist())
    return motion


def _grid(name: str) -> sitk.Image:
    size, spacing, axes, tilt, centre = _GRIDS[name]
    direction = np.array(_rotation(tilt).GetMatrix()).reshape(3, 3) @ np.array(axes, float).T
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetDirection(direction.ravel().tolist())
    middle = (np.array(size) - 1) / 2 * np.array(spacing)
    grid.SetOrigin((np.array(centre) - direction @ middle).tolist())
    return grid


def _on_grid(array: np.ndarray, grid: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(grid)
    return image


def _truth(
    head: Head, lesions: list[PlantedLesion], brain: np.ndarray, grid: sitk.Image
) -> tuple[sitk.Image, list[dict[str, Any]]]:
    """Lesion mask on ``grid`` and one row a lesion.

    Each lesion takes the voxels of the brain that hold most of it, as many as its volume fills: a threshold of one half
    would shrink the small ones, which fill no thick slice.
    """
    member, owner = np.zeros(head.labels.shape, np.float32), np.zeros(head.labels.shape, np.float32)
    for number, lesion in enumerate(lesions, 1):
        member[lesion.box] = np.maximum(member[lesion.box], lesion.member)
        near = lesion.member > 0.02
        owner[lesion.box][near] = number
    filled = acquire(head.image(member), grid)
    owners = head.image(ndimage.grey_dilation(owner, 3))
    nearest = sitk.GetArrayFromImage(sitk.Resample(owners, grid, sitk.Transform(), sitk.sitkNearestNeighbor))
    mask = np.zeros(filled.shape, np.uint8)
    voxel = float(np.prod(grid.GetSpacing()))
    rows = []
    for number, lesion in enumerate(lesions, 1):
        index = np.argwhere((nearest == number) & brain & (filled > 0.05))
        count = max(round(float(lesion.member.sum()) * head.spacing_mm**3 / voxel), 1)
        best = index[np.argsort(-filled[tuple(index.T)], kind="stable")[:count]]
        mask[tuple(best.T)] = 1
        left, back, up = grid.TransformContinuousIndexToPhysicalPoint(best.mean(0)[::-1].tolist())
        centre = [round(-left, 2), round(-back, 2), round(up, 2)]
        rows.append({"place": lesion.place, "centre_ras_mm": centre, "volume_mm3": round(len(best) * voxel, 2)})
    rows.sort(key=lambda row: -row["volume_mm3"])
    return _on_grid(mask, grid), [{"id": number, **row} for number, row in enumerate(rows, 1)]


def _record(
    seed: int, head: Head, lesions: list[dict[str, Any]], motion: dict[str, sitk.Euler3DTransform], brain_ml: float
) -> dict[str, Any]:
    return {
        "tool": "MSLesionSeg phantom",
        "tool_version": __version__,
        "note": "Synthetic images. No patient is shown, and no figure of quality may come from them.",
        "seed": seed,
        "anatomy": asdict(head.parameters),
        "tissues": {label.name: asdict(tissue) for label, tissue in TISSUES.items()},
        "lesion_tissue": {**asdict(BRAINWEB["lesion"]), "free_water": FREE_WATER},
        "sequences": {name: asdict(sequence) for name, sequence in _SEQUENCES.items()},
        "motion": {
            name: {
                "rotation_deg": [round(float(np.rad2deg(a)), 4) for a in (m.GetAngleX(), m.GetAngleY(), m.GetAngleZ())],
                "shift_lps_mm": [round(t, 4) for t in m.GetTranslation()],
            }
            for name, m in motion.items()
        },
        "brain_ml": round(brain_ml, 1),
        "lesion_load_ml": round(sum(row["volume_mm3"] for row in lesions) / 1000.0, 3),
        "lesions": lesions,
    }


def _is_intact(folder: Path, seed: int) -> bool:
    """Whether the folder holds the phantom of this seed and version, every file as it was written."""
    try:
        record = json.loads((folder / PHANTOM_FILE).read_text(encoding="utf-8"))
        same = record["seed"] == seed and record["tool_version"] == __version__
        return same and all(file_sha256(folder / name) == digest for name, digest in record["outputs"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
