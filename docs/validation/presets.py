"""``python docs/validation/presets.py RUN [RUN ...]``: what larger networks cost and gain; see presets.md.

Each run is one of ``mslesionseg train DATASET --preset P --leave-out PATIENT``: its ``scores.json`` gives the scores,
and the network is run once more on a block of made-up voxels for its cost. Prints a table.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from MSLesionSegLib.predictor import Predictor
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.settings import TrainSettings
from MSLesionSegTrainingLib.train import load_result

BRAIN = (144, 176, 144)
"""Voxels (z, y, x) of a brain at 1 mm."""
THRESHOLDS = (0.3, 0.5)
CONTRASTS = "FLAIR+T1w+T2w"


def cost(network: torch.nn.Module, edge: int, flip: bool) -> float:
    """Processor time (s) of the network stage on a brain, PyTorch in float32."""
    channels = np.random.default_rng(0).standard_normal((3, *BRAIN)).astype(np.float32)
    predictor = Predictor(network, patch=(edge,) * 3, device="cpu", flip=flip)
    began = time.process_time()
    predictor.predict(channels, np.ones(BRAIN, bool), SilentProgress())
    return time.process_time() - began


def gflop(network: torch.nn.Module, edge: int) -> float:
    """Arithmetic of one window, in 1e9 operations."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, edge, edge, edge))
    return counter.get_total_flops() / 1e9


def main(runs: list[Path]) -> None:
    """Print the table."""
    print("| widths | weights, million | GFLOP a window | flip | processor time, s | threshold | Dice | lesion F1 |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for run in runs:
        settings = TrainSettings.load(run)
        network, edge = load_result(settings, run), settings.recipe.patch
        weights = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        rows = json.loads((run / "scores.json").read_text(encoding="utf-8"))
        for flip in (False, True):
            seconds = cost(network, edge, flip)
            for row in rows:
                if (row["contrasts"], row["flip"]) == (CONTRASTS, flip) and row["threshold"] in THRESHOLDS:
                    cells = (
                        " ".join(map(str, settings.architecture["widths"])),
                        f"{weights:.2f}",
                        f"{gflop(network, edge):.1f}",
                        "yes" if flip else "no",
                        f"{seconds:.1f}",
                        row["threshold"],
                        f"{row['dice']:.3f}",
                        f"{row['lesion_f1']:.3f}",
                    )
                    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
