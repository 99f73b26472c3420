"""Small made-up brains, so that the training package is tested without data."""

import numpy as np
import pytest

from MSLesionSegTrainingLib.brain_place import brain_box
from MSLesionSegTrainingLib.canvases import Canvas, ShapeMask, real_canvas, shape_mask, tissue_canvas

SIZE = 48


def ball(centre: tuple[int, int, int], radius: float) -> np.ndarray:
    """A ball in the made-up brain's grid, bool (z, y, x)."""
    places = np.indices((SIZE,) * 3) - np.array(centre)[:, None, None, None]
    return (places**2).sum(0) <= radius**2


@pytest.fixture(scope="session")
def ball_at():
    """The function that draws a ball."""
    return ball


@pytest.fixture(scope="session")
def brain() -> np.ndarray:
    return ball((24, 24, 24), 20)


@pytest.fixture(scope="session")
def study_canvas(brain) -> Canvas:
    """White matter at 0 with three lesions of 257, 33 and 7 voxels, bright on FLAIR and T2w, dark on T1w."""
    lesion = ball((24, 24, 14), 4) | ball((24, 30, 30), 2) | ball((12, 24, 24), 1)
    noise = np.random.default_rng(1).normal(0, 0.1, (3, SIZE, SIZE, SIZE))
    channels = (noise + np.array([2.0, -0.5, 1.5])[:, None, None, None] * lesion) * brain
    return real_canvas("study", channels.astype(np.float32), brain, lesion)


@pytest.fixture(scope="session")
def map_canvas(brain) -> Canvas:
    """A ventricle in white matter in a grey shell, one lesion."""
    ventricle, white = ball((24, 24, 24), 5), ball((24, 24, 24), 16)
    tissue = np.stack([ventricle, brain & ~white, white & ~ventricle]).astype(np.uint8) * 255
    return tissue_canvas("map", tissue, brain, ball((24, 24, 33), 3))


@pytest.fixture(scope="session")
def shapes(brain) -> list[ShapeMask]:
    return [shape_mask(ball((30, 20, 20), 3), brain_box(brain))]
