"""Scores of a run on the patient it left out: over thresholds, contrasts and with the mirrored window."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from MSLesionSegLib.predictor import Predictor
from MSLesionSegLib.protocol import Progress

from .open_ms_data import load_real
from .scores import score
from .settings import TrainSettings

THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
CONTRASTS = (("FLAIR", "T1w", "T2w"), ("FLAIR", "T1w"), ("FLAIR", "T2w"), ("FLAIR",))
_ORDER = ("FLAIR", "T1w", "T2w")


def score_left_out(
    network: nn.Module, settings: TrainSettings, data: Path, run: Path, progress: Progress
) -> dict[str, Any]:
    """Score the left-out patient and write ``scores.json`` into the run.

    Returns:
        The row with the best Dice among those with all contrasts and no flip.
    """
    case = load_real(data, settings.leave_out)
    channels, brain = case.channels.numpy(), case.brain[0].numpy() > 0
    truth = case.lesion[0].numpy() > 0
    rows = []
    for contrasts in CONTRASTS:
        given = channels * np.array([name in contrasts for name in _ORDER], np.float32)[:, None, None, None]
        for flip in (False, True):
            predictor = Predictor(network, patch=(settings.recipe.patch,) * 3, flip=flip)
            probability = predictor.predict(given, brain, progress)
            for threshold in THRESHOLDS:
                row = score(probability, truth, threshold).row()
                rows.append({"patient": settings.leave_out, "contrasts": "+".join(contrasts), "flip": flip, **row})
    partial = run / "scores.partial"
    partial.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    os.replace(partial, run / "scores.json")
    return max((r for r in rows if r["contrasts"] == "+".join(_ORDER) and not r["flip"]), key=lambda r: r["dice"])
