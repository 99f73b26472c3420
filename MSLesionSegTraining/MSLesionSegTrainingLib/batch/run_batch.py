"""A batch from the list of studies to the cohort's table: every case is tried, none stops the others."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Client, Future, wait
from distributed.scheduler import KilledWorker

from MSLesionSegLib.device import choose_device
from MSLesionSegLib.errors import Cancelled, MSLesionSegError, OutputError, StudyError
from MSLesionSegLib.folder_lock import FolderLock
from MSLesionSegLib.lesion_model import load_lesion_model
from MSLesionSegLib.lesions import check_settings
from MSLesionSegLib.provenance import PROVENANCE_FILE
from MSLesionSegLib.runtime import choose_runtime

from ..studies import StudyFiles
from . import case_work
from .case_work import CaseJob, work_on
from .cluster import local_client, local_workers, remote_client
from .cohort_table import COHORT_FILE, cohort_row, write_cohort
from .quality_page import write_quality_page

if TYPE_CHECKING:
    from ..followed import FollowedProgress

POLL_S = 0.5
CANCEL_S = 60.0
"""So long the cases that are worked on get to stop by themselves."""


@dataclass(frozen=True)
class BatchSettings:
    """What a user asks of a batch; see ``SegmentRequest`` for those that go to each case.

    Attributes:
        scheduler: address of a Dask scheduler; None starts processes on this machine.
        workers: number of these processes; None as many as cores and memory allow.
        threads: of each case; None divides the cores, or leaves what a worker of the scheduler was started with.
    """

    model: str | None = None
    device: str = "auto"
    runtime: str = "auto"
    threshold: float | None = None
    min_lesion_mm3: float | None = None
    registered: bool = False
    scheduler: str | None = None
    workers: int | None = None
    threads: int | None = None


def run_batch(
    studies: Sequence[StudyFiles], root: Path, out: Path, settings: BatchSettings, progress: FollowedProgress
) -> dict[str, int]:
    """Segment every study into ``out/NAME`` and write ``cohort.csv`` and ``quality.html``.

    A case that was finished before by the same inputs, model, settings and version of the program is kept; where only
    threshold or smallest lesion differ, the network is not run again. Nobody else may run a batch on ``out`` meanwhile
    (see ``checkpoint.one_at_a_time``).

    Args:
        studies: what to segment; one with a problem fails with its sentence.
        root: folder of the studies.
        out: folder of the results, which exists.
        settings: what is asked.
        progress: hears of each case, and may cancel.

    Returns:
        number of cases "done" now, "kept" from before, "failed", and "cases" in all.

    Raises:
        StudyError: no case could be segmented.
        Cancelled: finished cases stay, the table is written.
        MSLesionSegError: model, settings, device or cluster cannot be used; no case was begun.
    """
    jobs = _jobs([study for study in studies if not study.problem], out, settings)
    jobs.sort(key=lambda job: not (Path(job.out) / PROVENANCE_FILE).is_file())  # those that may be kept come first
    outcomes: dict[str, dict[str, Any]] = {
        study.name: {"state": "failed", "message": study.problem, "hint": study.hint, "kind": "study"}
        for study in studies
        if study.problem
    }
    names = [study.name for study in studies]
    batch = _Batch(names, outcomes, out, progress)
    batch.write()
    try:
        if jobs:
            _work(jobs, batch, root, out, settings)
    except Cancelled as error:
        finished = sum(outcome["state"] in ("done", "kept") for outcome in outcomes.values())
        raise Cancelled(
            f"Cancelled; {finished} of {len(names)} cases are finished and stay.", "The same command goes on."
        ) from error
    finally:
        batch.write()
        write_quality_page(out, batch.rows())
    counts = {state: sum(one["state"] == state for one in outcomes.values()) for state in ("done", "kept", "failed")}
    if names and counts["failed"] == len(names):
        raise StudyError(f"None of the {len(names)} cases could be segmented.", f"{out / COHORT_FILE} says why.")
    return {**counts, "cases": len(names)}


class _Batch:
    """What became of each case so far, and how it is told."""

    def __init__(
        self, names: Sequence[str], outcomes: dict[str, dict[str, Any]], out: Path, progress: FollowedProgress
    ) -> None:
        self.names, self.outcomes, self.out, self.progress = names, outcomes, out, progress

    def rows(self) -> list[dict[str, Any]]:
        return [cohort_row(name, self.outcomes.get(name)) for name in self.names]

    def write(self) -> None:
        try:
            write_cohort(self.out, self.rows())
        except OSError as error:
            raise OutputError(
                f"{self.out / COHORT_FILE} cannot be written ({error.strerror}).", "Free some room, and try again."
            ) from error

    def take(self, name: str, outcome: dict[str, Any]) -> None:
        self.outcomes[name] = outcome
        self.progress.record({"case": name, "state": outcome["state"]})
        if outcome["state"] == "failed":
            self.progress.warn(f"{name}: {outcome['message']}")
        self.write()

    def tell(self, workers: int) -> None:
        """Say how many are finished, and how long the others will take at the speed so far."""
        finished = [outcome for outcome in self.outcomes.values() if outcome["state"] != "cancelled"]
        failed = sum(outcome["state"] == "failed" for outcome in finished)
        words = f"{len(finished)} of {len(self.names)} cases" + (f", {failed} failed" if failed else "")
        worked = [outcome["seconds"] for outcome in finished if outcome["state"] == "done"]
        if worked and len(finished) < len(self.names):
            left = sum(worked) / len(worked) * (len(self.names) - len(finished)) / max(1, workers)
            words += f", about {max(1, round(left / 60))} min left"
        self.progress.update(len(finished) / len(self.names), words)


def _jobs(studies: Sequence[StudyFiles], out: Path, settings: BatchSettings) -> list[CaseJob]:
    path, bundle = load_lesion_model(settings.model)
    threshold = bundle.model.threshold if settings.threshold is None else settings.threshold
    min_mm3 = bundle.model.min_lesion_mm3 if settings.min_lesion_mm3 is None else settings.min_lesion_mm3
    check_settings(threshold, min_mm3)
    threads = settings.threads
    if settings.scheduler is None:  # a cluster's workers are other machines than this one
        device, _ = choose_device(settings.device)
        choose_runtime(settings.runtime, bundle, device.type)
        threads = local_workers(settings.workers, settings.threads).threads
    identity = uuid.uuid4().hex
    return [
        CaseJob(
            batch=identity,
            name=study.name,
            images={name: str(path.absolute()) for name, path in study.images.items()},
            out=str((out / study.name).absolute()),
            model=str(path.absolute()),
            model_sha256=bundle.sha256,
            device=settings.device,
            runtime=settings.runtime,
            threshold=threshold,
            min_lesion_mm3=min_mm3,
            registered=settings.registered,
            threads=threads,
        )
        for study in studies
    ]


def _work(jobs: list[CaseJob], batch: _Batch, root: Path, out: Path, settings: BatchSettings) -> None:
    _sweep(out)
    try:
        with _client(len(jobs), root, out, settings) as client:
            pending = {client.submit(work_on, job, pure=False, key=f"{job.name}-{job.batch}"): job for job in jobs}
            try:
                while pending:
                    for future in _ready(list(pending)):
                        batch.take(pending.pop(future).name, _result(future))
                    batch.tell(len(client.scheduler_info(n_workers=-1)["workers"]))
            except BaseException:
                _stop(client, pending)
                raise
    finally:
        _sweep(out)


@contextlib.contextmanager
def _client(cases: int, root: Path, out: Path, settings: BatchSettings) -> Iterator[Client]:
    if settings.scheduler is not None:
        with remote_client(settings.scheduler, [root.absolute(), out.absolute()]) as client:
            yield client
        return
    share = local_workers(settings.workers, settings.threads)
    with local_client(share, min(share.workers, cases)) as client:
        yield client


def _ready(pending: list[Future]) -> list[Future]:
    with contextlib.suppress(TimeoutError):
        return list(wait(pending, timeout=POLL_S, return_when="FIRST_COMPLETED").done)
    return []


def _result(future: Future) -> dict[str, Any]:
    """What became of a case; a worker that was lost again and again is a failure of the case it worked on."""
    try:
        return future.result()
    except KilledWorker:
        message = "Each process that worked on this case was ended from outside."
        hint = "Most often the memory did not suffice; try it with fewer --workers."
    except MSLesionSegError as error:
        message, hint = error.message, error.hint
    except Exception as error:
        message, hint = f"The cluster could not work on this case ({type(error).__name__}).", "Try again."
    return {"state": "failed", "message": message, "hint": hint, "kind": "resource", "seconds": 0.0}


def _stop(client: Client, pending: Mapping[Future, CaseJob]) -> None:
    """Let nothing of the batch begin any more, and wait until what is worked on has stopped at its next step."""
    if not pending:
        return
    identity = next(iter(pending.values())).batch
    with contextlib.suppress(Exception):
        client.run(case_work.cancel, identity)
        client.run(case_work.await_end, identity, CANCEL_S)
        client.cancel(list(pending))


def _sweep(out: Path) -> None:
    """Remove what killed processes left half-written beside the cases, where nobody writes any more."""
    for path in (*out.glob(".*.lock"), *out.glob(".*.partial-*")):
        case = path.name[1:].rpartition(".")[0]
        if not case:
            continue
        lock = FolderLock(out / f".{case}.lock")
        with contextlib.suppress(OutputError, OSError):
            lock.acquire(out / case)
            try:
                for partial in out.glob(f".{case}.partial-*"):
                    shutil.rmtree(partial, ignore_errors=True)
            finally:
                lock.release()
