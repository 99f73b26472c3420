"""Volume nodes to image files of a study, voxels and geometry as they are."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk
import slicer

from .state import ModuleState


def write_study(state: ModuleState, folder: Path) -> dict[str, Path]:
    """Write the FLAIR, T1w and T2w nodes as NRRD files for the engine.

    Voxels and their type are kept; geometry as the scene shows it, in float64. A linear parent transform is hardened
    into the written geometry; the nodes themselves stay as they are.

    Args:
        state: names the nodes.
        folder: an existing folder.

    Returns:
        Contrast ("FLAIR", "T1w", "T2w") -> file, for those there are.

    Raises:
        StudyError: there is no FLAIR, a node is empty or has several values a voxel, is given for two contrasts, lies
            under a transform that bends, or under one that shears its axes.
        OutputError: a file cannot be written.
    """
    raise NotImplementedError


def node_to_image(node: slicer.vtkMRMLScalarVolumeNode, *, to_world: bool = True) -> sitk.Image:
    """A volume node as SimpleITK image (LPS, mm), pixel type kept.

    Args:
        node: a scalar volume.
        to_world: harden its linear parent transforms into the geometry; else leave them out.

    Raises:
        StudyError: as for :func:`write_study`.
    """
    raise NotImplementedError


def image_to_node(image: sitk.Image, node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Give a volume node the voxels (copied) and geometry of a SimpleITK image; its parent transform is not touched."""
    raise NotImplementedError
