"""A synthetic head as a label map: random anatomy for the phantom and for training on synthetic heads.

The anatomy is drawn from implicit shapes in a head frame in mm: x to the patient's right, y anterior, z superior, the
origin near the anterior commissure and landmarks near their places in the MNI space before scaling. Nothing of it comes
from a patient.
"""

from dataclasses import dataclass
from enum import IntEnum
from itertools import product

import numpy as np
import SimpleITK as sitk

from .implicit import Box, smooth_noise


class Label(IntEnum):
    """What a voxel of a synthetic head is made of.

    NERVE is the spinal cord below the brain and the optic nerves; VENTRICLE the two lateral ventricles,
    CENTRAL_VENTRICLE the third and the fourth with the aqueduct between them.
    """

    AIR = 0
    SKIN = 1
    FAT = 2
    MUSCLE = 3
    BONE = 4
    MARROW = 5
    MUCOSA = 6
    DURA = 7
    VESSEL = 8
    SUBARACHNOID_CSF = 9
    EYE = 10
    LENS = 11
    NERVE = 12
    SULCAL_CSF = 13
    VENTRICLE = 14
    GREY = 15
    WHITE = 16
    DEEP_GREY = 17
    PALLIDUM = 18
    BRAIN_STEM = 19
    CEREBELLAR_GREY = 20
    CEREBELLAR_WHITE = 21
    CHOROID_PLEXUS = 22
    CENTRAL_VENTRICLE = 23


BRAIN_LABELS = tuple(label for label in Label if label >= Label.SULCAL_CSF)
"""Labels inside the brain mask: tissue, ventricles, and the CSF of sulci and fissures, without the CSF around them."""


@dataclass(frozen=True)
class HeadParameters:
    """Anatomy of one synthetic head. Lengths in mm, angles in degrees, the rest are factors of 1 or fractions."""

    scale: tuple[float, float, float] = (0.94, 0.94, 0.94)
    rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ventricles: float = 1.0
    atrophy_mm: float = 0.0
    cortex_mm: float = 3.0
    gyrus_mm: float = 10.8
    sulcus_depth_mm: float = 16.0
    csf_mm: float = 2.0
    skull_mm: float = 6.0
    scalp_mm: float = 5.0
    warp_mm: float = 1.6
    asymmetry_mm: float = 1.0


def draw_parameters(rng: np.random.Generator, variation: float = 1.0) -> HeadParameters:
    """Draw the anatomy of a head.

    Args:
        rng: source of randomness.
        variation: 0 gives the average head, 1 what a clinic sees in adults with MS, 2 exaggerates it for training.
    """

    def vary(mean: float, spread: float, low: float, high: float) -> float:
        return float(np.clip(mean + variation * spread * rng.standard_normal(), low, high))

    size = vary(0.94, 0.03, 0.8, 1.08)
    return HeadParameters(
        scale=tuple(size * vary(1.0, 0.025, 0.85, 1.15) for _ in range(3)),
        rotation_deg=(vary(0, 6, -30, 30), vary(0, 3, -20, 20), vary(0, 3, -20, 20)),
        shift_mm=(vary(0, 4, -15, 15), vary(0, 5, -20, 20), vary(0, 5, -20, 20)),
        ventricles=vary(1.05, 0.25, 0.55, 2.0),
        atrophy_mm=vary(0.25, 0.35, 0.0, 1.6),
        cortex_mm=vary(3.0, 0.25, 2.2, 3.8),
        gyrus_mm=vary(10.8, 0.8, 8.5, 14.0),
        sulcus_depth_mm=vary(16.0, 2.0, 9.0, 20.0),
        csf_mm=vary(2.0, 0.8, 0.6, 6.0),
        skull_mm=vary(6.0, 1.2, 3.0, 11.0),
        scalp_mm=vary(5.5, 1.6, 2.5, 12.0),
        warp_mm=vary(1.6, 0.5, 0.5, 5.0),
        asymmetry_mm=vary(1.0, 0.4, 0.0, 2.5),
    )


@dataclass(frozen=True)
class Head:
    """A synthetic head on an isotropic grid with LPS axes.

    Attributes:
        labels: (z, y, x) uint8, values of `Label`; x grows to the left, y to the back, z upwards.
        spacing_mm: isotropic voxel spacing.
        origin_lps: position of the first voxel's centre in mm, LPS.
        parameters: the anatomy it was made from.
    """

    labels: np.ndarray
    spacing_mm: float
    origin_lps: tuple[float, float, float]
    parameters: HeadParameters

    def brain(self) -> np.ndarray:
        """Brain mask, (z, y, x) bool: tissue, ventricles, sulci and fissures; not the CSF outside."""
        return self.labels >= BRAIN_LABELS[0]

    def image(self, array: np.ndarray) -> sitk.Image:
        """``array`` (z, y, x) on this head's grid as a SimpleITK image."""
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((self.spacing_mm,) * 3)
        image.SetOrigin(self.origin_lps)
        return image


class Frame:
    """Head coordinates of every voxel: ``x`` (right), ``y`` (anterior), ``z`` (superior), float32 (z, y, x) arrays."""

    def __init__(self, shape: tuple[int, int, int], spacing_mm: float, parameters: HeadParameters) -> None:
        self.shape, self.spacing = shape, spacing_mm
        a, b, c = np.deg2rad(parameters.rotation_deg)
        about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
        about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
        self._to_head = np.diag(1.0 / np.array(parameters.scale)) @ (about_z @ about_y @ about_x).T
        self._shift = np.array(parameters.shift_mm)
        self.x = self.y = self.z = np.zeros(0, np.float32)

    def place(self, origin_lps: tuple[float, float, float], rng: np.random.Generator, warp_mm: float) -> None:
        """Fill the coordinates, bent by a smooth random field of about ``warp_mm``."""
        step = self.spacing
        right, front, up = (
            sign * (o + step * np.arange(n)) - t
            for sign, o, n, t in zip((-1, -1, 1), origin_lps, self.shape[::-1], self._shift, strict=True)
        )
        self._axes = (up, front, right)
        out = []
        for row in self._to_head:
            field = smooth_noise(rng, self.shape, step, 38.0) * np.float32(warp_mm)
            field += (row[0] * right).astype(np.float32)[None, None, :]
            field += (row[1] * front).astype(np.float32)[None, :, None]
            field += (row[2] * up).astype(np.float32)[:, None, None]
            out.append(field)
        self.x, self.y, self.z = out

    def box(self, low: tuple[float, float, float], high: tuple[float, float, float], margin: float = 8.0) -> Box:
        """Slices (z, y, x) that hold every voxel whose head coordinates lie between ``low`` and ``high`` (x, y, z)."""
        corners = np.array(list(product(*zip(low, high, strict=True))))
        world = corners @ np.linalg.inv(self._to_head).T
        slices = []
        for axis, column in zip(self._axes, (2, 1, 0), strict=True):
            inside = (axis >= world[:, column].min() - margin) & (axis <= world[:, column].max() + margin)
            index = np.flatnonzero(inside)
            slices.append(slice(int(index[0]), int(index[-1]) + 1) if index.size else slice(0, 0))
        return tuple(slices)


DEFAULT_EXTENT_LPS = ((-94.0, 94.0), (-124.0, 126.0), (-122.0, 98.0))


def head_labels(
    rng: np.random.Generator,
    *,
    spacing_mm: float = 1.0,
    parameters: HeadParameters | None = None,
    variation: float = 1.0,
    extent_lps: tuple[tuple[float, float], ...] = DEFAULT_EXTENT_LPS,
) -> Head:
    """Make a random synthetic head.

    Args:
        rng: source of all randomness; the same state gives the same head.
        spacing_mm: isotropic spacing of the label map. About 0.4 s at 2 mm and 3 s at 1 mm on one core.
        parameters: the anatomy; drawn with ``variation`` where None.
        variation: see `draw_parameters`.
        extent_lps: (low, high) of the field of view along left, posterior and superior in mm.

    Returns:
        The head; its brain is the voxels with labels in `BRAIN_LABELS`.
    """
    from .head_brain import draw_brain
    from .head_outside import draw_outside

    if parameters is None:
        parameters = draw_parameters(rng, variation)
    shape = tuple(round((high - low) / spacing_mm) for low, high in reversed(extent_lps))
    origin = tuple(low + spacing_mm / 2 for low, _ in extent_lps)
    frame = Frame(shape, spacing_mm, parameters)
    frame.place(origin, rng, parameters.warp_mm)
    labels = np.zeros(shape, np.uint8)
    brain_rng, outside_rng = (np.random.default_rng(s) for s in rng.integers(0, 2**63, 2))
    cavity, brain = draw_brain(frame, parameters, brain_rng)
    draw_outside(labels, frame, cavity, parameters, outside_rng)
    region = brain != Label.AIR
    labels[region] = brain[region]
    return Head(labels, spacing_mm, origin, parameters)
