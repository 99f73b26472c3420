"""Every choice of a study, written beside its result."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.networks.efficientnet3d_unet import preset_architecture, preset_scaling

from .patches import PatchRecipe
from .settings import TrainSettings

STUDY_FILE = "study.json"
NETWORKS = {"efficientnet": "EfficientNet3D-UNet", "unet": "3D U-Net"}
SAMPLERS = {"lesion": "lesion-aware", "uniform": "uniform"}


@dataclass(frozen=True)
class Arm:
    """One of the four combinations: network and sampler by name."""

    network: str
    sampler: str

    @property
    def title(self) -> str:
        """For a reader."""
        return f"{NETWORKS[self.network]}, {SAMPLERS[self.sampler]}"


ARMS = tuple(Arm(network, sampler) for network in NETWORKS for sampler in SAMPLERS)


@dataclass(frozen=True)
class StudyRun:
    """One training of the study.

    Attributes:
        arm: network and sampler.
        seed: of weights and patches.
    """

    arm: Arm
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.arm.network}_{self.arm.sampler}_seed-{self.seed}"


@dataclass(frozen=True)
class StudySettings:
    """Settings of a study; all four arms share them.

    Attributes:
        preset: size of EfficientNet3D-UNet and edge of the patches of both networks.
        unet_width: channels of the 3D U-Net at full resolution; they double from a quarter of the resolution on.
        epochs, epoch_steps, batch: patches seen are their product.
        learning_rate: peak, the same for both networks.
        seeds: each arm is trained with 0, 1, ... below this.
        test: patients of the training or validation part who test here.
        painted: patients whose lesion shapes are kept for painted test patients, at most.
        bf16: dense convolutions in bfloat16.
    """

    preset: str = "small"
    unet_width: int = 16
    epochs: int = 6
    epoch_steps: int = 60
    batch: int = 2
    learning_rate: float = 2e-3
    seeds: int = 1
    test: tuple[str, ...] = ()
    painted: int = 12
    bf16: bool = True

    @property
    def patch(self) -> int:
        """Edge of the patches, voxels."""
        return preset_scaling(self.preset).patch

    @property
    def runs(self) -> list[StudyRun]:
        """All runs, seed after seed, so that a study that is stopped holds whole comparisons."""
        return [StudyRun(arm, seed) for seed in range(self.seeds) for arm in ARMS]

    def architecture(self, network: str) -> dict[str, Any]:
        """As ``build_network`` takes it."""
        if network == "efficientnet":
            return preset_architecture(self.preset)
        width = self.unet_width
        return {"type": "unet3d", "features": [width, width, 2 * width, 4 * width, 8 * width, width]}

    def training(self, run: StudyRun) -> TrainSettings:
        """Settings of one run."""
        return TrainSettings(
            architecture=self.architecture(run.arm.network),
            recipe=PatchRecipe(patch=self.patch),
            sampler=run.arm.sampler,
            epochs=self.epochs,
            epoch_steps=self.epoch_steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            seed=run.seed,
            bf16=self.bf16,
        )

    def keep(self, folder: Path, cases: list[dict[str, str]]) -> None:
        """Write settings and cases into the folder of the study, or check that they are those it began with.

        Args:
            folder: of the study; made if missing.
            cases: each with its name, part and the hash of its FLAIR.

        Raises:
            UsageError: the study was begun with other settings or cases, or the folder holds something else.
        """
        path = folder / STUDY_FILE
        values = {"settings": {**asdict(self), "test": list(self.test)}, "cases": cases}
        if path.exists():
            try:
                known = json.loads(path.read_text(encoding="utf-8"))
                differing = sorted(
                    key for key in values["settings"] if known["settings"][key] != values["settings"][key]
                )
                same_cases = known["cases"] == cases
            except (ValueError, KeyError, TypeError) as error:
                raise UsageError(f"{path} is no record of a study of this version.", "Name a new folder.") from error
            if differing or not same_cases:
                what = f"another --{differing[0].replace('_', '-')}" if differing else "other cases"
                raise UsageError(
                    f"The study in {folder} was begun with {what}.",
                    "Give the options that it began with to go on, or another folder with --out.",
                )
            return
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, path)
