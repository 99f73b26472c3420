"""The curves of a run as a picture: training loss, and validation Dice and lesion F1, over the steps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from .run_log import Epoch

LOSS, DICE, F1 = "#444444", "#1b6ca8", "#c8553d"


def draw_curves(path: Path, epochs: Sequence[Epoch]) -> None:
    """Draw the epochs of a run.

    Args:
        path: of the PNG; replaced whole.
        epochs: rows of ``metrics.csv``, at least one.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.add_subplot()
    numbers = [epoch.epoch for epoch in epochs]
    lines = left.plot(numbers, [epoch.loss for epoch in epochs], ".-", color=LOSS, label="training loss")
    left.set(xlabel="epoch", ylabel="training loss")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylim(bottom=0)
    validated = [epoch for epoch in epochs if epoch.dice is not None]
    if validated:
        right = left.twinx()
        places = [epoch.epoch for epoch in validated]
        dice, f1 = ([getattr(epoch, name) for epoch in validated] for name in ("dice", "lesion_f1"))
        lines += right.plot(places, dice, ".-", color=DICE, label="validation Dice")
        lines += right.plot(places, f1, ".-", color=F1, label="validation lesion F1")
        right.set(ylabel="Dice, lesion F1", ylim=(0, 1))
        best = max(validated, key=lambda epoch: epoch.score).epoch
        lines.append(right.axvline(best, color="#888888", lw=1, ls=":", label=f"best: epoch {best}"))
    left.legend(handles=lines, loc="lower left", frameon=False, fontsize=9)
    partial = path.with_suffix(".partial")
    figure.savefig(partial, dpi=110, format="png", metadata={"Software": None})
    os.replace(partial, path)
