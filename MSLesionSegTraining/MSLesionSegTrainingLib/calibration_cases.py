"""What networks make of the patients that they were not trained on, for the calibration of a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy import ndimage
from torch import nn

from MSLesionSegLib.bundle_schema import ModelDescription
from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.lesion_confidence import lesion_features
from MSLesionSegLib.lesion_table import lesion_table
from MSLesionSegLib.lesions import hold_back_small, label_lesions, lesion_mask, quantise_probability
from MSLesionSegLib.predictor import Predictor
from MSLesionSegLib.protocol import Progress
from MSLesionSegLib.second_pass import left_out, second_pass
from MSLesionSegLib.study import CONTRASTS

from .calibration import CalibrationCase, ListedLesion
from .canvases import Canvas
from .case_loading import load_case
from .cases import index_cases
from .evaluation.policy import Policy
from .prepared_cache import PreparedCache
from .run import DATA_FILE
from .run_log import read_epochs
from .settings import TrainSettings
from .study_scoring import unit_grid
from .train import load_result
from .training_set import PREPARED
from .validation import CHOICES


def left_out_cases(run: Path, dataset: Path, progress: Progress) -> list[Canvas]:
    """The cases of a data set that validated in a run.

    Raises:
        UsageError: nothing validated in the run, or one of its cases is not in the data set, or was trained on.
        StudyError, OutputError: see ``load_case``.
    """
    try:
        records = json.loads((run / DATA_FILE).read_text(encoding="utf-8"))["cases"]
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{run} is no run that can be read.", "Give the --out of a `train` that ended.") from error
    wanted = {record["case"]: record["flair_sha256"] for record in records if record["part"] == "validation"}
    trained = {record["flair_sha256"] for record in records if record["part"] == "train"}
    if not wanted:
        raise UsageError(f"No case validated in {run}.", "Give a run that left a patient out (train --leave-out).")
    cases = {case.name: case for case in index_cases(dataset)[0]}
    cache, canvases = PreparedCache(dataset / PREPARED), []
    for name, sha256 in wanted.items():
        canvas, found = load_case(cache, cases[name], progress) if name in cases else (None, "")
        if canvas is None or found != sha256 or found in trained:
            raise UsageError(
                f"{name}, which validated in {run}, is not the same patient in {dataset}, or was trained on.",
                "Give the data set that the run was trained on.",
            )
        canvases.append(canvas)
    return canvases


def calibration_case(run: Path, canvas: Canvas, model: ModelDescription, progress: Progress) -> CalibrationCase:
    """Predict a patient as ``segment`` does, with every choice of contrasts that he has, by the network of a run.

    Args:
        run: which did not train on the patient.
        canvas: of the patient, annotated.
        model: gives windows, threshold and smallest lesion.
        progress: in a stage of its own; hears of each pass.
    """
    network = load_result(TrainSettings.load(run), run)
    have = {name for name, there in zip(CONTRASTS, canvas.present, strict=True) if there}
    choices = [choice for choice in CHOICES if set(choice) <= have]
    truth = canvas.lesion[0].numpy() > 0
    lesions, near = {}, None
    for number, choice in enumerate(choices):
        part = _Part(progress, number / len(choices), (number + 1) / len(choices), f"{canvas.name}: {'+'.join(choice)}")
        first, second = _passes(network, canvas, choice, model, part)
        mask = lesion_mask(first, model.threshold, model.min_lesion_mm3) > 0
        lesions[choice] = _listed(canvas, mask, first, second, truth, model.min_lesion_mm3)
        if near is None:
            near = ndimage.distance_transform_edt(~(truth | mask)) <= Policy().calibration_margin_mm
            values = first[near]
    epochs = read_epochs(run)
    told = f"network of {epochs[-1].step if epochs else 0} steps that was not trained on this patient"
    return CalibrationCase(canvas.name, told, lesions, values, truth[near])


def _passes(
    network: nn.Module, canvas: Canvas, choice: tuple[str, ...], model: ModelDescription, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    given = np.array([name in choice for name in CONTRASTS], np.float32)[:, None, None, None]
    channels = canvas.channels.numpy().astype(np.float32) * given
    predictor = Predictor(network, patch=model.patch, flip=model.flip)
    brain = canvas.brain[0].numpy() > 0
    first = predictor.predict(channels, brain, progress)
    second = second_pass(predictor, channels, CONTRASTS, left_out(choice), brain, first, progress)
    return hold_back_small(quantise_probability(first), model.threshold)[0], quantise_probability(second)


def _listed(
    canvas: Canvas, mask: np.ndarray, first: np.ndarray, second: np.ndarray, truth: np.ndarray, min_mm3: float
) -> list[ListedLesion]:
    grid: Grid = unit_grid(mask.shape)
    numbers = label_lesions(mask)
    labels, probability = grid.image(numbers), grid.image(first)
    annotated = lesion_mask(truth.astype(np.float32), 0.5, min_mm3) > 0
    found = set(np.unique(numbers[annotated]).tolist())
    features = lesion_features(labels, probability, grid.image(second), grid.image(canvas.brain[0].numpy()))
    return [
        ListedLesion(features[lesion.id], lesion.mean_probability, lesion.id in found)
        for lesion in lesion_table(labels, probability)
    ]


class _Part(Progress):
    """A part of a stage; the two passes in it each go from 0 to 1."""

    def __init__(self, outer: Progress, start: float, end: float, message: str) -> None:
        super().__init__()
        self._outer, self._place, self._text, self._passes = outer, (start, end), message, 0

    def check(self) -> None:
        self._outer.check()

    def warn(self, message: str) -> None:
        self._outer.warn(message)

    def update(self, fraction_of_stage: float, message: str = "") -> None:
        start, end = self._place
        done = (self._passes + fraction_of_stage) / 2
        self._outer.update(start + min(done, 1.0) * (end - start), self._text)
        self._passes += fraction_of_stage >= 1.0
