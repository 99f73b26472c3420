"""What leaves Slicer: segmentation, mask, table, and a case for training."""

from __future__ import annotations

from pathlib import Path

from .state import ModuleState


def export_segmentation(state: ModuleState, path: Path, *, with_model: bool = False) -> None:
    """Write ``.seg.nrrd``: the reader's lesions and the reader's own segments, on the FLAIR's grid.

    The model's segment is left out unless asked for: both are lesions by terminology, and programs that read the file
    would join them. Raises StudyError without a result, OutputError where it cannot be written.
    """
    raise NotImplementedError


def export_mask(state: ModuleState, path: Path) -> None:
    """Write the reader's mask, 0 and 1 on the FLAIR's grid, as ``.nii.gz``. Raises as :func:`export_segmentation`."""
    raise NotImplementedError


def export_table(state: ModuleState, path: Path) -> None:
    """Write the lesions of the reader's mask as CSV, columns as ``segment`` writes; rejected ones are left out."""
    raise NotImplementedError


def add_to_data_set(
    state: ModuleState,
    root: Path,
    *,
    annotator: str,
    seconds_spent: float,
    key_file: Path | None = None,
    patient: str | None = None,
    replace: bool = False,
) -> str:
    """Add the study to a data set of annotated cases (docs/formats.md): images, reader's mask, model's mask, sidecar.

    Names and dates of the patient are left out; ids are sequential. The case is there whole or not at all.

    Args:
        state: after a review.
        root: the data set; made where it is not there.
        annotator: who corrected, as it shall stand in the sidecar.
        seconds_spent: on this case.
        key_file: tab-separated file outside the data set to which id and original name and date are added; a patient
            that is in it keeps the id and gets another session. None writes none.
        patient: "sub-XX" of the data set where this is another date of that patient.
        replace: put masks and sidecar of this FLAIR in place of those there are.

    Returns:
        Name of the case, ``sub-XX`` or ``sub-XX_ses-Y``.

    Raises:
        StudyError: no result, or the FLAIR is in the data set already.
        UsageError: the key lies in the data set, no annotator, an unknown patient.
        OutputError: the folder holds something else or cannot be written.
    """
    raise NotImplementedError
