"""What MODEL_CARD.md says on the confidence of lesions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from MSLesionSegLib.bundle_schema import Calibration

_HEAD = """
## How sure

Each lesion gets a confidence, a calibrated probability that it is real (overlaps an annotated lesion), and is called
doubtful below {doubtful:g}. Fitted on:

{cases}

**That is {count} {patients}. It need not hold at another site; how little it holds on a patient that it was not fitted
on is told by the rows fitted on the other cases.** It says nothing about lesions that were missed. Masks and
probabilities are the network's own.

"""
_COLUMNS = (
    "| case | contrasts | fitted on | lesions | wrong | doubtful: wrong | others: wrong | real above wrong "
    "| ECE before | ECE after |\n|---|---|---|---|---|---|---|---|---|---|\n"
)
_LESIONS = (
    "| {case} | {contrasts} | {fitted_on} | {listed} | {wrong} | {doubtful}: {doubtful_wrong} | {rest}: {rest_wrong} "
    "| {ranked} | {ece_before:.3f} | {ece_after:.3f} |\n"
)
_BINS = """
Share of wrong lesions by confidence, all contrasts of each case, fitted on all cases ({shares}).

"Real above wrong" is how often a real lesion is surer than a wrong one (0.5 is chance). The expected calibration error
(ECE) of lesions is over 5 bins; "before" takes the mean probability for the confidence.
"""
_VOXELS = """
Voxels within 3 mm of the lesions, ECE over 15 bins with a temperature fitted on {fitted_on}: {figures}. {outcome}
"""
_KEPT = "The temperature fitted on all cases, {temperature:g}, is stored; the probability map stays the network's own."
_DROPPED = "It does not help cases that it was not fitted on, so none is stored."


def calibration_section(calibration: Calibration | None) -> str:
    """Markdown; empty without a calibration."""
    if calibration is None:
        return ""
    count = len(calibration.fitted_on)
    lesions = [row for row in calibration.figures if row["what"] == "lesions"]
    voxels = [row for row in calibration.figures if row["what"] == "voxels"]
    text = _HEAD.format(
        doubtful=calibration.lesions[0].doubtful_below,
        cases="\n".join(f"- {line}" for line in calibration.fitted_on),
        count=count,
        patients="patient" if count == 1 else "patients",
    )
    text += _COLUMNS + "".join(_LESIONS.format(**row, **_rest(row)) for row in lesions)
    text += _BINS.format(shares=_shares([row for row in lesions if row["fitted_on"].startswith("all")]))
    return text + _VOXELS.format(
        fitted_on=voxels[0]["fitted_on"],
        figures=", ".join(f"{row['case']} {row['ece_before']:.3f} to {row['ece_after']:.3f}" for row in voxels),
        outcome=_KEPT.format(temperature=calibration.voxel_temperature) if calibration.voxel_temperature else _DROPPED,
    )


def _rest(row: Mapping[str, Any]) -> dict[str, int | str]:
    ranked = row["real_above_wrong"]
    return {
        "rest": row["listed"] - row["doubtful"],
        "rest_wrong": row["wrong"] - row["doubtful_wrong"],
        "ranked": "" if ranked is None else f"{ranked:.3f}",
    }


def _shares(rows: list[dict[str, Any]]) -> str:
    """Wrong of listed in each bin of confidence, over the cases, with the contrasts that most were given."""
    fullest = max((row["contrasts"] for row in rows), key=lambda text: text.count("+"))
    chosen = [row for row in rows if row["contrasts"] == fullest]
    bins = len(chosen[0]["bins_listed"])
    totals = [
        [sum(row[key][place] for row in chosen) for place in range(bins)] for key in ("bins_wrong", "bins_listed")
    ]
    return ", ".join(
        f"{place / bins:.1f} to {(place + 1) / bins:.1f}: {wrong} of {listed}"
        for place, (wrong, listed) in enumerate(zip(*totals, strict=True))
    )
