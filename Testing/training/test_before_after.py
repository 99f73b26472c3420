"""Before and after: what is found now and what is lost, a verdict by a rule, and a report."""

import json
from pathlib import Path

import numpy as np
import pytest
from Testing.training.made_up_set import add_case, add_split
from Testing.training.tiny_bundle import tiny_bundle

from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.images import read_image
from MSLesionSegTrainingLib.before_after_case import ComparedCase, ComparedLesion, compare_lesions
from MSLesionSegTrainingLib.before_after_verdict import judge
from MSLesionSegTrainingLib.case_hash import voxel_sha256
from MSLesionSegTrainingLib.cli import build_app
from MSLesionSegTrainingLib.evaluation.policy import Policy

SHAPE = (12, 20, 20)
GRID = Grid(SHAPE[::-1], (1.0, 1.0, 2.0), (10.0, -5.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
POLICY = Policy(draws=300)
ARCHITECTURE = {"type": "efficientnet3d_unet", "widths": [8] * 5, "depths": [1] * 4, "norm": "batch"}


def call(*words: object) -> int:
    return run(build_app(), [str(word) for word in words])


def mask(*parts) -> np.ndarray:
    array = np.zeros(SHAPE, bool)
    for part in parts:
        array[part] = True
    return array


LARGE, SMALL, THIRD, FOURTH = np.s_[2:5, 2:5, 2:5], np.s_[2:4, 10:12, 2:4], np.s_[8, 2:5, 2:4], np.s_[8, 10, 2:6]
ELSEWHERE, AND_THERE, BOTH = np.s_[2, 15:17, 15:17], np.s_[8, 15:18, 15:18], np.s_[11, 0:3, 0:3]


def test_each_lesion_is_found_now_lost_now_found_by_both_or_by_neither():
    truth = mask(LARGE, SMALL, THIRD, FOURTH)
    before = mask(LARGE, THIRD, ELSEWHERE, BOTH)
    after = mask(LARGE, SMALL, AND_THERE, BOTH)
    told = compare_lesions(GRID, truth, before, after, POLICY)
    assert [(lesion.state, lesion.volume_mm3) for lesion in told] == [
        ("found by both", 54.0),
        ("found now", 16.0),
        ("lost now", 12.0),
        ("missed by both", 8.0),
        ("false lesion new", 18.0),
        ("false lesion in both", 18.0),
        ("false lesion gone", 8.0),
    ]
    assert told[0].centroid_ras_mm == (-13.0, 2.0, 6.0)  # voxel (3, 3, 3): LPS 13, -2, 6


def test_no_lesion_anywhere_gives_no_row():
    empty = mask()
    assert compare_lesions(GRID, empty, empty, empty, POLICY) == ()


def case(name, old, new, *, kind="annotated", trained=False, lesions=()) -> ComparedCase:
    """``old`` and ``new``: Dice and lesion F1."""
    before, after = (
        {
            "dice": dice,
            "overlap_f1": f1,
            "overlap_recall": f1,
            "overlap_precision": f1,
            "volume_error_abs_ml": 1.0,
            "false_positives": 3,
        }
        for dice, f1 in (old, new)
    )
    return ComparedCase(name, name, kind, trained, before, after, lesions)


@pytest.mark.parametrize(
    ("new", "word"),
    [
        ((0.64, 0.5), "better"),
        ((0.6, 0.47), "worse"),
        ((0.61, 0.505), "no difference"),
        ((0.55, 0.56), "no difference"),
    ],
)
def test_the_verdict_is_by_the_mean_of_dice_and_lesion_f1_with_a_margin(new, word):
    verdict = judge([case("sub-01", (0.6, 0.5), new)], POLICY)
    assert verdict.word == word and verdict.forgets is None
    assert "on 1 case of 1 patient: Dice 0.600 to" in verdict.sentence
    assert "So few patients show a tendency and prove nothing." in verdict.sentence


def test_from_five_patients_on_the_interval_must_leave_zero_out():
    changes = (0.3, -0.05, -0.05, -0.05, 0.02)
    cases = [case(f"sub-0{n}", (0.5, 0.5), (0.5 + change, 0.5 + change)) for n, change in enumerate(changes)]
    assert judge(cases, POLICY).word == "no difference"
    assert judge(cases[:4], POLICY).word == "better"
    surely = [case(f"sub-0{n}", (0.5, 0.5), (0.55, 0.56)) for n in range(5)]
    assert judge(surely, POLICY).word == "better"


def test_cases_that_a_model_was_trained_on_do_not_count():
    verdict = judge([case("sub-01", (0.5, 0.5), (0.9, 0.9), trained=True)], POLICY)
    assert verdict.word == "not known"
    assert verdict.sentence.startswith("Whether it is better is not known: one of the models was trained on every")
    mixed = [case("sub-01", (0.5, 0.5), (0.9, 0.9), trained=True), case("sub-02", (0.5, 0.5), (0.4, 0.4))]
    assert judge(mixed, POLICY).word == "worse"


def test_a_better_model_that_forgets_is_said_to_do_both_and_where_it_is_worse_is_listed():
    lost = (ComparedLesion("lost now", 120.0, (0.0, 0.0, 0.0)), ComparedLesion("lost now", 12.0, (0.0, 0.0, 0.0)))
    cases = [
        case("sub-01", (0.5, 0.5), (0.7, 0.7)),
        case("sub-02", (0.5, 0.5), (0.48, 0.6), lesions=lost),
        case("painted-1", (0.8, 0.8), (0.78, 0.9), kind="painted"),
    ]
    verdict = judge(cases, POLICY)
    assert verdict.word == "better" and verdict.forgets is True
    assert "On 1 painted patient it FORGETS: Dice 0.800 to 0.780." in verdict.sentence
    assert verdict.worse_in == (
        "painted patients: Dice -0.020",
        "sub-02: Dice 0.500 to 0.480, 2 lesions lost (largest 120 mm3)",
    )
    assert judge([*cases[:2], case("painted-1", (0.8, 0.8), (0.795, 0.8), kind="painted")], POLICY).forgets is False


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """One patient who trains and one who validates."""
    folder = tmp_path_factory.mktemp("before_after") / "set"
    for number in (1, 2):
        add_case(folder, f"sub-0{number}", number)
    add_split(folder, sub_01="train", sub_02="validation")
    return folder


def test_the_command_says_that_a_model_is_no_better_than_itself(tmp_path, dataset, capsys):
    one, same = tiny_bundle(tmp_path, "one", 0.5, []), tiny_bundle(tmp_path, "same", 0.5, [])
    words = ("compare", dataset, "--before", one, "--after", same, "--out", tmp_path / "out", "--painted", 1)
    assert call(*words, "--progress", "bar") == 0
    told = json.loads((tmp_path / "out/before_after.json").read_text())
    assert [(row["name"], row["kind"], row["trained"]) for row in told["cases"]] == [
        ("sub-02", "annotated", False),
        ("painted-1", "painted", False),
    ]
    assert told["verdict"]["word"] == "no difference" and told["verdict"]["forgets"] is False
    assert told["verdict"]["worse_in"] == []
    for row in told["cases"]:
        assert row["before"] == row["after"] and row["before"]["load_ml"] > 0.3
    states = {lesion["state"] for lesion in told["cases"][0]["lesions"]}
    assert states <= {"found by both", "missed by both", "false lesion in both"} and states
    text = (tmp_path / "out/before_after.md").read_text()
    assert "**There is NO DIFFERENCE between the models on 1 case of 1 patient: Dice" in text
    assert "Nowhere in these cases." in text and "Before: one 1.0 (threshold 0.5). After: same 1.0" in text
    assert (tmp_path / "out/provenance.json").is_file()
    assert f"See {tmp_path / 'out/before_after.md'}" in capsys.readouterr().out
    before = (tmp_path / "out/before_after.json").read_bytes()
    assert call(*words, "--progress", "none") == 0  # the report is replaced by an equal one
    assert (tmp_path / "out/before_after.json").read_bytes() == before


def test_a_case_that_a_bundle_knows_is_shown_and_does_not_count(tmp_path, dataset):
    flair = read_image(dataset / "sub-02/anat/sub-02_FLAIR.nii.gz")
    one, other = tiny_bundle(tmp_path, "one", 0.5, []), tiny_bundle(tmp_path, "other", 0.4, [voxel_sha256(flair)])
    words = ("compare", dataset, "--before", one, "--after", other, "--out", tmp_path / "out", "--painted", 0)
    assert call(*words, "--progress", "none") == 0
    told = json.loads((tmp_path / "out/before_after.json").read_text())
    assert [(row["name"], row["trained"]) for row in told["cases"]] == [("sub-02", True)]
    assert told["verdict"]["word"] == "not known"
    text = (tmp_path / "out/before_after.md").read_text()
    assert "## Annotated cases that a model was trained on: they flatter it and do not count" in text


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--before", "shipped", "--after", "no-such-model"), 4, "There is no lesion model 'no-such-model'"),
        (("--before", "shipped", "--after", "shipped", "--part", "test", "--painted", "0"), 3, "There is no folder"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(tmp_path, capsys, words, code, told):
    assert call("compare", tmp_path / "set", "--out", tmp_path / "out", *words, "--progress", "none") == code
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists() and not (tmp_path / "set").exists()
