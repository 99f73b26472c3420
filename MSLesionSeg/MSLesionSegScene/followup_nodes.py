"""What ``followup`` wrote as nodes of the scene, on the later FLAIR: the earlier one, the subtraction, the changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.followup.files import (
    ENLARGING,
    JSON_FILE,
    MASK_FILE,
    MASK_VALUES,
    NEW,
    RESOLVED,
    SHRINKING,
    SUBTRACTION_FILE,
    TRANSFORM_FILE,
)
from MSLesionSegLib.grid import resample
from MSLesionSegLib.nifti import read_nifti

from .beside import place_beside
from .followup_state import BASELINE, CHANGES, FOLLOWUP, SUBTRACTION, FollowupState
from .layouts import centre_views, show_images
from .segments import write_segment
from .state import ModuleState
from .terminology import lesion_terminology
from .volumes import node_matrix, parent_matrix, set_voxels, to_vtk_matrix

COLOURS = {NEW: (0.9, 0.1, 0.1), ENLARGING: (1.0, 0.55, 0.0), SHRINKING: (0.35, 0.8, 1.0), RESOLVED: (0.2, 0.35, 1.0)}
"""Red grew, blue shrank."""
SUBTRACTION_RANGE = 4.0
"""The subtraction is shown from minus to plus so many spreads of normal-appearing tissue."""
_AGAIN = "Compare the two dates again."
_KEPT = ("summary_sentence", "counts", "changes", "notes")


def load_comparison(
    scene: slicer.vtkMRMLScene,
    baseline: sitk.Image,
    baseline_name: str,
    followup: slicer.vtkMRMLScalarVolumeNode,
    folder: Path,
) -> None:
    """Put a comparison into the scene, all of it or nothing; it takes the place of an earlier one.

    The earlier FLAIR is brought onto the later one's voxels as a volume of its own, so that linked views show the same
    place and nothing of the earlier study is moved. The changes become a segmentation with a segment a kind.

    Args:
        scene: of the later FLAIR.
        baseline: the earlier FLAIR as it was compared.
        baseline_name: names the new nodes.
        followup: volume node of the later FLAIR.
        folder: what ``followup`` wrote.

    Raises:
        StudyError: the folder holds no comparison, a file in it is damaged, or it is not of this FLAIR.
    """
    if followup.GetScene() is None or followup.GetImageData() is None:
        raise StudyError("The later FLAIR is no longer in the scene.", "Load the study and compare again.")
    try:
        data = json.loads((folder / JSON_FILE).read_text(encoding="utf-8"))
        kept = {name: data[name] for name in _KEPT}
        mask, subtraction = (read_nifti(folder / name) for name in (MASK_FILE, SUBTRACTION_FILE))
        moved = resample(baseline, mask, sitk.ReadTransform(str(folder / TRANSFORM_FILE)))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise StudyError(f"The comparison in {folder} is damaged.", _AGAIN) from error
    if mask.GetSize() != followup.GetImageData().GetDimensions():
        raise StudyError(f"The comparison in {folder} is not of the FLAIR {followup.GetName()}.", _AGAIN)
    state = FollowupState(scene)
    state.set_image(FOLLOWUP, followup)
    name = followup.GetName()
    _volume(state, BASELINE, f"{baseline_name} on {name}", moved)
    shown = _volume(state, SUBTRACTION, f"{name} minus {baseline_name}", subtraction).GetDisplayNode()
    shown.SetAutoWindowLevel(False)
    shown.SetWindowLevelMinMax(-SUBTRACTION_RANGE, SUBTRACTION_RANGE)
    _changes(state, f"{name} changes", sitk.GetArrayFromImage(mask))
    state.set_data(kept, str(folder))


def show_comparison(scene: slicer.vtkMRMLScene) -> None:
    """Earlier FLAIR | later FLAIR | subtraction, linked, with the changes.

    Lesions of the studies are hidden until ``layouts.show_side_by_side`` shows those of the study under review again.
    """
    state = FollowupState(scene)
    images = [state.image(role) for role in (BASELINE, FOLLOWUP, SUBTRACTION)]
    if state.followup is None:
        return
    for study in ModuleState(scene).with_results():
        study.segmentation.SetDisplayVisibility(False)
    state.show_changes(True)
    show_images(scene, [image for image in images if image is not None], state.followup)


def centre_on_change(scene: slicer.vtkMRMLScene, row: dict[str, Any]) -> None:
    """Centre all slice views on the middle of a change.

    Args:
        scene: with a comparison.
        row: one of its ``changes``.
    """
    followup = FollowupState(scene).followup
    if followup is not None:
        point = [row[f"followup_{axis}_mm"] for axis in "ras"]
        centre_views(scene, (parent_matrix(followup) @ [*point, 1.0])[:3])


def _volume(state: FollowupState, role: str, name: str, image: sitk.Image) -> slicer.vtkMRMLScalarVolumeNode:
    """The volume node of a role on the later FLAIR's voxels."""
    followup, node = state.followup, state.image(role)
    if node is None:
        node = state.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        state.set_image(role, node)
    node.SetName(name)
    place_beside(state.scene, node, followup)
    set_voxels(node, sitk.GetArrayFromImage(image))
    node.SetIJKToRASMatrix(to_vtk_matrix(node_matrix(followup, to_world=False)))
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return node


def _changes(state: FollowupState, name: str, values: np.ndarray) -> None:
    """The segmentation of the changes, a segment for each kind that there is."""
    followup, node = state.followup, state.image(CHANGES)
    if node is not None:
        state.scene.RemoveNode(node)
    node = state.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.GetSegmentation().SetSourceRepresentationName("Binary labelmap")
    node.CreateDefaultDisplayNodes()
    place_beside(state.scene, node, followup)
    node.SetReferenceImageGeometryParameterFromVolumeNode(followup)
    for kind, value in MASK_VALUES.items():
        if not (values == value).any():
            continue
        segment = slicer.vtkSegment()
        segment.SetName(kind)
        segment.SetColor(*COLOURS[kind])
        segment.SetTerminology(lesion_terminology())
        node.GetSegmentation().AddSegment(segment, kind)
        write_segment(node, kind, followup, values == value)
        node.GetDisplayNode().SetSegmentOpacity2DFill(kind, 0.0)
    state.set_image(CHANGES, node)
