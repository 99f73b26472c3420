"""The processes that make patches beside the training."""

from __future__ import annotations

import os
import signal
import threading

LINGER_S = 10.0
"""Seconds that a worker stays after it was asked to end."""


def worker_count() -> int:
    """How many processes make patches: a core stays free for the network, and more than eight are never waited for."""
    return max(1, min(8, (os.cpu_count() or 2) - 1))


def outlive_a_cancel(_worker: int = 0) -> None:
    """Let a worker go on for a while after what cancels a run, so that the trainer can save its state first.

    A terminal sends Ctrl-C to every process of a command, and who ends a process tree signals the children as well: a
    worker that goes first would be an error in the middle of a step. It ends with the trainer in any case.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _end_later)


def _end_later(_number: int, _frame: object) -> None:
    timer = threading.Timer(LINGER_S, os._exit, (0,))
    timer.daemon = True
    timer.start()
