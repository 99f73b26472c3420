"""The columns of ``cases.csv``, in order: name, meaning, decimals."""

from __future__ import annotations

from dataclasses import dataclass

from MSLesionSegLib.location import LOCATIONS

from .policy import RULES, Policy


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: in the CSV file and in ``summary.json``.
        meaning: for a reader, with the unit.
        decimals: None for text and counts.
        score: whether the cohort's mean and median are taken.
        main: whether it stands in the short table of the page.
    """

    name: str
    meaning: str
    decimals: int | None = 4
    score: bool = True
    main: bool = False


def columns(policy: Policy) -> list[Column]:
    """All columns under a policy."""
    return [
        Column("case", "name of the case", None, score=False),
        Column("patient", "whose case it is", None, score=False),
        Column("load_ml", "lesion load: annotated volume, mL", main=True),
        Column("predicted_ml", "predicted volume, mL"),
        Column("volume_error_ml", "predicted - annotated volume, mL", main=True),
        Column("volume_error_abs_ml", "absolute volume error, mL", main=True),
        Column("dice", "Dice", main=True),
        Column("precision", "voxel precision", main=True),
        Column("recall", "voxel recall", main=True),
        Column("specificity", "voxel specificity in the brain", 6, main=True),
        Column("accuracy", "voxel accuracy in the brain", 6, main=True),
        Column("ndsc", f"Dice normalised to a load of {policy.ndsc_r:g}", main=True),
        Column("hd95_mm", f"Hausdorff distance, {policy.hd_percentile:g}th percentile, mm", main=True),
        Column("assd_mm", "average symmetric surface distance, mm", main=True),
        Column("nsd", f"surface Dice at {policy.nsd_mm:g} mm", main=True),
        Column("lesions", "annotated lesions", None),
        Column("lesions_predicted", "predicted lesions", None),
        *(
            Column(f"{rule}_{score}", f"lesion {text}, {_rule_text(rule, policy)}", main=True)
            for rule in RULES
            for score, text in (("recall", "recall"), ("precision", "precision"), ("f1", "F1"))
        ),
        Column("missed", "annotated lesions without overlap", None, main=True),
        Column("false_positives", "predicted lesions without overlap", None, main=True),
        Column("false_positive_ml", "volume of these false positives, mL", main=True),
        Column("split", "annotated lesions under two or more predicted ones", None),
        Column("merged", "predicted lesions over two or more annotated ones", None),
        *(
            column
            for number, size in enumerate(policy.size_names())
            for column in (
                Column(f"lesions_size{number + 1}", f"annotated lesions of {size} mm3", None, score=False),
                Column(f"recall_size{number + 1}", f"recall of lesions of {size} mm3, any overlap", score=False),
            )
        ),
        *(
            column
            for place in LOCATIONS
            for column in (
                Column(f"lesions_{_name(place)}", f"annotated {place} lesions", None, score=False),
                Column(f"recall_{_name(place)}", f"recall of {place} lesions, any overlap", score=False),
            )
        ),
        Column("ece", "expected calibration error near lesions", main=True),
        Column("brier", "Brier score near lesions", main=True),
        Column("notes", "what was done to bring the two masks together", None, score=False),
    ]


def location_values(found: dict[str, tuple[int, int]]) -> dict[str, int | float | None]:
    """The columns of recall by location.

    Args:
        found: location -> annotated lesions there, and how many of them were found; empty where it is not known.
    """
    values: dict[str, int | float | None] = {}
    for place, (lesions, hits) in found.items():
        values[f"lesions_{_name(place)}"] = lesions
        values[f"recall_{_name(place)}"] = hits / lesions if lesions else None
    return values


def _name(place: str) -> str:
    return place.replace(" ", "_")


def _rule_text(rule: str, policy: Policy) -> str:
    return f"IoU >= {policy.iou:g}" if rule == "iou25" else RULES[rule]
