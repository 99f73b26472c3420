"""Progress that is also appended to a file, so that another program can follow a run that outlives its window."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from MSLesionSegLib import __version__
from MSLesionSegLib.cli_runner import user_error
from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.protocol import Progress

from .run_process import process_of

PROGRESS_FILE = "progress.jsonl"
LEAST_SECONDS = 1.0


class FollowedProgress(Progress):
    """Hands everything on, and appends it to a file: an object a line, at most one of the same stage a second.

    Lines are those of the protocol (see ``MSLesionSegLib.protocol``) with ``time`` (UTC), and those given to `record`.
    A file that cannot be written stops nothing.

    Args:
        inner: shows the progress.
        path: of the file.
    """

    def __init__(self, inner: Progress, path: Path) -> None:
        self._inner = inner
        self._path = path
        self._last = ("", 0.0)

    @property
    def fraction(self) -> float:
        """Overall fraction done, 0 to 1."""
        return self._inner.fraction

    @property
    def cancelled(self) -> bool:
        """Whether a cancel was asked for."""
        return self._inner.cancelled

    def outlive_reader(self) -> None:
        """Go on when nobody reads the lines on stdout any more."""
        self._inner.outlives_reader = True

    def plan(self, stages: Mapping[str, float]) -> None:
        """See ``Progress``, as for all that follow."""
        self._inner.plan(stages)

    def stage(self, name: str, message: str = "") -> None:
        self._inner.stage(name, message)
        self._tell(name, message)

    def update(self, fraction_of_stage: float, message: str = "") -> None:
        self._inner.update(fraction_of_stage, message)
        self._tell(self._last[0], message)

    def check(self) -> None:
        self._inner.check()

    def warn(self, message: str) -> None:
        self._inner.warn(message)
        self.record({"warning": message})

    def result(self, payload: dict[str, Any]) -> None:
        self._inner.result(payload)
        self.record({"result": payload})

    def error(self, error: MSLesionSegError) -> None:
        self.record({"error": {"kind": error.kind, "message": error.message, "hint": error.hint}})

    def close(self) -> None:
        self._inner.close()

    def record(self, line: Mapping[str, Any]) -> None:
        """Append a line of plain values, with the time."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(json.dumps({"time": now, **line}, ensure_ascii=False) + "\n")

    def _tell(self, stage: str, message: str) -> None:
        now = time.monotonic()
        if stage != self._last[0] or now - self._last[1] >= LEAST_SECONDS:
            self._last = (stage, now)
            self.record({"stage": stage, "fraction": round(self.fraction, 4), "message": message})


@contextlib.contextmanager
def followed(inner: Progress, run: Path) -> Iterator[FollowedProgress]:
    """Progress of a run that is appended to its ``progress.jsonl``.

    The first line names this process and the version of the program; an error that ends the block is the last one.
    """
    run.mkdir(parents=True, exist_ok=True)
    progress = FollowedProgress(inner, run / PROGRESS_FILE)
    progress.record({"process": process_of(os.getpid()).as_line(), "version": __version__})
    try:
        yield progress
    except BaseException as error:
        progress.error(user_error(error) or MSLesionSegError(f"A defect of the program: {error!r}."))
        raise
