"""Outside the brain of a synthetic head: CSF, dura, skull with marrow, scalp, face with air spaces, eyes, neck."""

import numpy as np

from .head_parts import Ball, Tube, paint
from .head_shape import Frame, HeadParameters, Label
from .implicit import ellipsoid, smooth_noise, smooth_union, tube


def draw_outside(
    labels: np.ndarray, frame: Frame, cavity: np.ndarray, p: HeadParameters, rng: np.random.Generator
) -> None:
    """Draw skin, fat, muscle, bone, air spaces, eyes and the CSF around the brain into ``labels``, in place.

    Args:
        labels: (z, y, x) uint8, changed.
        frame: head coordinates.
        cavity: signed distance to the inner surface of the skull, positive inside.
        p: the anatomy.
        rng: source of the variation of thickness and texture of soft tissue.
    """
    x, y, z = frame.x, frame.y, frame.z
    rough = smooth_noise(rng, frame.shape, frame.spacing, 9.0)
    broad = smooth_noise(rng, frame.shape, frame.spacing, 35.0)
    skull = p.skull_mm * (1.0 + 0.18 * broad) + np.clip((-10.0 - z) * 0.10, 0.0, 2.5)
    scalp = p.scalp_mm * (1.0 + 0.15 * broad)
    skull_surface = cavity + skull
    body = _body(frame, skull_surface + scalp)
    low = np.clip((-38.0 - z) / 8.0, 0.0, 1.0)

    labels[body > 0] = Label.SKIN
    deep = (body > 2.0) & (skull_surface <= 0)
    labels[deep] = Label.FAT
    muscle = deep & (z < -20) & (body > 5.0) & (rough + 0.03 * body > 0.0)
    labels[muscle] = Label.MUSCLE
    temple = (np.abs(x) > 38) & (z < 34 - 0.01 * (y - 12) ** 2) & (z > -45) & (y > -28) & (y < 52)
    labels[deep & (body > 4.0) & temple] = Label.MUSCLE

    bone = (skull_surface > 0) & (cavity < 0) & (low < 1.0)
    labels[bone] = Label.BONE
    share = -cavity / np.maximum(skull, 1e-3)
    diploe = bone & (np.abs(share - 0.5) < 0.24 + 0.06 * rough) & (skull > 4.0) & (z > -12)
    labels[diploe] = Label.MARROW
    paint(labels, frame, _FACE, rough, body > 2.0)
    labels[cavity > -0.6] = Label.DURA
    labels[cavity > 0.2] = Label.SUBARACHNOID_CSF
    _draw_midline(labels, frame, cavity)


def _body(frame: Frame, cranium: np.ndarray) -> np.ndarray:
    """Signed distance to the skin."""
    x, y, z = frame.x, frame.y, frame.z
    face = ellipsoid(x, y, z, (0, 36, -62), (66, 62, 62))
    nose = tube(x, y, z, [(0, 86, -26), (0, 101, -54)], [5, 10], (0.9, 1.0, 1.0))
    neck = (1.0 - np.sqrt((x / 64) ** 2 + ((y + 28 + 0.12 * (z + 90)) / 66) ** 2)) * 62.0
    neck = np.minimum(neck, -48.0 - z)
    ears = tube(np.abs(x), y, z, [(76, -18, -22), (84, -26, -30), (76, -18, -52)], [4, 4, 5], (0.6, 1.0, 1.0))
    soft = smooth_union(smooth_union(face, nose, 8.0), neck, 25.0)
    return np.maximum(smooth_union(cranium, soft, 20.0), ears)


_AIR, _BONE, _FAT, _MUSCLE, _MUCOSA = Label.AIR, Label.BONE, Label.FAT, Label.MUSCLE, Label.MUCOSA

_FACE: list[Ball | Tube] = [
    Ball(_BONE, (0, 8, -40), (24, 30, 16), paired=False),
    Ball(_BONE, (48, -28, -44), (17, 20, 13)),
    Ball(_AIR, (54, -32, -46), (9, 13, 11), holes=(0.0, 1.0)),
    Ball(_BONE, (0, 54, -62), (46, 38, 36), paired=False),
    Ball(_BONE, (35, 52, -30), (20, 30, 19), lean=0.30),
    Ball(_FAT, (34, 56, -30), (17, 32, 16), lean=0.30),
    *(
        Tube(_MUSCLE, ((17, 28, -28), (32 + dx, 62, -30 + dz)), (1.5, 2.4))
        for dx, dz in ((-9, 0), (9, 0), (0, 9), (0, -9))
    ),
    Tube(Label.NERVE, ((8, 14, -22), (20, 34, -27), (32, 58, -30)), (2.2, 2.2, 2.4)),
    Ball(Label.DURA, (32, 68, -30), (12.8, 12.5, 12.8)),
    Ball(Label.EYE, (32, 68, -30), (11.8, 11.5, 11.8)),
    Ball(Label.LENS, (32, 76.5, -30), (4.6, 2.2, 4.6)),
    Ball(_MUCOSA, (30, 58, -64), (15, 18, 17)),
    Ball(_AIR, (30, 58, -64), (13.8, 16.8, 15.8)),
    Ball(_MUCOSA, (0, 56, -58), (13, 38, 27), paired=False),
    Ball(_AIR, (5, 56, -58), (8, 36, 24), septum=1.2, holes=(1.2, 2.0)),
    Ball(_AIR, (8, 46, -34), (6.5, 20, 12), septum=0.8, holes=(1.5, 1.0)),
    Ball(_AIR, (8, 18, -40), (9, 11, 10), septum=0.8),
    Ball(_AIR, (11, 79, -6), (9, 4.5, 10), septum=0.8, holes=(1.5, 1.0)),
    Tube(_AIR, ((0, 20, -64), (0, 8, -90), (0, 2, -170)), (7, 8, 8), (1.3, 0.8, 1.0), paired=False),
    Ball(_MUSCLE, (0, 52, -98), (26, 34, 17), paired=False),
    Tube(Label.MARROW, ((0, -26, -82), (0, -30, -170)), (14, 14), paired=False),
    Tube(_BONE, ((0, -48, -86), (0, -48, -170)), (13, 13), paired=False),
    Tube(Label.SUBARACHNOID_CSF, ((0, -40, -56), (0, -46, -78), (0, -48, -170)), (12, 9.5, 9), paired=False),
    Tube(Label.NERVE, ((0, -44, -70), (0, -48, -170)), (6.4, 6.0), (1.15, 0.9, 1.0), paired=False),
]
"""Skull base, orbits, nose and sinuses, throat and spine, in the order of painting."""


def _draw_midline(labels: np.ndarray, frame: Frame, cavity: np.ndarray) -> None:
    """Sagittal sinus along the vault, the falx in front of and behind the corpus callosum, and the basal arteries."""
    part = frame.box((-6, -125, -40), (6, 90, 100))
    x, y, z = frame.x[part], frame.y[part], frame.z[part]
    view, depth = labels[part], cavity[part]
    vault = (z > 15) | (y < -60)
    view[(np.abs(x) < 4.5 - 0.9 * depth) & (depth > -1.0) & (depth < 5.0) & vault & (z > -12)] = Label.VESSEL
    part = frame.box((-22, -30, -45), (22, 30, -8))
    x, y, z = frame.x[part], frame.y[part], frame.z[part]
    basilar = tube(x, y, z, [(0, -11, -42), (0, -9, -18)], [1.8, 1.6])
    carotid = tube(np.abs(x), y, z, [(13, -2, -34), (12, 4, -20), (22, 2, -17)], [2.6, 2.2, 1.5])
    view = labels[part]
    view[(np.maximum(basilar, carotid) > 0) & (view == Label.SUBARACHNOID_CSF)] = Label.VESSEL
