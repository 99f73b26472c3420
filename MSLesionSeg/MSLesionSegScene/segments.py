"""Segments of a segmentation node as arrays on the FLAIR's grid, and back."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

from .volumes import node_matrix, to_vtk_matrix

BINARY = "Binary labelmap"
SAME_GRID = 1e-3
"""mm; label maps whose matrices differ by less lie on the same voxels."""


def read_segment(
    node: slicer.vtkMRMLSegmentationNode, segment_id: str, flair: slicer.vtkMRMLVolumeNode
) -> np.ndarray | None:
    """The mask of one segment on the FLAIR's grid.

    Args:
        node: lies under the same parent transform as the FLAIR.
        segment_id: of the segment.
        flair: gives the grid.

    Returns:
        (z, y, x) bool; None where there is no such segment.
    """
    segment = node.GetSegmentation().GetSegment(segment_id)
    if segment is None:
        return None
    mask = np.zeros(flair.GetImageData().GetDimensions()[::-1], bool)
    labelmap = segment.GetRepresentation(BINARY)
    if labelmap is None or labelmap.IsEmpty():
        return mask
    if not _on_flair(labelmap, flair):
        grid, resampled = _empty(flair), slicer.vtkOrientedImageData()
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(labelmap, grid, resampled)
        labelmap = resampled
    x0, x1, y0, y1, z0, z1 = labelmap.GetExtent()
    values = numpy_support.vtk_to_numpy(labelmap.GetPointData().GetScalars())
    values = values.reshape(z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1)
    low, first = np.maximum((z0, y0, x0), 0), np.array((z0, y0, x0))
    high = np.minimum(np.array((z1, y1, x1)) + 1, mask.shape)
    inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    taken = tuple(slice(a - f, b - f) for a, b, f in zip(low, high, first, strict=True))
    np.equal(values[taken], segment.GetLabelValue(), out=mask[inside])
    return mask


def write_segment(
    node: slicer.vtkMRMLSegmentationNode, segment_id: str, flair: slicer.vtkMRMLVolumeNode, mask: np.ndarray
) -> None:
    """Put a mask into one segment. No other segment is changed, also where it shared a layer with this one.

    Args:
        node: lies under the same parent transform as the FLAIR.
        segment_id: of a segment that is there.
        flair: gives the grid.
        mask: (z, y, x), bool or 0 and 1.
    """
    segmentation = node.GetSegmentation()
    segment = segmentation.GetSegment(segment_id)
    if _shares_layer(segmentation, segment):
        segmentation.SeparateSegmentLabelmap(segment_id)
    labelmap = segment.GetRepresentation(BINARY)
    whole = _whole_extent(flair)
    if (
        labelmap is not None
        and labelmap.GetExtent() == whole
        and labelmap.GetScalarType() == vtk.VTK_UNSIGNED_CHAR
        and segment.GetLabelValue() == 1
        and _on_flair(labelmap, flair)
    ):
        _fill(labelmap, mask)
        return
    fresh = _empty(flair)
    fresh.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    _fill(fresh, mask)
    segment.SetLabelValue(1)
    segment.AddRepresentation(BINARY, fresh)


def _shares_layer(segmentation: slicer.vtkSegmentation, segment: slicer.vtkSegment) -> bool:
    """Whether another segment lies in the same label map. (``IsSharedBinaryLabelmap`` of 5.13 answers the reverse.)"""
    labelmap = segment.GetRepresentation(BINARY)
    every = (segmentation.GetNthSegment(position) for position in range(segmentation.GetNumberOfSegments()))
    return labelmap is not None and sum(one.GetRepresentation(BINARY) is labelmap for one in every) > 1


def _fill(labelmap: slicer.vtkOrientedImageData, mask: np.ndarray) -> None:
    scalars = labelmap.GetPointData().GetScalars()
    numpy_support.vtk_to_numpy(scalars).reshape(mask.shape)[...] = mask
    scalars.Modified()
    labelmap.Modified()


def _empty(flair: slicer.vtkMRMLVolumeNode) -> slicer.vtkOrientedImageData:
    """An oriented image with the FLAIR's own geometry, without voxels."""
    image = slicer.vtkOrientedImageData()
    image.SetExtent(*_whole_extent(flair))
    image.SetImageToWorldMatrix(to_vtk_matrix(node_matrix(flair, to_world=False)))
    return image


def _whole_extent(flair: slicer.vtkMRMLVolumeNode) -> tuple[int, ...]:
    x, y, z = flair.GetImageData().GetDimensions()
    return (0, x - 1, 0, y - 1, 0, z - 1)


def _on_flair(labelmap: slicer.vtkOrientedImageData, flair: slicer.vtkMRMLVolumeNode) -> bool:
    """Whether the voxels of a label map are voxels of the FLAIR's lattice, counted from the same corner."""
    matrix = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(matrix)
    own = np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
    corner = np.array([*flair.GetImageData().GetDimensions(), 1.0])
    difference = own - node_matrix(flair, to_world=False)
    return bool(np.abs(difference[:, 3]).max() < SAME_GRID and np.abs(difference @ corner).max() < SAME_GRID)
