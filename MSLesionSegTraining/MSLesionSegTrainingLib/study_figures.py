"""The curves of a study as PNG: how fast each arm learns, and how far it fits what it is trained on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .study_settings import ARMS, Arm
from .study_watch import Watched

CONVERGENCE_FILE, OVERFITTING_FILE = "convergence.png", "overfitting.png"
COLOURS = dict(zip(ARMS, ("#1b6ca8", "#7fb3d5", "#c8553d", "#e8a798"), strict=True))
"""Dark is the lesion-aware sampler."""

Curves = Mapping[Arm, Sequence[Sequence[Watched]]]
"""The epochs of each run of each arm, one run a seed."""


def draw_convergence(path: Path, curves: Curves) -> None:
    """Training loss, and loss and Dice on patches of patients who are not trained on, over the patches seen."""
    panels = {
        "training loss (own patches)": "training_loss",
        "loss, fixed unseen patches": "unseen_loss",
        "Dice, fixed unseen patches": "unseen_dice",
    }
    figure, axes = _panels(len(panels))
    for panel, (title, name) in zip(axes, panels.items(), strict=True):
        for arm, runs in curves.items():
            _lines(panel, arm, runs, lambda row, name=name: getattr(row, name))
        panel.set(title=title, xlabel="patches seen")
        panel.set_ylim(*((0, 1) if name.endswith("dice") else (0, None)))
    axes[0].legend(frameon=False, fontsize=8)
    _save(figure, path)


def draw_overfitting(path: Path, curves: Curves) -> None:
    """What fixed patches of patients who are trained on have over those of others, in loss and in Dice."""
    panels = {
        "loss, unseen - seen": lambda row: row.unseen_loss - row.seen_loss,
        "Dice, seen - unseen": lambda row: row.seen_dice - row.unseen_dice,
    }
    figure, axes = _panels(len(panels))
    for panel, (title, gap) in zip(axes, panels.items(), strict=True):
        for arm, runs in curves.items():
            _lines(panel, arm, runs, gap)
        panel.axhline(0, color="#888888", lw=0.8, zorder=0)
        panel.set(title=title, xlabel="patches seen")
    axes[0].legend(frameon=False, fontsize=8)
    _save(figure, path)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(4.2 * count, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, count))


def _lines(panel: Axes, arm: Arm, runs: Sequence[Sequence[Watched]], value) -> None:
    for number, rows in enumerate(runs):
        label = None if number else arm.title
        places, heights = [row.patches for row in rows], [value(row) for row in rows]
        panel.plot(places, heights, ".-", color=COLOURS[arm], lw=1.4, label=label)


def _save(figure: Figure, path: Path) -> None:
    partial = path.with_suffix(".partial")
    figure.savefig(partial, dpi=110, format="png", metadata={"Software": None})
    os.replace(partial, path)
