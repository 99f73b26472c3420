"""A folder in Slicer's temporary folder, for the files that a process is given."""

import tempfile
from pathlib import Path

import slicer

from MSLesionSegLib.errors import OutputError


def make_temporary_folder() -> Path:
    """A new and empty folder; whoever asks for it removes it.

    Raises:
        OutputError: Slicer's temporary folder cannot be written to.
    """
    try:
        return Path(tempfile.mkdtemp(prefix="MSLesionSeg-", dir=slicer.app.temporaryPath))
    except OSError as error:
        raise OutputError(
            f"Slicer's temporary folder {slicer.app.temporaryPath} cannot be written to ({error.strerror}).",
            "Choose another one under Edit > Application Settings > General.",
        ) from error
