"""The reader's review of lesions: a table, decisions, threshold and minimum size, edits.

(rule to be written with the implementation)
"""

from __future__ import annotations

from dataclasses import dataclass

import slicer

from .state import ModuleState


@dataclass(frozen=True)
class LesionRow:
    """One row of the lesion table.

    Attributes:
        key: names the lesion as long as it exists, also in a saved scene.
        id: 1 = largest; changes with edits, threshold and size.
        volume_ml: mL.
        diameter_mm: largest distance between two of its voxel centres, mm.
        mean_probability, max_probability: of the model over its voxels, 0 to 1.
        state: "accepted", "rejected" or "undecided".
        edited: whether the reader changed its outline, or drew it.
        centroid_ras: mm, in the FLAIR's own space (its parent transform left out).
    """

    key: str
    id: int
    volume_ml: float
    diameter_mm: float
    mean_probability: float
    max_probability: float
    state: str
    edited: bool
    centroid_ras: tuple[float, float, float]


class Review:
    """Review of the result that ``state`` names. Holds no decision itself: they are in the scene.

    Args:
        scene: the scene of ``state``.
        state: after :func:`~.result_nodes.load_result`.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, state: ModuleState) -> None:
        self.scene = scene
        self.state = state

    def rows(self) -> list[LesionRow]:
        """The lesions, largest first; rejected ones too. Empty where there is no result."""
        raise NotImplementedError

    def set_threshold(self, threshold: float) -> None:
        """Act on the probability map at once. Raises UsageError outside (0, 1]."""
        raise NotImplementedError

    def set_minimum_mm3(self, minimum_mm3: float) -> None:
        """Leave smaller lesions out, at once. Raises UsageError for a negative value."""
        raise NotImplementedError

    def decide(self, key: str, state: str) -> None:
        """Accept, reject or take back. A rejected lesion leaves the reader's mask. Raises KeyError, ValueError."""
        raise NotImplementedError

    def undo(self) -> str | None:
        """Take back the last decision; its lesion's key, or None where there is none to take back."""
        raise NotImplementedError

    def redo(self) -> str | None:
        """Decide again what was taken back last; as :meth:`undo`."""
        raise NotImplementedError

    @property
    def can_undo(self) -> bool:
        """Whether there is a decision to take back."""
        raise NotImplementedError

    @property
    def can_redo(self) -> bool:
        """Whether there is a decision to make again."""
        raise NotImplementedError

    def refresh(self) -> bool:
        """Take up what was edited in the reader's segment since; decisions on untouched lesions stay.

        Returns:
            whether anything had changed.
        """
        raise NotImplementedError

    @property
    def reviewed(self) -> tuple[int, int]:
        """How many lesions are decided, and how many there are."""
        raise NotImplementedError

    def centre_views(self, key: str) -> None:
        """Centre all slice views on the lesion. Raises KeyError."""
        raise NotImplementedError

    def next_key(self, key: str | None, step: int = 1) -> str | None:
        """The key ``step`` rows further in :meth:`rows` (around the end); of the first row for None; None without rows."""
        raise NotImplementedError
