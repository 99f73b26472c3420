"""Starts a run in a process that nothing ties to the one that starts it. Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import DependencyError, OutputError, ResourceError

from .followed import PROGRESS_FILE
from .run_following import FollowedRun, RunState
from .run_process import RunProcess, process_of

LOG_FILE = "log.txt"
_started: list[subprocess.Popen] = []
"""Processes of this one; a child that has ended is only let go when it is asked for."""


def start_run(program: str, arguments: Sequence[str], environment: Mapping[str, str], run: Path) -> RunProcess:
    """Start a run that goes on when this process ends; ``FollowedRun`` follows it.

    What it prints goes to ``log.txt`` of the run, which holds the last attempt alone; its process and the words of the
    command are a line of ``progress.jsonl`` at once.

    Args:
        program: path of the Python interpreter.
        arguments: the words after it.
        environment: the whole environment of the process.
        run: folder of the run, made if missing.

    Raises:
        ResourceError: the run is going on already.
        OutputError: the folder cannot be written.
        DependencyError: the program cannot be started.
    """
    let_go()
    followed = FollowedRun(run)
    followed.read()
    if followed.state is RunState.running:
        raise ResourceError(f"The run in {run} is going on.", "Wait until it ends, or press Cancel.")
    try:
        run.mkdir(parents=True, exist_ok=True)
        log = (run / LOG_FILE).open("wb")
    except OSError as error:
        raise OutputError(f"The folder {run} cannot be written ({error.strerror}).", "Name another one.") from error
    with log:
        try:
            child = subprocess.Popen(
                [program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(environment),
                **_apart(),
            )
        except OSError as error:
            raise DependencyError(
                f"{program} could not be started ({error.strerror}).", "Choose another Python, or Slicer's own."
            ) from error
    _started.append(child)
    process = process_of(child.pid)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    line = {"time": now, "process": process.as_line(), "version": __version__, "words": list(arguments)}
    with contextlib.suppress(OSError), (run / PROGRESS_FILE).open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(json.dumps(line) + "\n")
    return process


def let_go() -> None:
    """Let go those of the started processes that have ended."""
    _started[:] = [child for child in _started if child.poll() is None]


def log_lines(run: Path, most: int = 200) -> list[str]:
    """The last lines of the run's log; none where there is none."""
    try:
        with (run / LOG_FILE).open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - 200 * most))
            return stream.read().decode("utf-8", "replace").splitlines()[-most:]
    except OSError:
        return []


def _apart() -> dict[str, object]:
    """What keeps a child alive when this process and its console end."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
