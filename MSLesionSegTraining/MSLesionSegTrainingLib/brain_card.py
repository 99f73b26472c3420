"""The bundle of a trained brain network: description, weights, model card."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from MSLesionSegLib.brain_mask import NORMALISATION
from MSLesionSegLib.bundle import save_bundle
from MSLesionSegLib.bundle_schema import ModelDescription

from .brain_training import ARCHITECTURE

NAME, VERSION = "brain", "1.0"
DATA = [
    "Raw FLAIR, T1w and T2w series of 4 patients of the longitudinal Ljubljana MS data set: Lesjak Z., Pernus F., Likar"
    " B., Spiclin Z., Validation of White-Matter Lesion Change Detection Methods on a Novel Publicly Available MRI"
    " Image Database, Neuroinformatics 2016",
    "Tissue maps of 8 patients of the cross-sectional Ljubljana MS data set: Lesjak Z., Galimzianova A., Koren A.,"
    " Lukin M., Pernus F., Likar B., Spiclin Z., A Novel Public MR Image Dataset of Multiple Sclerosis Patients With"
    " Lesion Segmentations Based on Multi-rater Consensus, Neuroinformatics 2017, doi 10.1007/s12021-017-9348-7",
    "Synthetic heads drawn from implicit shapes, of no patient",
]
LICENCE = "CC BY (Laboratory of Imaging Technologies, University of Ljubljana)"

_CARD = """# Model card: {name} {version}

Finds the brain in an MR image of a whole head of any contrast, so that lesions are looked for in the brain only.
For research use only, not for diagnosis.

## Network

{type} with one input channel, widths {widths}, depths {depths}, {parameters} parameters; the whole head in one window
of {spacing:g} mm voxels, intensities normalised by `{normalisation}`, mirrored window averaged in. Its mask
is moved to the brain's edge in the image (`brain_refine.py`) unless the result disagrees with it; one piece, no holes.

## Training data

{data}

Licence of the data: {licence}. The reference brain masks of sub-03 (frontal poles, vertex and lower cerebellum
missing) and sub-19 (skull and scalp inside) are defective; after a part of the training the network's own masks took
their place.

## Recipe

`python -m MSLesionSegTrainingLib brain-train --data DIR --out BUNDLE --steps {steps} --seed {seed}`

Random contrast, bias field, slice thickness, noise, ghosts, field of view, rotation, stretching, bending and de-facing.

## Figures

Dice of the mask with the reference mask on each FLAIR's own grid; {scored}.

| image | Dice | mask, mL | reference, mL |
|---|---|---|---|
{scores}
{validation}
## Limits

Raw heads of four patients with multiple sclerosis, all de-faced, from one hospital's scanners, two of them with a sound
reference: the figures show that it works and say little about how well. No children, no operated heads, no tumours.
Created {created}.
"""


def save_brain_bundle(
    folder: Path,
    network: nn.Module,
    *,
    recipe: dict[str, Any],
    case_hashes: list[str],
    scores: list[dict[str, Any]],
    created: str,
    left_out_scores: Sequence[dict[str, Any]] = (),
    validation: str = "",
) -> Path:
    """Write the bundle of a brain network.

    Args:
        folder: where it is to lie; an earlier bundle there is replaced.
        network: trained, as ``ARCHITECTURE`` builds it.
        recipe: plain settings and what was done, with ``steps``, ``seed``, ``spacing_mm`` and ``left_out``.
        case_hashes: hashes of the FLAIR voxels that were trained on.
        scores: as ``head_scores`` gives them, of this network; the card's table.
        left_out_scores: of networks that did not see the patient; kept in ``model.json`` before the others.
        created: UTC, as 2026-01-31T12:00:00Z.
        validation: further text (Markdown) for the section of figures.
    """
    description = ModelDescription(
        format_version=1,
        kind="brain",
        name=NAME,
        version=VERSION,
        architecture=ARCHITECTURE,
        contrasts=["FLAIR"],
        spacing_mm=recipe["spacing_mm"],
        normalisation=NORMALISATION,
        threshold=0.5,
        min_lesion_mm3=0.0,
        patch=[48, 56, 48],
        flip=True,
        training={"data": DATA, "licence": LICENCE, "case_hashes": case_hashes, "recipe": recipe},
        scores=[*left_out_scores, *scores],
        created=created,
    )
    left_out = recipe["left_out"]
    card = _CARD.format(
        name=NAME,
        version=VERSION,
        type=ARCHITECTURE["type"],
        widths=ARCHITECTURE["widths"],
        depths=ARCHITECTURE["depths"],
        parameters=sum(p.numel() for p in network.parameters()),
        spacing=recipe["spacing_mm"],
        normalisation=NORMALISATION,
        data="\n".join(f"- {line}" for line in DATA),
        licence=LICENCE,
        steps=recipe["steps"],
        seed=recipe["seed"],
        scored=f"{left_out} was left out of the training" if left_out else "these patients were trained on",
        scores="\n".join(
            f"| {s['image']} | {s['dice']:.3f} | {s['volume_ml']} | {s['reference_ml']} |" for s in scores
        ),
        validation=f"\n{validation.strip()}\n" if validation else "",
        created=created,
    )
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return save_bundle(folder, description, weights, card, overwrite=True)
