"""A model whose weights were never trained, small enough to run in a second."""

from pathlib import Path

import torch

from MSLesionSegLib.bundle import save_bundle
from MSLesionSegLib.bundle_schema import ModelDescription, TrainingRecord
from MSLesionSegLib.networks import build_network
from MSLesionSegLib.normalise import NORMALISATION

ARCHITECTURE = {"type": "efficientnet3d_unet", "widths": [8] * 5, "depths": [1] * 4, "norm": "batch"}


def tiny_bundle(
    folder: Path,
    name: str,
    threshold: float = 0.5,
    hashes: list[str] | None = None,
    patch: int = 64,
    norm: str = "batch",
) -> Path:
    """Save it as ``folder/name`` and return that path; ``hashes`` are of the cases it claims to know."""
    torch.manual_seed(0)
    architecture = {**ARCHITECTURE, "norm": norm}
    network = build_network(architecture)
    model = ModelDescription(
        format_version=1,
        kind="lesion",
        name=name,
        version="1.0",
        architecture=architecture,
        contrasts=["FLAIR", "T1w", "T2w"],
        spacing_mm=1.0,
        normalisation=NORMALISATION,
        threshold=threshold,
        min_lesion_mm3=3.0,
        patch=(patch, patch, patch),
        flip=False,
        training=TrainingRecord(data=["none"], licence="CC0", case_hashes=hashes or [], recipe={}),
        scores=[],
        created="2025-11-25T00:00:00Z",
    )
    return save_bundle(folder / name, model, network.state_dict(), "# none")
