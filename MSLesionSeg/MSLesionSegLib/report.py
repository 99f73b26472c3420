"""The report of a result: what a reader writes down, as one page, one JSON file and one table.

Everything shown comes from the dict that ``report.json`` holds: the figures of ``lesions.csv`` and ``location.csv`` or,
for a mask that a reader corrected, the same measurements of that mask.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from . import __version__
from .command_record import refuse_other_commands, write_record
from .dissemination import NOTICE as SUPPORT
from .dissemination import dissemination_in_space, summary_sentence
from .errors import StudyError, UsageError
from .finish import BRAIN_FILE, FLAIR_FILE, MASK_FILE, PROBABILITY_FILE, SECOND_FILE, ZONES_FILE
from .grid import same_grid
from .images import read_image
from .lesion_confidence import CONFIDENCE_NOTICE, rate_lesions, review_order
from .lesion_table import COLUMNS, Lesion, lesion_table, table_cell
from .lesions import label_lesions, lesion_mask
from .location import LOCATIONS, LesionLocation, located
from .nifti import read_nifti
from .provenance import PROVENANCE_FILE, TOOL, file_sha256, read_provenance, small_rule
from .report_page import report_page
from .report_pictures import lesion_pictures
from .results import ResultFolder

PAGE_FILE, JSON_FILE, CSV_FILE = "report.html", "report.json", "report.csv"
RESEARCH_USE = (
    "For research use only. Not a medical device; nothing here may be used for diagnosis or treatment. "
    "Look at every lesion on the images."
)


class ReadResult:
    """A finished result, read and measured, with the mask it is about.

    Attributes:
        provenance: of the result.
        labels: numbered lesions on the FLAIR's grid, int32, 0 background.
        lesions: the lesion table.
        locations: of the same lesions; empty where the result has none.
        rule: the provenance's block ``confidence``; None where the result has none.
        mask_sha256: of a reader's own mask or lesions; None where the result's mask is reported.
    """

    def __init__(self, folder: Path, mask: Path | None = None, lesions: Path | None = None) -> None:
        """Read a result.

        Args:
            folder: a result of ``segment``.
            mask: a reader's corrected mask on the FLAIR's grid; None takes the result's own.
            lesions: instead of a mask a reader's lesions, an image of their numbers (0 background) on the FLAIR's grid;
                they keep their numbers, and none is too small.

        Raises:
            UsageError: ``folder`` holds no result, or a mask and lesions were given.
            StudyError: an image cannot be read, or the mask lies on another grid.
        """
        if mask is not None and lesions is not None:
            raise UsageError("A mask and numbered lesions were given.", "Give --mask or --lesions.")
        record = read_provenance(folder)
        if record is None or PROBABILITY_FILE not in record["outputs"]:
            raise UsageError(f"{folder} holds no result of `segment`.", "Name a folder that `segment` has written.")
        self.folder = folder
        self.provenance = record
        self.flair = read_nifti(folder / FLAIR_FILE)
        self.brain = read_nifti(folder / BRAIN_FILE)
        probability = read_nifti(folder / PROBABILITY_FILE)
        given = mask if lesions is None else lesions
        self.mask_sha256 = None if given is None else file_sha256(given)
        if given is None:
            own = folder / MASK_FILE
            if file_sha256(own) != record["outputs"][MASK_FILE]:
                raise StudyError(f"{own} was changed after it was written.", f"Give it with --mask {own}.")
            image = read_nifti(own)
        else:
            image = read_image(given)
            if not same_grid(image, self.flair, 1e-3):
                raise StudyError(
                    f"The mask {given} does not lie on the FLAIR of {folder}.", "Save it on the FLAIR's grid."
                )
        if lesions is not None:
            numbers = sitk.GetArrayFromImage(image).astype(np.int32)
        else:
            marked = (sitk.GetArrayViewFromImage(image) > 0).astype(np.float32)
            kept = lesion_mask(marked, 0.5, record["settings"]["min_lesion_mm3"], self.flair.GetSpacing())
            numbers = label_lesions(kept)
        self.labels = sitk.GetImageFromArray(numbers)
        self.labels.CopyInformation(self.flair)
        self.lesions: list[Lesion] = lesion_table(self.labels, probability)
        self.locations: list[LesionLocation] = []
        if (folder / ZONES_FILE).exists():
            zones = sitk.GetArrayFromImage(read_nifti(folder / ZONES_FILE))
            self.lesions, self.locations = located(self.lesions, numbers, zones)
        self.rule: dict[str, Any] | None = record.get("confidence")
        if self.rule is not None:
            second = read_nifti(folder / SECOND_FILE)
            self.lesions = rate_lesions(
                self.lesions,
                self.labels,
                probability,
                second,
                self.brain,
                self.rule,
                record["settings"]["threshold"],
            )


def write_report(
    folder: Path | str, out: Path | str, *, mask: Path | None = None, lesions: Path | None = None, title: str = ""
) -> dict[str, Any]:
    """Write ``report.html``, ``report.json`` and ``report.csv`` of a result into a folder of their own, all or nothing.

    Args:
        folder: a result of ``segment``.
        out: folder for the report; an earlier report in it is replaced.
        mask, lesions: a reader's, see :class:`ReadResult`; None of both reports the result's own.
        title: a line that says whose report this is; nothing in a result does.

    Returns:
        What ``report.json`` holds.

    Raises:
        UsageError: ``folder`` holds no result.
        StudyError: an image cannot be read, or the mask lies on another grid.
        OutputError: ``out`` cannot be written, or is a result itself.
    """
    started, folder = datetime.now(UTC), Path(folder)
    read = ReadResult(folder, mask, lesions)
    data = report_data(read, title)
    with ResultFolder(out) as result:
        refuse_other_commands(result, "report")
        pictures = lesion_pictures(read.flair, read.labels, read.brain)
        result.write_text(JSON_FILE, json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        result.write_text(CSV_FILE, _csv(data))
        result.write_text(PAGE_FILE, report_page(data, pictures))
        write_record(
            result,
            "report",
            started,
            settings={"own_mask": read.mask_sha256 is not None},
            inputs={"provenance": file_sha256(folder / PROVENANCE_FILE), "mask": read.mask_sha256},
            paths={"result": str(folder)},
        )
    return data


def report_data(read: ReadResult, title: str = "") -> dict[str, Any]:
    """All that the report says, as plain JSON."""
    record = read.provenance
    brain_voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(read.brain)))
    brain_ml = brain_voxels * float(np.prod(read.brain.GetSpacing())) / 1000.0
    total = sum(lesion.volume_ml for lesion in read.lesions)
    items = dissemination_in_space(read.lesions, read.locations) if read.locations else []
    return {
        "tool": TOOL,
        "tool_version": __version__,
        "notice": RESEARCH_USE,
        "title": title,
        "summary": {
            "lesion_count": len(read.lesions),
            "lesion_volume_ml": round(total, 4),
            "brain_volume_ml": round(brain_ml, 1),
            "lesion_percent_of_brain": round(100.0 * total / brain_ml, 2) if brain_ml else 0.0,
        },
        "mask": {"source": "the program's" if read.mask_sha256 is None else "a reader's", "sha256": read.mask_sha256},
        "contrasts": record["contrasts"],
        "quality": record.get("quality", []),
        "locations": _by_location(read),
        "dissemination_in_space": {
            "criterion": "McDonald 2017",
            "notice": SUPPORT,
            "sentence": summary_sentence(items),
            "areas": [{**asdict(item), "lesions": list(item.lesions)} for item in items],
        }
        if items
        else None,
        "confidence": _confidence(read),
        "lesions": _rows(read),
        "model": record["models"].get("lesion", {}),
        "models": record["models"],
        "settings": record["settings"],
        "held_back": _held_back(read),
        "inputs": record["inputs"],
        "notes": record["notes"],
        "segmented_utc": record["run"].get("started_utc", ""),
        "segmented_with": record["tool_version"],
        "software": record["software"],
        "device": record["device"],
        "runtime": record["runtime"],
    }


def _by_location(read: ReadResult) -> list[dict[str, Any]]:
    """Lesions (by their largest share) and volume (by shares) in each location."""
    volumes = {lesion.id: lesion.volume_ml for lesion in read.lesions}
    rows = []
    for place in LOCATIONS if read.locations else ():
        volume = sum(volumes[one.id] * one.shares[place] for one in read.locations)
        rows.append(
            {
                "location": place,
                "lesions": sum(one.main == place for one in read.locations),
                "volume_ml": round(volume, 4),
                "percent": round(100.0 * volume / sum(volumes.values()), 1),
            }
        )
    return rows


def _held_back(read: ReadResult) -> dict[str, Any] | None:
    """How many small faint lesions are held back, and by which rule; None where none are, or a reader's are told."""
    rule = small_rule(read.provenance)
    if rule is None or read.mask_sha256 is not None:
        return None
    return {"count": read.provenance["held_back"]["count"], "below_mm3": rule[0], "below_probability": rule[1]}


def _confidence(read: ReadResult) -> dict[str, Any] | None:
    """What the confidence of the lesions rests on, and in which order to look at them; None where there is none."""
    if read.rule is None:
        return None
    return {
        "notice": CONFIDENCE_NOTICE,
        "fitted_on": read.rule["fitted_on"],
        "doubtful_below": read.rule["doubtful_below"],
        "doubtful": sum(bool(lesion.doubtful) for lesion in read.lesions),
        "review_order": [lesion.id for lesion in review_order(read.lesions)],
    }


def _rows(read: ReadResult) -> list[dict[str, Any]]:
    """One dict a lesion, named as the columns of ``lesions.csv``, with its shares."""
    shares = {one.id: dict(one.shares) for one in read.locations}
    return [
        {column: getattr(lesion, name) for name, (column, _) in COLUMNS.items()} | {"shares": shares.get(lesion.id)}
        for lesion in read.lesions
    ]


def _csv(data: dict[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [*(column for column, _ in COLUMNS.values()), *(f"{name.replace(' ', '_')}_share" for name in LOCATIONS)]
    )
    for row in data["lesions"]:
        cells = [table_cell(row[column], decimals) for column, decimals in COLUMNS.values()]
        shares = row["shares"]
        writer.writerow([*cells, *(f"{shares[place]:.3f}" if shares else "" for place in LOCATIONS)])
    return text.getvalue()
