"""The state of a run on disk: whole or not there, and never code."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from MSLesionSegLib.errors import OutputError, UsageError
from MSLesionSegLib.folder_lock import FolderLock

from .run_following import CHECKPOINT_FILE


def check_run_folder(run: Path, *, resume: bool) -> None:
    """Check that a run may begin, or go on, in a folder.

    Raises:
        UsageError: it holds another run, or nothing to go on from.
    """
    there = (run / CHECKPOINT_FILE).exists()
    if resume and not there:
        raise UsageError(f"{run} holds no checkpoint to go on from.", "Leave --resume away to start a run.")
    if there and not resume:
        raise UsageError(f"{run} holds a run already.", "Go on with --resume, or choose another folder with --out.")


@contextlib.contextmanager
def one_at_a_time(run: Path) -> Iterator[None]:
    """Within this block no other process trains in the folder of the run, which is made if missing.

    Raises:
        OutputError: another one does, or the folder cannot be made.
    """
    lock = FolderLock(run / ".lock")
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock.acquire(run)
    except OSError as error:
        raise OutputError(f"The folder {run} cannot be made ({error.strerror}).", "Name another one.") from error
    try:
        yield
    finally:
        lock.release()


def save_checkpoint(run: Path, state: dict[str, Any]) -> None:
    """Write the state of a run beside the last one and put it in its place.

    Args:
        run: folder of the run.
        state: tensors and plain values.

    Raises:
        OSError: it cannot be written; the last checkpoint stays.
    """
    memory = io.BytesIO()
    torch.save(state, memory)
    partial = run / f"{CHECKPOINT_FILE}.partial"
    try:
        with partial.open("wb") as stream:
            stream.write(memory.getbuffer())
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, run / CHECKPOINT_FILE)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def load_checkpoint(run: Path, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Read the state of a run; only tensors and plain values are read, never code.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    path = run / CHECKPOINT_FILE
    if not path.exists():
        raise UsageError(f"{run} holds no checkpoint to go on from.", "Leave --resume away to start a run.")
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except (RuntimeError, EOFError, ValueError, OSError, KeyError, pickle.UnpicklingError) as error:
        raise UsageError(f"The checkpoint {path} is damaged, or is none.", "Start the run again.") from error
