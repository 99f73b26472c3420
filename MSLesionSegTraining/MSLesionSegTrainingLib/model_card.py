"""The text of a lesion bundle's MODEL_CARD.md."""

from __future__ import annotations

from typing import Any

from MSLesionSegLib.bundle_schema import ModelDescription
from MSLesionSegLib.lesions import SMALL_MM3, small_bar

from .calibration_card import calibration_section
from .validation import fullest_rows

_HEAD = """# {name} {version}

Finds white-matter lesions of multiple sclerosis on FLAIR, with T1w and T2w where given. **For research use only, not
for diagnosis.**

- Network: {architecture}, {millions:.2f} million weights; after Almaaz & Dardouri, J. Imaging 2025, 11(10), 361.
  `network.onnx` is the same network for faster runtimes.
- Input: {spacing:g} mm, normalisation `{normalisation}`, windows of {window} voxels a side{mirrored};
  FLAIR alone, +T1w, +T2w or all three.
- Default threshold {threshold:g}, smallest lesion {min_mm3:g} mm3, 26-connected; one of less than
  {small:g} mm3 only where it reaches {bar:g} somewhere.
- Created {created}.

## Training

{data}
- {start}
- {steps} steps{together} of {batch} patches of {patch} voxels a side; AdamW, peak learning rate {rate:g},
  cosine with warm-up; loss {loss}{deep}; running mean of the weights (decay {ema:g}).
- Patches: {sampler}. Into {painted:.0%} of the patches of real images, lesion shapes of other cases are painted with
  the intensities measured in real lesions; {tissue:.0%} are synthesised from tissue maps where there are any. Contrast,
  coil field, slice thickness, noise, brain edge and missing contrasts are varied at random.
"""

_FIGURES = """
## Figures on {whom}

{basis} A lesion is 26-connected and at least {min_mm3:g} mm3, matched by any overlap.

| case | load mL | contrasts | flip | threshold | Dice | lesion recall | lesion precision | lesion F1 | volume mL |
|---|---|---|---|---|---|---|---|---|---|
"""

_OF_FOLDS = """The rows come from runs of {fold_steps} steps with the same recipe{fold_start}, each without
anything of one patient (no image, no mask, no tissue map). They chose the threshold. The released weights come from a
run of {steps} steps of its own and have no figure here. **{count} cases are {few}.**"""

_OF_RUN = """The rows are of cases that this network was not trained on, but that chose its epoch and threshold, so they
flatter it a little. **{count} cases are {few}.**"""

_NO_FIGURES = """
## Figures

None: no case was kept aside to validate, and the threshold was set by hand.
"""

_ROW = (
    "| {case} | {truth_ml:.1f} | {contrasts} | {mirrored} | {threshold:g} | {dice:.3f} | {lesion_recall:.3f} "
    "| {lesion_precision:.3f} | {lesion_f1:.3f} | {volume_ml:.1f} |\n"
)

_LIMITS = """
## Limits

- It has seen the scanners and protocols of its training data alone; on others it may do worse. Look at every mask.
- Other bright lesions (vascular, tumour, after stroke) are not told apart from those of multiple sclerosis.
- SHA256SUMS catches damage, not malice.
"""

FEW_CASES = 20


def lesion_model_card(model: ModelDescription, rows: list[dict[str, Any]], parameters: int, *, folds: bool) -> str:
    """Markdown that says what the model is, what it was trained on, how it did, and its limits.

    Args:
        model: the description.
        rows: scores over thresholds, contrasts and flip (see ``final_scores``); those at the model's threshold, and
            those with all contrasts over the thresholds, become the table. May be empty.
        parameters: number of weights.
        folds: the scores are of other runs that left a patient out.
    """
    figures = _figures(model, rows, folds) if rows else _NO_FIGURES
    return _head(model, parameters) + figures + calibration_section(model.calibration) + _LIMITS


def _head(model: ModelDescription, parameters: int) -> str:
    recipe, patches = model.training.recipe, model.training.recipe["recipe"]
    facts = ", ".join(f"{key} {value}" for key, value in model.architecture.items() if key != "type")
    sampler = ", ".join(f"{key} {value:g}" for key, value in recipe["sampler"].items() if key != "name")
    members = model.architecture.get("members")
    init = recipe["init"]
    overlap = recipe["forced_overlap"]
    start = f"Started from {init['name']} {init['version']}." if init else "Started from random weights."
    if overlap:
        start += f" That model was trained on {', '.join(overlap)}, kept aside here: their figures mean little."
    return _HEAD.format(
        name=model.name,
        version=model.version,
        architecture=f"{model.architecture['type']}{f' ({facts})' if facts else ''}",
        millions=parameters / 1e6,
        spacing=model.spacing_mm,
        normalisation=model.normalisation,
        window=model.patch[0],
        mirrored=", each averaged with its mirror image" if model.flip else "",
        threshold=model.threshold,
        min_mm3=model.min_lesion_mm3,
        small=SMALL_MM3,
        bar=small_bar(model.threshold),
        created=model.created,
        data="\n".join(f"- {line}" for line in model.training.data),
        start=start,
        steps=recipe["steps"],
        together=_together(members, recipe["averaged"]),
        batch=recipe["batch"],
        patch=patches["patch"],
        rate=recipe["learning_rate"],
        loss=recipe["loss"],
        deep=" at several resolutions" if recipe["deep_supervision"] else "",
        ema=recipe["ema"],
        sampler=f"{recipe['sampler']['name']}{f' ({sampler})' if sampler else ''}",
        painted=patches["painted"],
        tissue=patches["tissue"],
    )


def _together(members: int | None, averaged: int) -> str:
    if members:
        return f" ({members} networks together, whose probabilities are averaged)"
    return f" ({averaged} runs together, whose weights are averaged)" if averaged else ""


def _figures(model: ModelDescription, rows: list[dict[str, Any]], folds: bool) -> str:
    recipe = model.training.recipe
    count = len({row["case"] for row in rows})
    few = "far too few to say how well it works" if count < FEW_CASES else "of the same sites as the training data"
    basis = (_OF_FOLDS if folds else _OF_RUN).format(
        steps=recipe["steps"],
        fold_steps=" and ".join(str(steps) for steps in dict.fromkeys(recipe["fold_steps"])),
        fold_start=" but from random weights" if recipe["init"] and not any(recipe["fold_inits"]) else "",
        count=count,
        few=few,
    )
    full = fullest_rows(rows)
    told = [row for row in rows if row["threshold"] == model.threshold or row in full]
    table = "".join(_ROW.format(mirrored="yes" if row["flip"] else "no", **row) for row in told)
    whom = "patients left out" if folds else "validation cases"
    return _FIGURES.format(whom=whom, basis=basis, min_mm3=model.min_lesion_mm3) + table
