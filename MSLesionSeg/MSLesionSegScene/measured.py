"""What is measured on the lesions of the review: size, probability, location, confidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
import slicer

from MSLesionSegLib.grid import Grid
from MSLesionSegLib.lesion_confidence import EDGE_MM, rate_lesions
from MSLesionSegLib.lesion_table import Lesion, lesion_table
from MSLesionSegLib.lesions import bounding_box
from MSLesionSegLib.location import lesion_locations

from .state import ModuleState
from .volumes import node_matrix, node_voxels, set_geometry

Shares = Mapping[str, float]
Stamp = tuple[tuple[str, int] | float, ...]


class Measurements:
    """The lesions of a state, measured once as long as none of their voxels moves.

    Args:
        state: names the maps.
    """

    def __init__(self, state: ModuleState) -> None:
        self._state = state
        self._at: Stamp | None = None
        self._found: list[tuple[Lesion, Shares]] = []

    def lesions(self) -> list[tuple[Lesion, Shares]]:
        """Lesions with their numbers as ``id``, largest first, each with the share of its volume in each location.

        Positions are mm in the FLAIR's own space. Shares are empty where the result has no location zones; lesions
        have no confidence where it has no second pass.
        """
        state = self._state
        maps = (state.lesion_map, state.probability, state.zone_map, state.second_map)
        stamp: Stamp = tuple((node.GetID(), node.GetImageData().GetMTime()) for node in maps if node is not None)
        stamp += (state.threshold,)
        if stamp != self._at:
            numbers = np.maximum(node_voxels(state.lesion_map), 0)
            grid = flair_grid(state)
            measured = lesion_table(grid.image(numbers), grid.image(node_voxels(state.probability)))
            measured = _rated(measured, numbers, state)
            shares = _shares(numbers, state.zone_map)
            found = [_with_place(lesion, shares.get(lesion.id, {})) for lesion in measured]
            self._found = sorted(found, key=lambda one: (-one[0].volume_ml, one[0].id))
            self._at = stamp
        return self._found


def flair_grid(state: ModuleState) -> Grid:
    """The FLAIR node's own grid, parent transform left out."""
    empty = sitk.Image([1, 1, 1], sitk.sitkUInt8)
    set_geometry(empty, node_matrix(state.flair, to_world=False), state.flair.GetName())
    size = state.flair.GetImageData().GetDimensions()
    return Grid(tuple(size), empty.GetSpacing(), empty.GetOrigin(), empty.GetDirection())


def _shares(numbers: np.ndarray, zone_map: slicer.vtkMRMLLabelMapVolumeNode | None) -> dict[int, Shares]:
    """Lesion number -> share of its volume in each location."""
    box = bounding_box(numbers != 0)
    if zone_map is None or box is None:
        return {}
    return {one.id: one.shares for one in lesion_locations(numbers[box], node_voxels(zone_map)[box])}


def _rated(lesions: Sequence[Lesion], numbers: np.ndarray, state: ModuleState) -> Sequence[Lesion]:
    """The lesions with their confidence, where the result says how it is computed."""
    rule, box = state.provenance.get("confidence"), bounding_box(numbers != 0)
    if rule is None or state.second_map is None or state.brain_map is None or box is None:
        return lesions
    spacing = state.flair.GetSpacing()
    margin = [math.ceil(EDGE_MM / step) + 1 for step in reversed(spacing)]
    around = tuple(slice(max(part.start - m, 0), part.stop + m) for part, m in zip(box, margin, strict=True))
    maps = (node_voxels(node) for node in (state.probability, state.second_map, state.brain_map))
    images = [sitk.GetImageFromArray(array[around]) for array in (numbers, *maps)]
    for image in images:
        image.SetSpacing(spacing)
    return rate_lesions(lesions, *images, rule, state.threshold)


def _with_place(lesion: Lesion, shares: Shares) -> tuple[Lesion, Shares]:
    return replace(lesion, location=max(shares, key=shares.get, default="")), shares
