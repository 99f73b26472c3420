"""A real MRML scene with the logics that the application would have given it."""

import tempfile
from dataclasses import dataclass
from typing import Any

#: Module -> class of its logic. In ``slicer.modules`` the names are in lower case.
LOGICS = {
    "Colors": "vtkSlicerColorLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Units": "vtkSlicerUnitsLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Sequences": "vtkSlicerSequencesLogic",
}


@dataclass
class SceneLogics:
    """A scene and what works on it."""

    scene: Any
    application_logic: Any
    layout_logic: Any
    logics: dict[str, Any]  # module -> logic
    folder: str  # temporary files
    kept: tuple  # objects that the scene only points to


def make_scene() -> SceneLogics:
    """A scene with its application logic, layout logic and the logics of modules."""
    import slicer
    import vtk

    folder = tempfile.mkdtemp(prefix="mslesionseg-host-")
    scene = slicer.vtkMRMLScene()
    application_logic = slicer.vtkSlicerApplicationLogic()
    kept = _serve_remote_files(scene, application_logic, folder)
    application_logic.SetMRMLScene(scene)
    application_logic.SetTemporaryPath(folder)
    application_logic.SetSliceLogics(vtk.vtkCollection())
    application_logic.SetViewLogics(vtk.vtkCollection())
    application_logic.GetColorLogic().SetMRMLScene(scene)
    application_logic.GetColorLogic().AddDefaultColorNodes()
    logics = {"Colors": application_logic.GetColorLogic()}
    vtk.vtkObject.GlobalWarningDisplayOff()  # terminology files are not shipped with slicer-core
    for name, class_name in LOGICS.items():
        if name not in logics:
            logics[name] = getattr(slicer, class_name)()
            logics[name].SetMRMLApplicationLogic(application_logic)
            logics[name].SetMRMLScene(scene)
        application_logic.SetModuleLogic(name, logics[name])
    vtk.vtkObject.GlobalWarningDisplayOn()
    layout_logic = slicer.vtkMRMLLayoutLogic()
    layout_logic.SetMRMLApplicationLogic(application_logic)
    layout_logic.SetMRMLScene(scene)
    return SceneLogics(scene, application_logic, layout_logic, logics, folder, kept)


def _serve_remote_files(scene: Any, application_logic: Any, folder: str) -> tuple:
    """What reading an .mrb asks for, though its files are local."""
    import slicer

    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.GetCacheManager().SetRemoteCacheDirectory(folder)
    remote.SetMRMLScene(scene)
    data = slicer.vtkDataIOManagerLogic()
    data.SetMRMLApplicationLogic(application_logic)
    data.SetAndObserveDataIOManager(remote.GetDataIOManager())
    scene.SetCacheManager(remote.GetCacheManager())
    scene.SetDataIOManager(remote.GetDataIOManager())
    return remote, data
