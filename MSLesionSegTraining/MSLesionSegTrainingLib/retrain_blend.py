"""As much of a retrained network as nothing else is lost for: its weights mixed with those it started from.

Wortsman et al., *Robust fine-tuning of zero-shot models*, CVPR 2022: on the line between the weights before and after a
fine-tuning most of the gain is kept where little is forgotten. What is forgotten shows on painted patients: synthetic
twins of the training brains with lesions of synthetic patients whom the training has not seen.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from MSLesionSegLib.protocol import Progress

from .canvases import Canvas
from .checkpoint import load_checkpoint, save_checkpoint
from .painted_patients import paint_patient
from .painting import measure_levels
from .prepared_cache import PreparedCache
from .rehearsal import SYNTHETIC_PATIENTS, synthetic_shapes, synthetic_twin
from .start_weights import Start
from .thresholds import best_threshold
from .validation import validate

BLEND, BLEND_FILE = "blend", "blend.json"
"""Entry of the checkpoint, and file of the run."""
SHARES = (1.0, 0.75, 0.5, 0.25, 0.125)
"""Of the new weights, tried from the largest."""
ALLOWED_LOSS = 0.005
"""Of mean Dice on the painted patients; half of what counts as forgetting, since they are few."""
PAINTED = 4


@dataclass(frozen=True)
class BlendStep:
    """One share that was tried.

    Attributes:
        share: of the new weights; 0 is the network before.
        painted_dice: mean over the painted patients at the threshold of the model before.
        validation_score: see ``best_threshold``; None where nobody validates.
    """

    share: float
    painted_dice: float
    validation_score: float | None


def blended(before: nn.Module, after: nn.Module, share: float) -> nn.Module:
    """A network with ``share`` of the weights of ``after`` and the rest of ``before``; statistics likewise.

    Args:
        before, after: of one architecture; ``after`` is changed and returned.
        share: 0 to 1.
    """
    mixed = {
        name: torch.lerp(value.float(), new.float(), share).to(new.dtype) if new.is_floating_point() else new
        for (name, new), value in zip(after.state_dict().items(), before.state_dict().values(), strict=True)
    }
    after.load_state_dict(mixed)
    return after.eval()


def chosen_share(steps: Sequence[BlendStep]) -> float:
    """The share to keep: of those that lose at most ``ALLOWED_LOSS`` the best on validation.

    Where nobody validates it is the largest of them; where none loses so little it is the smallest.

    Args:
        steps: the first has share 0.
    """
    before, *tried = steps
    kept = [step for step in tried if step.painted_dice >= before.painted_dice - ALLOWED_LOSS]
    if not kept:
        return min(step.share for step in tried)
    if kept[0].validation_score is None:
        return max(step.share for step in kept)
    return max(kept, key=lambda step: (step.validation_score, step.share)).share


def keep_what_was_known(
    start: Start,
    after: nn.Module,
    real: Sequence[Canvas],
    validation: Sequence[Canvas],
    cache: PreparedCache,
    run: Path,
    progress: Progress,
) -> nn.Module:
    """Choose the share, and make the mixed weights the result of the run.

    Args:
        start: the model that the run started from.
        after: the result of the training; changed.
        real: training cases, whose synthetic twins are painted.
        validation: cases that validate.
        cache: keeps the synthetic patients.
        run: its folder; the checkpoint is rewritten with the mixed weights, and ``blend.json`` says what was tried.
            Where that was done before a restart, it is not done again.
        progress: in the last stage of the run; may cancel.

    Returns:
        The mixed network in evaluation mode.

    Raises:
        OutputError: the cache cannot be written.
    """
    checkpoint = load_checkpoint(run)
    if BLEND not in checkpoint:
        painted = _painted(real, cache, progress)
        state = {name: value.clone() for name, value in after.state_dict().items()}
        steps = []
        for number, share in enumerate((0.0, *SHARES)):
            progress.update(0.1 + 0.4 * number / (1 + len(SHARES)), f"what is lost with {share:.0%} of the new weights")
            after.load_state_dict(state)
            steps.append(_step(blended(start.network, after, share), share, start, painted, validation))
        share = chosen_share(steps)
        after.load_state_dict(state)
        blended(start.network, after, share)
        best = {**checkpoint["best"], "weights": after.state_dict()}
        checkpoint = {**checkpoint, "best": best, BLEND: {"share": share, "tried": [asdict(step) for step in steps]}}
        save_checkpoint(run, checkpoint)
    partial = run / f"{BLEND_FILE}.partial"
    partial.write_text(json.dumps(checkpoint[BLEND], indent=1) + "\n", encoding="utf-8")
    os.replace(partial, run / BLEND_FILE)
    return after


def _painted(real: Sequence[Canvas], cache: PreparedCache, progress: Progress) -> list[Canvas]:
    """Painted patients in twins of the training brains, used in turn."""
    painted = []
    for number in range(PAINTED):
        progress.update(0.1 * number / PAINTED, f"painted patient {number + 1} of {PAINTED}")
        shapes = synthetic_shapes(cache, SYNTHETIC_PATIENTS + number)
        twin = synthetic_twin(real[number % len(real)])
        rng = np.random.default_rng((number, 7))
        painted.append(paint_patient(rng, f"painted-{number + 1}", twin, shapes, measure_levels([])))
    return painted


def _step(
    network: nn.Module, share: float, start: Start, painted: Sequence[Canvas], validation: Sequence[Canvas]
) -> BlendStep:
    rows = validate(network, painted, start.patch, "auto")
    closest = min((row["threshold"] for row in rows), key=lambda threshold: abs(threshold - start.threshold))
    dice = [row["dice"] for row in rows if row["threshold"] == closest]
    score = best_threshold(validate(network, validation, start.patch, "auto"))[1] if validation else None
    network.cpu()
    return BlendStep(share, sum(dice) / len(dice), score)
