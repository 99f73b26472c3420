"""Dissemination in space (McDonald 2017) as a list of the lesions that support each item. It supports a reader only.

The criteria (Thompson et al., Lancet Neurology 17, 2018, 162-173) ask for one or more lesions, hyperintense on T2 and
at least 3 mm long, in two or more of four areas: periventricular, cortical or juxtacortical, infratentorial, spinal
cord. The spinal cord is not on images of the head. Whether the criteria apply at all is the reader's to judge: they
were made for patients with a typical first attack and no better explanation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .lesion_table import Lesion
from .location import INFRATENTORIAL, JUXTACORTICAL, PERIVENTRICULAR, LesionLocation

LEAST_LENGTH_MM = 3.0
LEAST_SHARE = 0.05
NOTICE = (
    "Support for a reader, not a diagnosis: found by a program, to be checked on the images. The criteria also ask for "
    "a typical presentation and no better explanation."
)
_ITEMS = {
    PERIVENTRICULAR: "Periventricular",
    JUXTACORTICAL: "Cortical or juxtacortical",
    INFRATENTORIAL: "Infratentorial",
}
SPINAL_CORD = "Spinal cord"


@dataclass(frozen=True)
class Item:
    """One area of the criterion.

    Attributes:
        area: its name.
        assessed: whether the images show it.
        lesions: numbers of the lesions that support it, ascending.
    """

    area: str
    assessed: bool
    lesions: tuple[int, ...]


def dissemination_in_space(lesions: Sequence[Lesion], locations: Sequence[LesionLocation]) -> list[Item]:
    """Which lesions support which area.

    A lesion supports an area where at least 5 % of it lie there and its longest diameter is at least 3 mm; a confluent
    one may support several.

    Args:
        lesions: the lesion table.
        locations: of the same lesions.

    Returns:
        The four areas; the spinal cord is never assessed.
    """
    long_enough = {lesion.id for lesion in lesions if lesion.longest_diameter_mm >= LEAST_LENGTH_MM}
    items = [
        Item(
            name,
            True,
            tuple(one.id for one in locations if one.id in long_enough and one.shares[place] >= LEAST_SHARE),
        )
        for place, name in _ITEMS.items()
    ]
    return [*items, Item(SPINAL_CORD, False, ())]


def summary_sentence(items: Sequence[Item]) -> str:
    """How many of the assessed areas hold a lesion, in words that judge nothing."""
    assessed = [item for item in items if item.assessed]
    held = sum(bool(item.lesions) for item in assessed)
    return f"{held} of {len(assessed)} assessed areas hold a lesion of at least {LEAST_LENGTH_MM:g} mm."
