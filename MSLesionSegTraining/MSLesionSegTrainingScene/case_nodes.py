"""The images of a case into the scene, and out of it again."""

from __future__ import annotations

import slicer

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.study import CONTRASTS
from MSLesionSegScene.state import ModuleState
from MSLesionSegScene.study_loading import load_files
from MSLesionSegTrainingLib.studies import StudyFiles

_OF_THE_READER = ("Model", "Device")
"""Parameters of MSLesionSeg that do not belong to a study."""
_CASE = "MSLesionSegTraining.Case"
"""Attribute of an image that was loaded with a case."""


def load_images(scene: slicer.vtkMRMLScene, state: ModuleState, study: StudyFiles) -> None:
    """Load the images of a study and name them in the state, in place of what it names.

    Raises:
        StudyError: it has no FLAIR, or an image cannot be read; nothing is loaded then.
    """
    if study.problem:
        raise StudyError(study.problem, study.hint)
    nodes = load_files(scene, list(study.images.values()))
    for contrast in CONTRASTS:
        state.set_image(contrast, None)
    for contrast, node in zip(study.images, nodes, strict=True):
        node.SetAttribute(_CASE, study.name)
        state.set_image(contrast, node)


def remove_study(state: ModuleState) -> None:
    """Take the study under review out of the scene, with its result; images of the reader's own stay, and the model."""
    node = state.node
    roles = [node.GetNthNodeReferenceRole(place) for place in range(node.GetNumberOfNodeReferenceRoles())]
    study = [node.GetNodeReference(role) for role in roles]
    for role in roles:
        node.SetNodeReferenceID(role, None)
    for name in node.GetParameterNames():
        if name not in _OF_THE_READER:
            node.UnsetParameter(name)
    for role, one in zip(roles, study, strict=True):
        if one is not None and (role not in CONTRASTS or one.GetAttribute(_CASE)):
            _remove(state.scene, one)


def _remove(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLNode) -> None:
    """Remove a node with its display nodes and its storage node."""
    beside = []
    if node.IsA("vtkMRMLDisplayableNode"):
        beside = [node.GetNthDisplayNode(place) for place in range(node.GetNumberOfDisplayNodes())]
    if node.IsA("vtkMRMLStorableNode"):
        beside.append(node.GetStorageNode())
    for one in (node, *beside):
        if one is not None and scene.IsNodePresent(one):
            scene.RemoveNode(one)
