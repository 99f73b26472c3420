"""``location.csv``: the share of each lesion's volume in each location."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from .errors import StudyError
from .location import LOCATIONS, NEAR_CORTEX_MM, NEAR_VENTRICLE_MM, SHARE_DECIMALS, TOUCH_MM, LesionLocation

_COLUMNS = ["id", "location", *(f"{place.replace(' ', '_')}_share" for place in LOCATIONS)]
_RULE = (
    f"# periventricular: touches a lateral ventricle (within {TOUCH_MM:g} mm), "
    f"voxels within {NEAR_VENTRICLE_MM:g} mm of it\n"
    f"# juxtacortical: touches the cortex (within {TOUCH_MM:g} mm), voxels within {NEAR_CORTEX_MM:g} mm of it\n"
    "# infratentorial: voxels in brain stem or cerebellum; deep white matter: all others; location: the largest share\n"
)


def write_location_csv(path: Path | str, locations: Sequence[LesionLocation]) -> None:
    """Write the table: ``#`` lines with the rule, a header, one row a lesion; UTF-8, ``\\n`` line ends."""
    text = io.StringIO()
    text.write(_RULE)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in locations:
        writer.writerow([one.id, one.main, *(f"{one.shares[place]:.{SHARE_DECIMALS}f}" for place in LOCATIONS)])
    Path(path).write_bytes(text.getvalue().encode("utf-8"))


def read_location_csv(path: Path | str) -> list[LesionLocation]:
    """Read a table that :func:`write_location_csv` wrote.

    Raises:
        StudyError: the file cannot be read, or is not such a table.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        reader = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
        if reader.fieldnames != _COLUMNS:
            raise ValueError(reader.fieldnames)
        return [
            LesionLocation(
                int(row["id"]),
                {place: float(row[column]) for place, column in zip(LOCATIONS, _COLUMNS[2:], strict=True)},
            )
            for row in reader
        ]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise StudyError(f"{path} is not a location table that can be read.", "Segment the study again.") from error
