"""The cases of a folder of studies, each with its state, and the order in which to take them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from MSLesionSegLib.annotated_case import CasePlace, read_json
from MSLesionSegLib.finish import MASK_FILE
from MSLesionSegLib.provenance import PROVENANCE_FILE

from ..cases import MASK_ENDINGS
from ..studies import StudyFiles, bids_studies
from . import PRESEGMENTED, WORK
from .claims import CLAIM_FILE, CaseTaken, Claim, HeldClaim, see_claim, take_case
from .drafts import DRAFT_FILE, DRAFT_SIDECAR
from .saving import EXCLUDED_FILE
from .uncertainty import case_uncertainty, kept_uncertainty

STATES = ("new", "pre-segmented", "in progress", "done", "excluded")


@dataclass(frozen=True)
class WorkCase:
    """A row of the work list.

    Attributes:
        study: its name and files; ``study.problem`` says why it cannot be corrected.
        state: one of ``STATES``.
        annotator: who has it, or who did last something on it; empty where nobody did.
        changed: UTC time of the last change, ISO 8601; empty where there was none.
        claim: on it now, or None.
        uncertain_ml: see ``uncertainty.uncertain_ml``; None before it was segmented.
        second_reader: who read it after the annotator; empty where nobody did.
        second_dice: Dice of the two masks; None where nobody read it a second time.
        mask: its finished mask, or None.
        finished: UTC time at which that was finished or it was excluded, as its file says; empty where it is neither.
        reason: why it was excluded.
    """

    study: StudyFiles
    state: str
    annotator: str = ""
    changed: str = ""
    claim: Claim | None = None
    uncertain_ml: float | None = None
    second_reader: str = ""
    second_dice: float | None = None
    mask: Path | None = None
    finished: str = ""
    reason: str = ""

    @property
    def name(self) -> str:
        """``sub-XX`` or ``sub-XX_ses-Y``."""
        return self.study.name


def work_list(root: Path, *, measure: bool = True) -> list[WorkCase]:
    """The cases of a folder of studies in BIDS, by name.

    Args:
        root: folder of the studies.
        measure: compute the uncertainty of results that are new, which takes a while; else only what is known is told.

    Raises:
        StudyError: there is no such folder.
    """
    return [_case(root, study, measure) for study in bids_studies(root)]


def work_folder(root: Path, case: str) -> Path:
    """Where what is not finished of a case lies."""
    return root / WORK / case


def ordered(cases: Sequence[WorkCase], by: str = "uncertainty", *, descending: bool | None = None) -> list[WorkCase]:
    """The cases in another order; those without a value come last, equal ones by name.

    Args:
        cases: of a work list.
        by: "uncertainty" (most unsure first), "name", "contrasts" (fewest first), "state" (in the order of work),
            "annotator" or "changed".
        descending: None takes the usual direction: most unsure first, all others ascending.
    """
    keys: dict[str, Any] = {
        "uncertainty": lambda case: case.uncertain_ml,
        "name": lambda case: case.name,
        "contrasts": lambda case: len(case.study.images),
        "state": lambda case: STATES.index(case.state),
        "annotator": lambda case: case.annotator or None,
        "changed": lambda case: case.changed or None,
    }
    key = keys[by]
    named = sorted(cases, key=lambda case: case.name)
    known = [case for case in named if key(case) is not None]
    down = by == "uncertainty" if descending is None else descending
    return sorted(known, key=key, reverse=down) + [case for case in named if key(case) is None]


def next_case(cases: Sequence[WorkCase]) -> WorkCase | None:
    """The most unsure case that nobody has and that is not finished; None where none is left."""
    free = [
        case
        for case in cases
        if case.claim is None and not case.study.problem and case.state in ("new", "pre-segmented", "in progress")
    ]
    return ordered(free)[0] if free else None


def take(root: Path, seen: WorkCase, who: str, *, take_over: str = "") -> HeldClaim:
    """Claim a case as it was seen in the list; one that somebody has finished or changed since is not taken.

    Args:
        root: folder of the studies.
        seen: the row of the list that the annotator chose.
        who, take_over: see ``claims.take_case``.

    Raises:
        CaseTaken: somebody else holds it, or has changed it since the list was read.
        UsageError, OutputError: see ``claims.take_case``.
    """
    claim = take_case(work_folder(root, seen.name), who, take_over=take_over)
    now = _case(root, seen.study, False)
    if (now.mask, now.finished, now.second_reader) != (seen.mask, seen.finished, seen.second_reader):
        claim.release()
        raise CaseTaken(f"{seen.name} was changed since the list was read.", "Read the list again.")
    return claim


def _case(root: Path, study: StudyFiles, measure: bool) -> WorkCase:
    place, folder = CasePlace.of(study.name), work_folder(root, study.name)
    result = root / PRESEGMENTED / study.name
    uncertain = None
    if (result / PROVENANCE_FILE).is_file():
        if measure:
            folder.mkdir(parents=True, exist_ok=True)
        uncertain = case_uncertainty(result, folder) if measure else kept_uncertainty(result, folder)
    claim = see_claim(folder) if (folder / CLAIM_FILE).exists() else None
    masks = place.annotation(root)
    found = sorted(path for path in masks.glob("*_mask*") if path.name.endswith(MASK_ENDINGS)) if masks.is_dir() else []
    sidecar = read_json(masks / place.mask_name().replace(".nii.gz", ".json"))
    second = read_json(masks / place.mask_name("second").replace(".nii.gz", ".json"))
    draft, excluded = read_json(folder / DRAFT_SIDECAR), read_json(folder / EXCLUDED_FILE)
    told = next((values for values in (excluded, sidecar, draft) if values), {})
    if excluded:
        state = "excluded"
    elif found:
        state = "done"
    elif claim is not None or (folder / DRAFT_FILE).exists():
        state = "in progress"
    else:
        state = "pre-segmented" if (result / MASK_FILE).is_file() else "new"
    changed = str(told.get("Time", "")) or (_changed(found[0]) if found else claim.since if claim else "")
    return WorkCase(
        study=study,
        state=state,
        annotator=claim.who if claim else str(told.get("Annotator", "")),
        changed=changed,
        claim=claim,
        uncertain_ml=uncertain,
        second_reader=str(second.get("Annotator", "")),
        second_dice=second.get("Agreement", {}).get("Dice"),
        mask=found[0] if found else None,
        finished=str((excluded or sidecar).get("Time", "")),
        reason=str(excluded.get("Reason", "")),
    )


def _changed(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
