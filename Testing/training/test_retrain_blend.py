"""Mixed weights: which share of the new ones is kept, and that a run keeps it once."""

import copy
import json

import pytest
import torch

from MSLesionSegLib.networks import build_network
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib import rehearsal, retrain_blend
from MSLesionSegTrainingLib.checkpoint import load_checkpoint, save_checkpoint
from MSLesionSegTrainingLib.prepared_cache import PreparedCache
from MSLesionSegTrainingLib.retrain_blend import BlendStep, blended, chosen_share, keep_what_was_known
from MSLesionSegTrainingLib.start_weights import Start

ARCHITECTURE = {"type": "efficientnet3d_unet", "widths": [8] * 5, "depths": [1] * 4, "norm": "batch"}
BEFORE = BlendStep(0.0, 0.800, None)


def network(seed: int):
    torch.manual_seed(seed)
    return build_network(ARCHITECTURE).eval()


def test_a_quarter_of_the_new_weights_lies_a_quarter_of_the_way():
    before, after = network(0), network(1)
    mixed = blended(before, copy.deepcopy(after), 0.25).state_dict()
    for name, value in before.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(mixed[name], 0.75 * value + 0.25 * after.state_dict()[name], atol=1e-6), name


@pytest.mark.parametrize(
    ("tried", "share"),
    [
        ([(1.0, 0.700), (0.5, 0.796), (0.25, 0.801)], 0.5),
        ([(1.0, 0.796), (0.5, 0.796)], 1.0),
        ([(1.0, 0.5), (0.5, 0.6), (0.25, 0.7)], 0.25),
    ],
    ids=["the largest that loses little", "all of them", "the smallest where all lose much"],
)
def test_without_validation_what_is_not_lost_decides(tried, share):
    assert chosen_share([BEFORE, *(BlendStep(part, dice, None) for part, dice in tried)]) == share


def test_with_validation_the_best_of_those_that_lose_little_is_kept():
    steps = [BlendStep(0.0, 0.8, 0.5), BlendStep(1.0, 0.7, 0.9), BlendStep(0.5, 0.8, 0.6), BlendStep(0.25, 0.8, 0.7)]
    assert chosen_share(steps) == 0.25


@pytest.fixture
def finished(tmp_path, monkeypatch, study_canvas):
    """A run that has ended, and what it is mixed with; one painted patient, two shares."""
    monkeypatch.setattr(retrain_blend, "PAINTED", 1)
    monkeypatch.setattr(retrain_blend, "SHARES", (1.0, 0.5))
    monkeypatch.setattr(rehearsal, "SYNTHETIC_PATIENTS", 1)
    start = Start(network(0), ARCHITECTURE, 32, 0.3, {"name": "old", "version": "1.0", "sha256": "0" * 64}, [])
    run = tmp_path / "run"
    run.mkdir()
    trained = network(1)
    save_checkpoint(run, {"best": {"epoch": 3, "score": 0.5, "weights": trained.state_dict()}, "step": 7})

    def keep(progress=None):
        after = copy.deepcopy(trained)
        stored = load_checkpoint(run)["best"]["weights"]
        after.load_state_dict(stored)
        cache = PreparedCache(tmp_path / "cache")
        return keep_what_was_known(start, after, [study_canvas], [], cache, run, progress or SilentProgress())

    return run, keep, start.network, trained


def test_the_result_of_a_run_is_the_mixture_and_it_says_what_was_tried(finished):
    run, keep, before, trained = finished
    mixed = keep()
    told = json.loads((run / "blend.json").read_text())
    assert [step["share"] for step in told["tried"]] == [0.0, 1.0, 0.5]
    stored = load_checkpoint(run)
    assert stored["step"] == 7 and stored["best"]["epoch"] == 3 and stored["best"]["score"] == 0.5
    expected = blended(before, copy.deepcopy(trained), told["share"]).state_dict()
    for name, value in stored["best"]["weights"].items():
        assert torch.equal(value, expected[name]) and torch.equal(value, mixed.state_dict()[name])


def test_a_resumed_run_does_not_mix_twice(finished):
    run, keep, _, _ = finished
    first = keep().state_dict()
    (run / "blend.json").unlink()
    again = keep().state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert (run / "blend.json").exists()
