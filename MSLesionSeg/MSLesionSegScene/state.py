"""What the module knows about the scene, kept in the scene: nodes, settings and the reader's decisions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import slicer

from .other_studies import bring_back, clear_result, put_aside, waiting_studies
from .singleton import singleton_node

MODULE = "MSLesionSeg"
UNDECIDED, ACCEPTED, REJECTED = "undecided", "accepted", "rejected"
DECISIONS = (UNDECIDED, ACCEPTED, REJECTED)
DEFAULT_THRESHOLD = 0.5
DEFAULT_MINIMUM_MM3 = 3.0


def _node_property(role: str, doc: str) -> property:
    """A property that is a node of the scene or None, kept as a node reference of that role."""

    def get(self: ModuleState) -> slicer.vtkMRMLNode | None:
        return self.node.GetNodeReference(role)

    def put(self: ModuleState, node: slicer.vtkMRMLNode | None) -> None:
        self.node.SetNodeReferenceID(role, node.GetID() if node is not None else None)

    return property(get, put, doc=doc)


def _text_property(name: str, doc: str) -> property:
    def get(self: ModuleState) -> str:
        return self.node.GetParameter(name)

    def put(self: ModuleState, text: str) -> None:
        self.node.SetParameter(name, text)

    return property(get, put, doc=doc)


def _number_property(name: str, default: float, doc: str) -> property:
    def get(self: ModuleState) -> float:
        text = self.node.GetParameter(name)
        return float(text) if text else default

    def put(self: ModuleState, value: float) -> None:
        self.node.SetParameter(name, repr(float(value)))

    return property(get, put, doc=doc)


class ModuleState:
    """Typed access to the module's parameter node, the singleton ``vtkMRMLScriptedModuleNode`` "MSLesionSeg".

    Nothing is held in Python: two of these on one scene are the same, and all of it is saved with the scene. Nodes are
    returned as None once they are removed from the scene. Observe :attr:`node` for ``vtkCommand.ModifiedEvent``.

    Args:
        scene: the ``vtkMRMLScene``; its parameter node is made when first asked for.
        waiting: node of another study of the scene, see ``other_studies``; None speaks of the one under review.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, waiting: slicer.vtkMRMLScriptedModuleNode | None = None) -> None:
        self.scene = scene
        self._waiting = waiting

    @property
    def node(self) -> slicer.vtkMRMLScriptedModuleNode:
        """The parameter node."""
        if self._waiting is not None:
            return self._waiting
        return singleton_node(self.scene, MODULE)

    @property
    def flair(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """Volume node of the FLAIR, or None; see :meth:`set_image` for what another one brings."""
        return self.image("FLAIR")

    @flair.setter
    def flair(self, node: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        self.set_image("FLAIR", node)

    t1 = _node_property("T1w", "Volume node of the T1w, or None.")
    t2 = _node_property("T2w", "Volume node of the T2w, or None.")
    probability = _node_property("Probability", "Volume node of the lesion probability on the FLAIR's grid, or None.")
    segmentation = _node_property("Segmentation", 'Segmentation node with the segments "model" and "reader", or None.')
    t1_transform = _node_property("T1wTransform", "Transform node that puts the T1w on the FLAIR, or None.")
    t2_transform = _node_property("T2wTransform", "Transform node that puts the T2w on the FLAIR, or None.")
    lesion_map = _node_property(
        "LesionMap", "Label map node that numbers the lesions for the review (see ``review``), or None."
    )

    brain_map = _node_property("BrainMap", "Label map node of the brain on the FLAIR's grid, or None.")
    zone_map = _node_property(
        "ZoneMap", "Label map node that gives lesions their locations (``location.Zone``), or None."
    )
    second_map = _node_property("SecondMap", "Volume node of the probability of the second pass, or None.")

    threshold = _number_property("Threshold", DEFAULT_THRESHOLD, "Probability from which a voxel is lesion, (0, 1].")
    minimum_mm3 = _number_property("MinimumMm3", DEFAULT_MINIMUM_MM3, "Smallest lesion, mm3.")

    seconds_spent = _number_property("SecondsSpent", 0.0, "How long readers have worked on the study, seconds.")

    model = _text_property("Model", "Name or path of the model to use; empty for the shipped one.")
    device = _text_property("Device", 'What the network shall run on: "auto", "cpu" or "cuda"; empty for "auto".')
    contrasts_used = _text_property("ContrastsUsed", 'Contrasts of the result, such as "FLAIR, T1w, T2w".')

    @property
    def provenance(self) -> dict[str, Any]:
        """Which model, settings, versions and input hashes gave the result; without paths; empty before a result."""
        return self._json("Provenance")

    @provenance.setter
    def provenance(self, values: Mapping[str, Any]) -> None:
        self.node.SetParameter("Provenance", json.dumps(values, sort_keys=True))

    @property
    def lesions(self) -> dict[str, dict[str, Any]]:
        """What the review remembers of each lesion that the threshold no longer moves: key -> record.

        A record holds ``state`` (one of ``DECISIONS``), ``edited`` (bool) and ``threshold`` (the one at which it stood
        when it was first decided or edited).
        """
        return self._json("Lesions")

    @lesions.setter
    def lesions(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        self.node.SetParameter("Lesions", json.dumps(records, sort_keys=True))

    @property
    def decisions(self) -> dict[str, str]:
        """Lesion key -> "accepted", "rejected" or "undecided", for the lesions that were decided or edited."""
        return {key: record["state"] for key, record in self.lesions.items()}

    def image(self, contrast: str) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The volume node of "FLAIR", "T1w" or "T2w", or None."""
        return self.node.GetNodeReference(contrast)

    def set_image(self, contrast: str, node: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Name the volume node of "FLAIR", "T1w" or "T2w"; None takes it back.

        With another FLAIR the result of the first is put aside, and that of the other comes back, with its images and
        its review, where there is one.
        """
        if contrast == "FLAIR" and node is not self.flair:
            put_aside(self.scene, self.node)
            clear_result(self.node)
            if node is not None and bring_back(self.scene, self.node, node):
                return
        self.node.SetNodeReferenceID(contrast, node.GetID() if node is not None else None)

    def with_results(self) -> list[ModuleState]:
        """The studies of the scene that have a result: the one under review first, then those that wait."""
        here = [self] if None not in (self.flair, self.segmentation) else []
        return here + [ModuleState(self.scene, waiting) for waiting in waiting_studies(self.scene)]

    def _json(self, name: str) -> dict[str, Any]:
        text = self.node.GetParameter(name)
        return json.loads(text) if text else {}
