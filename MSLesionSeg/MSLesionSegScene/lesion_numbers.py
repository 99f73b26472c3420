"""The rule of the review, on arrays alone: which voxel is of which lesion while threshold and reader change things.

Every lesion has a number as long as it exists. Arrays of numbers are (z, y, x) int16: 0 no lesion, n > 0 a voxel of
lesion n (of a rejected one too), ``ERASED`` a voxel that the reader took out of a lesion. A record is kept of each
lesion that the reader has decided or edited; lesions without one are *free*. docs/decisions/0005-review.md has the
reasons.

1. Free lesions are what the engine finds at the threshold and minimum size (probability >= threshold, 26-connected,
   large enough) among the voxels that are neither erased nor of a lesion with a record.
2. A lesion with a record keeps its voxels, whatever threshold and size. What a lower threshold would add around it is
   left out: a piece that touches it and nowhere reaches the threshold at which it stood. A free lesion that grows up to
   it ends one voxel away, so that the two stay two lesions.
3. Edits are what the reader's mask has more or less than the accepted and undecided lesions. A lesion that was drawn
   counts as accepted; one erased as a whole, as rejected; pieces of one keep its decision; lesions joined keep theirs
   where it was the same, else they are undecided.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.lesions import bounding_box, label_lesions, minimum_voxels

from .state import ACCEPTED, REJECTED, UNDECIDED

ERASED = -1
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Record:
    """What is kept of a lesion that the threshold no longer moves.

    Attributes:
        state: accepted, rejected or undecided.
        edited: whether the reader changed its outline, or drew it.
        threshold: the highest one at which it stood when it was decided or edited.
    """

    state: str
    edited: bool
    threshold: float


Records = Mapping[int, Record]


def free_lesions(
    probability: np.ndarray,
    numbers: np.ndarray,
    records: Records,
    threshold: float,
    min_mm3: float,
    spacing_xyz: tuple[float, float, float],
) -> np.ndarray:
    """Numbers at another threshold or minimum size, by rules 1 and 2.

    A free lesion keeps its number where the new one overlaps it; of several the one that overlaps most.

    Args:
        probability: (z, y, x), 0 to 1.
        numbers: as they are, (z, y, x) int16.
        records: of the lesions that stay.
        threshold: in (0, 1].
        min_mm3: smallest free lesion, mm3.
        spacing_xyz: mm.

    Returns:
        (z, y, x) int16.
    """
    candidates = probability >= threshold
    box = bounding_box(candidates | (numbers != 0)) if numbers.any() else bounding_box(candidates)
    result = np.zeros(numbers.shape, np.int16)
    if box is None:
        return result
    candidates, earlier, probability = candidates[box], numbers[box], probability[box]
    stays = _among(earlier, {ERASED, *records})
    if stays.any():
        candidates = _beside(candidates & ~stays, probability, earlier, records)
    labels = _components(candidates)
    place, label = _sparse(labels)
    large = np.bincount(label) >= minimum_voxels(min_mm3, spacing_xyz)
    place, label = place[large[label]], label[large[label]]
    before = earlier.ravel()[place]
    before[stays.ravel()[place]] = 0
    kept = np.where(stays, earlier, 0).astype(np.int16)
    kept.reshape(-1)[place] = _numbered(label, before, used=set(records))[label]
    result[box] = kept
    return result


def edited_lesions(
    numbers: np.ndarray, records: Records, mask: np.ndarray, threshold: float
) -> tuple[np.ndarray, dict[int, Record], set[int]] | None:
    """Numbers and records after edits of the reader's mask, by rule 3.

    Args:
        numbers: before, (z, y, x) int16.
        records: before.
        mask: the reader's mask as it is now, (z, y, x) bool.
        threshold: the one in force.

    Returns:
        Numbers, records and the numbers of the lesions that changed; None where nothing was edited.
    """
    expected = reader_mask(numbers, records)
    changed = mask != expected
    if not changed.any():
        return None
    box = bounding_box(mask | (numbers != 0))
    before, now, removed = numbers[box], mask[box], (expected & ~mask)[box]
    labels = label_lesions(now)
    count = int(labels.max(initial=0))
    place, label = _sparse(labels)
    size_before = np.bincount(before[before > 0], minlength=1)
    size_now = np.bincount(label, minlength=count + 1)
    overlaps = _overlaps(label, before.ravel()[place])

    touched: set[int] = set()
    new_records = dict(records)
    number_of = np.zeros(count + 1, np.int16)
    claimed: set[int] = set()
    edited: list[int] = []
    for label in range(1, count + 1):
        parts = overlaps.get(label, {})
        whole = len(parts) == 1 and next(iter(parts.values())) == size_now[label]
        number = next(iter(parts), 0)
        if whole and size_before[number] == size_now[label]:
            number_of[label] = number
            claimed.add(number)
            if _is_rejected(records, number):  # brought back by the editor's own undo
                touched.add(number)
                new_records.pop(number)
                if records[number].edited:
                    new_records[number] = Record(UNDECIDED, True, records[number].threshold)
        else:
            edited.append(label)
    wishes = sorted(((n, label, old) for label in edited for old, n in overlaps.get(label, {}).items()), reverse=True)
    for _, label, old in wishes:
        if number_of[label] == 0 and old not in claimed and not _is_rejected(records, old):
            number_of[label] = old
            claimed.add(old)
    fresh = _unused(set(records) | set(np.flatnonzero(size_before).tolist()))
    for label in edited:
        if number_of[label] == 0:
            number_of[label] = next(fresh)
        olds = [records.get(old, Record(UNDECIDED, False, threshold)) for old in overlaps.get(label, {})]
        states = {old.state for old in olds if old.state != REJECTED} or {ACCEPTED}
        state = states.pop() if len(states) == 1 else UNDECIDED
        number = int(number_of[label])
        touched |= {number, *overlaps.get(label, {})}
        new_records[number] = Record(state, True, max([threshold, *(old.threshold for old in olds)]))

    left = np.where(now, 0, before)
    for number in np.unique(before[removed]).tolist():
        touched.add(number)
        if number not in claimed and not any(number in overlaps.get(label, {}) for label in edited):
            old = records.get(number, Record(UNDECIDED, False, threshold))
            new_records[number] = Record(REJECTED, old.edited, max(threshold, old.threshold))
            removed = removed & (before != number)
    left[removed] = ERASED
    result = np.zeros(numbers.shape, np.int16)
    result[box] = np.where(now, number_of[labels], left)
    present = set(np.unique(result[box]).tolist())
    return result, {number: record for number, record in new_records.items() if number in present}, touched


def reader_mask(numbers: np.ndarray, records: Records) -> np.ndarray:
    """The reader's mask, (z, y, x) bool: all lesions that are not rejected."""
    inside = numbers > 0
    rejected = [number for number, record in records.items() if record.state == REJECTED]
    return inside & ~_among(numbers, rejected) if rejected else inside


def _beside(candidates: np.ndarray, probability: np.ndarray, numbers: np.ndarray, records: Records) -> np.ndarray:
    """Candidates without what only grows around lesions with a record, and without the voxels that touch them."""
    stood = _lookup(numbers, {number: record.threshold for number, record in records.items()}, np.float32)
    stood = _greatest_of_neighbours(stood)
    labels = _components(candidates)
    place, label = _sparse(labels)
    near = stood.ravel()[place]
    touches = near > 0
    stood_there, reached = np.zeros((2, int(label.max(initial=0)) + 1), np.float32)
    np.maximum.at(stood_there, label[touches], near[touches])
    of_touched = stood_there[label] > 0
    np.maximum.at(reached, label[of_touched], probability.ravel()[place[of_touched]])
    beside = np.zeros(candidates.shape, bool)
    beside.reshape(-1)[place] = ~touches & (reached >= stood_there)[label]
    # Of a lesion that touches none, nothing was looked up: 0 >= 0.
    return beside


def _greatest_of_neighbours(values: np.ndarray) -> np.ndarray:
    """Maximum over the 3 x 3 x 3 voxels around each."""
    for axis in range(3):
        ahead = [slice(None)] * 3
        behind = [slice(None)] * 3
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        wider = values.copy()
        np.maximum(wider[tuple(behind)], values[tuple(ahead)], out=wider[tuple(behind)])
        np.maximum(wider[tuple(ahead)], values[tuple(behind)], out=wider[tuple(ahead)])
        values = wider
    return values


def _components(mask: np.ndarray) -> np.ndarray:
    """26-connected components, numbered in the order of their first voxels."""
    return sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask.view(np.uint8)), True))


def _sparse(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flat index and label of each voxel that has one."""
    place = np.flatnonzero(labels)
    return place, labels.ravel()[place]


def _numbered(label: np.ndarray, earlier: np.ndarray, used: set[int]) -> np.ndarray:
    """Number of each label: that of the earlier lesion it overlaps most, or one not used before, larger ones first.

    Args:
        label, earlier: of each voxel, (n,).
        used: numbers that are not to be had.
    """
    sizes = np.bincount(label, minlength=1)
    assigned = np.zeros(sizes.size, np.int16)
    pairs = [(n, -one, old) for one, parts in _overlaps(label, earlier).items() for old, n in parts.items()]
    taken = set(used)
    for _, negative, old in sorted(pairs, reverse=True):
        if assigned[-negative] == 0 and old not in taken:
            assigned[-negative] = old
            taken.add(old)
    fresh = _unused(taken | {old for _, _, old in pairs})
    for one in np.lexsort((np.arange(sizes.size), -sizes)).tolist():
        if one and sizes[one] and assigned[one] == 0:
            assigned[one] = next(fresh)
    return assigned


def _overlaps(label: np.ndarray, numbers: np.ndarray) -> dict[int, dict[int, int]]:
    """Label -> {number: voxels that have both}, of the numbers above 0; voxels (n,)."""
    both = numbers > 0
    pairs, counts = np.unique(label[both].astype(np.int64) << 16 | numbers[both], return_counts=True)
    found: dict[int, dict[int, int]] = {}
    for pair, voxels in zip(pairs.tolist(), counts.tolist(), strict=True):
        found.setdefault(pair >> 16, {})[pair & 0xFFFF] = voxels
    return found


def _is_rejected(records: Records, number: int) -> bool:
    return number in records and records[number].state == REJECTED


def _unused(used: set[int]) -> Iterator[int]:
    """Numbers from 1 that are not in use."""
    number = 1
    while True:
        if number not in used:
            yield number
        number += 1


def _among(numbers: np.ndarray, wanted: Iterable[int]) -> np.ndarray:
    """Where the number is one of those wanted."""
    return _lookup(numbers, dict.fromkeys(wanted, True), bool)


def _lookup(numbers: np.ndarray, values: Mapping[int, float], kind: type) -> np.ndarray:
    """The value of each voxel's number, zero where it has none."""
    table = np.zeros(1 << 16, kind)  # negative ones at its end
    for number, value in values.items():
        table[number] = value
    return table.take(numbers.view(np.uint16))
