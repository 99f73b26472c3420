"""An annotated case in the scene: its FLAIR, and the masks of annotation and models as outlines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk
import slicer
from slicer.i18n import tr as _

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.nifti import read_nifti
from MSLesionSegScene.segments import write_segment
from MSLesionSegScene.volumes import in_order_of
from MSLesionSegTrainingLib.studies import bids_studies

CASE = "MSLesionSegTraining.CaseView"
#: Segment -> its colour.
COLOURS = {"annotation": (0.25, 0.8, 0.35), "before": (0.2, 0.55, 0.95), "after": (0.95, 0.35, 0.2)}


def segment_words(name: str) -> str:
    """What a mask is, in words."""
    return {"annotation": _("annotation"), "before": _("model before"), "after": _("model after")}.get(name, name)


class CaseView:
    """Shows cases of data sets; each is loaded once.

    Args:
        scene: the ``vtkMRMLScene``.
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene

    def show(self, dataset: Path, case: str) -> Any:
        """Load the FLAIR of a case unless it is there, and show it in all slice views.

        Returns:
            Its volume node.

        Raises:
            StudyError: the case or its FLAIR is not there, or cannot be read.
        """
        flair = self._node("vtkMRMLScalarVolumeNode", dataset, case)
        if flair is None:
            flair = self._load(dataset, case)
        shown = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode", self._scene)
        if any(view.GetBackgroundVolumeID() != flair.GetID() for view in shown):
            slicer.util.setSliceViewerLayers(background=flair, foreground=None, label=None, fit=True)
        for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode", self._scene):
            if node.GetAttribute(CASE) is not None and node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(node.GetAttribute(CASE) == _key(dataset, case))
        return flair

    def show_masks(self, dataset: Path, case: str, files: Mapping[str, Path]) -> Any:
        """Show masks of a case as outlines over its FLAIR.

        Args:
            dataset: folder of annotated cases.
            case: its name.
            files: "annotation", "before", "after" -> mask on the FLAIR's grid.

        Returns:
            The segmentation node.

        Raises:
            StudyError: a file cannot be read, or does not lie on the FLAIR's grid.
        """
        flair = self.show(dataset, case)
        images = {name: in_order_of(flair, read_nifti(path)) for name, path in files.items()}
        arrays = {name: sitk.GetArrayFromImage(image) > 0 for name, image in images.items()}
        size = flair.GetImageData().GetDimensions()[::-1]
        for name, array in arrays.items():
            if array.shape != size:
                raise StudyError(f"{files[name]} does not lie on the FLAIR of {case}.", "Let the masks be made anew.")
        node = self._node("vtkMRMLSegmentationNode", dataset, case) or self._make(flair, dataset, case)
        segmentation = node.GetSegmentation()
        for name in COLOURS:
            if name not in arrays:
                segmentation.RemoveSegment(name)
                continue
            if segmentation.GetSegment(name) is None:
                segmentation.AddEmptySegment(name, segment_words(name), COLOURS[name])
            write_segment(node, name, flair, arrays[name])
        node.GetDisplayNode().SetVisibility(True)
        return node

    def jump(self, centre: Sequence[float]) -> None:
        """Centre all slice views on a point, RAS mm in the world of the scene."""
        for view in slicer.util.getNodesByClass("vtkMRMLSliceNode", self._scene):
            view.JumpSliceByCentering(*centre)

    def _load(self, dataset: Path, case: str) -> Any:
        study = next((study for study in bids_studies(dataset) if study.name == case), None)
        if study is None or "FLAIR" not in study.images:
            raise StudyError(f"{dataset} holds no case {case} with a FLAIR.", "Choose the data set of the run.")
        try:
            node = slicer.util.loadVolume(str(study.images["FLAIR"]), {"name": f"{case} FLAIR", "show": False})
        except RuntimeError as error:
            raise StudyError(f"{study.images['FLAIR']} cannot be read.", "Check the file.") from error
        node.SetAttribute(CASE, _key(dataset, case))
        return node

    def _make(self, flair: Any, dataset: Path, case: str) -> Any:
        node = self._scene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{case} masks")
        node.SetAttribute(CASE, _key(dataset, case))
        node.GetSegmentation().SetSourceRepresentationName("Binary labelmap")
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(flair)
        node.GetDisplayNode().SetVisibility2DFill(False)
        return node

    def _node(self, class_name: str, dataset: Path, case: str) -> Any:
        nodes = slicer.util.getNodesByClass(class_name, self._scene)
        return next((node for node in nodes if node.GetAttribute(CASE) == _key(dataset, case)), None)


def _key(dataset: Path, case: str) -> str:
    return f"{dataset.absolute()}|{case}"
