"""Small studies and results for tests of the scene: real nodes, and real result folders without running the network."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from MSLesionSegLib.finish import (
    BRAIN_FILE,
    FLAIR_FILE,
    MASK_FILE,
    PROBABILITY_FILE,
    SECOND_FILE,
    ZONES_FILE,
    write_probability,
)
from MSLesionSegLib.lesions import lesion_mask
from MSLesionSegLib.location import Zone
from MSLesionSegLib.nifti import read_nifti
from MSLesionSegLib.provenance import PROVENANCE_FILE, build_provenance, write_provenance
from MSLesionSegLib.results import ResultFolder
from MSLesionSegLib.study import SeriesSource, Study

SHAPE = (20, 48, 40)  # z, y, x
SPACING = (1.0, 1.0, 2.0)
OBLIQUE = Rotation.from_euler("xyz", (9, -4, 6), degrees=True).as_matrix()

#: corner (z, y, x), size (z, y, x), probability: four lesions at threshold 0.5, the last only from 0.4 down.
BLOCKS = {
    "large": ((4, 6, 6), (3, 6, 6), 0.9),
    "middle": ((10, 24, 8), (2, 4, 4), 0.8),
    "small": ((14, 36, 30), (2, 2, 2), 0.7),
    "faint": ((6, 30, 30), (2, 3, 3), 0.4),
}


#: How lesions get their confidence: the logit of the evidence itself, and nothing for the edge.
RULE = {"weights": {"evidence": 1.0, "edge": 0.0}, "intercept": 0.0, "doubtful_below": 0.5, "left_out": "T1w"}


def on_grid(array: np.ndarray, direction: np.ndarray = OBLIQUE) -> sitk.Image:
    """The array (z, y, x) as an oblique image."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    image.SetOrigin((-21.5, 30.25, -17.125))
    image.SetDirection(direction.ravel().tolist())
    return image


def flair_image(seed: int = 0) -> sitk.Image:
    """Random intensities, int16."""
    return on_grid(np.random.default_rng(seed).integers(0, 900, SHAPE).astype(np.int16))


def probability_map() -> np.ndarray:
    """The blocks, each with a rim of 0.3 of one voxel."""
    probability = np.zeros(SHAPE, np.float32)
    for corner, size, _ in BLOCKS.values():
        probability[tuple(slice(c - 1, c + n + 1) for c, n in zip(corner, size, strict=True))] = 0.3
    for corner, size, value in BLOCKS.values():
        probability[block(corner, size)] = value
    return probability


def block(corner: tuple[int, int, int], size: tuple[int, int, int]) -> tuple[slice, ...]:
    return tuple(slice(c, c + n) for c, n in zip(corner, size, strict=True))


def zone_map() -> np.ndarray:
    """Half of the large lesion and all of the faint one touch a ventricle, the middle one is infratentorial."""
    zones = np.zeros(SHAPE, np.uint8)
    zones[:, :9], zones[:, 28:34] = (Zone.TOUCHES_VENTRICLE | Zone.NEAR_VENTRICLE,) * 2
    zones[:, 22:28] = Zone.INFRATENTORIAL
    return zones


def mask_of(*names: str) -> np.ndarray:
    """(z, y, x) bool: the blocks of those names."""
    mask = np.zeros(SHAPE, bool)
    for name in names:
        mask[block(*BLOCKS[name][:2])] = True
    return mask


def write_result(
    folder: Path,
    flair: sitk.Image,
    probability: np.ndarray,
    *,
    threshold: float = 0.5,
    min_mm3: float = 3.0,
    moving: dict[str, tuple[sitk.Image, sitk.Transform]] | None = None,
    quality: Sequence[dict[str, str]] = (),
    second: np.ndarray | None = None,
    brain: sitk.Image | None = None,
) -> Path:
    """A result folder as ``segment`` leaves it, from a probability map, but for the table and the overview.

    Args:
        folder: is made.
        flair: gives the grid.
        probability: (z, y, x).
        threshold, min_mm3: of the result.
        moving: contrast -> image and transform from points of the FLAIR to it.
        quality: warnings about the images.
        second: (z, y, x), probability of a second pass without the T1w; gives lesions their confidence.
        brain: 0 and 1; the whole image without it.
    """
    moving = moving or {}
    sources = {name: SeriesSource(Path(f"{name}.nii.gz"), "0" * 64) for name in ("FLAIR", *moving)}
    images = {name: image for name, (image, _) in moving.items()}
    study = Study(flair, images.get("T1w"), images.get("T2w"), sources)
    provenance = build_provenance(
        study,
        models={"lesion": {"name": "test-model", "version": "0.1", "sha256": "1" * 64}},
        settings={"threshold": threshold, "min_lesion_mm3": min_mm3},
        device="cpu",
        runtime="torch",
        quality=quality,
    )
    with ResultFolder(folder) as result:
        result.write_image(FLAIR_FILE, flair)
        whole = on_image(np.ones(probability.shape, np.uint8), flair)
        result.write_image(BRAIN_FILE, whole if brain is None else brain)
        for name, (image, transform) in moving.items():
            result.write_image(f"{name}.nii.gz", image)
            result.write_transform(f"{name}_to_FLAIR.tfm", transform)
        write_probability(result, probability, flair)
        if probability.shape == SHAPE:
            result.write_image(ZONES_FILE, on_image(zone_map(), flair))
        if second is not None:
            result.write_image(SECOND_FILE, on_image(second.astype(np.float32), flair))
            provenance["confidence"] = RULE
        stored = sitk.GetArrayFromImage(read_nifti(result.file(PROBABILITY_FILE)))
        mask = lesion_mask(stored, threshold, min_mm3, flair.GetSpacing())
        result.write_image(MASK_FILE, on_image(mask, flair))
        write_provenance(result.file(PROVENANCE_FILE), {**provenance, "outputs": {}})
    return folder


def on_image(array: np.ndarray, like: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(like)
    return image


def add_volume(scene: Any, image: sitk.Image, name: str) -> Any:
    """A volume node of that image."""
    from MSLesionSegScene.volumes import image_to_node

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    image_to_node(image, node)
    return node


def reviewed_result(scene: Any, folder: Path, *, quality: Sequence[dict[str, str]] = ()) -> tuple[Any, Any]:
    """State and review of the small result, loaded."""
    from MSLesionSegScene.result_nodes import load_result
    from MSLesionSegScene.review import Review
    from MSLesionSegScene.state import ModuleState

    state = ModuleState(scene)
    flair = flair_image()
    state.flair = add_volume(scene, flair, "FLAIR")
    load_result(scene, state, write_result(folder / "result", flair, probability_map(), quality=quality))
    return state, Review(scene, state)
