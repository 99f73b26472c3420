"""Retraining the shipped model on one corrected case, at full size: up to an hour on two quiet cores."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.before_after_models import bundle_model, run_model
from MSLesionSegTrainingLib.canvases import Canvas
from MSLesionSegTrainingLib.case_loading import load_case, load_shapes, load_tissue
from MSLesionSegTrainingLib.cases import index_cases
from MSLesionSegTrainingLib.cli import build_app
from MSLesionSegTrainingLib.importers.import_set import import_set
from MSLesionSegTrainingLib.painted_patients import paint_patient
from MSLesionSegTrainingLib.painting import LesionLevels, measure_levels
from MSLesionSegTrainingLib.prepared_cache import PreparedCache
from MSLesionSegTrainingLib.split import write_split
from MSLesionSegTrainingLib.validation import validate

pytestmark = pytest.mark.acceptance

FAINT = LesionLevels(np.array([1.3, 0.0, 0.7]), np.diag([0.02, 0.01, 0.02]), np.array([0.15, 0.15, 0.15]))
"""Of a scanner that shows lesions faintly: little brighter on FLAIR than bright cortex."""
CORRECTED_BRAIN, OTHER_BRAINS = 2, (5, 0, 1, 3, 4, 6, 7)
"""Of the tissue maps: the corrected case's, and those of the others of its kind, each with lesion shapes of its own."""
PAINTED = 20


def call(*words: object) -> int:
    return run(build_app(), [str(word) for word in words])


def write_case(root: Path, patient: str, canvas: Canvas) -> None:
    """A painted patient as stripped images of 1 mm voxels with its mask."""
    brain = canvas.brain[0].numpy()
    for number, contrast in enumerate(("FLAIR", "T1w", "T2w")):
        values = (1000 + 100 * canvas.channels[number].float().numpy()).clip(1, 3000) * brain
        _write(values.astype(np.int16), root / patient / "anat" / f"{patient}_{contrast}.nii.gz")
    mask = root / "derivatives/annotations" / patient / "anat" / f"{patient}_label-lesion_mask.nii.gz"
    _write(canvas.lesion[0].numpy(), mask)


def _write(array: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))


def elsewhere_dice(model, canvases) -> float:
    rows = validate(model.network, canvases, model.patch[0], "cpu", flip=model.flip)
    return float(np.mean([row["dice"] for row in rows if row["threshold"] == model.threshold]))


def test_one_corrected_case_improves_others_of_its_kind_and_loses_nothing_elsewhere(tmp_path, data_dir):
    import_set("open_ms_data", data_dir / "cross-sectional", tmp_path / "public", SilentProgress())
    cache = PreparedCache(tmp_path / "prepared")
    root = tmp_path / "public/derivatives"
    tissue = [load_tissue(cache, folder) for folder in sorted((root / "tissue").glob("sub-*/anat"))]
    masks = sorted((root / "shapes").glob("sub-*/anat/*.nii.gz"))
    shapes = [shape for shape in (load_shapes(cache, path) for path in masks) if shape is not None]
    real = [load_case(cache, case)[0] for case in index_cases(tmp_path / "public")[0]]
    usual = measure_levels(real)
    order = sorted(range(len(shapes)), key=lambda number: abs(np.log(shapes[number].lesions.sizes.sum() / 15_000)))
    elsewhere = [
        paint_patient(np.random.default_rng(n), f"painted-{n}", tissue[n % len(tissue)], shapes[n], usual)
        for n in range(PAINTED)
    ]
    for number, brain in enumerate((CORRECTED_BRAIN, *OTHER_BRAINS), start=1):
        patient, shape = f"sub-{number:02d}", shapes[order[number - 1]]
        write_case(
            tmp_path / "own", patient, paint_patient(np.random.default_rng(50), patient, tissue[brain], shape, FAINT)
        )
    others = [f"sub-{number:02d}" for number in range(2, 2 + len(OTHER_BRAINS))]
    write_split(tmp_path / "own", {"sub-01": "train", **dict.fromkeys(others, "test")})
    words = ("--init", "shipped", "--epochs", 1, "--epoch-steps", 300, "--progress", "none")
    assert call("train", tmp_path / "own", "--out", tmp_path / "run", *words) == 0
    before = bundle_model("shipped")
    after = run_model(tmp_path / "run", before.threshold)
    assert call("models", "release", tmp_path / "run", "--threshold", before.threshold) == 0
    compared = ("--before", "shipped", "--after", tmp_path / "run/bundle", "--part", "test", "--out", tmp_path / "told")
    assert call("compare", tmp_path / "own", *compared, "--painted", 6, "--progress", "none") == 0
    told = json.loads((tmp_path / "told/before_after.json").read_text())
    cases = {case["name"]: case for case in told["cases"] if case["name"] in others}
    for name, case in cases.items():
        print(
            f"{name}: Dice {case['before']['dice']:.3f} to {case['after']['dice']:.3f}, "
            f"lesion F1 {case['before']['overlap_f1']:.3f} to {case['after']['overlap_f1']:.3f}"
        )
    forgotten = [elsewhere_dice(model, elsewhere) for model in (before, after)]
    print(f"{PAINTED} painted patients: Dice {forgotten[0]:.4f} to {forgotten[1]:.4f}; {told['verdict']['sentence']}")
    second = cases["sub-02"]
    assert sorted(cases) == others
    assert second["after"]["dice"] > second["before"]["dice"] + 0.02
    assert forgotten[1] > forgotten[0] - 0.01
    assert told["verdict"]["word"] == "better"
