"""Weights to start from: random ones, or those of a model bundle that knows none of the cases kept out of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.lesion_model import load_lesion_model

from .training_set import CaseRecord

SHIPPED = "shipped"


@dataclass(frozen=True)
class Start:
    """A bundle to start from.

    Attributes:
        network: its network.
        architecture: of it.
        patch: edge of the patches it was trained on, voxels.
        threshold: of its probability.
        identity: name, version and SHA-256 of the bundle.
        case_hashes: of the cases it was trained on.
    """

    network: nn.Module
    architecture: dict[str, Any]
    patch: int
    threshold: float
    identity: dict[str, str]
    case_hashes: list[str]


def load_start(name_or_path: str) -> Start:
    """Load a lesion bundle to start from.

    Args:
        name_or_path: of the model; ``shipped`` is the one that ships with the program.

    Raises:
        ModelError: see ``load_lesion_model``.
        UsageError: it was trained for other contrasts.
    """
    _, bundle = load_lesion_model(None if name_or_path == SHIPPED else name_or_path)
    model = bundle.model
    if list(model.contrasts) != ["FLAIR", "T1w", "T2w"]:
        raise UsageError(f"{name_or_path} takes {'+'.join(model.contrasts)}.", "Start from a model of FLAIR, T1w, T2w.")
    network = bundle.load_network()
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    identity = {"name": model.name, "version": model.version, "sha256": bundle.sha256}
    hashes = list(model.training.case_hashes)
    return Start(network, dict(model.architecture), model.patch[0], model.threshold, identity, hashes)


def check_overlap(start: Start, records: Sequence[CaseRecord], *, forced: bool) -> list[str]:
    """Cases of validation and test that the bundle was trained on.

    Args:
        start: the bundle.
        records: all cases of the data set that are known by hash.
        forced: let such cases pass.

    Returns:
        Their names; with ``forced`` there may be some.

    Raises:
        UsageError: there are some, and they were not forced.
    """
    trained_on = set(start.case_hashes)
    overlap = sorted(r.case for r in records if r.part != "train" and r.flair_sha256 in trained_on)
    if overlap and not forced:
        raise UsageError(
            f"{start.identity['name']} {start.identity['version']} was trained on {', '.join(overlap)}, "
            f"{'which' if len(overlap) == 1 else 'all of which'} must not be trained on here.",
            "Start from another model, or give --force-overlap; figures on such cases then mean little.",
        )
    return overlap
