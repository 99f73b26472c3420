"""``python docs/validation/small_lesions.py DATASET RUN [RUN ...]``: lesions without and with the bar for small ones.

Each run left a patient of the data set out, who is predicted by its network with all his contrasts.
"""

import sys
from pathlib import Path

import numpy as np

from MSLesionSegLib.lesions import hold_back_small, label_lesions, lesion_mask, quantise_probability
from MSLesionSegLib.predictor import Predictor
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.calibration_cases import left_out_cases
from MSLesionSegTrainingLib.settings import TrainSettings
from MSLesionSegTrainingLib.train import load_result

THRESHOLD = 0.5


def told(mask: np.ndarray, truth: np.ndarray) -> str:
    """Lesions listed, of them real, Dice, and recall and F1 of lesions; any overlap counts."""
    listed, annotated = label_lesions(mask), label_lesions(lesion_mask(truth.astype(np.float32), 0.5))
    real = len(np.unique(listed[(listed > 0) & (annotated > 0)]))
    recall = len(np.unique(annotated[(listed > 0) & (annotated > 0)])) / max(annotated.max(), 1)
    precision = real / max(listed.max(), 1)
    f1 = 2 * recall * precision / max(recall + precision, 1e-9)
    dice = 2 * (mask & truth).sum() / max(mask.sum() + truth.sum(), 1)
    return f"{listed.max()} listed, {real} real, Dice {dice:.3f}, recall {recall:.3f}, F1 {f1:.3f}"


def main(dataset: Path, runs: list[Path]) -> None:
    for run in runs:
        settings, progress = TrainSettings.load(run), SilentProgress()
        predictor = Predictor(load_result(settings, run), patch=(settings.recipe.patch,) * 3)
        for canvas in left_out_cases(run, dataset, progress):
            channels, brain = canvas.channels.numpy().astype(np.float32), canvas.brain[0].numpy() > 0
            probability = quantise_probability(predictor.predict(channels, brain, progress))
            truth, (held, count) = canvas.lesion[0].numpy() > 0, hold_back_small(probability, THRESHOLD)
            print(f"{run} {canvas.name} without: {told(lesion_mask(probability, THRESHOLD) > 0, truth)}")
            print(f"{run} {canvas.name} with:    {told(lesion_mask(held, THRESHOLD) > 0, truth)}; {count} held back")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
