"""Smooth implicit shapes and random fields on a voxel grid, the bricks of the synthetic head.

A shape is an array of approximate signed distances in mm, positive inside. Arrays are float32 in (z, y, x) order.
"""

import numpy as np
from scipy import ndimage

Box = tuple[slice, slice, slice]


def smooth_union(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """Union of two shapes with a fillet of about ``k`` mm (polynomial smooth maximum after Quilez)."""
    h = np.clip(k - np.abs(a - b), 0.0, None)
    return np.maximum(a, b) + h * h * np.float32(0.25 / k)


def smooth_intersection(a: np.ndarray, b: np.ndarray, k: float) -> np.ndarray:
    """Intersection of two shapes with a rounded edge of about ``k`` mm."""
    h = np.clip(k - np.abs(a - b), 0.0, None)
    return np.minimum(a, b) - h * h * np.float32(0.25 / k)


def ellipsoid(x: np.ndarray, y: np.ndarray, z: np.ndarray, centre: tuple, radii: tuple) -> np.ndarray:
    """Approximate signed distance (mm, positive inside) to an ellipsoid with axes along x, y, z."""
    u, v, w = ((c - c0) * np.float32(1.0 / r) for c, c0, r in zip((x, y, z), centre, radii, strict=True))
    k0 = np.sqrt(u * u + v * v + w * w) + np.float32(1e-4)
    k1 = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2) + np.float32(1e-5)
    return (k0 * (1.0 - k0) / k1).astype(np.float32)


def tube(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    points: list[tuple[float, float, float]],
    radii: list[float],
    stretch: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """Approximate signed distance (mm, positive inside) to a tube along a polyline.

    Args:
        x, y, z: coordinates in mm, arrays of one shape.
        points: corners of the centre line in mm, at least two.
        radii: radius at each corner in mm.
        stretch: the cross-section is widened by these factors along x, y, z.
    """
    best = None
    for (p, q), (r0, r1) in zip(
        zip(points[:-1], points[1:], strict=True), zip(radii[:-1], radii[1:], strict=True), strict=True
    ):
        d = [np.float32(b - a) / s for a, b, s in zip(p, q, stretch, strict=True)]
        w = [(c - np.float32(a)) * np.float32(1.0 / s) for c, a, s in zip((x, y, z), p, stretch, strict=True)]
        length2 = max(float(sum(e * e for e in d)), 1e-6)
        t = np.clip((w[0] * d[0] + w[1] * d[1] + w[2] * d[2]) * np.float32(1.0 / length2), 0.0, 1.0)
        gap = np.sqrt(sum((wi - t * di) ** 2 for wi, di in zip(w, d, strict=True)))
        part = (r0 + (r1 - r0) * t - gap).astype(np.float32)
        best = part if best is None else np.maximum(best, part)
    return best


def _spline_along(field: np.ndarray, axis: int, count: int, step: float) -> np.ndarray:
    """Cubic B-spline with coefficients ``field`` along ``axis`` at ``count`` samples, ``step`` knot intervals apart.

    Sums four terms a sample rather than multiplying by a matrix, whose last digit would depend on the BLAS threads.
    """
    where = np.arange(count) * step
    first = np.floor(where).astype(np.int64)
    t = (where - first).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    total = np.take(field, first, axis) * (weights[0] / 6)
    for number in (1, 2, 3):
        part = np.take(field, first + number, axis)
        part *= weights[number] / 6
        total += part
    return total


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: float, knot_mm: float
) -> np.ndarray:
    """Random field of zero mean and about unit variance, smooth on the scale of ``knot_mm``.

    A cubic B-spline with normal random coefficients on a lattice of ``knot_mm``.

    Args:
        rng: source of randomness.
        shape: (z, y, x) of the result.
        spacing_mm: isotropic voxel spacing of the result.
        knot_mm: distance of the lattice points.
    """
    step = spacing_mm / knot_mm
    knots = [int(np.ceil(n * step)) + 4 for n in shape]
    field = rng.standard_normal(knots, dtype=np.float32)
    for axis in (2, 1, 0):
        field = _spline_along(field, axis, shape[axis], step)
    field *= np.float32(3.0)
    return field


def band_noise(rng: np.random.Generator, shape: tuple[int, int, int], wavelength: float) -> np.ndarray:
    """Band-passed noise of unit variance with one dominant wavelength in voxels: its zeros form a labyrinth."""
    white = rng.standard_normal(shape, dtype=np.float32)
    sigma = wavelength / 5.6
    band = ndimage.gaussian_filter(white, sigma, mode="wrap", truncate=3.0)
    band -= ndimage.gaussian_filter(band, sigma, mode="wrap", truncate=3.0)
    return band / band.std()


def upsample_linear(array: np.ndarray, shape: tuple[int, int, int], factor: float) -> np.ndarray:
    """Linear interpolation of ``array`` onto ``shape`` samples that lie ``factor`` source voxels apart."""
    for axis, count in enumerate(shape):
        where = np.clip(np.arange(count) * factor, 0, array.shape[axis] - 1)
        low = np.minimum(where.astype(np.int64), array.shape[axis] - 2)
        weight = (where - low).astype(np.float32)
        weight = weight.reshape([-1 if a == axis else 1 for a in range(3)])
        array = np.take(array, low, axis) * (1 - weight) + np.take(array, low + 1, axis) * weight
    return array.astype(np.float32)
