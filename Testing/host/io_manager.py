"""Reading and writing of files as ``slicer.util.loadVolume``, ``saveNode``, ``saveScene`` and their like ask for it."""

from pathlib import Path
from typing import Any

VOLUMES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
SEGMENTATIONS = (".seg.nrrd", ".seg.nhdr", ".seg.vtm")
TRANSFORMS = (".tfm", ".h5", ".txt", ".mat")
SCENES = (".mrml", ".mrb")
TEXTS = {"TableFile": (".csv", ".tsv")}
SINGLE_FILE, AUTO_WINDOW_LEVEL = 4, 8


class IOManager:
    """What of ``qSlicerIOManager`` is used: an object per application."""

    def __init__(self, logics: Any, layout_manager: Any = None) -> None:
        self._logics = logics

    def fileType(self, file_name: str) -> str:
        """The type by extension, as the reader of highest confidence would have it."""
        name = str(file_name).lower()
        for kind, endings in (
            ("SegmentationFile", SEGMENTATIONS),
            ("SceneFile", SCENES),
            ("TransformFile", TRANSFORMS),
            ("TableFile", TEXTS["TableFile"]),
            ("VolumeFile", VOLUMES),
        ):
            if name.endswith(endings):
                return kind
        return "NoFile"

    def fileWriterFileType(self, node: Any, _file_name: str = "") -> str:
        """The type that a node is written as."""
        for class_name, kind in (
            ("vtkMRMLSegmentationNode", "SegmentationFile"),
            ("vtkMRMLVolumeNode", "VolumeFile"),
            ("vtkMRMLTransformNode", "TransformFile"),
            ("vtkMRMLTableNode", "TableFile"),
        ):
            if node.IsA(class_name):
                return kind
        return "NoFile"

    def loadNodes(self, kind: str, properties: dict, loaded: Any = None, messages: Any = None) -> bool:
        """Load a file; the nodes go into ``loaded``."""
        file_name = str(properties["fileName"])
        if not Path(file_name).exists():
            return False
        node = getattr(self, f"_load_{kind}")(file_name, properties)
        if node is True:
            return True
        if node is None:
            return False
        if loaded is not None:
            loaded.AddItem(node)
        return True

    def saveNodes(self, kind: str, properties: dict, messages: Any = None, scene: Any = None) -> bool:
        """Write the scene or the node with ID ``properties["nodeID"]``."""
        file_name = str(properties["fileName"])
        if kind == "SceneFile":
            return self._save_scene(file_name)
        node = self._logics.scene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        storage.SetFileName(file_name)
        storage.SetUseCompression(bool(properties.get("useCompression", True)))
        return bool(storage.WriteData(node))

    def loadScene(self, file_name: str, clear: bool = True, messages: Any = None) -> bool:
        """Load a scene over the present one, or into it."""
        return self._read_scene(file_name, clear)

    def loadFile(self, file_name: str, messages: Any = None) -> str:
        """Load a file of any known type; the type."""
        kind = self.fileType(file_name)
        if kind != "NoFile":
            self.loadNodes(kind, {"fileName": file_name})
        return kind

    def extractKnownExtension(self, file_name: str, node: Any) -> str:
        """The extension that the node's writer knows, with its dot."""
        storage = node.CreateDefaultStorageNode()
        storage.UnRegister(None)
        return storage.GetSupportedFileExtension(file_name, False, True) or ""

    def fileWriterExtensions(self, node: Any) -> list[str]:
        """Formats of the node's writer, such as "NRRD (.nrrd)"."""
        storage = node.CreateDefaultStorageNode()
        storage.UnRegister(None)
        types = storage.GetSupportedWriteFileTypes()
        return [types.GetValue(index) for index in range(types.GetNumberOfValues())]

    def _load_VolumeFile(self, file_name: str, properties: dict) -> Any:
        options = (1 if properties.get("labelmap") else 0) | (SINGLE_FILE if properties.get("singleFile") else 0)
        options |= AUTO_WINDOW_LEVEL if properties.get("autoWindowLevel", True) else 0
        name = properties.get("name") or _base_name(file_name, VOLUMES)
        node = self._logics.logics["Volumes"].AddArchetypeVolume(file_name, name, options)
        if node is not None and properties.get("show", True):
            selection = self._logics.application_logic.GetSelectionNode()
            selection.SetActiveVolumeID(node.GetID())
            self._logics.application_logic.PropagateVolumeSelection()
        return node

    def _load_SegmentationFile(self, file_name: str, properties: dict) -> Any:
        name = properties.get("name") or _base_name(file_name, (*SEGMENTATIONS, *VOLUMES))
        return self._logics.logics["Segmentations"].LoadSegmentationFromFile(file_name, True, name)

    def _load_TransformFile(self, file_name: str, properties: dict) -> Any:
        return self._logics.logics["Transforms"].AddTransform(file_name, self._logics.scene)

    def _load_TableFile(self, file_name: str, properties: dict) -> Any:
        return self._logics.logics["Tables"].AddTable(file_name, properties.get("name") or Path(file_name).stem)

    def _load_SceneFile(self, file_name: str, properties: dict) -> Any:
        return True if self._read_scene(file_name, properties.get("clear", False)) else None

    def _read_scene(self, file_name: str, clear: bool) -> bool:
        scene = self._logics.scene
        if file_name.lower().endswith(".mrb"):
            return bool(scene.ReadFromMRB(file_name, clear))
        scene.SetURL(file_name)
        return bool(scene.Connect() if clear else scene.Import())

    def _save_scene(self, file_name: str) -> bool:
        scene = self._logics.scene
        if file_name.lower().endswith(".mrb"):
            return bool(scene.WriteToMRB(file_name, None))
        scene.SetURL(file_name)
        return bool(scene.Commit(file_name))


def _base_name(file_name: str, endings: tuple[str, ...]) -> str:
    name = Path(file_name).name
    ending = max((end for end in endings if name.lower().endswith(end)), key=len, default="")
    return name[: -len(ending)] if ending else name
