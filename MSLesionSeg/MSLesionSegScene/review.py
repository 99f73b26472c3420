"""The reader's review of lesions: a table, decisions, threshold and minimum size, edits.

What counts as a lesion, and what threshold, size and edits do to it, is the rule of ``lesion_numbers``. In short:
threshold and minimum size act on the lesions that the reader has neither decided nor edited; those stay as they were,
and what was rejected or erased stays out. The model's segment follows threshold and minimum size alone, as the command
``rethreshold`` does, so that the difference between model and reader stays measurable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import slicer

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.lesion_table import Lesion
from MSLesionSegLib.lesions import bounding_box, check_settings, lesion_mask

from .layouts import centre_views
from .lesion_numbers import Record, edited_lesions, free_lesions, reader_mask
from .lesion_segments import MODEL_SEGMENT, READER_SEGMENT, ensure_segments
from .measured import Measurements, Shares
from .segments import read_segment, write_segment
from .state import DECISIONS, REJECTED, UNDECIDED, ModuleState
from .volumes import node_matrix, node_voxels, set_voxels


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
        location: where its largest share lies, one of ``location.LOCATIONS``; empty where none is known.
        shares: location -> share of its volume; empty where none is known.
        confidence: probability that an expert would mark it too, see ``lesion_confidence``; None where none is known.
        doubtful: why it is doubtful, in a few words; empty where it is not.
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
    location: str
    shares: Shares
    confidence: float | None
    doubtful: str

    def as_lesion(self) -> Lesion:
        """The row as the engine's tables have it."""
        return Lesion(
            id=self.id,
            volume_ml=self.volume_ml,
            centroid_r=self.centroid_ras[0],
            centroid_a=self.centroid_ras[1],
            centroid_s=self.centroid_ras[2],
            longest_diameter_mm=self.diameter_mm,
            mean_probability=self.mean_probability,
            max_probability=self.max_probability,
            location=self.location,
            confidence=self.confidence,
            doubtful=self.doubtful,
        )


@dataclass(frozen=True)
class _Step:
    """One decision that can be taken back: the record before and after, and the lesion's voxels (flat indices)."""

    number: int
    before: Record | None
    after: Record | None
    voxels: np.ndarray


class Review:
    """Review of the result that ``state`` names. Decisions are in the scene; only what undo needs is held here.

    Args:
        scene: the scene of ``state``.
        state: after :func:`~.result_nodes.load_result`.
    """

    def __init__(self, scene: slicer.vtkMRMLScene, state: ModuleState) -> None:
        self.scene = scene
        self.state = state
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self._measurements = Measurements(state)

    @property
    def has_result(self) -> bool:
        """Whether there is a result to review, and of the FLAIR that is chosen."""
        state = self.state
        if None in (state.flair, state.probability, state.segmentation, state.lesion_map):
            return False
        role = state.segmentation.GetReferenceImageGeometryReferenceRole()
        return state.segmentation.GetNodeReference(role) is state.flair

    def rows(self) -> list[LesionRow]:
        """The lesions, largest first; rejected ones too. Empty where there is no result."""
        if not self.has_result:
            return []
        records = self._records()
        rows = []
        for place, (lesion, shares) in enumerate(self._measurements.lesions(), start=1):
            record = records.get(lesion.id)
            rows.append(
                LesionRow(
                    key=str(lesion.id),
                    id=place,
                    volume_ml=lesion.volume_ml,
                    diameter_mm=lesion.longest_diameter_mm,
                    mean_probability=lesion.mean_probability,
                    max_probability=lesion.max_probability,
                    state=UNDECIDED if record is None else record.state,
                    edited=record is not None and record.edited,
                    centroid_ras=(lesion.centroid_r, lesion.centroid_a, lesion.centroid_s),
                    location=lesion.location,
                    shares=shares,
                    confidence=lesion.confidence,
                    doubtful=lesion.doubtful,
                )
            )
        return rows

    def numbered_mask(self) -> np.ndarray:
        """The reader's mask, (z, y, x) uint16 on the FLAIR's grid: each lesion with the number of its row, 0 elsewhere.

        Raises:
            StudyError: there is no result.
        """
        self._need_result()
        table = np.zeros(1 << 16, np.uint16)  # negative numbers at its end
        for row in self.rows():
            table[int(row.key)] = row.id if row.state != REJECTED else 0
        return table.take(self._numbers().view(np.uint16))

    def set_threshold(self, threshold: float) -> None:
        """Act on the probability map at once.

        Raises:
            UsageError: outside (0, 1].
            StudyError: there is no result.
        """
        check_settings(threshold, self.state.minimum_mm3)
        self._need_result()
        self.refresh()
        self.state.threshold = threshold
        self.apply()

    def set_minimum_mm3(self, minimum_mm3: float) -> None:
        """Leave smaller lesions out, at once.

        Raises:
            UsageError: negative or not finite.
            StudyError: there is no result.
        """
        check_settings(self.state.threshold, minimum_mm3)
        self._need_result()
        self.refresh()
        self.state.minimum_mm3 = minimum_mm3
        self.apply()

    def apply(self) -> None:
        """Make both segments anew from the probability, the settings and what the reader has decided and edited."""
        self._apply(self._numbers(), self._records())

    def put(self, numbers: np.ndarray, lesions: Mapping[str, Mapping[str, Any]]) -> None:
        """Take up an earlier review whole, so that an observer in between finds nothing edited; then :meth:`apply`.

        Args:
            numbers: of each voxel's lesion, (z, y, x) int16 on the FLAIR's grid.
            lesions: decisions, as ``state.lesions`` had them.
        """
        self._write(numbers, {int(key): Record(**record) for key, record in lesions.items()})
        self.apply()

    def decide(self, key: str, state: str) -> None:
        """Accept, reject or take back ("undecided"). A rejected lesion leaves the reader's mask.

        Raises:
            KeyError: no such lesion.
            ValueError: no such state.
        """
        if state not in DECISIONS:
            raise ValueError(state)
        self.refresh()
        number, numbers, records = self._number(key), self._numbers(), self._records()
        before = records.get(number)
        edited = before is not None and before.edited
        if state == UNDECIDED and not edited:
            after = None
        else:
            threshold = self.state.threshold if before is None else before.threshold
            after = Record(state, edited, threshold)
        if after == before:
            return
        step = _Step(number, before, after, np.flatnonzero(numbers == number))
        self._put(step.number, after, step.voxels)
        self._done.append(step)
        self._undone.clear()

    def undo(self) -> str | None:
        """Take back the last decision; its lesion's key, or None where there is none to take back.

        Edits are undone in the Segment Editor, threshold and minimum size by moving them back.
        """
        self.refresh()
        if not self._done:
            return None
        step = self._done.pop()
        self._put(step.number, step.before, step.voxels)
        self._undone.append(step)
        return str(step.number)

    def redo(self) -> str | None:
        """Decide again what was taken back last; as :meth:`undo`."""
        self.refresh()
        if not self._undone:
            return None
        step = self._undone.pop()
        self._put(step.number, step.after, step.voxels)
        self._done.append(step)
        return str(step.number)

    @property
    def can_undo(self) -> bool:
        """Whether there is a decision to take back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a decision to make again."""
        return bool(self._undone)

    def refresh(self) -> bool:
        """Take up what was edited in the reader's segment since; decisions on untouched lesions stay.

        Returns:
            whether anything had changed.
        """
        if not self.has_result:
            return False
        mask = read_segment(self.state.segmentation, READER_SEGMENT, self.state.flair)
        if mask is None:  # the segment was deleted: it comes back as it was
            self._write(self._numbers(), self._records())
            return True
        changed = edited_lesions(self._numbers(), self._records(), mask, self.state.threshold)
        if changed is None:
            return False
        numbers, records, touched = changed
        self._done = [step for step in self._done if step.number not in touched]
        self._undone = [step for step in self._undone if step.number not in touched]
        self._write(numbers, records, segments=False)
        return True

    @property
    def reviewed(self) -> tuple[int, int]:
        """How many lesions are decided, and how many there are."""
        rows = self.rows()
        return sum(row.state != UNDECIDED for row in rows), len(rows)

    def centre_views(self, key: str) -> None:
        """Centre all slice views on the lesion's voxel nearest to its centroid, in the world of the scene.

        Raises:
            KeyError: no such lesion.
        """
        number, numbers = self._number(key), self._numbers()
        box = bounding_box(numbers == number)
        index = np.argwhere(numbers[box] == number) + [part.start for part in box]
        nearest = index[np.square(index - index.mean(axis=0)).sum(axis=1).argmin()][::-1]
        to_world = node_matrix(self.state.flair, to_world=True)
        centre_views(self.scene, (to_world @ [*nearest.tolist(), 1.0])[:3])

    def _need_result(self) -> None:
        if not self.has_result:
            raise StudyError("There is no result to review.", "Segment a study first.")

    def _numbers(self) -> np.ndarray:
        """The lesion numbers, (z, y, x) int16; a view of the label map's voxels."""
        return node_voxels(self.state.lesion_map)

    def _records(self) -> dict[int, Record]:
        return {int(key): Record(**record) for key, record in self.state.lesions.items()}

    def _number(self, key: str) -> int:
        """The number that a key stands for. Raises KeyError where there is no such lesion."""
        if not self.has_result or not key.isdecimal() or int(key) == 0 or not (self._numbers() == int(key)).any():
            raise KeyError(key)
        return int(key)

    def _apply(self, numbers: np.ndarray, records: dict[int, Record]) -> None:
        state = self.state
        probability, spacing = node_voxels(state.probability), state.flair.GetSpacing()
        numbers = free_lesions(probability, numbers, records, state.threshold, state.minimum_mm3, spacing)
        untouched = not records and not (numbers < 0).any()
        model = numbers if untouched else lesion_mask(probability, state.threshold, state.minimum_mm3, spacing)
        self._write(numbers, records, model != 0)

    def _put(self, number: int, record: Record | None, voxels: np.ndarray) -> None:
        """Give a lesion a record and the voxels it had with it, or make it free again."""
        numbers, records = self._numbers().copy(), self._records()
        records.pop(number, None)
        if record is None:
            self._apply(numbers, records)
            return
        numbers[numbers == number] = 0
        flat = numbers.reshape(-1)
        flat[voxels] = number
        self._write(numbers, records | {number: record})

    def _write(
        self,
        numbers: np.ndarray,
        records: dict[int, Record],
        model: np.ndarray | None = None,
        *,
        segments: bool = True,
    ) -> None:
        """Put numbers and records into the scene, and then, unless told otherwise, the segments that follow from them.

        In this order, so that an observer who calls :meth:`refresh` half-way finds nothing edited. A surface that is
        shown in 3D is made anew, since MRML drops it with every change of a label map.
        """
        state = self.state
        parameters, segmentation = state.node, state.segmentation
        surface = segmentation.GetSegmentation().ContainsRepresentation("Closed surface")
        was = parameters.StartModify(), segmentation.StartModify()
        try:
            state.lesions = {str(number): asdict(record) for number, record in records.items()}
            if not np.array_equal(self._numbers(), numbers):
                set_voxels(state.lesion_map, numbers)
            if segments:
                ensure_segments(segmentation, state.flair)
                write_segment(segmentation, READER_SEGMENT, state.flair, reader_mask(numbers, records))
            if model is not None:
                write_segment(segmentation, MODEL_SEGMENT, state.flair, model)
            if surface:
                segmentation.CreateClosedSurfaceRepresentation()
        finally:
            segmentation.EndModify(was[1])
            parameters.EndModify(was[0])
