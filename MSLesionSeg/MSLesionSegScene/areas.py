"""Dissemination in space on the lesions of the review: which rows of the table support which area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from MSLesionSegLib.dissemination import dissemination_in_space, summary_sentence
from MSLesionSegLib.location import LesionLocation

from .review import LesionRow
from .state import REJECTED


@dataclass(frozen=True)
class Area:
    """One area of the criterion.

    Attributes:
        name: of the area.
        assessed: whether the images show it.
        rows: the lesions that support it, largest first.
    """

    name: str
    assessed: bool
    rows: tuple[LesionRow, ...]


def supporting_rows(rows: Sequence[LesionRow]) -> tuple[list[Area], str]:
    """The areas, and the sentence that sums them up.

    Args:
        rows: of the review; rejected lesions support nothing.

    Returns:
        Nothing (no area, no sentence) where the lesions have no location.
    """
    kept = {row.id: row for row in rows if row.state != REJECTED}
    if not any(row.shares for row in rows):
        return [], ""
    items = dissemination_in_space(
        [row.as_lesion() for row in kept.values()], [LesionLocation(row.id, row.shares) for row in kept.values()]
    )
    areas = [Area(item.area, item.assessed, tuple(kept[number] for number in item.lesions)) for item in items]
    return areas, summary_sentence(items)
