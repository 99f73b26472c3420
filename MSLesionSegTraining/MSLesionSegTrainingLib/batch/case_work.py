"""One case of a batch, as a worker process does it."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from MSLesionSegLib import __version__
from MSLesionSegLib.cli_runner import user_error
from MSLesionSegLib.errors import Cancelled, MSLesionSegError
from MSLesionSegLib.images import input_sha256
from MSLesionSegLib.protocol import Progress
from MSLesionSegLib.provenance import read_provenance
from MSLesionSegLib.rethreshold import rethreshold
from MSLesionSegLib.segment import SegmentRequest, segment

_CONTRASTS = {"FLAIR": "flair", "T1w": "t1w", "T2w": "t2w"}
_cancelled: set[str] = set()
_running: dict[str, int] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class CaseJob:
    """What a worker is told of one case; plain values only.

    Attributes:
        batch: by which a cancel names the batch.
        name: of the case.
        images: FLAIR, T1w, T2w -> path.
        out: folder of its result.
        model: path of the lesion model.
        model_sha256: of that bundle.
        device, runtime: see ``SegmentRequest``.
        threshold: probability from which a voxel is lesion.
        min_lesion_mm3: smallest lesion in mm3.
        registered: T1w and T2w lie on the FLAIR.
        threads: of PyTorch and ITK; None leaves what the worker was started with.
    """

    batch: str
    name: str
    images: dict[str, str]
    out: str
    model: str
    model_sha256: str
    device: str
    runtime: str
    threshold: float
    min_lesion_mm3: float
    registered: bool
    threads: int | None


class _WorkerProgress(Progress):
    """Keeps the warnings, and heeds a cancel of the batch."""

    def __init__(self, batch: str) -> None:
        self.warnings: list[str] = []
        self._batch = batch
        super().__init__()

    def check(self) -> None:
        if self._batch in _cancelled:
            raise Cancelled()

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def work_on(job: CaseJob) -> dict[str, Any]:
    """Segment one case, unless its result is there already; whatever goes wrong is part of what is returned.

    Returns:
        ``state``: "done", "kept" (finished before by the same inputs, model and settings), "failed" or "cancelled".
        With "done" and "kept" the ``provenance`` and ``warnings``; with "failed" ``message``, ``hint`` and ``kind``.
        Always ``seconds``.
    """
    began = time.monotonic()
    with _lock:
        _running[job.batch] = _running.get(job.batch, 0) + 1
    try:
        outcome = _outcome(job)
    except BaseException as error:
        told = user_error(error) or MSLesionSegError(
            f"This is a defect of the program: {error!r}.", "Please report it."
        )
        state = "cancelled" if isinstance(told, Cancelled) else "failed"
        outcome = {"state": state, "message": told.message, "hint": told.hint, "kind": told.kind}
    finally:
        with _lock:
            _running[job.batch] -= 1
    return {**outcome, "seconds": round(time.monotonic() - began, 1)}


def cancel(batch: str) -> None:
    """Ask the cases of a batch that this process works on to stop at their next step."""
    _cancelled.add(batch)


async def await_end(batch: str, seconds: float) -> None:
    """Return when this process works on no case of a batch any more, after so many seconds at the latest."""
    deadline = time.monotonic() + seconds
    while _running.get(batch, 0) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)


def describe_worker(folders: list[str]) -> dict[str, Any]:
    """Version of the program in this process, and which of the folders it does not see."""
    return {"version": __version__, "missing": [folder for folder in folders if not Path(folder).is_dir()]}


def _outcome(job: CaseJob) -> dict[str, Any]:
    progress = _WorkerProgress(job.batch)
    progress.check()
    _use_threads(job.threads)
    earlier = _same_inputs_and_model(job)
    wanted = {"threshold": job.threshold, "min_lesion_mm3": job.min_lesion_mm3}
    if earlier is None:
        return {"state": "done", "provenance": segment(_request(job), progress), "warnings": progress.warnings}
    if {name: earlier["settings"].get(name) for name in wanted} == wanted:
        return {"state": "kept", "provenance": earlier, "warnings": []}
    again = rethreshold(Path(job.out), threshold=job.threshold, min_mm3=job.min_lesion_mm3)
    return {"state": "done", "provenance": again, "warnings": []}


def _request(job: CaseJob) -> SegmentRequest:
    images = {_CONTRASTS[name]: Path(path) for name, path in job.images.items()}
    return SegmentRequest(
        **images,
        out=Path(job.out),
        model=job.model,
        device=job.device,
        runtime=job.runtime,
        threshold=job.threshold,
        min_lesion_mm3=job.min_lesion_mm3,
        registered=job.registered,
    )


def _same_inputs_and_model(job: CaseJob) -> dict[str, Any] | None:
    """Provenance of the finished result, where all but threshold and smallest lesion is as asked for; else None."""
    earlier = read_provenance(Path(job.out))
    if earlier is None or earlier.get("tool_version") != __version__:
        return None
    settings = earlier["settings"]
    if settings.get("registered") != job.registered or settings.get("own_brain_mask") is not False:
        return None
    if earlier.get("models", {}).get("lesion", {}).get("sha256") != job.model_sha256:
        return None
    if not all((Path(job.out) / name).is_file() for name in earlier["outputs"]):
        return None
    inputs = earlier.get("inputs", {})
    if inputs.keys() != job.images.keys():
        return None
    same = all(inputs[name].get("sha256") == input_sha256(path) for name, path in job.images.items())
    return earlier if same else None


def _use_threads(threads: int | None) -> None:
    """Let PyTorch and ITK use so many threads; libraries that heed only the environment were told at the start."""
    if threads is None:
        threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
    import torch

    torch.set_num_threads(threads)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
