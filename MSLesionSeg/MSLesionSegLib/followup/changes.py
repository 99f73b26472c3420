"""Lesion by lesion: new, enlarging, stable, shrinking, resolved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .both_dates import Sampled
from .changed_volume import changed_share, volumes_mm3
from .evidence import AROUND, changed_regions
from .files import ENLARGING, NEW, RESOLVED, SHRINKING, STABLE
from .noise_volume import noise_volume_mm3
from .subtraction import Subtraction

MIRRORED = {NEW: RESOLVED, RESOLVED: NEW, ENLARGING: SHRINKING, SHRINKING: ENLARGING, STABLE: STABLE}
#: A change of which this part, with the voxels around it, is lesion at the darker date belongs to that lesion.
TOUCHING = 0.1


@dataclass(frozen=True)
class Change:
    """One change, or one stable lesion, from the first date to the second; volumes in mm3 of the half-way space.

    Attributes:
        kind: one of ``files.KINDS``.
        change_mm3: signed; of a stable lesion the difference of its volumes.
        noise_mm3: what noise alone would give (95 %).
        z: signed peak over a change; mean over a stable lesion.
        first_mm3, second_mm3: volume of the whole lesion at each date.
        middle_zyx: mean position, voxels of the half-way grid.
    """

    kind: str
    change_mm3: float
    noise_mm3: float
    z: float
    first_mm3: float
    second_mm3: float
    middle_zyx: tuple[float, float, float]


def find_changes(
    first: Sampled,
    second: Sampled,
    brain: np.ndarray,
    matched: tuple[np.ndarray, np.ndarray],
    subtraction: Subtraction,
    voxel_mm3: float,
    widening: float,
) -> tuple[list[Change], np.ndarray]:
    """List what changed, and the lesions that did not.

    Args:
        first, second: both dates on the half-way grid (1 mm voxels).
        brain: (z, y, x) bool, where changes are looked for.
        matched: intensities of both dates on one scale, (z, y, x).
        subtraction: second minus first.
        voxel_mm3: voxel volume of the coarser date.
        widening: at least 1; the volume noise is multiplied by it.

    Returns:
        The rows, changes before stable lesions, largest first; and (z, y, x) int32, n where row n (from 1) changed.
    """
    z = np.where(brain, subtraction.z, 0.0)
    regions = []
    for region in _regions(first, second, brain, matched, subtraction, z):
        near = tuple(date.probability[region.box] for date in (first, second))
        share = np.where(region.where, np.maximum(region.share, 0.0), 0.0)
        noise = widening * noise_volume_mm3(share, *near, voxel_mm3, subtraction.residual_mm)
        if region.volume > noise:
            regions.append((region, noise))
    regions.sort(key=lambda one: (-one[0].volume, *_middle(one[0].box, one[0].where)))
    marked = np.zeros(z.shape, np.int32)
    for number, (region, _) in enumerate(regions, start=1):
        marked[region.box][region.where] = number
    whole = _whole_lesions(first, second, marked)
    rows = []
    for region, noise in regions:
        number = whole.labels[region.box][region.where][0]
        before = (first if region.sign > 0 else second).lesion[region.box]
        joined = before[ndimage.binary_dilation(region.where, AROUND)].mean() >= TOUCHING
        rows.append(
            Change(
                _kind(region.sign, joined),
                region.sign * region.volume,
                noise,
                region.sign * float((region.sign * z[region.box][region.where]).max()),
                whole.first[number],
                whole.second[number],
                _middle(region.box, region.where),
            )
        )
    return rows + _stable(whole, first, second, brain, z, marked, voxel_mm3, subtraction, widening), marked


@dataclass(frozen=True)
class _Region:
    """A region that is brighter at one date.

    Attributes:
        box: slices (z, y, x), with a margin of two voxels.
        where: (z, y, x) bool, in the box.
        sign: 1 where the second date is brighter, -1 where the first is.
        share: (z, y, x) of the box, how much of each voxel changed (``changed_volume.py``).
        volume: mm3 that changed, the shares of the region and of what lies within a voxel of it together.
    """

    box: tuple[slice, slice, slice]
    where: np.ndarray
    sign: int
    share: np.ndarray
    volume: float


def _regions(
    first: Sampled,
    second: Sampled,
    brain: np.ndarray,
    matched: tuple[np.ndarray, np.ndarray],
    subtraction: Subtraction,
    z: np.ndarray,
) -> list[_Region]:
    dates, found = (first, second), []
    difference = np.where(brain, subtraction.difference, 0.0)
    for sign, bright, dark in ((1, 1, 0), (-1, 0, 1)):
        lesion = dates[bright].lesion & brain
        parts = list(
            changed_regions(sign * z, matched[bright], matched[dark], dates[bright].probability, dates[bright].lesion)
        )
        for box, where in parts:
            lesion[box] |= where
        share = changed_share(sign * difference, matched[bright], matched[dark], dates[dark].probability, lesion, brain)
        found += [(box, where, sign, share[box]) for box, where in parts]
    volumes = volumes_mm3([(box, where, share) for box, where, _, share in found], z.shape)
    return [_Region(*one, volume) for one, volume in zip(found, volumes, strict=True)]


@dataclass(frozen=True)
class _Whole:
    """Whole lesions: (z, y, x) labels, and volume (mm3) by label at either date."""

    labels: np.ndarray
    first: list[float]
    second: list[float]


def _whole_lesions(first: Sampled, second: Sampled, marked: np.ndarray) -> _Whole:
    labels, count = ndimage.label(first.lesion | second.lesion | (marked > 0), AROUND)
    volumes = [np.bincount(labels[date.lesion], minlength=count + 1).astype(float).tolist() for date in (first, second)]
    return _Whole(labels, *volumes)


def _stable(
    whole: _Whole,
    first: Sampled,
    second: Sampled,
    brain: np.ndarray,
    z: np.ndarray,
    marked: np.ndarray,
    voxel_mm3: float,
    subtraction: Subtraction,
    widening: float,
) -> list[Change]:
    """Lesions seen at both dates in which nothing changed."""
    changed = set(np.unique(whole.labels[marked > 0]).tolist())
    rows = []
    for number, box in enumerate(ndimage.find_objects(whole.labels), start=1):
        if number in changed or not (whole.first[number] and whole.second[number]):
            continue
        box = tuple(slice(max(part.start - 2, 0), part.stop + 2) for part in box)
        region = whole.labels[box] == number
        if not brain[box][region].any():
            continue
        noise = noise_volume_mm3(
            region, first.probability[box], second.probability[box], voxel_mm3, subtraction.residual_mm
        )
        rows.append(
            Change(
                STABLE,
                whole.second[number] - whole.first[number],
                widening * noise,
                float(z[box][region].mean()),
                whole.first[number],
                whole.second[number],
                _middle(box, region),
            )
        )
    return sorted(rows, key=lambda row: (-row.first_mm3 - row.second_mm3, row.middle_zyx))


def _kind(sign: int, joined: bool) -> str:
    if sign > 0:
        return ENLARGING if joined else NEW
    return SHRINKING if joined else RESOLVED


def _middle(box: tuple[slice, slice, slice], region: np.ndarray) -> tuple[float, float, float]:
    return tuple(float(v) for v in np.argwhere(region).mean(axis=0) + [part.start for part in box])
