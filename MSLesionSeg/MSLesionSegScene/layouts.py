"""What the views show: images side by side, the selected lesion outlined, the surface in 3D.

All of it is said to view nodes of the scene; only fitting a view to its image needs the application.
"""

from __future__ import annotations

from collections.abc import Sequence

import slicer

from MSLesionSegLib.study import CONTRASTS

from .followup_state import FollowupState
from .state import ModuleState
from .volumes import node_voxels

LAYOUT = 6311
"""Number of the layout, plus how many views it has; Slicer's own and those of other extensions are others."""
VIEWS = ("Red", "Yellow", "Green")
OUTLINE_COLOUR = (1.0, 1.0, 1.0)
_VIEW = """<item><view class="vtkMRMLSliceNode" singletontag="{0}">
<property name="orientation" action="default">Axial</property>
<property name="viewlabel" action="default">{0}</property>
</view></item>"""


def show_side_by_side(scene: slicer.vtkMRMLScene, state: ModuleState) -> None:
    """FLAIR | T1w | T2w (those there are) in linked axial views along the FLAIR's own axes.

    Where a comparison of two dates was shown, its changes are hidden, and the lesions of the study are shown again.
    """
    if FollowupState(scene).show_changes(False) and state.segmentation is not None:
        state.segmentation.SetDisplayVisibility(True)
    if state.flair is not None:
        show_images(scene, [node for name in CONTRASTS if (node := state.image(name)) is not None], state.flair)


def show_images(
    scene: slicer.vtkMRMLScene, images: Sequence[slicer.vtkMRMLVolumeNode], along: slicer.vtkMRMLVolumeNode
) -> None:
    """One to three images side by side in linked axial views.

    Args:
        scene: with a layout node; without one, as without an application, nothing is shown.
        images: from left to right.
        along: the image along whose axes the planes lie.
    """
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    if not images or layout is None:
        return
    number = LAYOUT + len(images)
    views = VIEWS[: len(images)]
    description = "".join(_VIEW.format(view) for view in views)
    if not layout.IsLayoutDescription(number):
        layout.AddLayoutDescription(number, f'<layout type="horizontal">{description}</layout>')
    layout.SetViewArrangement(number)
    for view, image in zip(views, images, strict=True):
        composite, slice_node = _nodes_of(scene, view)
        if composite is None or slice_node is None:
            continue
        composite.SetLinkedControl(False)  # else the first view hands its image on
        composite.SetBackgroundVolumeID(image.GetID())
        composite.SetForegroundVolumeID(None)
        slice_node.SetOrientationToAxial()
        slice_node.RotateToVolumePlane(along)
        _fit(slice_node)
        _show_the_same(slice_node, _nodes_of(scene, views[0])[1])
    for view in views:
        composite, _ = _nodes_of(scene, view)
        if composite is not None:
            composite.SetLinkedControl(True)
            composite.SetHotLinkedControl(True)


def centre_views(scene: slicer.vtkMRMLScene, point: Sequence[float]) -> None:
    """Centre all slice views on a point, RAS mm of the world."""
    for node in _slice_nodes(scene):
        node.JumpSliceByCentering(*(float(value) for value in point))


def show_closed_surface(scene: slicer.vtkMRMLScene, state: ModuleState, shown: bool = True) -> None:
    """Make the closed surface of the reader's lesions and show it in 3D; False takes it away and frees it.

    While it is shown, every change of the mask makes it anew: about 0.5 s more for 500 lesions on 182x218x182 voxels.
    """
    node = state.segmentation
    if node is None:
        return
    if shown:
        node.CreateClosedSurfaceRepresentation()
    else:
        node.RemoveClosedSurfaceRepresentation()
    display = node.GetDisplayNode()
    if display is not None:
        display.SetVisibility3D(shown)


def outline(scene: slicer.vtkMRMLScene, state: ModuleState, key: str | None) -> None:
    """Outline one lesion in all slice views, whatever the opacity of the segments; None outlines none."""
    lesion_map = state.lesion_map
    if lesion_map is None:
        return
    shown = 0 if key is None else int(key)
    _colour_only(scene, state, shown)
    for view in _slice_nodes(scene):
        composite, _ = _nodes_of(scene, view.GetLayoutName())
        if composite is None:
            continue
        if shown:
            view.SetUseLabelOutline(True)
            composite.SetLabelOpacity(1.0)
            composite.SetLabelVolumeID(lesion_map.GetID())
        elif composite.GetLabelVolumeID() == lesion_map.GetID():
            composite.SetLabelVolumeID(None)


def _colour_only(scene: slicer.vtkMRMLScene, state: ModuleState, number: int) -> None:
    """Let the label map of lesion numbers show one number and nothing else."""
    lesion_map = state.lesion_map
    if lesion_map.GetDisplayNode() is None:
        lesion_map.CreateDefaultDisplayNodes()
    display = lesion_map.GetDisplayNode()
    size = max(int(node_voxels(lesion_map).max(initial=0)), number) + 2
    table = display.GetColorNode()
    if table is None or table.GetAttribute("MSLesionSeg.Role") != "outline":
        table = scene.CreateNodeByClass("vtkMRMLColorTableNode")
        table.UnRegister(None)
        table.SetName("MSLesionSeg outline")
        table.SetTypeToUser()
        table.SetNumberOfColors(size)
        table.SetHideFromEditors(True)
        table.SetAttribute("MSLesionSeg.Role", "outline")
        scene.AddNode(table)
        display.SetAndObserveColorNodeID(table.GetID())
    was = table.StartModify()
    if table.GetNumberOfColors() < size:
        table.SetNumberOfColors(size)
    table.GetLookupTable().SetTableRange(0, table.GetNumberOfColors() - 1)
    for index in range(table.GetNumberOfColors()):
        table.SetColor(index, *OUTLINE_COLOUR, 1.0 if index == number and index else 0.0)
    table.EndModify(was)


def _slice_nodes(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLSliceNode]:
    found = scene.GetNodesByClass("vtkMRMLSliceNode")
    return [found.GetItemAsObject(position) for position in range(found.GetNumberOfItems())]


def _nodes_of(
    scene: slicer.vtkMRMLScene, view: str
) -> tuple[slicer.vtkMRMLSliceCompositeNode | None, slicer.vtkMRMLSliceNode | None]:
    """Composite and slice node of a slice view, None where it was never shown."""
    found = scene.GetNodesByClass("vtkMRMLSliceCompositeNode")
    composites = [found.GetItemAsObject(position) for position in range(found.GetNumberOfItems())]
    composite = next((node for node in composites if node.GetLayoutName() == view), None)
    return composite, next((node for node in _slice_nodes(scene) if node.GetLayoutName() == view), None)


def _show_the_same(slice_node: slicer.vtkMRMLSliceNode, first: slicer.vtkMRMLSliceNode | None) -> None:
    """Let a view show the plane and the field of view of the first one, whatever its own image covers."""
    if first is not None and first is not slice_node:
        slice_node.GetSliceToRAS().DeepCopy(first.GetSliceToRAS())
        _, high, deep = first.GetFieldOfView()
        columns, rows, _ = slice_node.GetDimensions()
        slice_node.SetFieldOfView(high * columns / max(rows, 1), high, deep)
        slice_node.UpdateMatrices()


def _fit(slice_node: slicer.vtkMRMLSliceNode) -> None:
    """Fit a view to its image, its plane kept."""
    application = getattr(slicer, "app", None)
    logic = application.applicationLogic().GetSliceLogic(slice_node) if application is not None else None
    if logic is not None:
        logic.FitSliceToBackground()
