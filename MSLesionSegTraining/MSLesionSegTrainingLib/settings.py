"""Every choice of a training run, written beside its result."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.networks.efficientnet3d_unet import preset_architecture

from .patches import PatchRecipe

SETTINGS_FILE = "settings.json"


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one run.

    Attributes:
        architecture: as ``build_network`` takes it.
        recipe: what the patches show.
        sampler: where they lie, see ``make_sampler``.
        epochs: length of the run; None where ``hours`` gives it.
        hours: time for the run; None where ``epochs`` gives its length. Such a run does not repeat exactly.
        epoch_steps: optimiser steps an epoch; after each epoch the network is validated.
        batch: patches a step, over all processes.
        loss: see ``LOSSES``.
        deep_supervision: coarser resolutions count in the loss.
        learning_rate: peak of the cosine after a warm-up of 4 % of the run.
        weight_decay: AdamW's.
        ema: decay of the running mean of the weights, the weights that are kept.
        clip: largest gradient norm.
        patience: epochs without a better validation after which the run ends; 0 never ends it early.
        seed: of weights, patches and stochastic depth.
        bf16: dense convolutions in bfloat16.
        init: name, version and SHA-256 of the bundle that the weights start from, or empty.
        forced_overlap: cases of validation or test that the bundle of ``init`` was trained on, allowed by force.
        leave_out: the patient of whom nothing was used in training, or None.
        rehearsal: synthetic images of the training brains and lesions of synthetic patients are added, see
            ``rehearsal``.
        averaged: number of runs of whose weights these are the mean, see ``joining``; 0 for a run of its own.
    """

    architecture: dict[str, Any] = field(default_factory=lambda: preset_architecture("b0"))
    recipe: PatchRecipe = field(default_factory=PatchRecipe)
    sampler: str = "lesion"
    epochs: int | None = 12
    hours: float | None = None
    epoch_steps: int = 250
    batch: int = 2
    loss: str = "dice-ce"
    deep_supervision: bool = False
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    ema: float = 0.995
    clip: float = 1.0
    patience: int = 0
    seed: int = 0
    bf16: bool = True
    init: dict[str, str] = field(default_factory=dict)
    forced_overlap: list[str] = field(default_factory=list)
    leave_out: str | None = None
    rehearsal: bool = False
    averaged: int = 0

    @property
    def steps(self) -> int | None:
        """Optimiser steps of the run, None where time decides."""
        return None if self.epochs is None else self.epochs * self.epoch_steps

    @property
    def precision(self) -> str:
        """Precision of the arithmetic, as Lightning Fabric names it."""
        return "bf16-mixed" if self.bf16 else "32-true"

    def save(self, path: Path) -> None:
        """Write as JSON, whole or not at all."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        os.replace(partial, path)

    @classmethod
    def load(cls, run: Path) -> TrainSettings:
        """Read the settings of a run.

        Args:
            run: folder of the run.

        Raises:
            UsageError: the folder is no run, or its settings are not those of this program.
        """
        path = run / SETTINGS_FILE
        if not path.exists():
            raise UsageError(f"{run} is no training run: it holds no {SETTINGS_FILE}.", "Give the --out of `train`.")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{**values, "recipe": PatchRecipe(**values["recipe"])})
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{path} does not hold the settings of a run of this version.", "Start a run of its own."
            ) from error
