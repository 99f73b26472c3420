"""What a run tells of itself while it runs: a row an epoch, events for TensorBoard, curves as a picture."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tensorboardX import SummaryWriter

from .curves import draw_curves

METRICS_FILE = "metrics.csv"
CURVES_FILE = "curves.png"


@dataclass(frozen=True)
class Epoch:
    """One row of ``metrics.csv``.

    Attributes:
        epoch: from 1.
        step: optimiser steps done.
        loss: mean training loss of the epoch.
        learning_rate: at its end.
        dice: mean over the validation cases at ``threshold``; empty without validation, as are the next five.
        lesion_f1, lesion_recall, lesion_precision: the same of lesions.
        threshold: the one that suits the validation cases best in this epoch.
        score: by which epochs are compared, see ``best_threshold``.
        seconds: since the run began, without the time it was stopped.
    """

    epoch: int
    step: int
    loss: float
    learning_rate: float
    dice: float | None
    lesion_f1: float | None
    lesion_recall: float | None
    lesion_precision: float | None
    threshold: float | None
    score: float | None
    seconds: float


class RunLog:
    """Writes the metrics of a run; a resumed run goes on where its checkpoint is, later rows are taken out.

    Args:
        run: folder of the run.
        step: optimiser steps done at the checkpoint that the run starts from.
    """

    def __init__(self, run: Path, step: int) -> None:
        self._run = run
        self.epochs = [epoch for epoch in read_epochs(run) if epoch.step <= step]
        self._events = SummaryWriter(str(run / "tensorboard"), purge_step=step, flush_secs=30)

    def step(self, step: int, loss: float, learning_rate: float) -> None:
        """Take the loss of one step."""
        self._events.add_scalar("loss/step", loss, step)
        self._events.add_scalar("learning_rate", learning_rate, step)

    def epoch(self, row: Epoch) -> None:
        """Take an epoch: its row, its events, and the curves drawn anew."""
        self.epochs.append(row)
        for name in ("loss", "dice", "lesion_f1"):
            if getattr(row, name) is not None:
                self._events.add_scalar(f"{name}/epoch", getattr(row, name), row.step)
        write_epochs(self._run, self.epochs)
        draw_curves(self._run / CURVES_FILE, self.epochs)

    def close(self) -> None:
        """Write what is still in memory."""
        self._events.close()


def write_epochs(run: Path, epochs: Sequence[Epoch]) -> None:
    """Write a run's ``metrics.csv``, whole or not at all."""
    partial = run / f"{METRICS_FILE}.partial"
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [field.name for field in fields(Epoch)], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _text(value) for name, value in asdict(one).items()} for one in epochs)
    os.replace(partial, run / METRICS_FILE)


def read_epochs(run: Path) -> list[Epoch]:
    """The rows of a run's ``metrics.csv``; none where there is no such file."""
    path = run / METRICS_FILE
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    whole = ("epoch", "step")
    return [Epoch(**{k: int(v) if k in whole else float(v) if v else None for k, v in row.items()}) for row in rows]


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
