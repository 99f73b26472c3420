"""The text of a lesion bundle's MODEL_CARD.md."""

from __future__ import annotations

from typing import Any

from MSLesionSegLib.bundle_schema import ModelDescription


def lesion_model_card(model: ModelDescription, rows: list[dict[str, Any]], parameters: int) -> str:
    """Markdown that says what the model is, what it was trained on, how it did on patients left out, and its limits.

    Args:
        model: the description.
        rows: scores of the left-out patients over thresholds, contrasts and flip.
        parameters: number of weights.
    """
    recipe = model.training.recipe
    patch = recipe["recipe"]
    head = f"""# {model.name} {model.version}

Finds white-matter lesions of multiple sclerosis on FLAIR, with T1w and T2w where given. **For research use only, not
for diagnosis.**

- Network: {model.architecture["type"]}, widths {model.architecture["widths"]}, depths {model.architecture["depths"]},
  {parameters / 1e6:.2f} million weights; after Almaaz & Dardouri, J. Imaging 2025, 11(10), 361.
- Input: {model.spacing_mm:g} mm, normalisation `{model.normalisation}`, windows of {model.patch[0]} voxels a side; FLAIR alone,
  +T1w, +T2w or all three.
- Default threshold {model.threshold:g}, smallest lesion {model.min_lesion_mm3:g} mm3, 26-connected.
- Created {model.created}.

## Training

{chr(10).join("- " + line for line in model.training.data)}
- Licence: {model.training.licence}.
- {recipe["steps"]} steps of {recipe["batch"]} patches of {patch["patch"]} voxels a side; AdamW, peak learning rate
  {recipe["learning_rate"]:g}, cosine with warm-up; Dice + cross-entropy; running mean of the weights (decay {recipe["ema"]:g}).
- {patch["lesion"]:.0%} of the patches lie near a lesion drawn with probability proportional to its size to the power
  {patch["size_exponent"]:g}, {patch["hard"]:.0%} on bright voxels without lesion, the rest anywhere in the brain. Into {patch["painted"]:.0%} of the
  patches of real images, shapes from the masks of other patients are painted with the intensities measured in real
  lesions; {patch["tissue"]:.0%} of the patches are synthesised from tissue maps. Contrast, coil field, slice thickness, noise,
  brain edge and missing contrasts are varied at random.

## Figures on patients left out

Each row comes from a run of {" and ".join(str(s) for s in recipe["fold_steps"])} steps that saw nothing of that patient (no image, no mask, no tissue map;
the tissue levels of synthesised patches are constants read from both patients). The released weights were trained on
both patients, so they have no figure of their own here. **Two patients show that the model works and are far too few
to say how well.** A lesion is 26-connected and at least 3 mm3, matched by any overlap.

| patient | load mL | contrasts | flip | threshold | Dice | lesion recall | lesion precision | lesion F1 | volume mL |
|---|---|---|---|---|---|---|---|---|---|
"""
    lines = [
        f"| {r['patient']} | {r['truth_ml']:.1f} | {r['contrasts']} | {'yes' if r['flip'] else 'no'} | {r['threshold']:g} "
        f"| {r['dice']:.3f} | {r['lesion_recall']:.3f} | {r['lesion_precision']:.3f} | {r['lesion_f1']:.3f} | {r['volume_ml']:.1f} |"
        for r in rows
        if r["threshold"] == model.threshold or (r["contrasts"] == "FLAIR+T1w+T2w" and not r["flip"])
    ]
    tail = """
## Limits

- Images of one hospital and one scanner; lesions of the spinal cord, the optic nerve and the cortex were not annotated.
- Small lesions are missed most often, bright cortex and the rim of the brain are marked falsely most often.
- Other bright lesions (vascular, tumour, after stroke) are not told apart from those of multiple sclerosis.
- SHA256SUMS catches damage, not malice.
"""
    return head + "\n".join(lines) + "\n" + tail
