"""Another threshold or minimum lesion size for a finished result, without the network."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import UsageError
from .finish import FINISHED_FILES, PROBABILITY_FILE, finish
from .lesions import check_settings
from .provenance import rethresholded
from .results import ResultFolder


def rethreshold(folder: Path | str, threshold: float | None = None, min_mm3: float | None = None) -> dict[str, Any]:
    """Make mask, table, overview and provenance of a result anew from its stored probability map.

    All or nothing; the other files stay as they are. The outcome equals what ``segment`` with these settings would have
    written, but for the history and the ``run`` block of the provenance.

    Args:
        folder: a result of ``segment``.
        threshold: probability from which a voxel is lesion, in (0, 1]; None: as before.
        min_mm3: minimum lesion volume in mm3; None: as before.

    Returns:
        The new provenance record (see :func:`~.finish.finish`).

    Raises:
        UsageError: a value out of range, or ``folder`` holds no result.
        OutputError: the folder cannot be written, is in use, or a file in it was changed by hand.
        StudyError: the stored probability map, FLAIR or brain mask is damaged.
    """
    started = datetime.now(UTC)
    with ResultFolder(folder) as result:
        if result.earlier is None or PROBABILITY_FILE not in result.earlier_files:
            raise UsageError(f"{folder} holds no result of `segment`.", "Name a folder that `segment` has written.")
        settings = result.earlier["settings"]
        threshold = settings["threshold"] if threshold is None else threshold
        min_mm3 = settings["min_lesion_mm3"] if min_mm3 is None else min_mm3
        check_settings(threshold, min_mm3)
        for name in result.earlier_files:
            if name not in FINISHED_FILES:
                result.keep(name)
        return finish(result, rethresholded(result.earlier, threshold, min_mm3, started))
