"""A picture of each test patient: what every arm found, missed and marked falsely, on the slice with most lesion."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

COLOURS = {"found": (0.25, 0.75, 0.35), "missed": (0.20, 0.55, 0.95), "false": (0.95, 0.35, 0.20)}
DARKEST, BRIGHTEST = -4.0, 4.0
"""Normalised FLAIR intensities shown as black and white."""
OPACITY = 0.65


def draw_overlay(path: Path, flair: np.ndarray, truth: np.ndarray, found: Mapping[str, np.ndarray], title: str) -> None:
    """Draw an axial slice once plain and once for each mask.

    Args:
        path: of the PNG.
        flair: (z, y, x) normalised, x from the patient's right to left, y from front to back.
        truth: (z, y, x) bool.
        found: name of an arm -> its mask (z, y, x) bool.
        title: of the picture.
    """
    slices = truth.sum((1, 2)) if truth.any() else sum(mask.sum((1, 2)) for mask in found.values())
    place = int(np.argmax(slices))
    grey = np.clip((flair[place] - DARKEST) / (BRIGHTEST - DARKEST), 0, 1)
    grey[flair[place] == 0] = 0
    plain = np.repeat(grey[..., None], 3, axis=2)
    figure = Figure(figsize=(2.6 * (len(found) + 1), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(found) + 1)
    axes[0].imshow(plain, interpolation="nearest")
    axes[0].set_title("FLAIR", fontsize=9)
    for panel, (name, mask) in zip(axes[1:], found.items(), strict=True):
        panel.imshow(_coloured(plain, truth[place], mask[place]), interpolation="nearest")
        panel.set_title(name, fontsize=9)
    for panel in axes:
        panel.set_axis_off()
    figure.suptitle(title, fontsize=10)
    handles = [Patch(color=colour, label=name) for name, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    partial = path.with_suffix(".partial")
    figure.savefig(partial, dpi=110, format="png", metadata={"Software": None})
    os.replace(partial, path)


def _coloured(plain: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    shown = plain.copy()
    parts = {"found": truth & mask, "missed": truth & ~mask, "false": mask & ~truth}
    for name, part in parts.items():
        shown[part] = (1 - OPACITY) * shown[part] + OPACITY * np.array(COLOURS[name])
    return shown
