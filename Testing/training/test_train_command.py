"""The training commands answer a mistake with a sentence, and a run becomes a bundle."""

import json

import numpy as np
import pytest
import torch

from MSLesionSegLib.bundle import load_bundle
from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegLib.runtime import load_network
from MSLesionSegTrainingLib.open_ms_data import labelled_patients
from MSLesionSegTrainingLib.painting import LesionLevels
from MSLesionSegTrainingLib.patches import PatchDataset, PatchRecipe
from MSLesionSegTrainingLib.release import release_bundle
from MSLesionSegTrainingLib.settings import TrainSettings
from MSLesionSegTrainingLib.train import train


def test_a_folder_without_studies_is_named(tmp_path):
    with pytest.raises(StudyError, match="holds no cross-sectional/sub-") as caught:
        labelled_patients(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint == "docs/scientist.md shows how the folder is laid out."


def test_a_folder_that_is_no_run_is_not_released(tmp_path):
    with pytest.raises(UsageError, match="is no training run: it holds no settings.json"):
        release_bundle(tmp_path, tmp_path, tmp_path / "bundle", name="trial", version="0.1", folds=[tmp_path])
    assert not (tmp_path / "bundle").exists()


def test_the_labelled_patients_are_found(data_dir):
    assert labelled_patients(data_dir) == ["sub-07", "sub-19"]


def test_a_run_becomes_a_bundle_that_both_runtimes_run_alike(tmp_path, data_dir, study_canvas, pool):
    levels = LesionLevels(np.array([2.0, -0.5, 1.5]), np.diag([0.01] * 3), np.array([0.1, 0.1, 0.1]))
    small = {"type": "efficientnet3d_unet", "widths": [8, 8, 8, 8, 8], "depths": [1, 1, 1, 1], "norm": "batch"}
    settings = TrainSettings(architecture=small, recipe=PatchRecipe(patch=32), steps=2)
    patches = PatchDataset([study_canvas], pool, levels, settings.recipe, 0, 4)
    train(settings, patches, tmp_path / "run", SilentProgress())
    scores = {"lesion_recall": 0.5, "lesion_precision": 0.5, "volume_ml": 9.0, "truth_ml": 10.0, "patient": "sub-07"}
    scores |= {"contrasts": "FLAIR+T1w+T2w", "flip": False, "threshold": 0.6, "dice": 0.7, "lesion_f1": 0.5}
    (tmp_path / "run" / "scores.json").write_text(json.dumps([scores]))
    folder = release_bundle(
        tmp_path / "run", data_dir, tmp_path / "bundle", name="trial", version="0.1", folds=[tmp_path / "run"]
    )
    bundle = load_bundle(folder, kind="lesion")
    assert bundle.model.threshold == 0.6 and len(bundle.model.training.case_hashes) == 2
    window = torch.randn(1, 3, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, other = (torch.sigmoid(load_network(bundle, name)(window)) for name in ("torch", "openvino"))
    assert torch.allclose(one, other, atol=1e-3)
