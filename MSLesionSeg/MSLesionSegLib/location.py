"""Where a lesion lies, by the classes of MS reading, as shares of its volume.

The rule joins contact, which the criteria ask for, with distance, which parts a confluent lesion:

* *infratentorial*: voxels in brain stem or cerebellum.
* *periventricular*: voxels within 10 mm of a lateral ventricle, in a lesion that touches one. Contact, with no white
  matter between, is what McDonald 2017 asks for (Thompson et al., Lancet Neurology 17, 2018, 162-173; Filippi et al.,
  Brain 142, 2019, 1858-1875). Parting by distance from the ventricle follows DeCarli et al. (Stroke 36, 2005, 50-55);
  the 10 mm are our choice.
* *juxtacortical* (cortical or juxtacortical): voxels in the cortex or within 5 mm of it, in a lesion that touches it
  (the same criteria; the 5 mm are our choice).
* *deep white matter*: all others.

A voxel that could be both is periventricular, as a reader calls a lesion between occipital horn and calcarine cortex. A
lesion touches what is within 2 mm of the centre of one of its voxels: the next voxel of the 1 mm grid, corners
included, or one behind a voxel that is half fluid. What is near each voxel is kept as an image (``Zone``), so that
another threshold or an edited mask gets its locations without the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from .lesion_table import Lesion

PERIVENTRICULAR, JUXTACORTICAL = "periventricular", "juxtacortical"
INFRATENTORIAL, DEEP = "infratentorial", "deep white matter"
LOCATIONS = (PERIVENTRICULAR, JUXTACORTICAL, INFRATENTORIAL, DEEP)

TOUCH_MM = 2.0
NEAR_VENTRICLE_MM = 10.0
NEAR_CORTEX_MM = 5.0
SHARE_DECIMALS = 3


class Zone(IntFlag):
    """What a voxel of ``location_zones.nii.gz`` says; values add up, 0 is none of it."""

    TOUCHES_VENTRICLE = 1
    NEAR_VENTRICLE = 2
    TOUCHES_CORTEX = 4
    NEAR_CORTEX = 8
    INFRATENTORIAL = 16


@dataclass(frozen=True)
class LesionLocation:
    """Location of one lesion.

    Attributes:
        id: label of the lesion.
        shares: location -> share of its volume, three decimals, sum exactly 1, in the order of ``LOCATIONS``.
    """

    id: int
    shares: Mapping[str, float]

    @property
    def main(self) -> str:
        """The location with the largest share; of two equal ones the first of ``LOCATIONS``."""
        return max(LOCATIONS, key=lambda place: self.shares[place])


def lesion_locations(labels: np.ndarray, zones: np.ndarray) -> list[LesionLocation]:
    """Location of every lesion.

    Args:
        labels: (z, y, x) int, 0 background, n = lesion n.
        zones: (z, y, x) uint8 on the same grid, see :class:`Zone`.

    Returns:
        One :class:`LesionLocation` a label, ascending.

    Raises:
        ValueError: the two differ in shape.
    """
    if labels.shape != zones.shape:
        raise ValueError(f"Labels of shape {labels.shape} do not fit zones of shape {zones.shape}.")
    found = []
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            counts = _counts(zones[box][labels[box] == number])
            found.append(LesionLocation(number, dict(zip(LOCATIONS, exact_shares(counts), strict=True))))
    return found


def exact_shares(counts: Sequence[int]) -> list[float]:
    """Counts as shares of three decimals that add up to exactly 1 (largest remainders are rounded up)."""
    whole = 10**SHARE_DECIMALS
    exact = [count * whole / sum(counts) for count in counts]
    parts = [int(value) for value in exact]
    order = sorted(range(len(parts)), key=lambda index: (parts[index] - exact[index], index))
    for index in order[: whole - sum(parts)]:
        parts[index] += 1
    return [part / whole for part in parts]


def _counts(zones: np.ndarray) -> list[int]:
    """Voxels of one lesion in each of ``LOCATIONS``; ``zones`` are those of its voxels, (n,)."""
    below = zones & Zone.INFRATENTORIAL != 0
    near_ventricle = ~below & (zones & Zone.NEAR_VENTRICLE != 0) & bool((zones & Zone.TOUCHES_VENTRICLE).any())
    near_cortex = ~below & (zones & Zone.NEAR_CORTEX != 0) & bool((zones & Zone.TOUCHES_CORTEX).any())
    counts = [int(np.count_nonzero(where)) for where in (near_ventricle, near_cortex & ~near_ventricle, below)]
    return [*counts, zones.size - sum(counts)]


def located(
    lesions: Sequence[Lesion], numbers: np.ndarray, zones: np.ndarray
) -> tuple[list[Lesion], list[LesionLocation]]:
    """Lesions of a table with the location of their largest share, and all shares.

    Args:
        lesions: rows of the table, by number.
        numbers: (z, y, x) int, n where lesion n is.
        zones: (z, y, x) of ``Zone`` on the same grid.
    """
    locations = lesion_locations(numbers, zones)
    return [replace(lesion, location=one.main) for lesion, one in zip(lesions, locations, strict=True)], locations
