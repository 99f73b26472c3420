"""What is measured on the lesions of the review: size, probability, location."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
import slicer

from MSLesionSegLib.grid import Grid
from MSLesionSegLib.lesion_table import Lesion, lesion_table
from MSLesionSegLib.lesions import bounding_box
from MSLesionSegLib.location import lesion_locations

from .state import ModuleState
from .volumes import node_matrix, node_voxels, set_geometry

Shares = Mapping[str, float]
Stamp = tuple[tuple[str, int], ...]


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

        Positions are mm in the FLAIR's own space. Shares are empty where the result has no location zones.
        """
        state = self._state
        maps = (state.lesion_map, state.probability, state.zone_map)
        stamp = tuple((node.GetID(), node.GetImageData().GetMTime()) for node in maps if node is not None)
        if stamp != self._at:
            numbers = np.maximum(node_voxels(state.lesion_map), 0)
            grid = flair_grid(state)
            measured = lesion_table(grid.image(numbers), grid.image(node_voxels(state.probability)))
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


def _with_place(lesion: Lesion, shares: Shares) -> tuple[Lesion, Shares]:
    return replace(lesion, location=max(shares, key=shares.get, default="")), shares
