"""A trained network of a study on its test patients, through the engine's predictor and the evaluation package."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from MSLesionSegLib.grid import Grid
from MSLesionSegLib.lesions import hold_back_small, lesion_mask, quantise_probability
from MSLesionSegLib.nifti import write_nifti
from MSLesionSegLib.predictor import Predictor

from .canvases import Canvas
from .evaluation.evaluate import SUMMARY_FILE, evaluate
from .study_data import StudyData, real_only
from .study_progress import PartProgress
from .thresholds import best_threshold
from .validation import validate

FACTS_FILE = "facts.json"
GROUPS = ("painted", "real")
DEFAULT_THRESHOLD = 0.5
"""Where no patient validates."""
MOST_TRAINED = 4
"""Training patients that are scored, at most, beside those who test."""


def test_folder(study: Path, group: str) -> Path:
    """Where the annotated masks and the brain masks of a group of test patients lie."""
    return study / "test" / group


def write_test_set(study: Path, data: StudyData) -> None:
    """Write mask, brain mask and FLAIR of the test patients on the model grid, for all runs and for a reader."""
    for group, canvases in groups(data).items():
        for canvas in canvases:
            for kind in ("annotated", "brains", "FLAIR"):
                (test_folder(study, group) / kind).mkdir(parents=True, exist_ok=True)
            folder = test_folder(study, group)
            write_nifti(folder / "annotated" / f"{canvas.name}_label-lesion_mask.nii.gz", _image(canvas.lesion[0]))
            write_nifti(folder / "brains" / f"{canvas.name}_brain_mask.nii.gz", _image(canvas.brain[0]))
            write_nifti(folder / "FLAIR" / f"{canvas.name}_FLAIR.nii.gz", _image(canvas.channels[0].float()))


def groups(data: StudyData) -> dict[str, list[Canvas]]:
    """Test patients by group, those groups alone that have any."""
    both = {"painted": data.painted, "real": data.real}
    return {group: both[group] for group in GROUPS if both[group]}


def score_run(
    network: nn.Module, data: StudyData, study: Path, run: Path, patch: int, progress: PartProgress, device: str
) -> dict[str, Any]:
    """Choose the threshold on the validation patients, predict the test patients, score both groups.

    Args:
        network: in evaluation mode.
        data: of the study.
        study: its folder, with the test set in it.
        run: folder of the run; ``predicted/`` and ``scores/`` are written there.
        patch: edge of the windows, voxels.
        progress: of this scoring; may cancel.
        device: "cpu" or "cuda".

    Returns:
        ``threshold``, ``threshold_by`` (who chose it), ``weights`` (their number) and ``trained`` (case -> Dice and
        lesion F1 of training patients at this threshold).
    """
    threshold, chosen_by = DEFAULT_THRESHOLD, "nobody validates"
    if data.validation:
        progress.update(0.0, "the threshold")
        threshold, _ = best_threshold(validate(network, data.validation, patch, device))
        chosen_by = ", ".join(canvas.name for canvas in data.validation)
    progress.update(0.15, "training patients")
    trained = validate(network, real_only(data.train)[:MOST_TRAINED], patch, device)
    for group, canvases in groups(data).items():
        if (run / "scores" / group / SUMMARY_FILE).exists():
            continue
        start, end = {"painted": (0.3, 0.85), "real": (0.85, 1.0)}[group]
        part = progress.part(start, end)
        folder = run / "predicted" / group
        folder.mkdir(parents=True, exist_ok=True)
        predictor = Predictor(network, patch=(patch,) * 3, device=device)
        for number, canvas in enumerate(canvases):
            part.update(0.6 * number / len(canvases), canvas.name)
            _predict(predictor, canvas, threshold, folder, part)
        truth = test_folder(study, group)
        evaluate(folder, truth / "annotated", run / "scores" / group, part.part(0.6, 1.0), brains=truth / "brains")
    return {
        "threshold": threshold,
        "threshold_by": chosen_by,
        "weights": sum(value.numel() for value in network.parameters()),
        "trained": {
            row["case"]: {"dice": row["dice"], "lesion_f1": row["lesion_f1"]}
            for row in trained
            if row["threshold"] == threshold
        },
    }


def write_facts(run: Path, facts: dict[str, Any]) -> None:
    """Write ``facts.json``, by which a run is known as finished."""
    partial = run / f"{FACTS_FILE}.partial"
    partial.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, run / FACTS_FILE)


def read_facts(run: Path) -> dict[str, Any] | None:
    """What ``write_facts`` wrote; None for a run that is not finished."""
    path = run / FACTS_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _predict(predictor: Predictor, canvas: Canvas, threshold: float, folder: Path, progress: PartProgress) -> None:
    """Write mask and probability of one patient, as ``segment`` would: small faint lesions are held back."""
    channels = canvas.channels.numpy().astype(np.float32)
    probability = predictor.predict(channels, canvas.brain[0].numpy() > 0, progress.part(0.0, 0.0))
    listed, _ = hold_back_small(quantise_probability(probability), threshold)
    write_nifti(folder / f"{canvas.name}_probability.nii.gz", _image(listed))
    write_nifti(folder / f"{canvas.name}_label-lesion_mask.nii.gz", _image(lesion_mask(listed, threshold)))


def unit_grid(shape: tuple[int, int, int]) -> Grid:
    """A grid of 1 mm voxels for an array (z, y, x) that lies nowhere in particular."""
    unit = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    return Grid(tuple(int(n) for n in shape[::-1]), (1.0,) * 3, (0.0,) * 3, unit)


def _image(array: Any) -> Any:
    values = np.asarray(array)
    return unit_grid(values.shape).image(values)
