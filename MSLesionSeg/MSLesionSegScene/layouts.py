"""What the views show: images side by side, the lesion outlined, the surface in 3D."""

from __future__ import annotations

import slicer

from .state import ModuleState


def show_side_by_side(scene: slicer.vtkMRMLScene, state: ModuleState) -> None:
    """FLAIR | T1w | T2w (those there are) in linked slice views along the FLAIR's slices."""
    raise NotImplementedError


def show_closed_surface(scene: slicer.vtkMRMLScene, state: ModuleState, shown: bool = True) -> None:
    """Make the closed surface of the reader's lesions and show it in 3D; False hides it and frees it."""
    raise NotImplementedError


def outline(scene: slicer.vtkMRMLScene, state: ModuleState, key: str | None) -> None:
    """Outline one lesion in the slice views; None outlines none."""
    raise NotImplementedError
