"""Scores of a network on whole cases: after each epoch of a training, and at its end over contrasts and flip."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from MSLesionSegLib.predictor import Predictor
from MSLesionSegLib.protocol import Progress, SilentProgress
from MSLesionSegLib.study import CONTRASTS

from .canvases import Canvas
from .scores import score

SCORES_FILE = "scores.json"
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
ALL_THRESHOLDS = (0.2, *THRESHOLDS, 0.8)
CHOICES = (("FLAIR", "T1w", "T2w"), ("FLAIR", "T1w"), ("FLAIR", "T2w"), ("FLAIR",))
"""Contrasts that a user may have."""
FLIP = True
"""A released model averages the mirrored window in: docs/validation/mirroring.md."""


def validate(
    network: nn.Module, canvases: Sequence[Canvas], patch: int, device: str, *, flip: bool = False
) -> list[dict[str, Any]]:
    """Score a network on whole cases with all their contrasts, through the engine's own predictor.

    Args:
        network: in evaluation mode; left on the device.
        canvases: prepared cases with their annotated lesions.
        patch: edge of the windows, voxels.
        device: "cpu" or "cuda".
        flip: average the mirrored window in; a training does not, to save time.

    Returns:
        A row for each case and each of ``THRESHOLDS``: ``case`` and the values of ``Score``.
    """
    rows = []
    for canvas in canvases:
        predictor = Predictor(network, patch=(patch,) * 3, device=device, flip=flip)
        rows += [{"case": canvas.name, **row} for row in _scored(predictor, canvas, CONTRASTS, THRESHOLDS)]
    return rows


def final_scores(
    network: nn.Module, canvases: Sequence[Canvas], patch: int, run: Path, progress: Progress
) -> list[dict[str, Any]]:
    """Score the finished network with every choice of contrasts that a case has, with and without the mirrored window.

    Args:
        network: in evaluation mode.
        canvases: the validation cases.
        patch: edge of the windows, voxels.
        run: folder of the run; ``scores.json`` is written there, whole.
        progress: in the stage of the scores.

    Returns:
        The rows: ``case``, ``contrasts``, ``flip``, and the values of ``Score`` over ``ALL_THRESHOLDS``.
    """
    rows = []
    for number, canvas in enumerate(canvases):
        have = [name for name, there in zip(CONTRASTS, canvas.present, strict=True) if there]
        choices = [choice for choice in CHOICES if set(choice) <= set(have)]
        for part, (choice, flip) in enumerate((choice, flip) for choice in choices for flip in (False, True)):
            progress.update((number + part / (2 * len(choices))) / len(canvases), canvas.name)
            predictor = Predictor(network, patch=(patch,) * 3, flip=flip)
            facts = {"case": canvas.name, "contrasts": "+".join(choice), "flip": flip}
            rows += [{**facts, **row} for row in _scored(predictor, canvas, choice, ALL_THRESHOLDS)]
    partial = run / f"{SCORES_FILE}.partial"
    partial.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, run / SCORES_FILE)
    return rows


def fullest_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the rows of ``final_scores`` those of a released model with all contrasts that each case has."""
    fullest: dict[str, str] = {}
    for row in rows:
        before = fullest.setdefault(row["case"], row["contrasts"])
        fullest[row["case"]] = max(before, row["contrasts"], key=lambda text: text.count("+"))
    return [row for row in rows if row["contrasts"] == fullest[row["case"]] and row["flip"] == FLIP]


def _scored(
    predictor: Predictor, canvas: Canvas, contrasts: Sequence[str], thresholds: Sequence[float]
) -> list[dict[str, float]]:
    given = np.array([name in contrasts for name in CONTRASTS], np.float32)[:, None, None, None]
    channels = canvas.channels.numpy().astype(np.float32) * given
    probability = predictor.predict(channels, canvas.brain[0].numpy() > 0, SilentProgress())
    truth = canvas.lesion[0].numpy() > 0
    return [score(probability, truth, threshold).row() for threshold in thresholds]
