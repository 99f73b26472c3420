"""Two dates of a made-up head in one scene, each with its lesions found, for tests of the follow-up."""

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from Testing.slicer.scene_results import add_volume, on_grid, on_image, write_result

HEAD = (24, 96, 80)  # z, y, x
LESIONS = {"stays": (10, 40, 30), "comes": (13, 58, 50)}
"""Centre (z, y, x) of each, radius 5 voxels in the plane."""


def head(names: tuple[str, ...], seed: int) -> tuple[sitk.Image, np.ndarray, sitk.Image]:
    """FLAIR, probability (z, y, x) and brain of a date with these lesions."""
    z, y, x = np.indices(HEAD, dtype=np.float32)
    brain = ((z - 12) / 11) ** 2 + ((y - 48) / 44) ** 2 + ((x - 40) / 36) ** 2 < 1
    bumps = ndimage.gaussian_filter(np.random.default_rng(7).standard_normal(HEAD), (1, 3, 3))
    flair = 400 + 60 * bumps / bumps.std()
    probability = np.zeros(HEAD, np.float32)
    for name in names:
        at = LESIONS[name]
        inside = ((z - at[0]) * 2) ** 2 + (y - at[1]) ** 2 + (x - at[2]) ** 2 <= 25
        flair[inside] += 500
        probability[inside] = 0.9
    flair = brain * flair + np.random.default_rng(seed).normal(0, 8, HEAD)
    image = on_grid(np.rint(flair).astype(np.int16))
    return image, probability, on_image(brain.astype(np.uint8), image)


def add_date(scene: Any, folder: Path, name: str, lesions: tuple[str, ...], seed: int) -> Any:
    """A date as study of the scene with its result, under review; its FLAIR node."""
    from MSLesionSegScene.result_nodes import load_result
    from MSLesionSegScene.state import ModuleState

    image, probability, brain = head(lesions, seed)
    state = ModuleState(scene)
    state.flair = add_volume(scene, image, name)
    load_result(scene, state, write_result(folder / name, image, probability, brain=brain))
    return state.flair
