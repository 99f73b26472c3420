"""What differs between two dates beside the patient: said to the reader, and the volume limits are widened by it."""

from __future__ import annotations

from ..quality import THICK_MM
from .dates import Date
from .lesion_contrast import LEAST_DIFFERENCE

#: Slices that differ by more than this are called different, mm.
SAME_THICKNESS_MM = 0.3
#: Volume limits are multiplied by this where model, contrasts or limits of the masks differ: chosen, not measured.
WIDENING = 1.5


def date_notes(baseline: Date, followup: Date) -> tuple[list[str], float]:
    """Sentences for the reader, and the factor by which volume limits are widened (1 or ``WIDENING``).

    Unlike slices and noise need no factor: the limits are measured on the pair itself.
    """
    masks = [*_models(baseline, followup), *_contrasts(baseline, followup), *_limits(baseline, followup)]
    notes = [*_thickness(baseline, followup), *masks]
    if masks:
        notes.append(f"Limits of noise on volumes were therefore taken {WIDENING:g} times as wide.")
    for name, date in (("baseline", baseline), ("follow-up", followup)):
        notes += [f"At {name}: {warning['message']}" for warning in date.record.get("quality", [])]
    return notes, WIDENING if masks else 1.0


def contrast_notes(difference: float) -> list[str]:
    """A sentence where lesions of both dates are brighter at one of them: follow-up minus baseline, in spreads."""
    if abs(difference) < LEAST_DIFFERENCE:
        return []
    brighter, other = ("follow-up", "baseline") if difference > 0 else ("baseline", "follow-up")
    return [
        f"Lesions that both dates show are brighter at {brighter} than at {other} by {abs(difference):.1f} spreads of "
        "normal tissue. This was taken for another contrast of the FLAIR and left out of the changes; if all lesions "
        "brightened or faded together, it is not listed."
    ]


def _thickness(baseline: Date, followup: Date) -> list[str]:
    first, second = (max(date.flair.GetSpacing()) for date in (baseline, followup))
    notes = []
    if abs(first - second) > SAME_THICKNESS_MM:
        notes.append(
            f"The slices lie {first:.1f} mm apart at baseline and {second:.1f} mm at follow-up: both were compared as "
            "coarsely as the thicker ones, and small changes may be missed or seem to be there."
        )
    if max(first, second) > THICK_MM:
        notes.append("Slices are thicker than recommended; small changes are less certain.")
    return notes


def _models(baseline: Date, followup: Date) -> list[str]:
    first, second = (date.record["models"].get("lesion", {}) for date in (baseline, followup))
    if first.get("sha256") == second.get("sha256"):
        return []
    names = [f"{model.get('name', 'another model')} {model.get('version', '')}".strip() for model in (first, second)]
    return [f"The dates were segmented by different models ({names[0]} and {names[1]}); segment both with one."]


def _contrasts(baseline: Date, followup: Date) -> list[str]:
    first, second = (date.record["contrasts"] for date in (baseline, followup))
    if first == second:
        return []
    one, other, common = (" + ".join(names) for names in (first, second, [name for name in first if name in second]))
    return [
        f"The dates were segmented from different contrasts ({one}; {other}), so volumes of whole lesions cannot be "
        f"compared; segment both from {common}."
    ]


def _limits(baseline: Date, followup: Date) -> list[str]:
    first, second = (date.record["settings"] for date in (baseline, followup))
    names = {"threshold": "threshold", "min_lesion_mm3": "smallest lesion (mm3)"}
    return [
        f"The {text} of the masks differs: {first[key]:g} at baseline, {second[key]:g} at follow-up."
        for key, text in names.items()
        if first[key] != second[key]
    ]
