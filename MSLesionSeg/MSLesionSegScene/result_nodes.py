"""The files of a result as nodes of the scene, on the FLAIR that they were made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer

from MSLesionSegLib.errors import MSLesionSegError, StudyError
from MSLesionSegLib.finish import BRAIN_FILE, PROBABILITY_FILE, SECOND_FILE, ZONES_FILE
from MSLesionSegLib.lesions import check_settings
from MSLesionSegLib.nifti import read_nifti
from MSLesionSegLib.provenance import read_provenance

from .beside import place_beside
from .lesion_segments import ensure_segments
from .review import Review
from .state import ModuleState
from .volumes import (
    SAME_PLACE_MM,
    image_matrix,
    in_order_of,
    node_matrix,
    parent_matrix,
    set_voxels,
    to_vtk_matrix,
    transform_matrix,
)

SHOWN_FROM = 0.05
"""Smaller probabilities are transparent where the map is shown over the FLAIR."""

_AGAIN = "Segment the study again."
_MOVING = {"T1w": "t1_transform", "T2w": "t2_transform"}
_KEPT = {
    "brain_map": (BRAIN_FILE, "brain mask"),
    "zone_map": (ZONES_FILE, "location zones"),
    "second_map": (SECOND_FILE, "second probability"),
}
"""Maps of a result that the review and the report need -> file and the end of the node's name."""


@dataclass(frozen=True)
class _Result:
    """A result as read, before anything of the scene is changed."""

    provenance: dict[str, Any]
    probability: np.ndarray
    kept: dict[str, np.ndarray | None]  # name in the state -> map on the FLAIR's grid, None where the result has none
    to_flair: dict[str, np.ndarray]  # contrast -> matrix (RAS) from where its node was to where it lies on the FLAIR


def load_result(scene: slicer.vtkMRMLScene, state: ModuleState, folder: Path) -> None:
    """Put a result of ``segment`` into the scene: all of it, or nothing.

    * The probability becomes a volume node, the lesions a segmentation node with the segments "model" and "reader",
      both on the FLAIR node's own voxels and under its parent transform, beside it in the subject hierarchy.
    * T1w and T2w get the registration found as parent transform nodes, so that linked views agree.
    * Threshold, minimum size, contrasts and provenance go into ``state``.

    A second result on the same FLAIR takes the place of the first one; lesions that the reader has decided or edited
    stay (see ``lesion_numbers``), and so do segments of the reader's own.

    Args:
        scene: the scene of ``state``.
        state: names the FLAIR, T1w and T2w nodes that were segmented.
        folder: what ``segment`` wrote.

    Raises:
        StudyError: the folder holds no result, a file in it is damaged, or it is not on the FLAIR's grid.
    """
    flair = state.flair
    if flair is None or flair.GetImageData() is None:
        raise StudyError("The FLAIR of the result is not in the scene.", "Load the study and choose its FLAIR.")
    result = _read(Path(folder), state)
    settings = result.provenance["settings"]

    review = Review(scene, state)
    if _is_of(state.segmentation, flair) and state.lesion_map is not None:
        review.refresh()
    else:
        state.segmentation, state.probability, state.lesion_map = None, None, None
        state.lesions, state.seconds_spent = {}, 0.0
    _add_probability(scene, state, result.probability)
    _add_segmentation(scene, state)
    if state.lesion_map is None:
        none = np.zeros(result.probability.shape, np.int16)
        state.lesion_map = _hidden_map(scene, state, "lesion numbers", none)
    for name, array in result.kept.items():
        _keep(scene, state, name, array)
    for contrast, matrix in result.to_flair.items():
        _add_transform(scene, state, contrast, matrix)
    state.threshold = settings["threshold"]
    state.minimum_mm3 = settings["min_lesion_mm3"]
    state.contrasts_used = ", ".join(result.provenance["contrasts"])
    state.provenance = _without_paths(result.provenance)
    review.apply()


def start_without_model(scene: slicer.vtkMRMLScene, state: ModuleState) -> None:
    """Begin a review on a FLAIR that no model has seen: no lesion is there, and the reader draws them all.

    Raises:
        StudyError: the FLAIR is not in the scene.
    """
    flair = state.flair
    if flair is None or flair.GetImageData() is None:
        raise StudyError("There is no FLAIR in the scene.", "Load the study and choose its FLAIR.")
    nothing = np.zeros(flair.GetImageData().GetDimensions()[::-1], np.float32)
    _add_probability(scene, state, nothing)
    _add_segmentation(scene, state)
    if state.lesion_map is None:
        state.lesion_map = _hidden_map(scene, state, "lesion numbers", nothing.astype(np.int16))
    state.lesions, state.provenance = {}, {}
    Review(scene, state).apply()


def _read(folder: Path, state: ModuleState) -> _Result:
    """Read and check everything that is needed of a result."""
    try:
        provenance = read_provenance(folder)
        if provenance is None:
            raise StudyError(f"{folder} holds no result.", _AGAIN)
        settings = provenance["settings"]
        check_settings(settings["threshold"], settings["min_lesion_mm3"])
        probability = in_order_of(state.flair, read_nifti(folder / PROBABILITY_FILE))
        _check_on_flair(folder, probability, state)
        kept = {name: _map(folder / file, probability, state) for name, (file, _) in _KEPT.items()}
        to_flair = {}
        for contrast in _MOVING:
            node = state.image(contrast)
            if node is not None and contrast in provenance["contrasts"]:
                to_flair[contrast] = _motion(folder, contrast, node)
        return _Result(provenance, sitk.GetArrayFromImage(probability), kept, to_flair)
    except MSLesionSegError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StudyError(f"The result in {folder} is damaged.", _AGAIN) from error


def _check_on_flair(folder: Path, probability: sitk.Image, state: ModuleState) -> None:
    """Size and spacing have to be the FLAIR's; where it lies is not compared, since its transform may have moved on."""
    flair = state.flair
    own = node_matrix(flair, to_world=False)
    steps = [np.linalg.norm(matrix[:3, :3], axis=0) for matrix in (own, image_matrix(probability))]
    linear = parent_matrix(flair)[:3, :3]
    turned = np.linalg.norm(linear @ own[:3, :3], axis=0)
    fits = np.abs(turned - steps[1]).max() < SAME_PLACE_MM
    if probability.GetSize() != flair.GetImageData().GetDimensions() or not fits:
        raise StudyError(
            f"The result in {folder} does not lie on the FLAIR {flair.GetName()}: matrix or voxel spacing differ.",
            "Choose the FLAIR that was segmented, or segment this one.",
        )


def _map(file: Path, probability: sitk.Image, state: ModuleState) -> np.ndarray | None:
    """The voxels of a map of the result, (z, y, x); None where it has none."""
    if not file.exists():
        return None
    image = in_order_of(state.flair, read_nifti(file))
    if image.GetSize() != probability.GetSize():
        raise StudyError(f"{file} does not lie on the result's grid.", _AGAIN)
    return sitk.GetArrayFromImage(image)


def _without_paths(provenance: dict[str, Any]) -> dict[str, Any]:
    """The record without outputs and paths; of the run only its time stays."""
    kept = {name: value for name, value in provenance.items() if name not in ("run", "outputs")}
    return kept | {"run": {"started_utc": provenance["run"]["started_utc"]}}


def _motion(folder: Path, contrast: str, node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """Matrix (RAS mm) from a T1w or T2w node's own space to where it lies on the FLAIR as it was segmented.

    The result's image gives where the series was then, its transform maps points of the FLAIR to that place.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(folder / f"{contrast}.nii.gz"))
    reader.ReadImageInformation()
    grid = sitk.Image([1, 1, 1], sitk.sitkUInt8)
    grid.SetSpacing(reader.GetSpacing())
    grid.SetOrigin(reader.GetOrigin())
    grid.SetDirection(reader.GetDirection())
    from_flair = transform_matrix(sitk.ReadTransform(str(folder / f"{contrast}_to_FLAIR.tfm")))
    return _rigid(np.linalg.inv(from_flair) @ image_matrix(grid) @ np.linalg.inv(node_matrix(node, to_world=False)))


def _rigid(matrix: np.ndarray) -> np.ndarray:
    """The matrix with entries that only rounding keeps from a whole number put right."""
    whole = np.rint(matrix)
    return np.where(np.abs(matrix - whole) < 1e-9, whole, matrix)


def _is_of(segmentation: slicer.vtkMRMLSegmentationNode | None, flair: slicer.vtkMRMLVolumeNode) -> bool:
    if segmentation is None:
        return False
    return segmentation.GetNodeReference(segmentation.GetReferenceImageGeometryReferenceRole()) is flair


def _add_probability(scene: slicer.vtkMRMLScene, state: ModuleState, probability: np.ndarray) -> None:
    flair, node = state.flair, state.probability
    if node is None:
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{flair.GetName()} lesion probability")
        node.SetAttribute("MSLesionSeg.Role", "probability")
        place_beside(scene, node, flair)
        state.probability = node
    set_voxels(node, probability)
    node.SetIJKToRASMatrix(to_vtk_matrix(node_matrix(flair, to_world=False)))
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeIron")
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(0.0, 1.0)
        display.SetInterpolate(False)
        display.SetAutoThreshold(False)
        display.SetThreshold(SHOWN_FROM, 1.0)
        display.SetApplyThreshold(True)


def _add_segmentation(scene: slicer.vtkMRMLScene, state: ModuleState) -> None:
    """The segmentation node and, empty, those of its two segments that are not there."""
    flair, node = state.flair, state.segmentation
    if node is None:
        node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{flair.GetName()} lesions")
        node.GetSegmentation().SetSourceRepresentationName("Binary labelmap")
        node.CreateDefaultDisplayNodes()
        place_beside(scene, node, flair)
        node.SetReferenceImageGeometryParameterFromVolumeNode(flair)
        state.segmentation = node
    ensure_segments(node, flair)


def _hidden_map(
    scene: slicer.vtkMRMLScene, state: ModuleState, name: str, array: np.ndarray
) -> slicer.vtkMRMLScalarVolumeNode:
    """A map on the FLAIR's grid, out of the reader's way in lists of nodes; a label map where it holds integers."""
    flair = state.flair
    node = scene.CreateNodeByClass(
        "vtkMRMLLabelMapVolumeNode" if array.dtype.kind in "iu" else "vtkMRMLScalarVolumeNode"
    )
    node.UnRegister(None)
    node.SetName(f"{flair.GetName()} {name}")
    node.SetHideFromEditors(True)
    scene.AddNode(node)
    set_voxels(node, array)
    node.SetIJKToRASMatrix(to_vtk_matrix(node_matrix(flair, to_world=False)))
    node.SetAndObserveTransformNodeID(flair.GetTransformNodeID())
    return node


def _keep(scene: slicer.vtkMRMLScene, state: ModuleState, name: str, array: np.ndarray | None) -> None:
    """A map of the result as hidden node; an earlier one goes where this result has none."""
    node = getattr(state, name)
    if array is None:
        if node is not None:
            scene.RemoveNode(node)
        return
    if node is None:
        setattr(state, name, _hidden_map(scene, state, _KEPT[name][1], array))
    else:
        set_voxels(node, array)


def _add_transform(scene: slicer.vtkMRMLScene, state: ModuleState, contrast: str, to_flair: np.ndarray) -> None:
    """A T1w or T2w under a transform node that puts it on the FLAIR, itself under the FLAIR's own transform."""
    node = state.node.GetNodeReference(f"{contrast}Transform")
    if node is None or state.image(contrast).GetParentTransformNode() is not node:  # else it is another volume's
        node = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", f"{contrast} to FLAIR")
        setattr(state, _MOVING[contrast], node)
    node.SetAndObserveTransformNodeID(state.flair.GetTransformNodeID())
    node.SetMatrixTransformToParent(to_vtk_matrix(np.linalg.inv(parent_matrix(state.flair)) @ to_flair))
    state.image(contrast).SetAndObserveTransformNodeID(node.GetID())
