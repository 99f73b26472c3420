"""Synthetic MS lesions in a synthetic head: where they sit, what shape they have, how much tissue they destroy."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .head_shape import Head, Label
from .implicit import smooth_noise

VOLUMES_MM3 = {
    "periventricular": (2500, 1900, 1200, 700, 450, 260, 150, 80),
    "deep white matter": (800, 300, 110, 45, 22),
    "juxtacortical": (420, 170, 70, 28),
    "infratentorial": (340, 130, 40),
}
"""Volume of each lesion before it is varied, by place."""

_HOSTS = {
    "periventricular": (Label.WHITE,),
    "deep white matter": (Label.WHITE,),
    "juxtacortical": (Label.WHITE, Label.GREY),
    "infratentorial": (Label.BRAIN_STEM, Label.CEREBELLAR_WHITE),
}
_GAP_MM = 7.0
_EDGE_MM = 0.45


@dataclass(frozen=True)
class PlantedLesion:
    """One lesion on the head's grid.

    Attributes:
        place: key of `VOLUMES_MM3`.
        volume_mm3: volume at half height of its edge.
        box: slices (z, y, x) that hold it.
        member: (z, y, x) float32 in the box, 0 outside the lesion to 1 inside, soft over a millimetre.
        share: (z, y, x) float32 in the box, share of lesion tissue in each voxel, uneven inside the lesion.
    """

    place: str
    volume_mm3: float
    box: tuple[slice, slice, slice]
    member: np.ndarray
    share: np.ndarray


def plant_lesions(
    head: Head, rng: np.random.Generator, volumes_mm3: dict[str, tuple[float, ...]] | None = None
) -> list[PlantedLesion]:
    """Plant lesions that keep clear of each other by several millimetres, the largest first.

    Args:
        head: the head; its labels are read only.
        rng: source of places, shapes and severities.
        volumes_mm3: wanted volumes by place, varied by a fifth; `VOLUMES_MM3` where None.

    Returns:
        The lesions, largest first. One for which there is no room is left out.
    """
    wanted = [(v * rng.uniform(0.85, 1.15), place) for place, vs in (volumes_mm3 or VOLUMES_MM3).items() for v in vs]
    wanted.sort(reverse=True)
    room = _Room(head)
    planted: list[PlantedLesion] = []
    for volume, place in wanted:
        for _ in range(12):
            lesion = _grow(head, room, place, volume, rng)
            if lesion is not None:
                planted.append(lesion)
                room.occupy(lesion)
                break
    return planted


def lesion_share(head: Head, lesions: list[PlantedLesion]) -> np.ndarray:
    """Share of lesion tissue in every voxel of the head, (z, y, x) float32."""
    share = np.zeros(head.labels.shape, np.float32)
    for lesion in lesions:
        share[lesion.box] = np.maximum(share[lesion.box], lesion.share)
    return share


class _Room:
    """Distances that decide where a lesion may sit, on a grid of about 2 mm; and what is taken already."""

    def __init__(self, head: Head) -> None:
        self.step = max(round(2.0 / head.spacing_mm), 1)
        self.mm = self.step * head.spacing_mm
        self.labels = labels = head.labels[:: self.step, :: self.step, :: self.step]
        self.to_ventricle = self._distance(labels == Label.VENTRICLE)
        middle = np.argwhere(labels == Label.CENTRAL_VENTRICLE)[:, 2].mean()
        self.lateral = np.abs(np.arange(labels.shape[2]) - middle) * self.mm
        self.outwards = np.gradient(self.to_ventricle, self.mm)
        self.to_cortex = self._distance(labels == Label.GREY)
        fluid = (Label.SULCAL_CSF, Label.SUBARACHNOID_CSF, Label.VENTRICLE, Label.CENTRAL_VENTRICLE)
        self.to_csf = self._distance(np.isin(labels, fluid))
        self.taken = np.zeros(head.labels.shape, bool)

    def _distance(self, mask: np.ndarray) -> np.ndarray:
        return ndimage.distance_transform_edt(~mask, sampling=self.mm).astype(np.float32)

    def candidates(self, place: str, radius: float) -> np.ndarray:
        """Indices (n, 3) on the coarse grid where the centre of a lesion of this mean radius may lie."""
        fits = np.isin(self.labels, _HOSTS[place])
        if place == "periventricular":
            fits &= np.abs(self.to_ventricle - (1.0 * radius + 0.6)) < 0.75 * self.mm
            fits &= (self.lateral > 14) & (self.to_csf > 0.8 * self.to_ventricle)
        elif place == "juxtacortical":
            fits &= (self.labels == Label.WHITE) & (np.abs(self.to_cortex - 0.8 * radius) < self.mm)
            fits &= self.to_ventricle > 15
        elif place == "deep white matter":
            fits &= (self.to_cortex > min(radius, 4.0) + 1.0) & (self.to_ventricle > radius + 7.0)
            fits &= self.to_csf > radius
        else:
            fits &= self.to_csf > 0.7 * radius
        return np.argwhere(fits)

    def occupy(self, lesion: PlantedLesion) -> None:
        self.taken[lesion.box] |= lesion.member > 0.02


def _grow(head: Head, room: _Room, place: str, volume: float, rng: np.random.Generator) -> PlantedLesion | None:
    radius = (3.0 * volume / (4.0 * np.pi)) ** (1 / 3)
    candidates = room.candidates(place, radius)
    if not len(candidates):
        return None
    coarse = candidates[rng.integers(len(candidates))]
    centre = coarse * room.step
    axis = np.array([g[tuple(coarse)] for g in room.outwards]) if place == "periventricular" else rng.standard_normal(3)
    axis = axis + 0.15 * rng.standard_normal(3)
    ratios = np.array([1.75, 0.8, 0.72]) if place == "periventricular" else rng.uniform(0.72, 1.35, 3)
    radii = radius * ratios / np.prod(ratios) ** (1 / 3)

    reach = int(np.ceil((1.7 * radii.max() + 3.0) / head.spacing_mm))
    box = tuple(slice(max(c - reach, 0), min(c + reach + 1, n)) for c, n in zip(centre, head.labels.shape, strict=True))
    clear = int(np.ceil(_GAP_MM / head.spacing_mm))
    around = tuple(slice(max(s.start - clear, 0), s.stop + clear) for s in box)
    labels = head.labels[box]
    offsets = np.stack(
        np.meshgrid(*[np.arange(s.start, s.stop) - c for s, c in zip(box, centre, strict=True)], indexing="ij"), -1
    )
    local = (offsets * head.spacing_mm) @ _frame_about(axis, rng).T / radii
    ragged = 0.2 * smooth_noise(rng, labels.shape, head.spacing_mm, max(0.7 * radius, 2.0))
    size = np.sqrt((local**2).sum(-1)) * np.exp(np.clip(ragged, -0.35, 0.35))
    allowed = np.isin(labels, _HOSTS[place])
    count = round(volume / head.spacing_mm**3)
    if np.count_nonzero(allowed) <= count:
        return None
    level = np.partition(size[allowed], count)[count]
    inside = allowed & (size < level)
    if level > 1.35 or ndimage.label(inside)[1] != 1:
        return None
    gap = ndimage.distance_transform_edt(~room.taken[around], sampling=head.spacing_mm)
    within = tuple(slice(s.start - a.start, s.stop - a.start) for s, a in zip(box, around, strict=True))
    if gap[within][inside].min() < _GAP_MM:
        return None
    member = allowed / (1.0 + np.exp(np.clip((size - level) * radius / _EDGE_MM, -30, 30)))
    severity = rng.uniform(0.5, 0.75) * (1.0 + 0.10 * smooth_noise(rng, labels.shape, head.spacing_mm, 3.0))
    share = member * np.clip(severity * (1.08 - 0.2 * np.clip(size / level, 0, 1) ** 2), 0.0, 1.0)
    return PlantedLesion(place, float(volume), box, member.astype(np.float32), share.astype(np.float32))


def _frame_about(axis: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows: three orthogonal unit vectors (z, y, x), the first along ``axis``."""
    first = axis / max(float(np.linalg.norm(axis)), 1e-6)
    second = np.cross(first, rng.standard_normal(3))
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)])
