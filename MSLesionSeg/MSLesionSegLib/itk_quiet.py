"""Keep ITK and the C libraries below it from writing to the terminal while they read."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk

_LOCK = threading.RLock()
_STDERR = 2


@contextmanager
def itk_quiet() -> Iterator[None]:
    """Silence ITK warnings and everything written to the process's error stream; one thread at a time.

    MetaIO, GDCM and niftilib print past Python, hence the file descriptor. Where a process has none (a Windows
    desktop program), only ITK's own warnings are switched off.
    """
    with _LOCK:
        shown = sitk.ProcessObject.GetGlobalWarningDisplay()
        sitk.ProcessObject.SetGlobalWarningDisplay(False)
        try:
            kept = os.dup(_STDERR)
        except OSError:
            kept = None
        try:
            if kept is not None:
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, _STDERR)
                os.close(nowhere)
            yield
        finally:
            if kept is not None:
                os.dup2(kept, _STDERR)
                os.close(kept)
            sitk.ProcessObject.SetGlobalWarningDisplay(shown)
