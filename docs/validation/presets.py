"""``python docs/validation/presets.py RUN [RUN ...]``: what larger networks cost and gain; see presets.md.

Each run is one of ``mslesionseg train DATASET --preset P --leave-out PATIENT``: its ``scores.json`` gives the scores;
the arithmetic of a window is counted. Prints a table.
"""

import json
import sys
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from MSLesionSegTrainingLib.settings import TrainSettings
from MSLesionSegTrainingLib.train import load_result

THRESHOLDS = (0.3, 0.5)
CONTRASTS = "FLAIR+T1w+T2w"


def gflop(network: torch.nn.Module, edge: int) -> float:
    """Arithmetic of one window, in 1e9 operations."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, edge, edge, edge))
    return counter.get_total_flops() / 1e9


def main(runs: list[Path]) -> None:
    """Print the table."""
    print("| widths | weights, million | GFLOP a window | flip | threshold | Dice | lesion F1 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for run in runs:
        settings = TrainSettings.load(run)
        network, edge = load_result(settings, run), settings.recipe.patch
        weights = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        rows = json.loads((run / "scores.json").read_text(encoding="utf-8"))
        for flip in (False, True):
            for row in rows:
                if (row["contrasts"], row["flip"]) == (CONTRASTS, flip) and row["threshold"] in THRESHOLDS:
                    cells = (
                        " ".join(map(str, settings.architecture["widths"])),
                        f"{weights:.2f}",
                        f"{(1 + flip) * gflop(network, edge):.0f}",
                        "yes" if flip else "no",
                        row["threshold"],
                        f"{row['dice']:.3f}",
                        f"{row['lesion_f1']:.3f}",
                    )
                    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
