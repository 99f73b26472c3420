"""Image files into the scene, and which of the volumes is the FLAIR, the T1w and the T2w."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import slicer

from MSLesionSegLib.contrast_guess import Guess


def load_files(scene: slicer.vtkMRMLScene, paths: Sequence[Path]) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """Load images: files, folders of them, DICOM files or folders (each stack of slices a node), all or none.

    Masks and label maps of a folder, localizers and series that are no MR are left out. The tags that tell contrasts
    apart are kept with the node as attributes ``MSLesionSeg.<keyword>``; names of patients are not.

    Raises:
        StudyError: a file cannot be read, or nothing is there to load.
    """
    raise NotImplementedError


def assign(
    scene: slicer.vtkMRMLScene, nodes: Sequence[slicer.vtkMRMLScalarVolumeNode] | None = None
) -> dict[str, tuple[slicer.vtkMRMLScalarVolumeNode | None, Guess]]:
    """Which node is which contrast; nothing is set in the module's state.

    Args:
        scene: the scene.
        nodes: volumes to choose from; None takes all of the scene but label maps and probability maps.

    Returns:
        "FLAIR", "T1w", "T2w" -> the node (or None) and the guess with confidence, ``sure`` and a reason in words.
    """
    raise NotImplementedError
