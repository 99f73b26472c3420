"""One ITK thread where the order of additions would otherwise change from run to run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk

_lock = threading.Lock()
_inside = 0
_usual = 1


@contextmanager
def one_itk_thread() -> Iterator[None]:
    """Within this block every ITK filter and metric that starts runs on one thread.

    A filter's own ``SetNumberOfThreads(1)`` does not reach the metric inside a registration, only the process-wide
    default does. Several Python threads may be inside at once; the last to leave restores the default.
    """
    global _inside, _usual
    with _lock:
        if _inside == 0:
            _usual = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(_usual)
