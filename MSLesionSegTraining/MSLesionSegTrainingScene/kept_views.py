"""What the slice views show, kept from one case to the next."""

from __future__ import annotations

from dataclasses import dataclass

import slicer

from MSLesionSegLib.study import CONTRASTS
from MSLesionSegScene.state import ModuleState


@dataclass(frozen=True)
class _View:
    """What one view shows: contrasts, or None where it is another volume or none."""

    background: str | None
    foreground: str | None
    opacity: float


class KeptViews:
    """Which contrast each slice view shows; layout, orientation and linking are the scene's own and stay by themselves.

    Args:
        scene: with the views.
        state: names the images of the case.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, state: ModuleState) -> None:
        names = {node.GetID(): name for name in CONTRASTS if (node := state.image(name)) is not None}
        self._views = {
            node.GetLayoutName(): _View(
                names.get(node.GetBackgroundVolumeID()),
                names.get(node.GetForegroundVolumeID()),
                node.GetForegroundOpacity(),
            )
            for node in _composites(scene)
        }

    @property
    def empty(self) -> bool:
        """Whether no view shows an image of the case."""
        return not any(view.background or view.foreground for view in self._views.values())

    def show(self, scene: slicer.vtkMRMLScene, state: ModuleState) -> None:
        """Let each view show the same contrast of another case, the whole of it, in the orientation that it has.

        A view whose contrast the case does not have shows the FLAIR.
        """
        composites = _composites(scene)
        linked = [(node, node.GetLinkedControl()) for node in composites]
        for node in composites:
            node.SetLinkedControl(False)  # else a view hands its image on
        for node in composites:
            kept = self._views.get(node.GetLayoutName())
            if kept is None or not (kept.background or kept.foreground):
                continue
            node.SetBackgroundVolumeID(_image_id(state, kept.background))
            node.SetForegroundVolumeID(_image_id(state, kept.foreground))
            node.SetForegroundOpacity(kept.opacity)
            logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(node.GetLayoutName())
            if logic is not None:
                logic.FitSliceToBackground()
        for node, was in linked:
            node.SetLinkedControl(was)


def _image_id(state: ModuleState, contrast: str | None) -> str | None:
    return None if contrast is None else (state.image(contrast) or state.flair).GetID()


def _composites(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLSliceCompositeNode]:
    found = scene.GetNodesByClass("vtkMRMLSliceCompositeNode")
    return [found.GetItemAsObject(position) for position in range(found.GetNumberOfItems())]
