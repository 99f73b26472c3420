"""``mslesionseg followup``: what changed between two dates, written whole or not at all.

The two dates are put in an order by the hashes of their files before anything is computed and only at the end called
baseline and follow-up, so that swapping them mirrors the table exactly.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from .. import __version__
from ..command_record import refuse_other_commands, write_record
from ..errors import UsageError
from ..grid import Grid, resample
from ..protocol import Progress
from ..provenance import TOOL
from ..report import RESEARCH_USE
from ..results import ResultFolder
from .alignment import Halfway, as_matrix, as_transform, halfway_space
from .both_dates import common_brain, sample_both
from .change_table import ChangeRow, rounded_row, write_changes_csv
from .changes import MIRRORED, Change, find_changes
from .dates import Date, read_date
from .files import (
    JSON_FILE,
    KINDS,
    MASK_FILE,
    MASK_VALUES,
    OVERVIEW_FILE,
    PAGE_FILE,
    SUBTRACTION_FILE,
    TABLE_FILE,
    TRANSFORM_FILE,
)
from .intensities import common_scale
from .lesion_contrast import lesion_contrast
from .notes import contrast_notes, date_notes
from .on_thick_slices import draw_changes
from .page import followup_page
from .pictures import write_followup_overview
from .same_head import Agreement, agreement, check_same_head
from .subtraction import Subtraction, subtract

STAGES = {"read": 1, "register": 4, "resample": 4, "compare": 3, "write": 3}
_LESION = 0.1
_NO_OVERVIEW = f"{OVERVIEW_FILE} was left out, because matplotlib is not installed."
#: The subtraction image is kept in steps of 1/256.
_STEPS = 256


class Comparison:
    """Two dates, compared.

    Attributes:
        rows: of ``changes.csv``.
        numbers: (z, y, x) int32 on the half-way grid, n where row n changed.
        space: half-way, with ``to_baseline`` and ``to_followup`` (LPS mm).
        subtraction: (z, y, x) follow-up minus baseline on the half-way grid.
        lesion_difference: by how much lesions of both dates are brighter at follow-up (``lesion_contrast.py``).
    """

    def __init__(self, baseline: Date, followup: Date, progress: Progress) -> None:
        """Compare.

        Raises:
            StudyError: the two are not of one head.
        """
        self.swapped = followup.content < baseline.content
        first, second = (followup, baseline) if self.swapped else (baseline, followup)
        self.notes, widening = date_notes(baseline, followup)
        progress.stage("register", "the two dates")
        self.space: Halfway = halfway_space(first, second)
        progress.stage("resample", "both dates, half-way")
        samples = sample_both(first, second, self.space)
        progress.stage("compare", "subtraction and lesions")
        brain = common_brain(*samples)
        lesion_like = np.maximum(samples[0].probability, samples[1].probability) > _LESION
        normal = brain & ~ndimage.binary_dilation(lesion_like, iterations=2)
        scales = common_scale(samples[0].flair, samples[1].flair, normal)
        matched = tuple(scale(date.flair) for scale, date in zip(scales, samples, strict=True))
        linear = tuple(scale(date.flair_linear) for scale, date in zip(scales, samples, strict=True))
        self.agreement: Agreement = agreement(*samples, matched, normal)
        self.notes += check_same_head(baseline, followup, self.agreement)
        probabilities = tuple(date.probability for date in samples)
        contrast = lesion_contrast(matched, probabilities, brain)
        half = contrast.expected / 2.0
        matched, linear = ((one + half, other - half) for one, other in (matched, linear))
        self.lesion_difference = -contrast.difference if self.swapped else contrast.difference
        self.notes += contrast_notes(self.lesion_difference)
        both = samples[0].brain & samples[1].brain
        self.noise: Subtraction = subtract(matched, linear, both, normal, contrast.doubt)
        voxel = max(float(np.prod(date.flair.GetSpacing())) for date in (first, second))
        found, self.numbers = find_changes(*samples, brain, matched, self.noise, voxel, widening)
        self.to_baseline, self.to_followup = self.space.to_first, self.space.to_second
        if self.swapped:
            self.to_baseline, self.to_followup = self.to_followup, self.to_baseline
        self.subtraction = -self.noise.difference if self.swapped else self.noise.difference
        self.rows = [self._row(number, change) for number, change in enumerate(found, start=1)]

    def _row(self, number: int, change: Change) -> ChangeRow:
        sign = -1.0 if self.swapped else 1.0
        volumes = (change.first_mm3, change.second_mm3)
        before, after = volumes[::-1] if self.swapped else volumes
        places = {}
        for name, transform in (("baseline", self.to_baseline), ("followup", self.to_followup)):
            left, posterior, superior = transform.TransformPoint(self._point(change.middle_zyx))
            places |= {f"{name}_r_mm": -left, f"{name}_a_mm": -posterior, f"{name}_s_mm": superior}
        return rounded_row(
            number,
            MIRRORED[change.kind] if self.swapped else change.kind,
            change_ml=sign * change.change_mm3 / 1000.0,
            noise_ml=change.noise_mm3 / 1000.0,
            z=sign * change.z,
            baseline_ml=before / 1000.0,
            followup_ml=after / 1000.0,
            **places,
        )

    def _point(self, index_zyx: tuple[float, float, float]) -> list[float]:
        grid = self.space.grid
        return (np.asarray(grid.origin) + grid.steps @ np.asarray(index_zyx)[::-1]).tolist()

    def change_mask(self, followup: Date) -> sitk.Image:
        """Changes by kind (``MASK_VALUES``) on the follow-up FLAIR's grid, each in one piece of at least one voxel."""
        to_halfway = as_transform(np.linalg.inv(as_matrix(self.to_followup)))
        numbers = draw_changes(self.numbers, self.space.grid, followup.flair, to_halfway)
        values = np.zeros(numbers.shape, np.uint8)
        boxes = ndimage.find_objects(numbers, len(self.rows))
        for row, box in zip(self.rows, boxes, strict=True):
            if row.kind not in MASK_VALUES:
                continue
            if box is None:
                point = (-row.followup_r_mm, -row.followup_a_mm, row.followup_s_mm)
                index = np.array(followup.flair.TransformPhysicalPointToIndex(point))[::-1]
                values[tuple(np.clip(index, 0, np.array(values.shape) - 1))] = MASK_VALUES[row.kind]
            else:
                values[box][numbers[box] == row.id] = MASK_VALUES[row.kind]
        return Grid.of(followup.flair).image(values)

    def subtraction_on(self, followup: Date) -> sitk.Image:
        """The subtraction image on the follow-up FLAIR's grid, float32."""
        to_halfway = as_transform(np.linalg.inv(as_matrix(self.to_followup)))
        image = resample(self.space.grid.image(self.subtraction), followup.flair, to_halfway)
        return Grid.of(followup.flair).image(np.rint(sitk.GetArrayFromImage(image) * _STEPS) / np.float32(_STEPS))

    def followup_to_baseline(self) -> sitk.AffineTransform:
        """Maps points of the follow-up (LPS mm) to the baseline."""
        return as_transform(as_matrix(self.to_baseline) @ np.linalg.inv(as_matrix(self.to_followup)))


def write_followup(
    baseline: Path | str, followup: Path | str, out: Path | str, *, progress: Progress | None = None
) -> dict[str, Any]:
    """Compare two results of ``segment`` of one patient and write what changed (docs/followup.md), all or nothing.

    Args:
        baseline: result of the earlier date.
        followup: result of the later date.
        out: folder for what is found; an earlier comparison in it is replaced.
        progress: told the stages.

    Returns:
        What ``followup.json`` holds.

    Raises:
        UsageError: a folder holds no result of ``segment``.
        StudyError: a file was changed or cannot be read, or the two are not of one head.
        OutputError: ``out`` cannot be written, or holds something else.
    """
    started = datetime.now(UTC)
    progress = Progress() if progress is None else progress
    progress.plan(STAGES)
    progress.stage("read")
    before, after = read_date(Path(baseline)), read_date(Path(followup))
    if before.folder.resolve() == after.folder.resolve():
        raise UsageError("Baseline and follow-up are the same folder.", "Name the results of two dates.")
    with ResultFolder(out) as result:
        refuse_other_commands(result, "followup")
        found = Comparison(before, after, progress)
        progress.stage("write")
        mask, subtraction = found.change_mask(after), found.subtraction_on(after)
        result.write_image(MASK_FILE, mask)
        result.write_image(SUBTRACTION_FILE, subtraction)
        result.write_transform(TRANSFORM_FILE, found.followup_to_baseline())
        write_changes_csv(result.file(TABLE_FILE), found.rows)
        picture = None
        try:
            moved = resample(before.flair, after.flair, found.followup_to_baseline())
            write_followup_overview(
                result.file(OVERVIEW_FILE), moved, after.flair, subtraction, mask, after.brain, found.rows
            )
            picture = result.file(OVERVIEW_FILE).read_bytes()
        except ModuleNotFoundError:
            found.notes.append(_NO_OVERVIEW)
        data = _data(found, before, after)
        result.write_text(JSON_FILE, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        result.write_text(PAGE_FILE, followup_page(data, picture))
        paths = {"baseline": str(before.folder), "followup": str(after.folder)}
        write_record(result, "followup", started, settings={}, inputs=data["inputs"], paths=paths)
    return data


def _data(found: Comparison, before: Date, after: Date) -> dict[str, Any]:
    counts = {kind: sum(row.kind == kind for row in found.rows) for kind in KINDS}
    greatest, least = found.space.stretch
    return {
        "tool": TOOL,
        "tool_version": __version__,
        "notice": RESEARCH_USE,
        "summary_sentence": ", ".join(f"{count} {kind}" for kind, count in counts.items()) + ".",
        "counts": counts,
        "lesion_ml": {"baseline": before.lesion_ml, "followup": after.lesion_ml},
        "changes": [asdict(row) for row in found.rows],
        "notes": found.notes,
        "registration": {
            "greatest_stretch": round(greatest, 4),
            "least_stretch": round(least, 4),
            "residual_mm": round(found.noise.residual_mm, 3),
            "flat_noise": round(found.noise.flat_noise, 3),
            "correlation": round(found.agreement.correlation, 3),
            "brain_overlap": round(found.agreement.overlap, 3),
            "lesion_difference": round(found.lesion_difference, 3) + 0.0,  # never -0.0
        },
        "inputs": {"baseline": before.hashes, "followup": after.hashes},
    }
