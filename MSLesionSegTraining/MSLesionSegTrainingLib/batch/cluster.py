"""Where the cases of a batch are worked on: processes of this machine, or a Dask cluster that is there already.

Dask's processes hand each other pickles, so that whoever may talk to its scheduler may run code as its user. The local
cluster therefore listens on the loopback interface only and speaks TLS with certificates made for the one run, which
other users of the machine do not have. How an outside cluster is guarded is the business of who started it.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, Security, Worker, WorkerPlugin
from distributed.system import MEMORY_LIMIT

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import DependencyError, ResourceError, UsageError

from .case_work import describe_worker

CASE_BYTES = 3 << 30
"""Memory that one study may take (2.2 GB were measured with 512 x 512 x 192 voxels)."""
LOST_WORKERS = 2
"""So many processes may end while they work on one case; then it counts as failed."""
WAIT_S = 60.0
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class _NoInterrupt(WorkerPlugin):
    """Ctrl-C in a terminal reaches every process; the workers leave it to the program, which tells them to stop."""

    def setup(self, worker: Worker) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class LocalWorkers:
    """How this machine is shared out.

    Attributes:
        workers: processes, each with one case at a time.
        threads: that each may use.
    """

    workers: int
    threads: int


def local_workers(workers: int | None, threads: int | None) -> LocalWorkers:
    """Share out the cores that this process may use; no more threads than cores unless asked for.

    Args:
        workers: processes; None takes as many as there are cores and memory (3 GB each) for.
        threads: of each; None divides the cores.
    """
    if workers is None:
        workers = max(1, min(CPU_COUNT // (threads or 1), MEMORY_LIMIT // CASE_BYTES))
    return LocalWorkers(workers, threads or max(1, CPU_COUNT // workers))


@contextlib.contextmanager
def local_client(share: LocalWorkers, workers: int) -> Iterator[Client]:
    """A client of a cluster of processes of this machine, which end with the block or with this process.

    Args:
        share: gives the threads of each.
        workers: processes to start.
    """
    for name in ("distributed", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    settings = {
        "distributed.scheduler.allowed-failures": LOST_WORKERS - 1,
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.scheduler.work-stealing": False,
        "distributed.comm.timeouts.connect": WAIT_S,
        "distributed.comm.timeouts.tcp": 10 * WAIT_S,
        "distributed.admin.low-level-log-length": 0,
        "distributed.nanny.pre-spawn-environ": {name: str(share.threads) for name in _THREAD_VARIABLES}
        | {"OMP_WAIT_POLICY": "PASSIVE"},
    }
    with (
        tempfile.TemporaryDirectory(prefix="mslesionseg-batch-") as scratch,
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls",
            security=Security.temporary(),
            dashboard_address=None,
            memory_limit=0,
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_NoInterrupt())
        yield client


@contextlib.contextmanager
def remote_client(address: str, folders: list[Path]) -> Iterator[Client]:
    """A client of a scheduler that runs already.

    Args:
        address: of the scheduler, as ``tcp://host:8786``; for ``tls://`` Dask's own settings give the certificates.
        folders: that every worker has to see under the same name.

    Raises:
        UsageError: no scheduler answers, a worker takes several cases at once, sees other folders, or has another
            version of the program.
        ResourceError: no worker comes.
        DependencyError: a worker lacks the program.
    """
    try:
        client = Client(address, timeout=WAIT_S)
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"No Dask scheduler answers at {address}.", "Start one with 'dask scheduler', and give its address."
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT_S)
        except TimeoutError as error:
            raise ResourceError(
                f"The scheduler at {address} has no worker.", f"Start some with 'dask worker {address} --nthreads 1'."
            ) from error
        _check_workers(client, folders)
        yield client


def _check_workers(client: Client, folders: list[Path]) -> None:
    for worker, info in client.scheduler_info(n_workers=-1)["workers"].items():
        if info["nthreads"] != 1:
            raise UsageError(
                f"The worker {worker} takes {info['nthreads']} cases at once.",
                "Start workers with --nthreads 1; OMP_NUM_THREADS says how many threads a case may use.",
            )
    try:
        told = client.run(describe_worker, [str(folder) for folder in folders])
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"A worker lacks the Python package '{error.name}'.",
            'Try there: pip install "mslesionseg[fast,train,batch]"',
        ) from error
    for worker, found in told.items():
        if found["version"] != __version__:
            raise UsageError(
                f"The worker {worker} has version {found['version']} of the program, and this is {__version__}.",
                "Install the same version on both.",
            )
        if found["missing"]:
            raise UsageError(
                f"The worker {worker} does not see {found['missing'][0]}.",
                "Use a folder that all machines see under the same name.",
            )
