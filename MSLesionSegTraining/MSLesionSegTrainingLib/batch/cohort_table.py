"""The cohort as one CSV file: a row a case, also for those that failed."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

COHORT_FILE = "cohort.csv"
COLUMNS = (
    "case",
    "state",
    "lesion_count",
    "lesion_volume_ml",
    "brain_volume_ml",
    "contrasts",
    "model",
    "model_version",
    "threshold",
    "min_lesion_mm3",
    "seconds",
    "message",
    "hint",
    "notes",
)


def cohort_row(case: str, outcome: Mapping[str, Any] | None) -> dict[str, Any]:
    """A row of the table.

    Args:
        case: its name.
        outcome: as ``case_work.work_on`` returns it; None while the case waits.

    Returns:
        column -> value. ``state`` is "done", "failed" or "waiting"; a failed case has a ``message`` and a ``hint``.
    """
    row: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    row["case"] = case
    if outcome is None or outcome["state"] == "cancelled":
        return {**row, "state": "waiting"}
    if outcome["state"] == "failed":
        told = {name: outcome.get(name, "") for name in ("seconds", "message", "hint")}
        return {**row, **told, "state": "failed"}
    provenance = outcome["provenance"]
    model = provenance["models"].get("lesion", {})
    return {
        **row,
        **{name: provenance["summary"][name] for name in ("lesion_count", "lesion_volume_ml", "brain_volume_ml")},
        "state": "done",
        "contrasts": "+".join(provenance["contrasts"]),
        "model": model.get("name", ""),
        "model_version": model.get("version", ""),
        "threshold": provenance["settings"]["threshold"],
        "min_lesion_mm3": provenance["settings"]["min_lesion_mm3"],
        "seconds": provenance["run"].get("duration_s", ""),
        "notes": " ".join([*provenance["notes"], *outcome["warnings"]]),
    }


def write_cohort(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write ``cohort.csv`` (UTF-8), whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    partial = folder / f"{COHORT_FILE}.partial"
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: " ".join(str(value).split()) for name, value in row.items()} for row in rows)
    os.replace(partial, folder / COHORT_FILE)
