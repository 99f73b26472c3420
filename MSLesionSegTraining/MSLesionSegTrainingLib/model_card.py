"""The text of a lesion bundle's MODEL_CARD.md."""

from __future__ import annotations

from typing import Any

from MSLesionSegLib.bundle_schema import ModelDescription

_HEAD = """# {name} {version}

Finds white-matter lesions of multiple sclerosis on FLAIR, with T1w and T2w where given. **For research use only, not
for diagnosis.**

- Network: {type}, widths {widths}, depths {depths}, {millions:.2f} million weights; after Almaaz & Dardouri,
  J. Imaging 2025, 11(10), 361. `network.onnx` is the same network for faster runtimes.
- Input: {spacing:g} mm, normalisation `{normalisation}`, windows of {window} voxels a side; FLAIR alone, +T1w, +T2w or
  all three.
- Default threshold {threshold:g}, smallest lesion {min_mm3:g} mm3, 26-connected.
- Created {created}.

## Training

{data}
- Licence: {licence}.
- {steps} steps of {batch} patches of {patch} voxels a side; AdamW, peak learning rate {rate:g}, cosine with warm-up;
  Dice + cross-entropy; running mean of the weights (decay {ema:g}).
- {lesion:.0%} of the patches lie near a lesion drawn with probability proportional to its size to the power {power:g},
  {hard:.0%} on bright voxels without lesion, the rest anywhere in the brain. Into {painted:.0%} of the patches of real
  images, shapes from the masks of other patients are painted with the intensities measured in real lesions;
  {tissue:.0%} of the patches are synthesised from tissue maps. Contrast, coil field, slice thickness, noise, brain edge
  and missing contrasts are varied at random.

## Figures on patients left out

The rows come from runs of {fold_steps} steps, each without anything of one patient (no image, no mask, no tissue
map; only the mean tissue levels of synthesised patches are constants read from both). The released weights were trained
on both patients for {steps} steps, so they have no figure of their own here. **Two patients, and runs shorter than the
released one, are far too little to say how well it works.** A lesion is 26-connected and at least 3 mm3, matched by any
overlap.

| patient | load mL | contrasts | flip | threshold | Dice | lesion recall | lesion precision | lesion F1 | volume mL |
|---|---|---|---|---|---|---|---|---|---|
"""

_ROW = (
    "| {patient} | {truth_ml:.1f} | {contrasts} | {mirrored} | {threshold:g} | {dice:.3f} | {lesion_recall:.3f} "
    "| {lesion_precision:.3f} | {lesion_f1:.3f} | {volume_ml:.1f} |\n"
)

_LIMITS = """
## Limits

- Images of one hospital; lesions of the spinal cord, the optic nerve and the cortex were not annotated.
- In the rows above one real brain was trained on. In a brain with little load such a network still marks bright cortex
  and tissue around the ventricles; in one with much it misses small faint lesions. The released weights saw two real
  brains; how they do on a third is not known from here. Look at every mask.
- Other bright lesions (vascular, tumour, after stroke) are not told apart from those of multiple sclerosis.
- SHA256SUMS catches damage, not malice.
"""


def lesion_model_card(model: ModelDescription, rows: list[dict[str, Any]], parameters: int) -> str:
    """Markdown that says what the model is, what it was trained on, how it did on patients left out, and its limits.

    Args:
        model: the description.
        rows: scores of the left-out patients over thresholds, contrasts and flip; those at the model's threshold, and
            those with all contrasts over the thresholds, become the table.
        parameters: number of weights.
    """
    recipe, patches = model.training.recipe, model.training.recipe["recipe"]
    head = _HEAD.format(
        name=model.name,
        version=model.version,
        type=model.architecture["type"],
        widths=model.architecture["widths"],
        depths=model.architecture["depths"],
        millions=parameters / 1e6,
        spacing=model.spacing_mm,
        normalisation=model.normalisation,
        window=model.patch[0],
        threshold=model.threshold,
        min_mm3=model.min_lesion_mm3,
        created=model.created,
        data="\n".join(f"- {line}" for line in model.training.data),
        licence=model.training.licence,
        steps=recipe["steps"],
        batch=recipe["batch"],
        patch=patches["patch"],
        rate=recipe["learning_rate"],
        ema=recipe["ema"],
        lesion=patches["lesion"],
        power=patches["size_exponent"],
        hard=patches["hard"],
        painted=patches["painted"],
        tissue=patches["tissue"],
        fold_steps=" and ".join(str(steps) for steps in recipe["fold_steps"]),
    )
    told = [
        row
        for row in rows
        if row["threshold"] == model.threshold or (row["contrasts"] == "FLAIR+T1w+T2w" and not row["flip"])
    ]
    return head + "".join(_ROW.format(mirrored="yes" if row["flip"] else "no", **row) for row in told) + _LIMITS
