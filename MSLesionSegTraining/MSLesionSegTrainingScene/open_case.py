"""A case of a work list that this process holds and shows: opened, saved, finished, given back."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer

from MSLesionSegLib.annotated_case import read_json
from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegLib.grid import Grid, resample
from MSLesionSegLib.images import read_image
from MSLesionSegLib.provenance import PROVENANCE_FILE
from MSLesionSegScene.export import decision_counts, segment_image
from MSLesionSegScene.lesion_segments import READER_SEGMENT
from MSLesionSegScene.result_nodes import load_result, start_without_model
from MSLesionSegScene.review import Review
from MSLesionSegScene.segments import read_segment, write_segment
from MSLesionSegScene.state import ModuleState
from MSLesionSegScene.volumes import node_matrix, node_voxels, set_geometry
from MSLesionSegTrainingLib.mask_files import read_mask
from MSLesionSegTrainingLib.worklist import PRESEGMENTED
from MSLesionSegTrainingLib.worklist.claims import HeldClaim
from MSLesionSegTrainingLib.worklist.drafts import Draft, DraftReview, read_draft, save_draft
from MSLesionSegTrainingLib.worklist.saving import add_second_reading, finish_case
from MSLesionSegTrainingLib.worklist.work_list import WorkCase, take

from .case_nodes import load_images, remove_study


class Purpose(StrEnum):
    """What a case is opened for."""

    annotate = "annotate"
    replace = "replace"
    second = "second"


def purpose_of(row: WorkCase, who: str) -> Purpose:
    """What an annotator can open a case for: a finished one is changed by its annotator and read again by another.

    Raises:
        StudyError: the study cannot be used.
        UsageError: it was left out, or has been read twice by others.
    """
    if row.study.problem:
        raise StudyError(row.study.problem, row.study.hint)
    if row.state == "excluded":
        raise UsageError(f"{row.name} was left out by {row.annotator}.", "Take it in again first.")
    if row.mask is None:
        return Purpose.annotate
    if row.annotator == who:
        return Purpose.replace
    if row.second_reader not in ("", who):
        raise UsageError(
            f"{row.name} was finished by {row.annotator} and read again by {row.second_reader}.", "Choose another case."
        )
    return Purpose.second


class OpenCase:
    """A case while it is open; see ``load_case``. It can be saved and finished as long as it is ``present``.

    Args:
        state: of MSLesionSeg, with the case loaded.
        root: folder of the studies.
        row: of the work list, as it was opened.
        purpose: what for.
        claim: by which it is held.
        grid: of the FLAIR's file.
    """

    def __init__(
        self, state: ModuleState, root: Path, row: WorkCase, purpose: Purpose, claim: HeldClaim, grid: Grid
    ) -> None:
        self.row = row
        self.purpose = purpose
        self.claim = claim
        self._state = state
        self._root = root
        self._grid = grid
        self._seconds = state.seconds_spent
        self._flair, self._segmentation, self._numbers = state.flair, state.segmentation, state.lesion_map
        self._saved = self._stamp()

    @property
    def name(self) -> str:
        """``sub-XX`` or ``sub-XX_ses-Y``."""
        return self.row.name

    @property
    def present(self) -> bool:
        """Whether its FLAIR and its segmentation are still in the scene."""
        scene = self._state.scene
        return bool(scene.IsNodePresent(self._flair) and scene.IsNodePresent(self._segmentation))

    def save(self) -> bool:
        """Save the draft where something was done; give a sign of life in any case.

        Returns:
            whether there was something to save.

        Raises:
            CaseTaken: somebody took the case over; what was done lies beside it.
            OutputError: it cannot be written.
        """
        stamp = self._stamp()
        if stamp[1] == self._saved[1] and np.array_equal(stamp[0], self._saved[0]):
            self.claim.beat()
            return False
        save_draft(self.claim, self.mask(), self._spent(), self._review_of(stamp[1]))
        self._saved = stamp
        return True

    def finish(self) -> dict[str, Any] | None:
        """Put the mask into the data set as finished, or as second reading, and give the case back.

        Returns:
            the agreement with the first reader, for a second reading.

        Raises:
            CaseTaken, UsageError, StudyError, OutputError: see ``saving.finish_case`` and ``add_second_reading``; the
                case stays open then.
        """
        seconds = self._spent()
        if self.purpose is Purpose.second:
            return add_second_reading(self._root, self.claim, self.mask(), seconds)
        review = Review(self._state.scene, self._state)
        review.refresh()
        finish_case(
            self._root,
            self.claim,
            self.mask(),
            seconds,
            decision_counts(review),
            replace=self.purpose is Purpose.replace,
        )
        return None

    def mask(self) -> sitk.Image:
        """The reader's mask, 0 and 1, on the grid of the FLAIR's file."""
        return self._in_file(self._mask().astype(np.uint8))

    def remove(self) -> None:
        """Take the case out of the scene, unless another study is under review by now."""
        if self._state.flair in (self._flair, None):
            remove_study(self._state)

    def _spent(self) -> float:
        """Seconds that were worked on the case in all; those of another study do not count."""
        if self._state.flair is self._flair:
            self._seconds = self._state.seconds_spent
        return self._seconds

    def _mask(self) -> np.ndarray:
        mask = read_segment(self._segmentation, READER_SEGMENT, self._flair)
        return np.zeros(node_voxels(self._flair).shape, bool) if mask is None else mask

    def _stamp(self) -> tuple[np.ndarray, dict[str, Any]]:
        """By which it is known whether something was done."""
        if self._state.flair is not self._flair:  # another study is under review; the decisions wait with this one
            return self._mask(), self._saved[1]
        Review(self._state.scene, self._state).refresh()
        values = {
            "Threshold": self._state.threshold,
            "MinimumMm3": self._state.minimum_mm3,
            "Lesions": self._state.lesions,
        }
        return self._mask(), values

    def _review_of(self, values: dict[str, Any]) -> DraftReview | None:
        if not self._state.scene.IsNodePresent(self._numbers):
            return None
        return DraftReview(self._in_file(node_voxels(self._numbers)), values)

    def _in_file(self, array: np.ndarray) -> sitk.Image:
        image = sitk.GetImageFromArray(array)
        set_geometry(image, node_matrix(self._flair, to_world=False), self.name)
        return resample(image, self._grid, interpolator="nearest")


def claim_case(root: Path, row: WorkCase, who: str, *, take_over: str = "") -> tuple[Purpose, HeldClaim]:
    """Claim a case for what it can be opened for.

    Args:
        root: folder of the studies.
        row: of its work list.
        who: the annotator.
        take_over: see ``claims.take_case``.

    Raises:
        CaseTaken: somebody else has it, or has changed it since the list was read.
        UsageError, StudyError, OutputError: see ``purpose_of`` and ``work_list.take``.
    """
    purpose = purpose_of(row, who.strip())
    return purpose, take(root, row, who.strip(), take_over=take_over)


def load_case(
    scene: slicer.vtkMRMLScene, state: ModuleState, root: Path, row: WorkCase, purpose: Purpose, claim: HeldClaim
) -> OpenCase:
    """Load a claimed case: images, the model's result, and what was done of it before. All of it, or nothing.

    A second reading starts from the model's mask, so that it does not depend on the first one. Where nothing can be
    loaded, the claim is given back.

    Args:
        scene: the scene of ``state``.
        state: of MSLesionSeg; a study that it names is put aside.
        root, row: as for ``claim_case``.
        purpose, claim: from ``claim_case``.

    Raises:
        StudyError: an image, the result or an earlier mask cannot be read.
    """
    before = state.flair
    try:
        load_images(scene, state, row.study)
        result = root / PRESEGMENTED / row.name
        if (result / PROVENANCE_FILE).is_file():
            load_result(scene, state, result)
        else:
            start_without_model(scene, state)
        grid = Grid.of(read_image(row.study.images["FLAIR"]))
        draft = read_draft(claim.folder)
        if draft is not None and (purpose is not Purpose.second or draft.who == claim.who):
            _put_draft(scene, state, draft)
            state.seconds_spent = draft.seconds_spent
        elif purpose is Purpose.replace:
            _put_mask(scene, state, grid.image(read_mask(row.mask, grid)))
            sidecar = read_json(row.mask.with_name(f"{row.mask.name.partition('.')[0]}.json"))
            state.seconds_spent = float(sidecar.get("SecondsSpent", 0.0))
        return OpenCase(state, root, row, purpose, claim, grid)
    except BaseException:
        if state.flair is not before:
            remove_study(state)
        claim.release()
        raise


def _put_draft(scene: slicer.vtkMRMLScene, state: ModuleState, draft: Draft) -> None:
    """Decisions first, then the mask; where the two differ, the mask holds, and the difference counts as edited."""
    if draft.review is not None:
        values = draft.review.values
        state.threshold, state.minimum_mm3 = values["Threshold"], values["MinimumMm3"]
        Review(scene, state).put(_on_node(draft.review.numbers, state), values["Lesions"])
    _put_mask(scene, state, draft.mask)


def _put_mask(scene: slicer.vtkMRMLScene, state: ModuleState, mask: sitk.Image) -> None:
    write_segment(state.segmentation, READER_SEGMENT, state.flair, _on_node(mask, state) > 0)
    Review(scene, state).refresh()


def _on_node(image: sitk.Image, state: ModuleState) -> np.ndarray:
    """The voxels of a label map on the FLAIR node's own grid, (z, y, x)."""
    on_node = resample(image, Grid.of(segment_image(state, READER_SEGMENT)), interpolator="nearest")
    return sitk.GetArrayFromImage(on_node)
