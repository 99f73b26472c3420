"""Every choice of a training run, written beside its result."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from MSLesionSegLib.networks.efficientnet3d_unet import preset_architecture

from .patches import PatchRecipe


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one run.

    Attributes:
        architecture: as ``build_network`` takes it.
        recipe: what the patches show.
        steps: optimiser steps.
        batch: patches a step.
        learning_rate: peak of the cosine after a warm-up of 4 % of the steps.
        weight_decay: AdamW's.
        ema: decay of the running mean of the weights, the weights that are kept.
        clip: largest gradient norm.
        seed: of weights, patches and stochastic depth.
        bf16: dense convolutions in bfloat16.
        leave_out: the patient of whom nothing was used, or None.
    """

    architecture: dict[str, Any] = field(default_factory=lambda: preset_architecture("b0"))
    recipe: PatchRecipe = field(default_factory=PatchRecipe)
    steps: int = 3000
    batch: int = 2
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    ema: float = 0.995
    clip: float = 1.0
    seed: int = 0
    bf16: bool = True
    leave_out: str | None = None

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(partial, path)

    @classmethod
    def load(cls, path: Path) -> TrainSettings:
        """Read what ``save`` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**values, "recipe": PatchRecipe(**values["recipe"])})
