"""The training commands: data set in, bundle out; and a mistake is answered with a sentence."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from MSLesionSegLib.bundle import load_bundle
from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.runtime import load_network
from MSLesionSegTrainingLib import batch_statistics
from MSLesionSegTrainingLib.canvases import Canvas, ShapeMask
from MSLesionSegTrainingLib.cli import build_app
from MSLesionSegTrainingLib.release import release_bundle
from MSLesionSegTrainingLib.training_set import CaseRecord, TrainingSet, load_training_set

WORDS = ["--preset", "small", "--epochs", "1", "--epoch-steps", "2", "--precision", "32", "--progress", "none"]


class SmallSet:
    """A data set whose made-up brains need no preparation.

    Attributes:
        folder: of the set.
        data: what loading it gives; may be replaced.
    """

    def __init__(self, folder: Path, canvas: Canvas, shapes: list[ShapeMask]) -> None:
        folder.mkdir()
        records = [CaseRecord("sub-01", "train", "a" * 64), CaseRecord("sub-02", "validation", "b" * 64)]
        self.folder = folder
        self.data = TrainingSet([canvas], shapes, [canvas], records, ["made-up: 1 annotated case"], "CC0")


@pytest.fixture(scope="module")
def patched():
    """Few patches for the statistics; data sets as `SmallSet` gives them."""
    sets: dict[Path, SmallSet] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "MSLesionSegTrainingLib.run.load_training_set",
            lambda folder, *others: sets[folder].data if folder in sets else load_training_set(folder, *others),
        )
        patch.setattr(batch_statistics, "STATISTICS_PATCHES", 4)
        yield sets


@pytest.fixture
def small_set(tmp_path, patched, study_canvas, shapes) -> SmallSet:
    made = SmallSet(tmp_path / "set", study_canvas, shapes)
    patched[made.folder] = made
    return made


@pytest.fixture(scope="module")
def finished(tmp_path_factory, patched, study_canvas, shapes) -> Path:
    """A finished run on a `SmallSet`, to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    patched[folder / "set"] = SmallSet(folder / "set", study_canvas, shapes)
    assert call("train", folder / "set", "--out", folder / "run", *WORDS) == 0
    return folder / "run"


@pytest.fixture
def a_run(tmp_path, finished) -> Path:
    """A finished run of this test alone."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def call(*words: object) -> int:
    return run(build_app(), [str(word) for word in words])


def test_a_run_becomes_a_bundle_that_both_runtimes_run_alike(tmp_path, small_set, a_run, capsys):
    assert {path.name for path in a_run.iterdir()} == {
        "checkpoint.pt",
        "curves.png",
        "data.json",
        "metrics.csv",
        "progress.jsonl",
        "scores.json",
        "settings.json",
        "tensorboard",
    }
    assert call("models", "release", a_run, "--name", "trial", "--version", "0.1") == 0
    assert f"The bundle lies in {tmp_path / 'run' / 'bundle'}" in capsys.readouterr().out
    bundle = load_bundle(tmp_path / "run" / "bundle", kind="lesion")
    assert bundle.model.training.case_hashes == ["a" * 64]
    assert bundle.model.training.recipe["steps"] == 2
    assert 0.3 <= bundle.model.threshold <= 0.7
    card = (tmp_path / "run" / "bundle" / "MODEL_CARD.md").read_text()
    assert "## Figures on validation cases" in card and "| study | 0.3 | FLAIR+T1w+T2w | no |" in card
    window = torch.randn(1, 3, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, other = (torch.sigmoid(load_network(bundle, name)(window)) for name in ("torch", "openvino"))
    assert torch.allclose(one, other, atol=1e-3)
    # The next run starts from it; a case that it knows may not validate.
    words = ["train", small_set.folder, "--out", tmp_path / "next", "--init", tmp_path / "run" / "bundle", *WORDS[2:]]
    assert call(*words, "--no-rehearse") == 0
    assert json.loads((tmp_path / "next" / "settings.json").read_text())["init"]["name"] == "trial"
    assert call("models", "release", tmp_path / "next") == 0
    assert load_bundle(tmp_path / "next" / "bundle").model.training.case_hashes == ["a" * 64]


def test_folds_choose_the_threshold_and_fill_the_card(tmp_path, finished):
    shutil.copytree(finished, tmp_path / "fold")
    rows = json.loads((tmp_path / "fold" / "scores.json").read_text())
    for row in rows:
        row["lesion_f1"] = 0.9 if row["threshold"] == 0.6 else 0.1
    (tmp_path / "fold" / "scores.json").write_text(json.dumps(rows))
    bundle = release_bundle(finished, tmp_path / "bundle", name="trial", version="0.1", folds=[tmp_path / "fold"])
    assert load_bundle(bundle).model.threshold == 0.6
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "## Figures on patients left out" in card and "runs of 2 steps with the same recipe, each without" in card


def test_the_card_says_that_the_folds_did_not_start_where_the_release_did(tmp_path, a_run, finished):
    settings = json.loads((a_run / "settings.json").read_text())
    settings["init"] = {"name": "ms-lesion", "version": "1.1", "sha256": "d" * 64}
    (a_run / "settings.json").write_text(json.dumps(settings))
    bundle = release_bundle(a_run, tmp_path / "bundle", name="trial", version="0.1", folds=[finished])
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "- Started from ms-lesion 1.1." in card
    assert "with the same recipe but from random weights, each without" in card


def test_a_resumed_run_keeps_its_settings_and_others_are_refused(small_set, a_run, capsys):
    words = ["train", small_set.folder, "--out", a_run]
    assert call(*words, *WORDS) == 2
    assert capsys.readouterr().err.endswith(
        f"Error: {a_run} holds a run already.\nGo on with --resume, or choose another folder with --out.\n"
    )
    assert call(*words, "--resume", "--progress", "none") == 0
    assert call(*words, "--resume", "--batch", "4", "--progress", "none") == 2
    assert f"Error: {a_run} was started with other settings than --batch says (2)." in capsys.readouterr().err


def test_a_run_does_not_go_on_with_other_cases(small_set, a_run, study_canvas, capsys):
    small_set.data = TrainingSet([study_canvas], [], [], [CaseRecord("sub-09", "train", "c" * 64)], ["x"], "CC0")
    assert call("train", small_set.folder, "--out", a_run, "--resume", "--progress", "none") == 2
    assert "The cases have changed since the run in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--epochs", "2", "--hours", "1"], "Both --epochs and --hours were given."),
        (["--init", "ms-lesion", "--preset", "b0"], "Both --preset and --init were given."),
        (["--preset", "huge"], "There is no preset 'huge'."),
        (["--resume"], "holds no checkpoint to go on from."),
    ],
)
def test_options_that_contradict_each_other_are_told(tmp_path, small_set, capsys, words, told):
    assert call("train", small_set.folder, "--out", tmp_path / "run", "--progress", "none", *words) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "run" / "settings.json").exists()


def test_a_data_set_without_cases_is_told(tmp_path, capsys):
    (tmp_path / "set").mkdir()
    assert call("train", tmp_path / "set", "--out", tmp_path / "run", "--progress", "none") == 3
    assert "holds no sub-*/anat/*_FLAIR" in capsys.readouterr().err


def test_a_data_set_that_is_not_there_is_told_and_not_made(tmp_path, capsys):
    assert call("train", tmp_path / "none", "--out", tmp_path / "run", "--progress", "none") == 3
    assert f"Error: There is no folder {tmp_path / 'none'}." in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_folder_that_is_no_run_is_not_released(tmp_path):
    with pytest.raises(UsageError, match=r"is no training run: it holds no settings\.json"):
        release_bundle(tmp_path, tmp_path / "bundle", name="trial", version="0.1", folds=[])
    assert not (tmp_path / "bundle").exists()


def test_a_run_without_validation_needs_a_threshold(tmp_path, small_set, study_canvas, capsys):
    small_set.data = TrainingSet([study_canvas], [], [], [CaseRecord("sub-01", "train", "a" * 64)], ["x"], "CC0")
    assert call("train", small_set.folder, "--out", tmp_path / "run", *WORDS) == 0
    assert call("models", "release", tmp_path / "run") == 2
    assert "holds no scores.json." in capsys.readouterr().err
    assert call("models", "release", tmp_path / "run", "--threshold", "0.4") == 0
    assert np.isclose(load_bundle(tmp_path / "run" / "bundle").model.threshold, 0.4)
    assert "None: no case was kept aside" in (tmp_path / "run" / "bundle" / "MODEL_CARD.md").read_text()
