"""The files of a result as nodes of the scene, on the FLAIR that they were made from."""

from __future__ import annotations

from pathlib import Path

import slicer

from .state import ModuleState

MODEL_SEGMENT = "model"
READER_SEGMENT = "reader"


def load_result(scene: slicer.vtkMRMLScene, state: ModuleState, folder: Path) -> None:
    """Put a result of ``segment`` into the scene: all of it, or nothing.

    * The probability becomes a volume node, the lesions a segmentation node with the segments "model" and "reader", both
      on the FLAIR node's own voxels and under its parent transform, beside it in the subject hierarchy.
    * T1w and T2w get the registration found as parent transform nodes, so that linked views agree.
    * Threshold, minimum size, contrasts and provenance go into ``state``.

    A second result on the same FLAIR takes the place of the first one; lesions that the reader has decided or edited
    stay (see ``review``), and so do segments of the reader's own.

    Args:
        scene: the scene of ``state``.
        state: names the FLAIR, T1w and T2w nodes that were segmented.
        folder: what ``segment`` wrote.

    Raises:
        StudyError: the folder holds no result, a file in it is damaged, or it is not on the FLAIR's grid.
    """
    raise NotImplementedError
