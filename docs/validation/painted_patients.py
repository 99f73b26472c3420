"""``python docs/validation/painted_patients.py OPEN MODEL [MODEL ...]``: ten painted patients; see decision 7.

OPEN is made by ``mslesionseg import open_ms_data``; MODEL is a bundle's folder or "shipped". The first ten masks of the
set are painted into its tissue maps with the intensities of its annotated cases, which the models may have trained on.
Prints mean Dice and lesion F1 at each model's own threshold, and the Dice of every patient.
"""

import sys
from pathlib import Path

import numpy as np

from MSLesionSegTrainingLib.before_after_models import bundle_model
from MSLesionSegTrainingLib.case_loading import load_case, load_shapes, load_tissue
from MSLesionSegTrainingLib.cases import index_cases
from MSLesionSegTrainingLib.painted_patients import paint_patient
from MSLesionSegTrainingLib.painting import measure_levels
from MSLesionSegTrainingLib.prepared_cache import PreparedCache
from MSLesionSegTrainingLib.validation import validate

PATIENTS = 10


def painted(root: Path) -> list:
    """Ten canvases, patient n with the n-th mask and tissue map (these again from the first once they end)."""
    made = root / "derivatives"
    cache = PreparedCache(made / "prepared")
    tissue = [load_tissue(cache, folder) for folder in sorted((made / "tissue").glob("sub-*/anat"))]
    files = sorted((made / "shapes").glob("sub-*/anat/*.nii.gz"))
    shapes = [shape for shape in (load_shapes(cache, file) for file in files) if shape is not None]
    levels = measure_levels([load_case(cache, case)[0] for case in index_cases(root)[0]])
    return [
        paint_patient(np.random.default_rng(n), f"painted-{n}", tissue[n % len(tissue)], shapes[n], levels)
        for n in range(PATIENTS)
    ]


def main(root: Path, names: list[str]) -> None:
    """Score every model."""
    patients = painted(root)
    for name in names:
        model = bundle_model(name)
        rows = [
            row
            for row in validate(model.network, patients, model.patch[0], "cpu", flip=model.flip)
            if row["threshold"] == model.threshold
        ]
        dice = [row["dice"] for row in rows]
        f1 = np.mean([row["lesion_f1"] for row in rows])
        each = " ".join(f"{value:.2f}" for value in dice)
        print(f"{name}, threshold {model.threshold}: Dice {np.mean(dice):.3f}, lesion F1 {f1:.3f} ({each})", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
