"""Volume nodes to image files of a study, voxels and geometry as they are.

Slicer is in RAS, and VTK keeps x fastest; SimpleITK is in LPS, with arrays (z, y, x). Both turn here and
nowhere else.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import slicer
import vtk
from vtk.util import numpy_support

from MSLesionSegLib.errors import OutputError, StudyError
from MSLesionSegLib.grid import Grid, resample
from MSLesionSegLib.study import CONTRASTS

from .state import ModuleState

RIGHT_ANGLES = 1e-3
"""Largest cosine between two axes that counts as a right angle; the engine refuses images above it."""
SAME_PLACE_MM = 1e-2
"""What NIfTI's float32 header rounds off is less."""
_RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


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
    nodes = {name: node for name in CONTRASTS if (node := state.image(name)) is not None}
    if "FLAIR" not in nodes:
        raise StudyError("No FLAIR is chosen.", "Load a study, or choose its FLAIR under Inputs.")
    for name, node in nodes.items():
        other = next(other for other, candidate in nodes.items() if candidate is node)
        if other != name:
            raise StudyError(
                f"The volume {node.GetName()} is chosen both as {other} and as {name}.",
                f"Choose another volume as {name}, or none.",
            )
    images = {name: node_to_image(node) for name, node in nodes.items()}
    files = {}
    for name, image in images.items():
        files[name] = Path(folder, f"{name}.nrrd")
        partial = files[name].with_name(f"{name}.partial.nrrd")
        try:
            sitk.WriteImage(image, str(partial), useCompression=False)
            os.replace(partial, files[name])
        except (RuntimeError, OSError) as error:
            partial.unlink(missing_ok=True)
            raise OutputError(
                f"The {name} cannot be written to {folder}.", "Check that the disk is not full and may be written to."
            ) from error
    return files


def node_to_image(node: slicer.vtkMRMLScalarVolumeNode, *, to_world: bool = True) -> sitk.Image:
    """A volume node as SimpleITK image (LPS, mm), pixel type kept, voxels copied.

    Args:
        node: a scalar volume.
        to_world: harden its linear parent transforms into the geometry; else leave them out.

    Raises:
        StudyError: as for :func:`write_study`.
    """
    image = sitk.GetImageFromArray(node_voxels(node))
    set_geometry(image, node_matrix(node, to_world=to_world), node.GetName())
    return image


def in_order_of(node: slicer.vtkMRMLVolumeNode, image: sitk.Image) -> sitk.Image:
    """The image with its axes in the order and sense of the node's, as it lies in the world of the scene.

    Slicer turns the slices of a file whose axes are left-handed, so that a result made from the file does not lie voxel
    on voxel on the node. An image that does not share the node's voxels is returned as it is.
    """
    grid = sitk.Image([1, 1, 1], sitk.sitkUInt8)
    try:
        set_geometry(grid, node_matrix(node, to_world=True), node.GetName())
    except StudyError:
        return image
    size = node.GetImageData().GetDimensions()
    target = Grid(tuple(size), grid.GetSpacing(), grid.GetOrigin(), grid.GetDirection())
    return resample(image, target, interpolator="nearest") if same_voxels(Grid.of(image), target) else image


def same_voxels(one: Grid, other: Grid) -> bool:
    """Whether two grids have the same voxels but for the order and sense of their axes."""
    if not np.allclose(one.centre, other.centre, rtol=0, atol=SAME_PLACE_MM):
        return False
    step = np.abs(np.linalg.inv(one.steps) @ other.steps)
    return bool(np.abs(step - np.rint(step)).max() < SAME_PLACE_MM and sorted(one.size_xyz) == sorted(other.size_xyz))


def image_to_node(image: sitk.Image, node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Give a volume node the voxels (copied) and geometry of a SimpleITK image; its parent transform is not touched."""
    set_voxels(node, sitk.GetArrayViewFromImage(image))
    node.SetIJKToRASMatrix(to_vtk_matrix(image_matrix(image)))


def node_voxels(node: slicer.vtkMRMLVolumeNode) -> np.ndarray:
    """The voxels of a scalar volume node, (z, y, x); a view, not a copy.

    Raises:
        StudyError: the node is empty, or has several values a voxel.
    """
    data = node.GetImageData()
    scalars = data.GetPointData().GetScalars() if data is not None else None
    if scalars is None or scalars.GetNumberOfTuples() == 0:
        raise StudyError(f"The volume {node.GetName()} is empty.", "Load the series again.")
    if scalars.GetNumberOfComponents() != 1:
        raise StudyError(
            f"The volume {node.GetName()} holds colours or vectors instead of one grey value for each voxel.",
            "Choose the magnitude image of the series.",
        )
    return numpy_support.vtk_to_numpy(scalars).reshape(data.GetDimensions()[::-1])


def set_voxels(node: slicer.vtkMRMLVolumeNode, array: np.ndarray) -> None:
    """Give a volume node new voxels (z, y, x), copied; into the same memory where shape and type stay."""
    data = node.GetImageData()
    kind = numpy_support.get_vtk_array_type(array.dtype)
    if data is None or data.GetDimensions() != array.shape[::-1] or data.GetScalarType() != kind:
        data = vtk.vtkImageData()
        data.SetDimensions(*array.shape[::-1])
        data.AllocateScalars(kind, 1)
        node.SetAndObserveImageData(data)
    scalars = data.GetPointData().GetScalars()
    numpy_support.vtk_to_numpy(scalars).reshape(array.shape)[...] = array
    scalars.Modified()
    data.Modified()
    node.Modified()


def node_matrix(node: slicer.vtkMRMLVolumeNode, *, to_world: bool) -> np.ndarray:
    """The 4 x 4 matrix from voxel (i, j, k) to RAS mm, with or without the parent transforms.

    Raises:
        StudyError: a parent transform bends.
    """
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    own = from_vtk_matrix(matrix)
    return parent_matrix(node) @ own if to_world else own


def parent_matrix(node: slicer.vtkMRMLTransformableNode) -> np.ndarray:
    """The 4 x 4 matrix from a node's own space to the world (RAS mm); identity without a parent transform.

    Raises:
        StudyError: a parent transform bends.
    """
    parent = node.GetParentTransformNode()
    if parent is None:
        return np.eye(4)
    if not parent.IsTransformToWorldLinear():
        raise StudyError(
            f"The volume {node.GetName()} lies under the transform {parent.GetName()}, which bends it.",
            "Harden the transform in the Transforms module, or take the volume out of it.",
        )
    matrix = vtk.vtkMatrix4x4()
    parent.GetMatrixTransformToWorld(matrix)
    return from_vtk_matrix(matrix)


def set_geometry(image: sitk.Image, ijk_to_ras: np.ndarray, name: str) -> None:
    """Set spacing, origin and direction of an image from a matrix (voxel to RAS mm).

    Raises:
        StudyError: its axes are not at right angles, or one has no length.
    """
    matrix = _RAS_LPS @ ijk_to_ras
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    if not (np.isfinite(matrix).all() and spacing.min() > 0.0):
        raise StudyError(f"The volume {name} has no usable voxel spacing.", "Load the series again.")
    axes = matrix[:3, :3] / spacing
    if np.abs(axes.T @ axes - np.eye(3)).max() > RIGHT_ANGLES:
        raise StudyError(
            f"The volume {name} has axes that are not at right angles, by its own geometry or by a transform.",
            "Take it out of the transform, or resample it to a straight grid.",
        )
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    image.SetDirection(axes.ravel().tolist())


def image_matrix(image: sitk.Image) -> np.ndarray:
    """The 4 x 4 matrix from voxel (i, j, k) of a SimpleITK image to RAS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.asarray(image.GetDirection()).reshape(3, 3) * np.asarray(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return _RAS_LPS @ matrix


def transform_matrix(transform: sitk.Transform) -> np.ndarray:
    """The 4 x 4 matrix (RAS mm) of a linear SimpleITK transform, which maps LPS points.

    Raises:
        StudyError: it is not linear.
    """
    if not transform.IsLinear():
        raise StudyError("The registration of the result bends the image.", "Segment the study again.")
    origin = np.asarray(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, :3] = np.column_stack([np.asarray(transform.TransformPoint(row)) - origin for row in np.eye(3).tolist()])
    matrix[:3, 3] = origin
    return _RAS_LPS @ matrix @ _RAS_LPS


def to_vtk_matrix(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    """A 4 x 4 array as VTK matrix."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, dtype=float).ravel().tolist())
    return result


def from_vtk_matrix(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """A VTK matrix as 4 x 4 array."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
