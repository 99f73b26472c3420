"""The places of one case that samplers draw from, found once, so that a draw costs the same on any volume."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from MSLesionSegLib.errors import StudyError

from .lesion_index import LesionIndex, index_lesions, no_voxels

BRIGHT_FLAIR = 1.2
"""Normalised FLAIR intensity above which a voxel without a lesion counts as a hard negative."""
MOST_VOXELS = 20000
"""Places kept of the brain, of its part without lesion and of its bright part; a brain of 1.5 L has a million."""


@dataclass(frozen=True, eq=False)
class CaseIndex:
    """What samplers know of a case. All places are (z, y, x) in voxels of the model grid.

    Attributes:
        shape: voxels of the volume along (z, y, x).
        lesions: index of the annotated lesions; ``dataclasses.replace`` puts those of another patient in their place.
        brain_voxels: int16 (n, 3), places in the brain at even steps, at least one.
        background_voxels: int16 (n, 3), the same of the brain without lesion.
        bright_voxels: int16 (n, 3), bright on FLAIR and no lesion; empty where no FLAIR was given.
        false_positives: int16 (n, 3), where an earlier model found lesions that are none; see ``with_hard_negatives``.
    """

    shape: tuple[int, int, int]
    lesions: LesionIndex
    brain_voxels: np.ndarray
    background_voxels: np.ndarray
    bright_voxels: np.ndarray
    false_positives: np.ndarray = field(default_factory=no_voxels)


def index_case(flair: np.ndarray | None, brain: np.ndarray, lesion: np.ndarray) -> CaseIndex:
    """Index one case.

    Args:
        flair: (z, y, x) normalised FLAIR; None leaves hard negatives out.
        brain: (z, y, x) bool, not empty.
        lesion: (z, y, x) bool.

    Raises:
        StudyError: the brain mask is empty.
    """
    if not brain.any():
        raise StudyError("The brain mask is empty.", "Give a mask of the brain on the FLAIR's grid.")
    background = brain & ~lesion
    bright = no_voxels() if flair is None else _some_voxels((flair > BRIGHT_FLAIR) & background)
    return CaseIndex(brain.shape, index_lesions(lesion), _some_voxels(brain), _some_voxels(background), bright)


def with_hard_negatives(index: CaseIndex, voxels: np.ndarray) -> CaseIndex:
    """The index with former false positives, which ``LesionSampler`` draws beside the bright voxels.

    Args:
        index: of the case.
        voxels: (n, 3) whole places (z, y, x) inside the volume, e.g. ``np.argwhere(found & ~annotated)``; they take
            the place of earlier ones.

    Raises:
        ValueError: a place lies outside the volume.
    """
    voxels = np.asarray(voxels).reshape(-1, 3)
    if (voxels < 0).any() or (voxels >= index.shape).any():
        raise ValueError(f"a hard negative lies outside the volume of {index.shape} voxels")
    return replace(index, false_positives=_thinned(voxels))


def save_index(path: Path, index: CaseIndex) -> None:
    """Write an index as one .npy file, whole or not at all.

    The file is a single record of numpy's own format, one field an array, without pickle: see ``load_index``.
    """
    fields = _fields(index)
    record = np.zeros((), [(name, array.dtype, array.shape) for name, array in fields.items()])
    for name, array in fields.items():
        record[name] = array
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            np.save(file, record, allow_pickle=False)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load_index(path: Path) -> CaseIndex:
    """Read what ``save_index`` wrote; the file is mapped into memory, not read, and keeps one file handle open.

    Raises:
        StudyError: the file is missing, damaged or something else.
    """
    try:
        record = np.load(path, mmap_mode="r", allow_pickle=False)
        arrays = {name: np.asarray(record[name]) for name in record.dtype.names or ()}
        lesions = LesionIndex(*(arrays[name] for name in ("sizes", "lesion_voxels", "starts", "specks")))
        shape = tuple(int(n) for n in arrays["shape"])
        return CaseIndex(shape, lesions, *(arrays[name] for name in _PLACES))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise StudyError(f"{path} is no index of a case, or it is damaged.", "Delete it, it is made again.") from error


_PLACES = ("brain_voxels", "background_voxels", "bright_voxels", "false_positives")


def _fields(index: CaseIndex) -> dict[str, np.ndarray]:
    lesions = index.lesions
    return {
        "shape": np.array(index.shape, np.int64),
        "sizes": lesions.sizes,
        "starts": lesions.starts,
        "lesion_voxels": lesions.voxels,
        "specks": lesions.specks,
    } | {name: getattr(index, name) for name in _PLACES}


def _some_voxels(mask: np.ndarray) -> np.ndarray:
    """At most MOST_VOXELS places of a mask, at even steps; int16 (n, 3)."""
    return np.stack(np.unravel_index(_thinned(np.flatnonzero(mask)), mask.shape), 1).astype(np.int16)


def _thinned(found: np.ndarray) -> np.ndarray:
    """At most MOST_VOXELS of the rows, at even steps; places become int16."""
    kept = min(len(found), MOST_VOXELS)
    found = found[np.arange(kept) * len(found) // max(kept, 1)]
    return found.astype(np.int16) if found.ndim == 2 else found
