"""``changes.csv``: a row a change, then a row a stable lesion."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ..errors import StudyError

DECIMALS = {
    "change_ml": 4,
    "noise_ml": 4,
    "z": 2,
    "baseline_ml": 4,
    "followup_ml": 4,
    **{f"{date}_{axis}_mm": 2 for date in ("followup", "baseline") for axis in "ras"},
}
_HEAD = (
    "# kind: new, enlarging, stable, shrinking or resolved; volumes in mL, in the space half-way between the dates\n"
    "# change_ml: volume that changed, a voxel by its share; of a stable lesion the difference of its volumes\n"
    "# noise_ml: what noise alone would give (95 %)\n"
    "# z: peak of the subtraction over its noise; of a stable lesion its mean\n"
    "# positions in mm, RAS, in the space of either FLAIR\n"
)


@dataclass(frozen=True)
class ChangeRow:
    """A row of the table; numbers carry the decimals of the file. See docs/followup.md for what each column is."""

    id: int
    kind: str
    change_ml: float
    noise_ml: float
    z: float
    baseline_ml: float
    followup_ml: float
    followup_r_mm: float
    followup_a_mm: float
    followup_s_mm: float
    baseline_r_mm: float
    baseline_a_mm: float
    baseline_s_mm: float


def rounded_row(number: int, kind: str, **values: float) -> ChangeRow:
    """A row with the decimals of the file, without negative zeros."""
    return ChangeRow(number, kind, **{name: round(value, DECIMALS[name]) + 0.0 for name, value in values.items()})


def write_changes_csv(path: Path, rows: Sequence[ChangeRow]) -> None:
    """Write the table, UTF-8, ``\\n`` line ends."""
    text = io.StringIO()
    text.write(_HEAD)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(ChangeRow))
    for row in rows:
        writer.writerow(f"{v:.{DECIMALS[k]}f}" if k in DECIMALS else v for k, v in asdict(row).items())
    path.write_bytes(text.getvalue().encode("utf-8"))


def read_changes_csv(path: Path | str) -> list[ChangeRow]:
    """Read a table that :func:`write_changes_csv` wrote; rows come back equal.

    Raises:
        StudyError: the file cannot be read, or is not such a table.
    """
    names = [field.name for field in fields(ChangeRow)]
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        reader = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
        if reader.fieldnames != names:
            raise ValueError(reader.fieldnames)
        return [
            ChangeRow(int(row["id"]), row["kind"], **{name: float(row[name]) for name in names[2:]}) for row in reader
        ]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise StudyError(f"{path} is not a table of changes that can be read.", "Run followup again.") from error
