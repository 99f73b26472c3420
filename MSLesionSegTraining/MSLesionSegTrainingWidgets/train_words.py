"""The words of the commands that check, start and resume a run. Plain Python, no Qt."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class TrainChoices:
    """What the panel asks of a run.

    Attributes:
        dataset: folder of annotated cases.
        run: folder of the run.
        model: to start from: a name, or "shipped".
        epochs: length of the run; None where ``hours`` gives it.
        hours: time for the run; None where ``epochs`` gives its length.
        epoch_steps: optimiser steps an epoch.
        patience: epochs without a better validation after which it ends; 0 never does.
        leave_out: patient who validates in this run, or empty.
        device: "auto", "cpu" or "cuda".
    """

    dataset: Path
    run: Path
    model: str
    epochs: int | None
    hours: float | None
    epoch_steps: int
    patience: int = 0
    leave_out: str = ""
    device: str = "auto"


def preflight_words(choices: TrainChoices) -> tuple[str, ...]:
    """The words of ``preflight``."""
    return ("preflight", *_common(choices), "--progress", "json")


def train_words(choices: TrainChoices) -> tuple[str, ...]:
    """The words of ``train``."""
    return ("train", *_common(choices), "--patience", str(choices.patience), "--progress", "none")


def resume_words(dataset: Path, run: Path, device: str) -> tuple[str, ...]:
    """The words of ``train --resume``; the run knows everything else."""
    where = ("train", os.path.abspath(dataset), "--out", os.path.abspath(run))
    return (*where, "--resume", "--device", device, "--progress", "none")


def data_set_of(words: Sequence[str]) -> Path | None:
    """The data set in the words of a run that the panel started; None where they are not such."""
    for before, word in zip(words, words[1:], strict=False):
        if before == "train":
            return Path(word)
    return None


def next_run_folder(dataset: Path) -> Path:
    """A folder for a run that is not there yet, beside the data set: ``NAME-runs/run-01``."""
    runs = dataset.parent / f"{dataset.name}-runs"
    number = 1
    while (runs / f"run-{number:02d}").exists():
        number += 1
    return runs / f"run-{number:02d}"


def _common(choices: TrainChoices) -> tuple[str, ...]:
    words = [os.path.abspath(choices.dataset), "--out", os.path.abspath(choices.run), "--init", choices.model]
    words += ["--hours", f"{choices.hours:g}"] if choices.epochs is None else ["--epochs", str(choices.epochs)]
    words += ["--epoch-steps", str(choices.epoch_steps), "--device", choices.device]
    return (*words, *(["--leave-out", choices.leave_out] if choices.leave_out else []))
