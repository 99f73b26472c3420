"""A small training in a process of its own: ``small_run.py RUN EPOCHS [--resume] [--die-in-checkpoint]``.

Ten steps an epoch of two patches, batch normalisation, no stochastic depth (each process draws its own). In float64: in
float32 Adam blows rounding up to the size of a step where a gradient is nearly 0.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from conftest import SIZE, ball

from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib import batch_statistics, checkpoint
from MSLesionSegTrainingLib import train as train_module
from MSLesionSegTrainingLib.canvases import real_canvas
from MSLesionSegTrainingLib.fabric_setup import make_fabric
from MSLesionSegTrainingLib.painting import LesionLevels
from MSLesionSegTrainingLib.patches import PatchDataset, PatchRecipe
from MSLesionSegTrainingLib.samplers import make_sampler
from MSLesionSegTrainingLib.settings import TrainSettings

STEPS = 10
ARCHITECTURE = {
    "type": "efficientnet3d_unet",
    "widths": [8, 8, 8, 8, 8],
    "depths": [1, 1, 1, 1],
    "norm": "batch",
    "drop": 0.0,
}


def main(folder: Path, epochs: int, *, resume: bool, die: bool) -> None:
    """Train; with ``die`` the process kills itself while the second checkpoint is written."""
    torch.use_deterministic_algorithms(True)
    batch_statistics.STATISTICS_PATCHES = 4
    train_module.CHECKPOINT_EVERY = 3
    if die:
        _die_in_checkpoint()
    brain = ball((24, 24, 24), 20)
    lesion = ball((24, 24, 14), 4) | ball((24, 30, 30), 2)
    noise = np.random.default_rng(1).normal(0, 0.1, (3, SIZE, SIZE, SIZE))
    channels = (noise + np.array([2.0, -0.5, 1.5])[:, None, None, None] * lesion) * brain
    canvas = real_canvas("study", channels.astype(np.float32), brain, lesion)
    recipe = PatchRecipe(patch=32)
    settings = TrainSettings(
        architecture=ARCHITECTURE, recipe=recipe, epochs=epochs, epoch_steps=STEPS, bf16=False, learning_rate=1e-3
    )
    levels = LesionLevels(np.array([2.0, -0.5, 1.5]), np.diag([0.01] * 3), np.array([0.1] * 3))
    patches = PatchDataset([canvas], [], levels, recipe, make_sampler("lesion", 32), 0, 1000)
    fabric = make_fabric("cpu", "64-true")
    train_module.train(settings, patches, [canvas], folder, SilentProgress(), resume=resume, fabric=fabric)


def _die_in_checkpoint() -> None:
    flush, written = os.fsync, []

    def kill_at_second(number: int) -> None:
        written.append(number)
        if len(written) == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        flush(number)

    checkpoint.os.fsync = kill_at_second


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), resume="--resume" in sys.argv, die="--die-in-checkpoint" in sys.argv)
