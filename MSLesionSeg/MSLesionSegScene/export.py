"""What leaves Slicer: segmentation, mask and table. All on the FLAIR's own grid, without its parent transform."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer
import vtk

from MSLesionSegLib.errors import OutputError, StudyError
from MSLesionSegLib.grid import Grid, resample
from MSLesionSegLib.itk_quiet import itk_quiet
from MSLesionSegLib.lesion_table import write_lesion_csv
from MSLesionSegLib.nifti import write_nifti

from .lesion_segments import MODEL_SEGMENT, READER_SEGMENT
from .review import Review
from .segments import read_segment
from .state import ACCEPTED, REJECTED, UNDECIDED, ModuleState
from .volumes import node_matrix, same_voxels, set_geometry

_SEGMENTATION_ENDING = ".seg.nrrd"
_MASK_ENDING = ".nii.gz"


def export_segmentation(state: ModuleState, path: Path, *, with_model: bool = False) -> None:
    """Write ``.seg.nrrd``: the reader's lesions and the reader's own segments.

    The model's segment is left out unless asked for: both are lesions by terminology, and programs that read the file
    would join them.

    Raises:
        StudyError: there is no result.
        OutputError: another ending, or it cannot be written.
    """
    up_to_date(state)
    _check_ending(path, _SEGMENTATION_ENDING)
    _write(path, _SEGMENTATION_ENDING, lambda partial: _write_segmentation(state, partial, with_model))


def export_mask(state: ModuleState, path: Path) -> None:
    """Write the reader's mask, 0 and 1 (uint8), as ``.nii.gz`` on the grid of the FLAIR's file.

    Slicer turns the slice order of a file whose axes are left-handed; the mask is put back into the order of the file,
    so that other programs find voxel on voxel. Raises as :func:`export_segmentation`.
    """
    up_to_date(state)
    _check_ending(path, _MASK_ENDING)
    mask = _in_order_of_file(state.flair, segment_image(state, READER_SEGMENT))
    _write(path, _MASK_ENDING, lambda partial: write_nifti(partial, mask))


def export_table(state: ModuleState, path: Path) -> None:
    """Write the lesions of the reader's mask as CSV, with the columns of ``segment``; rejected ones are left out.

    Ids are those of the panel's table, so that there are gaps where lesions were rejected. Comment lines (``#``) say
    how many were accepted, rejected and left undecided. Raises as :func:`export_segmentation`.
    """
    review = up_to_date(state)
    _check_ending(path, ".csv")
    _write(path, ".csv", lambda partial: _write_table(state, review, partial))


def up_to_date(state: ModuleState) -> Review:
    """A review that has taken up all edits.

    Raises:
        StudyError: there is no result.
    """
    review = Review(state.scene, state)
    if not review.has_result:
        raise StudyError("There is no result to export.", "Segment a study first.")
    review.refresh()
    return review


def segment_image(state: ModuleState, segment_id: str) -> sitk.Image:
    """A segment as uint8 image of 0 and 1 on the FLAIR's own grid (LPS); empty where it was deleted."""
    mask = read_segment(state.segmentation, segment_id, state.flair)
    if mask is None:
        mask = np.zeros(state.flair.GetImageData().GetDimensions()[::-1], bool)
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    set_geometry(image, node_matrix(state.flair, to_world=False), state.flair.GetName())
    return image


def _in_order_of_file(flair: slicer.vtkMRMLVolumeNode, mask: sitk.Image) -> sitk.Image:
    """The mask with its axes as in the file that the FLAIR was loaded from, where that is the same lattice."""
    storage = flair.GetStorageNode()
    reader = sitk.ImageFileReader()
    reader.SetFileName(storage.GetFullNameFromFileName() if storage is not None else "")
    try:
        with itk_quiet():
            reader.ReadImageInformation()
    except RuntimeError:  # DICOM, a scene that was moved, or a node made in Slicer
        return mask
    if reader.GetDimension() != 3:
        return mask
    file = Grid(reader.GetSize(), reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())
    turned = resample(mask, file, interpolator="nearest")
    same = int(sitk.GetArrayViewFromImage(turned).sum()) == int(sitk.GetArrayViewFromImage(mask).sum())
    return turned if same and same_voxels(file, Grid.of(mask)) else mask


def decision_counts(review: Review) -> dict[str, int]:
    """How many lesions are accepted, rejected, undecided, and how many of all were edited."""
    rows = review.rows()
    counts = {name: sum(row.state == name for row in rows) for name in (ACCEPTED, REJECTED, UNDECIDED)}
    return counts | {"edited": sum(row.edited for row in rows)}


def _write_segmentation(state: ModuleState, path: Path, with_model: bool) -> None:
    """Through a node of its own, so that the scene's node keeps its name and file."""
    scene, source = state.scene, state.segmentation
    copy = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", source.GetName())
    storage = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    try:
        copy.SetReferenceImageGeometryParameterFromVolumeNode(state.flair)
        copy.GetSegmentation().SetSourceRepresentationName("Binary labelmap")
        ids = vtk.vtkStringArray()
        source.GetSegmentation().GetSegmentIDs(ids)
        for position in range(ids.GetNumberOfValues()):
            if with_model or ids.GetValue(position) != MODEL_SEGMENT:
                copy.GetSegmentation().CopySegmentFromSegmentation(source.GetSegmentation(), ids.GetValue(position))
        storage.SetFileName(str(path))
        if not storage.WriteData(copy):
            raise OSError("the segmentation could not be written")
    finally:
        scene.RemoveNode(storage)
        scene.RemoveNode(copy)


def _write_table(state: ModuleState, review: Review, path: Path) -> None:
    lesions = [row.as_lesion() for row in review.rows() if row.state != REJECTED]
    model = state.provenance.get("models", {}).get("lesion", {})
    write_lesion_csv(
        path,
        lesions,
        threshold=state.threshold,
        min_mm3=state.minimum_mm3,
        model=f"{model.get('name', '')} {model.get('version', '')}".strip(),
    )
    counts = ", ".join(f"{count} {name}" for name, count in decision_counts(review).items())
    note = f"# reviewed in 3D Slicer: {counts}; rejected ones are left out, edited ones keep the reader's outline\n"
    path.write_bytes(note.encode() + path.read_bytes())


def _check_ending(path: Path, ending: str) -> None:
    if not Path(path).name.lower().endswith(ending):
        raise OutputError(f"{path} does not end in {ending}.", f"Name a file that ends in {ending}.")


def _write(path: Path, ending: str, write: Callable[[Path], None]) -> None:
    """Write beside the file first, so that it is there whole or not at all."""
    path = Path(path)
    partial = path.with_name(f".{path.name[: -len(ending)]}.partial{ending}")
    try:
        write(partial)
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:
        raise OutputError(
            f"{path} cannot be written.", "Check that the folder is there, may be written to, and the disk is not full."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
