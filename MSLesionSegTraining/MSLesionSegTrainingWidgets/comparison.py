"""A report before/after as the panel shows it. Plain Python, no Qt."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = "before_after"
JSON_FILE, REPORT_FILE = "before_after.json", "before_after.md"
#: States of lesions that one of the models alone found or marked.
CHANGES = ("found now", "lost now", "false lesion new", "false lesion gone")


@dataclass(frozen=True)
class ChangedLesion:
    """A lesion of a case under both models.

    Attributes:
        case: its name.
        state: as the report says it, such as "found now".
        volume_mm3: its volume.
        centre: RAS mm in the FLAIR's space.
    """

    case: str
    state: str
    volume_mm3: float
    centre: tuple[float, float, float]


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` found.

    Attributes:
        before, after: names of the models.
        word: "better", "worse", "no difference" or "not known".
        sentence: the verdict for a reader.
        worse_in: where the new model is worse, a sentence each.
        lesions: of all annotated cases.
    """

    before: str
    after: str
    word: str
    sentence: str
    worse_in: tuple[str, ...]
    lesions: tuple[ChangedLesion, ...]

    @property
    def changed(self) -> tuple[ChangedLesion, ...]:
        """The lesions that one of the models alone found or marked."""
        return tuple(lesion for lesion in self.lesions if lesion.state in CHANGES)


def read_comparison(run: Path) -> Comparison | None:
    """The report in a run's folder; None where there is none that can be read."""
    try:
        told = json.loads((run / FOLDER / JSON_FILE).read_text(encoding="utf-8"))
        lesions = [_lesion(case["name"], lesion) for case in told["cases"] for lesion in case["lesions"]]
        return Comparison(
            before=told["models"]["before"]["name"],
            after=told["models"]["after"]["name"],
            word=told["verdict"]["word"],
            sentence=told["verdict"]["sentence"],
            worse_in=tuple(told["verdict"]["worse_in"]),
            lesions=tuple(lesions),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _lesion(case: str, values: dict[str, Any]) -> ChangedLesion:
    return ChangedLesion(case, values["state"], float(values["volume_mm3"]), tuple(values["centroid_ras_mm"]))
