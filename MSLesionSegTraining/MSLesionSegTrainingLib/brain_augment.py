"""Random views of a head for the brain network: place, shape and field of view, contrast, and what scanners do to it.

Images are float32 arrays (z, y, x). Every function takes its randomness from the generator that it is given.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from MSLesionSegLib.brain_mask import normalise_head
from MSLesionSegLib.implicit import smooth_noise

from .brain_heads import HEAD_SPACING_MM, Head

#: Chance that a raw head keeps its own contrast (then only remapped), instead of a random intensity for each class.
OWN_CONTRAST = 0.75
#: Chance that air and compact bone are dark in a random contrast.
DARK_BONE = 0.85


def random_view(
    rng: np.random.Generator, head: Head, shape: tuple[int, int, int], spacing_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """One training window.

    Args:
        rng: source of randomness.
        head: the head to draw from; its brain must be known.
        shape: (z, y, x) of the window.
        spacing_mm: isotropic spacing of the window.

    Returns:
        Normalised intensities and share of brain (0 to 1), both float32 of `shape`.
    """
    both = np.stack([_draw_values(rng, head), head.brain])
    padding = "border" if head.image is not None and rng.random() < 0.3 else "zeros"
    view, brain = _sample(both, _sampling_grid(rng, head, shape, spacing_mm), padding)
    view = ndimage.gaussian_filter(view, rng.uniform(0.0, 0.4), truncate=3)
    if rng.random() < 0.25:
        view = _deface(rng, view, brain)
    if rng.random() < 0.5:
        view = _remap(rng, view)
    view = _shade(rng, view)
    if rng.random() < 0.5:
        view = _thick_slices(rng, view, spacing_mm)
    if rng.random() < 0.2:
        view = _ghost(rng, view)
    if rng.random() < 0.1:
        view = ndimage.gaussian_filter(view, rng.uniform(0.3, 0.7))
    view = _noise(rng, view)
    return normalise_head(view), brain.astype(np.float32)


def _draw_values(rng: np.random.Generator, head: Head) -> np.ndarray:
    if head.image is not None and rng.random() < OWN_CONTRAST:
        return head.values
    table = rng.uniform(0.0, 2.0, 256).astype(np.float32)
    if rng.random() < DARK_BONE:
        table[list(head.dark)] = rng.uniform(0, 0.2, len(head.dark))
    values = table[head.labels]
    if head.image is not None:
        values += head.values * np.float32(rng.normal(0, 0.5))
    elif rng.random() < 0.5:
        values += smooth_noise(rng, values.shape, HEAD_SPACING_MM, rng.uniform(5, 20)) * np.float32(
            rng.uniform(0, 0.15)
        )
        values[head.labels == 0] = table[0]
    return values - values.min()


def _sampling_grid(
    rng: np.random.Generator, head: Head, shape: tuple[int, int, int], spacing_mm: float
) -> torch.Tensor:
    """Where the window's voxels lie in the head's array, as ``grid_sample`` takes it, (1, z, y, x, 3)."""
    found = np.argwhere(head.brain > 0.5)
    low, high = found.min(0), found.max(0)
    size = np.array(head.brain.shape)
    middle = (low + high) / 2.0
    half = np.array(shape) * spacing_mm / HEAD_SPACING_MM / 2
    if head.image is not None:
        middle[0] = (size[0] - 1) / 2 + rng.uniform(-4, 4)
    else:
        top = rng.uniform(-15, -2) if rng.random() < 0.2 else rng.uniform(0, 15)
        middle[0] = high[0] + top - half[0]
    middle[1:] += rng.uniform(-8, 8, 2)
    angles = np.deg2rad(np.clip(rng.normal(0, 9, 3), -22, 22))
    stretch = np.exp(rng.uniform(-0.16, 0.16) + rng.normal(0, 0.05, 3))
    stretch[2] *= rng.choice((-1.0, 1.0))
    matrix = _rotation(angles) * stretch
    index = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in shape]
    offsets = torch.stack(torch.meshgrid(*index, indexing="ij"), -1) * (spacing_mm / HEAD_SPACING_MM)
    places = offsets @ torch.from_numpy(matrix.T.astype(np.float32)) + torch.from_numpy(middle.astype(np.float32))
    knots = [max(3, round(n * spacing_mm / rng.uniform(30, 70)) + 1) for n in shape]
    bend = rng.standard_normal((1, 3, *knots)).astype(np.float32) * np.float32(rng.uniform(0, 1.3))
    bend = F.interpolate(torch.from_numpy(bend), size=shape, mode="trilinear", align_corners=True)
    places += bend[0].permute(1, 2, 3, 0)
    scaled = places / torch.from_numpy(((size - 1) / 2).astype(np.float32)) - 1
    return scaled.flip(-1)[None]


def _rotation(angles: np.ndarray) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = (k for k in range(3) if k != axis)
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


def _sample(channels: np.ndarray, grid: torch.Tensor, padding: str) -> np.ndarray:
    source = torch.from_numpy(channels)[None]
    return F.grid_sample(source, grid, mode="bilinear", padding_mode=padding, align_corners=True)[0].numpy()


def _deface(rng: np.random.Generator, view: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Blank what lies in front of a tilted plane before the brain's lower front."""
    found = np.argwhere(brain > 0.5)
    if found.size == 0:
        return view
    low = found.min(0)
    z, y = (np.arange(n, dtype=np.float32) for n in view.shape[:2])
    slope = rng.uniform(-0.2, 1.2)
    cut = low[1] + rng.uniform(-4, 8) - slope * (z - low[0] - rng.uniform(5, 20))
    front = (y[None, :] < cut[:, None])[:, :, None]
    return np.where(front & (ndimage.maximum_filter(brain, 3) < 0.05), np.float32(view.min()), view)


def _remap(rng: np.random.Generator, view: np.ndarray) -> np.ndarray:
    """Another contrast by a random curve: mostly monotone, at times not, at times inverted."""
    high = max(float(np.percentile(view, 99.5)), 1e-3)
    knots = np.linspace(0, 1, 7)
    chance = rng.random()
    if chance < 0.82:
        heights = np.cumsum(np.concatenate([[0], rng.exponential(1.0, 6)]))
        heights /= heights[-1]
    else:
        heights = np.concatenate([[0.0], rng.uniform(0, 1, 6)])
    if chance > 0.94:
        heights = 1 - knots
    return np.interp(view / high, knots, heights).astype(np.float32)


def _shade(rng: np.random.Generator, view: np.ndarray) -> np.ndarray:
    """A coil's field: smooth, at times very strong, or falling off to one side."""
    strength = rng.uniform(0, 0.35) if rng.random() < 0.75 else rng.uniform(0.35, 0.8)
    field = smooth_noise(rng, view.shape, 3.0, rng.uniform(60, 140)) * np.float32(strength)
    if rng.random() < 0.3:
        axis = int(rng.integers(3))
        ramp = np.linspace(-1, 1, view.shape[axis], dtype=np.float32) * np.float32(rng.normal(0, 0.7))
        field = field + ramp.reshape([-1 if a == axis else 1 for a in range(3)])
    return view * np.exp(field)


def _thick_slices(rng: np.random.Generator, view: np.ndarray, spacing_mm: float) -> np.ndarray:
    """Average over slices along one axis, give each its own gain, and interpolate back."""
    axis = int(rng.choice(3, p=(0.6, 0.2, 0.2)))
    thickness = rng.uniform(spacing_mm, 7.0)
    size = list(view.shape)
    size[axis] = max(4, round(size[axis] * spacing_mm / thickness))
    tensor = torch.from_numpy(view)[None, None]
    slices = F.adaptive_avg_pool3d(tensor, size)[0, 0].numpy()
    gain = np.exp(rng.normal(0, rng.uniform(0, 0.12), size[axis])).astype(np.float32)
    slices = slices * gain.reshape([-1 if a == axis else 1 for a in range(3)])
    mode = "nearest" if rng.random() < 0.3 else "trilinear"
    options = {} if mode == "nearest" else {"align_corners": False}
    return F.interpolate(torch.from_numpy(slices)[None, None], size=view.shape, mode=mode, **options)[0, 0].numpy()


def _ghost(rng: np.random.Generator, view: np.ndarray) -> np.ndarray:
    axis = int(rng.integers(1, 3))
    shift = int(rng.integers(8, view.shape[axis] // 2))
    return view + np.roll(view, shift, axis) * np.float32(rng.uniform(0.02, 0.15))


def _noise(rng: np.random.Generator, view: np.ndarray) -> np.ndarray:
    """Rician noise on top of the image."""
    scale = float(np.percentile(view, 90))
    spread = np.float32(max(scale, 1e-6) * (rng.uniform(0, 0.04) if rng.random() < 0.7 else rng.uniform(0.04, 0.12)))
    real = view + spread * rng.standard_normal(view.shape, dtype=np.float32)
    return np.hypot(real, spread * rng.standard_normal(view.shape, dtype=np.float32))
