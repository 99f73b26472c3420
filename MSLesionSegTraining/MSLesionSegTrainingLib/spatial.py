"""Random affine and elastic deformation, done once, while a patch is read from its volume."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def random_affine(rng: np.random.Generator, *, rotation_deg: float = 20.0, scale: float = 0.15) -> np.ndarray:
    """Rotation about each axis (normal, sd half of ``rotation_deg``), scaling per axis, left-right flip half the time.

    Returns:
        (3, 3) matrix from an offset in the patch to an offset in the volume, both (z, y, x) in voxels.
    """
    angles = np.deg2rad(np.clip(rng.normal(0, rotation_deg / 2, 3), -rotation_deg, rotation_deg))
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        i, j = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    factors = np.exp(rng.uniform(-scale, scale)) * np.exp(rng.uniform(-scale / 3, scale / 3, 3))
    factors[2] *= rng.choice((-1.0, 1.0))
    return matrix * factors


def patch_offsets(size: int) -> Tensor:
    """Offsets of the voxels of a cubic patch from its centre; float32 (size, size, size, 3), last axis (z, y, x)."""
    line = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1)


def smooth_field(rng: np.random.Generator, channels: int, size: int, nodes: int) -> Tensor:
    """Smooth random field, unit deviation at its nodes, trilinear between; float32 (channels, size, size, size)."""
    coarse = torch.from_numpy(rng.standard_normal((channels, nodes, nodes, nodes)).astype(np.float32))
    return along_axes(coarse, (_between_nodes(nodes, size),) * 3)


def along_axes(volume: Tensor, matrices: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Apply a matrix along each axis: interpolation or blur that is separable, several times faster on small patches.

    Args:
        volume: float32 (C, z, y, x).
        matrices: (new z, z), (new y, y), (new x, x).

    Returns:
        float32 (C, new z, new y, new x).
    """
    along_z, along_y, along_x = matrices
    plane = along_y @ (volume @ along_x.T)
    return (along_z @ plane.flatten(2)).unflatten(2, plane.shape[2:])


@lru_cache(maxsize=256)
def _between_nodes(nodes: int, size: int) -> Tensor:
    """Linear interpolation from nodes to voxels, the outer ones in the same place; float32 (size, nodes)."""
    distance = torch.linspace(0, nodes - 1, size)[:, None] - torch.arange(nodes)
    return (1 - distance.abs()).clamp(min=0)


def patch_places(rng: np.random.Generator, centre: np.ndarray, size: int, *, elastic_voxels: float = 2.0) -> Tensor:
    """Places in the volume that a randomly deformed patch shows.

    Args:
        rng: source of all randomness.
        centre: (z, y, x) voxel of the volume in the patch's centre.
        size: patch edge in voxels.
        elastic_voxels: standard deviation of the elastic displacement at its nodes.

    Returns:
        float32 (size, size, size, 3), last axis (z, y, x) in voxels of the volume.
    """
    matrix = torch.from_numpy(random_affine(rng).astype(np.float32))
    places = patch_offsets(size) @ matrix.T + torch.from_numpy(np.asarray(centre, dtype=np.float32))
    if rng.random() < 0.5:
        places = places + elastic_voxels * rng.random() * smooth_field(rng, 3, size, 5).permute(1, 2, 3, 0)
    return places


def read_places(volume: Tensor, places: Tensor) -> Tensor:
    """Trilinear values of a volume at places; zero outside.

    Args:
        volume: (C, z, y, x), any real type, at least two voxels along each axis.
        places: (a, b, c, 3), last axis (z, y, x) in voxels.

    Returns:
        float32 (C, a, b, c).
    """
    return read_together((volume,), places)[0]


def read_together(volumes: Sequence[Tensor], places: Tensor) -> tuple[Tensor, ...]:
    """The same of several volumes on one grid, in half of the time that one after the other takes."""
    shape = torch.tensor(volumes[0].shape[1:])
    lowest, highest = torch.stack([torch.stack(axis.contiguous().aminmax()) for axis in places.unbind(-1)], 1)
    low = torch.clamp(lowest.floor().long() - 1, min=0)
    low = torch.minimum(low, shape - 2)
    high = torch.maximum(torch.minimum(highest.ceil().long() + 2, shape), low + 2)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    part = torch.cat([volume[(slice(None), *box)].float() for volume in volumes])
    if not part.any():
        return tuple(torch.zeros(len(volume), *places.shape[:3]) for volume in volumes)
    relative = (places - low) / (high - low - 1) * 2 - 1
    values = F.grid_sample(part[None], relative.flip(-1)[None], mode="bilinear", align_corners=True)[0]
    return values.split([len(volume) for volume in volumes])
