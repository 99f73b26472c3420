"""A model learns how sure it may be from patients left out: known answers, and a bundle through the command."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from made_up_set import add_case, add_split
from tiny_bundle import ARCHITECTURE
from torch import nn

from MSLesionSegLib.bundle import load_bundle, verify_bundle
from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.networks import build_network
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.calibration import (
    CalibrationCase,
    ListedLesion,
    calibrate,
    fit_logistic,
    fit_temperature,
)
from MSLesionSegTrainingLib.calibration_card import calibration_section
from MSLesionSegTrainingLib.calibration_cases import left_out_cases
from MSLesionSegTrainingLib.canvases import Canvas
from MSLesionSegTrainingLib.checkpoint import save_checkpoint
from MSLesionSegTrainingLib.cli import build_app
from MSLesionSegTrainingLib.patches import PatchRecipe
from MSLesionSegTrainingLib.prepared_cache import PreparedCache
from MSLesionSegTrainingLib.run import DATA_FILE
from MSLesionSegTrainingLib.run_log import Epoch, write_epochs
from MSLesionSegTrainingLib.settings import SETTINGS_FILE, TrainSettings
from MSLesionSegTrainingLib.training_set import load_training_set
from MSLesionSegTrainingLib.validation import SCORES_FILE

FULL, ALONE = ("FLAIR", "T1w", "T2w"), ("FLAIR",)
LISTED = 1500


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def case(name: str, seed: int, *, temperature: float = 1.0, choices=(FULL,), shift: float = 0.0) -> CalibrationCase:
    """Lesions that are real as often as 1 / (1 + exp(-(shift + logit of the evidence - 2 edge))) says."""
    rng = np.random.default_rng(seed)
    evidence, edge = rng.uniform(0.02, 0.98, LISTED), rng.random(LISTED) < 0.3
    real = rng.random(LISTED) < sigmoid(shift + np.log(evidence / (1 - evidence)) - 2 * edge)
    lesions = [
        ListedLesion({"evidence": float(value), "edge": float(near)}, 0.9, bool(true))
        for value, near, true in zip(evidence, edge, real, strict=True)
    ]
    logits = rng.normal(0, 3, 20000)
    return CalibrationCase(
        name,
        "a network",
        dict.fromkeys(choices, lesions),
        sigmoid(logits),
        rng.random(20000) < sigmoid(logits / temperature),
    )


def test_the_regression_finds_the_weights_that_made_the_data():
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.normal(0, 2, 20000), rng.random(20000) < 0.3]).astype(float)
    real = rng.random(20000) < sigmoid(0.5 + values @ [1.0, -2.0])
    intercept, weights = fit_logistic(values, real, np.ones(20000))
    assert [intercept, *weights] == pytest.approx([0.5, 1.0, -2.0], abs=0.1)


def test_lesions_that_a_feature_parts_perfectly_get_a_finite_weight():
    values = np.repeat([[0.0], [1.0]], 10, axis=0)
    _, (weight,) = fit_logistic(values, values[:, 0] > 0, np.ones(20))
    assert 1 < weight < 10


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_the_voxels_is_found(temperature):
    voxels = case("sub-01", 3, temperature=temperature)
    assert fit_temperature(voxels.probability, voxels.lesion, np.ones(20000)) == pytest.approx(temperature, rel=0.05)


def test_each_case_is_measured_by_a_fit_on_all_and_by_one_on_the_others():
    found = calibrate([case("sub-01", 1, temperature=2.5), case("sub-02", 2, temperature=2.5)])
    rows = [row for row in found.figures if row["what"] == "lesions"]
    assert [(row["case"], row["fitted_on"]) for row in rows] == [
        (name, fitted) for name in ("sub-01", "sub-02") for fitted in ("all cases, this one too", "the other cases")
    ]
    assert all(row["ece_after"] < 0.1 < row["ece_before"] for row in rows)
    assert all(sum(row["bins_listed"]) == row["listed"] == LISTED for row in rows)
    assert all(sum(row["bins_wrong"]) == row["wrong"] for row in rows)
    for row in rows:  # doubtful ones are wrong far more often
        assert row["doubtful_wrong"] / row["doubtful"] > 2 * (row["wrong"] - row["doubtful_wrong"]) / (
            LISTED - row["doubtful"]
        )
    assert found.lesions[0].weights == pytest.approx({"evidence": 1.0, "edge": -2.0}, abs=0.4)
    assert found.voxel_temperature == pytest.approx(2.5, rel=0.1)


def test_a_temperature_that_does_not_help_the_patients_left_out_is_dropped():
    found = calibrate([case("sub-01", 1, temperature=0.4), case("sub-02", 2, temperature=3.0)])
    assert found.voxel_temperature is None
    voxels = [row for row in found.figures if row["what"] == "voxels"]
    assert all(row["ece_after"] > row["ece_before"] for row in voxels)
    assert "none is stored" in calibration_section(found)


def test_every_choice_of_contrasts_has_its_own_fit_and_each_patient_counts_the_same():
    many, few = case("sub-01", 1, choices=(FULL, ALONE), shift=1.5), case("sub-02", 2, shift=-1.5)
    few = CalibrationCase(few.name, few.network, {FULL: few.lesions[FULL][:30]}, few.probability, few.lesion)
    found = calibrate([many, few])
    assert [(rule.contrasts, rule.left_out) for rule in found.lesions] == [(list(FULL), "T2w"), (["FLAIR"], "")]
    assert found.lesions[0].intercept == pytest.approx(0.0, abs=0.6)
    assert found.lesions[1].intercept == pytest.approx(1.5, abs=0.6)


def test_lesions_that_are_all_real_fit_nothing():
    sure = case("sub-01", 1)
    lesions = {FULL: [ListedLesion(one.features, 0.9, True) for one in sure.lesions[FULL]]}
    with pytest.raises(UsageError, match="hold no lesion that is wrong"):
        calibrate([CalibrationCase("sub-01", "a network", lesions, sure.probability, sure.lesion)])


def test_the_card_names_the_patients_the_limits_and_the_errors_by_confidence():
    text = calibration_section(calibrate([case("sub-01", 1), case("sub-02", 2)]))
    assert "- sub-01: 1500 lesions listed on FLAIR + T1w + T2w" in text
    assert "It need not hold at another site" in text
    assert "0.8 to 1.0: " in text and "| sub-02 | FLAIR+T1w+T2w | the other cases |" in text


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """A patient who trains and two who validate, of each of whom a lesion is not annotated, so that it is wrong."""
    root = tmp_path_factory.mktemp("calibration") / "set"
    for number in (1, 2, 3):
        add_case(root, f"sub-0{number}", number)
    add_split(root, sub_01="train", sub_02="validation", sub_03="validation")
    for patient in ("sub-02", "sub-03"):
        path = root / f"derivatives/annotations/{patient}/anat/{patient}_label-lesion_mask.nii.gz"
        components = sitk.ConnectedComponent(sitk.ReadImage(str(path)), True)
        sitk.WriteImage(sitk.Cast(components > 1, sitk.sitkUInt8), str(path))
    return root


@pytest.fixture(scope="module")
def trained(dataset) -> Path:
    """A run folder as a training leaves it, with a network that has learned in seconds to find what is bright."""
    folder = dataset.with_name("run")
    folder.mkdir()
    data = load_training_set(dataset, PreparedCache(dataset / "derivatives/prepared"), None, SilentProgress())
    TrainSettings(architecture=ARCHITECTURE, recipe=PatchRecipe(patch=128), bf16=False).save(folder / SETTINGS_FILE)
    save_checkpoint(folder, {"best": {}, "average": what_is_bright(data.canvases[0]).state_dict()})
    records = {
        "cases": [vars(record) for record in data.records],
        "sources": data.sources,
        "licence": data.licence,
        "init_case_hashes": [],
    }
    (folder / DATA_FILE).write_text(json.dumps(records), encoding="utf-8")
    (folder / SCORES_FILE).write_text("[]", encoding="utf-8")
    return folder


def what_is_bright(canvas: Canvas) -> nn.Module:
    torch.manual_seed(0)
    network = build_network(ARCHITECTURE)
    optimiser = torch.optim.Adam(network.parameters(), 0.01)
    z, y, x = (int(place) for place in np.argwhere(canvas.lesion[0].numpy()).mean(0))
    part = tuple(slice(place - 16, place + 16) for place in (z, y, x))
    images, target = (
        canvas.channels[(slice(None), *part)].float()[None],
        canvas.lesion[(slice(None), *part)].float()[None],
    )
    for _ in range(30):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(network(images), target).backward()
        optimiser.step()
    return network


def call(*words: object) -> int:
    return run(build_app(), [str(word) for word in (*words, "--progress", "none")])


def test_a_bundle_is_calibrated_by_the_command_and_its_weights_stay(dataset, trained, tmp_path, capsys):
    released = ("models", "release", trained, "--name", "trial", "--threshold", 0.5, "--out", tmp_path / "before")
    assert call(*released) == 0, capsys.readouterr().err
    words = ("models", "calibrate", tmp_path / "before", dataset, "--fold", trained, "--version", "1.1")
    assert call(*words, "--out", tmp_path / "after") == 0, capsys.readouterr().err
    before, after = tmp_path / "before", load_bundle(tmp_path / "after")
    assert verify_bundle(tmp_path / "after") == []
    for name in ("weights.safetensors", "network.onnx"):
        assert (tmp_path / "after" / name).read_bytes() == (before / name).read_bytes()
    (rule,) = after.model.calibration.lesions
    assert (rule.contrasts, rule.left_out) == (["FLAIR"], "")
    assert [line.split(" (")[0] for line in after.model.calibration.fitted_on] == [
        "sub-02: 3 lesions listed on FLAIR, 2 of them real",
        "sub-03: 3 lesions listed on FLAIR, 2 of them real",
    ]
    card = (tmp_path / "after" / "MODEL_CARD.md").read_text("utf-8")
    assert card.startswith("# trial 1.1") and "## How sure" in card and "- sub-02: 3 lesions listed" in card
    unchanged = load_bundle(before).model.model_dump(exclude={"version", "calibration", "created"})
    assert after.model.model_dump(exclude={"version", "calibration", "created"}) == unchanged


def test_joined_runs_calibrate_as_any_run_does(dataset, trained, tmp_path, capsys):
    for name in ("one", "two"):
        shutil.copytree(trained, tmp_path / name)
        write_epochs(tmp_path / name, [Epoch(1, 30, 0.5, 0.01, None, None, None, None, None, None, 1.0)])
    words = ("models", "join", tmp_path / "one", tmp_path / "two", "--dataset", dataset, "--out", tmp_path / "both")
    assert call(*words) == 0, capsys.readouterr().err
    released = (
        "models",
        "release",
        tmp_path / "both",
        "--name",
        "both",
        "--threshold",
        0.5,
        "--out",
        tmp_path / "before",
    )
    assert call(*released) == 0, capsys.readouterr().err
    words = ("models", "calibrate", tmp_path / "before", dataset, "--fold", tmp_path / "both", "--version", "1.1")
    assert call(*words, "--out", tmp_path / "after") == 0, capsys.readouterr().err
    assert load_bundle(tmp_path / "after").model.calibration.fitted_on[0] == (
        "sub-02: 3 lesions listed on FLAIR, 2 of them real (network of 60 steps that was not trained on this patient)"
    )


def test_a_run_that_kept_nobody_aside_or_another_data_set_is_refused(dataset, trained, tmp_path):
    records = json.loads((trained / DATA_FILE).read_text("utf-8"))
    for record in records["cases"]:
        record["flair_sha256"] = "0" * 64
    (tmp_path / DATA_FILE).write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(UsageError, match="is not the same patient in"):
        left_out_cases(tmp_path, dataset, SilentProgress())
    records["cases"] = records["cases"][:0]
    (tmp_path / DATA_FILE).write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(UsageError, match="No case validated in"):
        left_out_cases(tmp_path, dataset, SilentProgress())
    with pytest.raises(UsageError, match="is no run that can be read"):
        left_out_cases(tmp_path / "nowhere", dataset, SilentProgress())
