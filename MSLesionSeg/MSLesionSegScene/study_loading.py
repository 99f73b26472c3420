"""Image files into the scene, and which of the volumes is the FLAIR, the T1w and the T2w."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import slicer

from MSLesionSegLib.contrast_guess import KEYWORDS, Guess, Series, dicom_tags, guess_contrasts, sidecar_tags
from MSLesionSegLib.dicom_series import MIN_SLICES, DicomSeries, group_into_series, is_dicom, read_series
from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.images import FORMAT_BY_ENDING, locate
from MSLesionSegLib.nifti import compact

from .dicom_source import FORMAT
from .volumes import image_to_node, node_to_image

MAX_IMAGES = 20
"""A folder with more images than this holds more than one study."""
ATTRIBUTE = "MSLesionSeg."
_NOT_A_SERIES = ("mask", "label", "seg", "dseg", "probability", "prob")


@dataclass(frozen=True)
class _Found:
    """One image to load: a file, or a stack of DICOM slices."""

    path: Path
    name: str
    tags: Mapping[str, str]
    series: DicomSeries | None = None


def load_files(scene: slicer.vtkMRMLScene, paths: Sequence[Path]) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """Load images: files, folders of them, DICOM files or folders (each stack of slices a node), all or none.

    Fewer DICOM files than a study has slices stand for the series of the first. Masks and label maps of a folder,
    stacks of few slices and series that are no MR are left out. The tags that tell contrasts
    apart are kept with the node as attributes ``MSLesionSeg.<keyword>``; names of patients are not.

    Args:
        scene: the scene of Slicer (its Volumes logic loads files).
        paths: files and folders.

    Returns:
        The new nodes, in the order of the paths, those of a folder by name.

    Raises:
        StudyError: a file cannot be read, there is nothing to load, or a folder holds more than one study.
    """
    found: list[_Found] = []
    paths = [Path(path) for path in paths]
    slices = [path for path in paths if is_dicom(path)]
    if slices:
        found += _dicom(slices if len(slices) >= MIN_SLICES else locate(slices[0]).files, slices[0].parent)
    for path in paths:
        if path.is_dir():
            found += _in_folder(path)
        elif path not in slices:
            locate(path)
            found.append(_file(path))
    if not found:
        raise StudyError(
            f"{', '.join(map(str, paths)) or 'The selection'} holds no MR images.",
            "Choose the folder of one examination, or its image files.",
        )
    if len(found) > MAX_IMAGES:
        raise StudyError(
            f"{', '.join(map(str, paths))} holds {len(found)} images, more than one examination has.",
            "Choose the folder of one examination, or its FLAIR, T1w and T2w files.",
        )
    nodes: list[slicer.vtkMRMLScalarVolumeNode] = []
    try:
        for one in found:
            nodes.append(_load(scene, one))
    except BaseException:
        for node in nodes:
            scene.RemoveNode(node)
        raise
    return nodes


def assign(
    scene: slicer.vtkMRMLScene, nodes: Sequence[slicer.vtkMRMLScalarVolumeNode] | None = None
) -> dict[str, tuple[slicer.vtkMRMLScalarVolumeNode | None, Guess]]:
    """Which node is which contrast; nothing is set in the module's state.

    Args:
        scene: the scene.
        nodes: volumes to choose from; None takes all of the scene but label maps and the module's own.

    Returns:
        "FLAIR", "T1w", "T2w" -> the node (or None) and the guess with confidence, ``sure`` and a reason in words.
    """
    if nodes is None:
        nodes = volumes_of(scene)
    series = [Series(node.GetName(), node_tags(node), _image_of(node)) for node in nodes]
    guesses = guess_contrasts(series)
    return {name: (None if guess.index is None else nodes[guess.index], guess) for name, guess in guesses.items()}


def volumes_of(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """The images of a scene: scalar volumes with voxels, without label maps and the module's own."""
    found = scene.GetNodesByClass("vtkMRMLScalarVolumeNode")
    nodes = [found.GetItemAsObject(position) for position in range(found.GetNumberOfItems())]
    return [
        node
        for node in nodes
        if node.GetImageData() is not None
        and not node.IsA("vtkMRMLLabelMapVolumeNode")
        and not node.GetHideFromEditors()
        and node.GetAttribute(f"{ATTRIBUTE}Role") is None
    ]


def node_tags(node: slicer.vtkMRMLScalarVolumeNode) -> dict[str, str]:
    """The tags of a volume: kept with it, from Slicer's DICOM database, or from the JSON file beside its NIfTI file."""
    tags = {keyword: node.GetAttribute(ATTRIBUTE + keyword) for keyword in KEYWORDS}
    tags = {keyword: value for keyword, value in tags.items() if value}
    if tags:
        return tags
    instances = (node.GetAttribute("DICOM.instanceUIDs") or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if instances and database is not None:
        file = database.fileForInstance(instances[0])
        return dicom_tags(file) if file else {}
    storage = node.GetStorageNode()
    file = storage.GetFullNameFromFileName() if storage is not None else ""
    return sidecar_tags(file) if file else {}


def _image_of(node: slicer.vtkMRMLScalarVolumeNode):
    return lambda: node_to_image(node)


def _in_folder(folder: Path) -> list[_Found]:
    """The images of a folder and its folders, hidden ones left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
    images = [path for path in files if _ending(path) and not path.name.lower().endswith(".dcm")]
    images = [path for path in images if not _is_label(path)]
    slices = [path for path in files if not _ending(path) or path.name.lower().endswith(".dcm")]
    slices = [path for path in slices if is_dicom(path)]
    return [_file(path) for path in images] + (_dicom(slices, folder) if slices else [])


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _is_label(path: Path) -> bool:
    words = path.name.lower().removesuffix(_ending(path)).replace("-", "_").replace(".", "_").split("_")
    return any(word in _NOT_A_SERIES for word in words)


def _ending(path: Path) -> str:
    name = path.name.lower()
    return next((ending for ending in FORMAT_BY_ENDING if name.endswith(ending)), "")


def _file(path: Path) -> _Found:
    return _Found(path, path.name[: len(path.name) - len(_ending(path))], sidecar_tags(path))


def _dicom(files: Sequence[Path], origin: Path) -> list[_Found]:
    """The stacks of MR slices that are thick enough for a study."""
    stacks = [one for one in group_into_series(files, origin) if one.modality == "MR" and one.image_count >= MIN_SLICES]
    return [_Found(origin, one.description, dicom_tags(one.files[0]), one) for one in stacks]


def _load(scene: slicer.vtkMRMLScene, found: _Found) -> slicer.vtkMRMLScalarVolumeNode:
    if found.series is not None:
        image = compact(read_series(found.series, found.path))
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", scene.GenerateUniqueName(found.name))
        image_to_node(image, node)
        node.SetAttribute(FORMAT, "DICOM")
        node.CreateDefaultDisplayNodes()
    else:
        logic = slicer.modules.volumes.logic()
        options = logic.SingleFile | logic.AutoWindowLevel
        node = logic.AddArchetypeVolume(str(found.path), found.name, options)
        if node is None:
            raise StudyError(f"{found.path} cannot be read.", "Check the file, or export the series again.")
    for keyword, value in found.tags.items():
        node.SetAttribute(ATTRIBUTE + keyword, value)
    return node
