"""What a run tells of itself in ``progress.jsonl``, followed by another program while it grows. Standard library only.

Each attempt of a run, the first and those that resume it, begins with a line that names its process; it ends with a
line ``result`` or ``error``, unless it was ended from outside.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from .followed import PROGRESS_FILE
from .run_process import RunProcess, process_from_line

CHECKPOINT_FILE = "checkpoint.pt"


class RunState(StrEnum):
    """How a run stands."""

    none = "none"
    running = "running"
    elsewhere = "elsewhere"
    done = "done"
    cancelled = "cancelled"
    failed = "failed"
    died = "died"


@dataclass(frozen=True)
class FollowedEpoch:
    """One epoch as the run tells it; the last five are None where nobody validates. See ``run_log.Epoch``."""

    epoch: int
    step: int
    loss: float
    seconds: float
    dice: float | None = None
    lesion_f1: float | None = None
    threshold: float | None = None
    score: float | None = None


class FollowedRun:
    """A run as far as it has told.

    Args:
        folder: of the run; it may not be there yet.

    Attributes:
        process: that works, or last worked, on the run; None where no line names one.
        version: of the program that did.
        words: of the command that started it, after the interpreter; empty where a person at a shell did.
        stage, fraction, message: the last progress; fraction 0 to 1.
        heard: when the last line was written, UTC; None before any.
        epochs: finished epochs, in order.
        best_epoch: number of the best one; None where nobody validates.
        warnings: sentences of the last attempt.
        result: what the last attempt reported at its end; None where it has not.
        error: ``kind``, ``message`` and ``hint`` of what ended the last attempt; None where nothing has.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._forget()

    def read(self) -> bool:
        """Read what was added since the last time; whether there was something."""
        path = self.folder / PROGRESS_FILE
        try:
            with path.open("rb") as stream:
                facts = os.fstat(stream.fileno())
                if (facts.st_dev, facts.st_ino) != self._file or facts.st_size < self._place:
                    self._forget()  # another run under the same name
                    self._file = (facts.st_dev, facts.st_ino)
                stream.seek(self._place)
                added = stream.read()
        except OSError:
            there = self._place > 0
            self._forget()
            return there
        whole = added[: added.rfind(b"\n") + 1]
        self._place += len(whole)
        for line in whole.splitlines():
            self._hear(line)
        return bool(whole)

    @property
    def state(self) -> RunState:
        """How the run stands at this moment."""
        if self.result is not None:
            return RunState.done
        if self.error is not None:
            return RunState.cancelled if self.error["kind"] == "cancelled" else RunState.failed
        if self.process is None:
            return RunState.none if self.heard is None else RunState.died
        if not self.process.is_here:
            return RunState.elsewhere
        return RunState.running if self.process.lives else RunState.died

    @property
    def can_resume(self) -> bool:
        """Whether there is a checkpoint from which it can go on."""
        return (self.folder / CHECKPOINT_FILE).is_file() and self.state in (
            RunState.cancelled,
            RunState.failed,
            RunState.died,
        )

    @property
    def best(self) -> FollowedEpoch | None:
        """The best epoch; None where nobody validates or none has ended."""
        return next((one for one in self.epochs if one.epoch == self.best_epoch), None)

    def _forget(self) -> None:
        self._file: tuple[int, int] = (0, 0)
        self._place = 0
        self.epochs: list[FollowedEpoch] = []
        self.best_epoch: int | None = None
        self.heard: datetime | None = None
        self.process: RunProcess | None = None
        self.version = ""
        self.words: tuple[str, ...] = ()
        self._begin()

    def _begin(self) -> None:
        self.stage, self.fraction, self.message = "", 0.0, ""
        self.warnings: list[str] = []
        self.result: dict[str, Any] | None = None
        self.error: dict[str, str] | None = None

    def _hear(self, line: bytes) -> None:
        """Take one line; one that is not of a form that is known is passed over, as a newer program may say more."""
        try:
            said = json.loads(line)
        except ValueError:
            return
        if not isinstance(said, dict):
            return
        self.heard = _time(said.get("time")) or self.heard
        if "process" in said:
            self.process, self.version = process_from_line(said["process"]), str(said.get("version", ""))
            if isinstance(said.get("words"), list):
                self.words = tuple(map(str, said["words"]))
            self._begin()
        elif isinstance(said.get("epoch"), dict):
            self._take_epoch(said["epoch"])
        elif isinstance(said.get("result"), dict):
            self.result = said["result"]
        elif isinstance(said.get("error"), dict):
            self.error = {name: str(said["error"].get(name, "")) for name in ("kind", "message", "hint")}
        elif isinstance(said.get("warning"), str):
            self.warnings.append(said["warning"])
        elif isinstance(said.get("stage"), str) and isinstance(said.get("fraction"), int | float):
            self.stage, self.fraction = said["stage"], float(said["fraction"])
            self.message = str(said.get("message") or self.message)

    def _take_epoch(self, values: dict[str, Any]) -> None:
        try:
            told = FollowedEpoch(**{field.name: values[field.name] for field in fields(FollowedEpoch)})
        except KeyError:
            return
        self.epochs = [one for one in self.epochs if one.epoch < told.epoch] + [told]
        self.best_epoch = values.get("best_epoch")


def _time(text: object) -> datetime | None:
    try:
        return datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
