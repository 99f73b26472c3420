"""Runs that were trained apart become one whose network averages their probabilities."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from made_up_set import add_case, add_split
from tiny_bundle import ARCHITECTURE

from MSLesionSegLib.bundle import load_bundle, verify_bundle
from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.networks import build_network
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegLib.runtime import load_network
from MSLesionSegTrainingLib.checkpoint import save_checkpoint
from MSLesionSegTrainingLib.cli import build_app
from MSLesionSegTrainingLib.joining import join_runs
from MSLesionSegTrainingLib.onnx_export import half_precision
from MSLesionSegTrainingLib.patches import PatchRecipe
from MSLesionSegTrainingLib.prepared_cache import PreparedCache
from MSLesionSegTrainingLib.run import DATA_FILE
from MSLesionSegTrainingLib.run_log import Epoch, write_epochs
from MSLesionSegTrainingLib.settings import SETTINGS_FILE, TrainSettings
from MSLesionSegTrainingLib.training_set import load_training_set


def call(*words: object) -> int:
    return run(build_app(), [str(word) for word in (*words, "--progress", "none")])


def network(seed: int) -> torch.nn.Module:
    """A network with batch statistics of its own, as if it had been trained."""
    torch.manual_seed(seed)
    built = build_network(ARCHITECTURE).train()
    torch.nn.init.normal_(built.logit.weight, std=2.0)
    built(torch.randn(2, 3, 32, 32, 32))
    return half_precision(built.eval())


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A data set and two runs on it, ``first`` and ``second``, that left out the same patient."""
    folder = tmp_path_factory.mktemp("joining")
    for number in (1, 2):
        add_case(folder / "set", f"sub-0{number}", number)
    add_split(folder / "set", sub_01="train", sub_02="validation")
    data = load_training_set(folder / "set", PreparedCache(folder / "set/derivatives/prepared"), None, SilentProgress())
    for seed, name in enumerate(("first", "second")):
        place = folder / name
        place.mkdir()
        settings = TrainSettings(architecture=ARCHITECTURE, recipe=PatchRecipe(patch=64), bf16=False)
        settings.save(place / SETTINGS_FILE)
        save_checkpoint(place, {"best": {}, "average": network(seed).state_dict(), "optimiser": {}})
        records = {
            "cases": [vars(record) for record in data.records],
            "sources": [f"the {name} data set"],
            "licence": "CC BY",
            "init_case_hashes": [str(seed) * 64],
        }
        (place / DATA_FILE).write_text(json.dumps(records), encoding="utf-8")
        write_epochs(place, [Epoch(1, 100 * (seed + 1), 0.5, 0.001, 0.1, 0.1, 0.1, 0.1, 0.5, 0.1, 60.0)])
    return folder


@pytest.fixture
def copied(root, tmp_path) -> Path:
    """Runs of this test alone."""
    shutil.copytree(root, tmp_path / "copy")
    return tmp_path / "copy"


def test_a_joined_run_is_released_and_gives_the_mean_of_the_probabilities(root, tmp_path, capsys):
    words = ("models", "join", root / "first", root / "second", "--dataset", root / "set", "--out", tmp_path / "both")
    assert call(*words) == 0, capsys.readouterr().err
    scored = json.loads((tmp_path / "both" / "scores.json").read_text("utf-8"))
    assert {row["case"] for row in scored} == {"sub-02"}
    assert (
        call(
            "models",
            "release",
            tmp_path / "both",
            "--name",
            "both",
            "--fold",
            tmp_path / "both",
            "--out",
            tmp_path / "bundle",
        )
        == 0
    )
    assert verify_bundle(tmp_path / "bundle") == []
    bundle = load_bundle(tmp_path / "bundle", kind="lesion")
    assert bundle.model.architecture["members"] == 2
    assert bundle.model.training.data == ["the first data set", "the second data set"]
    assert {"0" * 64, "1" * 64} < set(bundle.model.training.case_hashes)
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text("utf-8")
    assert (
        "one of less than\n  10 mm3 only where it reaches" in card and "runs of 300 steps with the same recipe" in card
    )
    assert "- 300 steps (2 networks together, whose probabilities are averaged) of 2 patches" in card
    window = torch.randn(1, 3, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        members = [torch.sigmoid(network(seed)(window)) for seed in (0, 1)]
        for runtime in ("torch", "openvino"):
            found = torch.sigmoid(load_network(bundle, runtime)(window))
            assert found.shape == window[:, :1].shape
            assert torch.allclose(found, (members[0] + members[1]) / 2, atol=1e-3)
    assert not torch.allclose(members[0], members[1], atol=1e-2)
    assert call("train", root / "set", "--out", tmp_path / "both", "--resume") == 2
    assert "was joined from other runs" in capsys.readouterr().err
    words = (
        "--init",
        tmp_path / "bundle",
        "--no-rehearse",
        "--epochs",
        1,
        "--epoch-steps",
        1,
        "--out",
        tmp_path / "on",
    )
    assert call("train", root / "set", *words) == 0, capsys.readouterr().err
    settings = json.loads((tmp_path / "on" / SETTINGS_FILE).read_text("utf-8"))
    assert settings["architecture"]["members"] == 2


def test_a_run_with_the_mean_of_the_weights_is_one_network_and_tells_how_the_runs_did(copied, tmp_path, capsys):
    root = copied
    row = {"case": "sub-02", "contrasts": "FLAIR+T1w+T2w", "flip": True, "threshold": 0.4, "dice": 0.5}
    row |= {"lesion_f1": 0.25, "lesion_recall": 0.2, "lesion_precision": 0.3, "truth_ml": 1.0}
    (root / "first" / "scores.json").write_text(json.dumps([row]), encoding="utf-8")
    runs = (root / "first", root / "second")
    told = join_runs(runs, root / "set", tmp_path / "one", SilentProgress(), weights=True)
    assert "; the runs themselves: Dice 0.500, lesion F1 0.250 at threshold 0.4. The joined run lies in " in told
    words = ("models", "release", tmp_path / "one", "--name", "one", "--fold", tmp_path / "one")
    assert call(*words, "--out", tmp_path / "bundle") == 0, capsys.readouterr().err
    bundle = load_bundle(tmp_path / "bundle", kind="lesion")
    assert "members" not in bundle.model.architecture and bundle.model.flip
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text("utf-8")
    assert "each averaged with its mirror image" in card
    assert "- 300 steps (2 runs together, whose weights are averaged) of 2 patches" in card
    first, second, mean = (one.state_dict() for one in (network(0), network(1), bundle.load_network()))
    assert len(mean) == len(first)
    for name, value in mean.items():
        if value.is_floating_point():
            assert torch.allclose(value, (first[name] + second[name]) / 2, atol=1e-3), name
    words = ("models", "join", "--weights", tmp_path / "one", root / "first", "--dataset", root / "set")
    assert call(*words, "--out", tmp_path / "again") == 2
    assert "one was joined already." in capsys.readouterr().err


def test_probabilities_of_almost_0_and_1_are_averaged_exactly():
    joined = build_network({**ARCHITECTURE, "members": 2})
    for member, level in zip(joined.members, (200.0, -200.0), strict=True):
        torch.nn.init.zeros_(member.logit.weight)
        torch.nn.init.constant_(member.logit.bias, level)
    with torch.inference_mode():
        assert torch.sigmoid(joined.eval()(torch.zeros(1, 3, 16, 16, 16))).unique().tolist() == [0.5]


def test_runs_that_do_not_belong_together_are_refused(copied, tmp_path, capsys):
    first, second, out = copied / "first", copied / "second", tmp_path / "both"

    def refused(*runs: Path) -> str:
        assert call("models", "join", *runs, "--dataset", copied / "set", "--out", out) == 2
        assert not out.exists()
        return capsys.readouterr().err

    assert "From 2 to 8 runs can be joined, not 1." in refused(first)
    assert call("models", "join", first, second, "--dataset", copied / "set", "--out", first) == 2
    assert "holds a run already" in capsys.readouterr().err
    settings = json.loads((second / SETTINGS_FILE).read_text("utf-8"))
    (second / SETTINGS_FILE).write_text(json.dumps({**settings, "leave_out": "sub-01"}), encoding="utf-8")
    assert "second has another leave-out than " in refused(first, second)
    (second / SETTINGS_FILE).write_text(json.dumps(settings), encoding="utf-8")
    data = json.loads((second / DATA_FILE).read_text("utf-8"))
    other = [{**case, "part": "train"} for case in data["cases"]]
    (second / DATA_FILE).write_text(json.dumps({**data, "cases": other}), encoding="utf-8")
    assert "sub-02 is train in " in refused(first, second)
    (second / DATA_FILE).write_text(json.dumps(data), encoding="utf-8")
    (second / "metrics.csv").unlink()
    assert "second did not come to the end of an epoch." in refused(first, second)
