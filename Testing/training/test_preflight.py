"""Before a run it is told who trains and validates, what it takes, and what will not go well."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from Testing.training.made_up_set import add_case, add_split
from Testing.training.tiny_bundle import tiny_bundle

from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegLib.images import read_image
from MSLesionSegLib.nifti import write_nifti
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.case_hash import voxel_sha256
from MSLesionSegTrainingLib.case_loading import load_case
from MSLesionSegTrainingLib.cases import index_cases
from MSLesionSegTrainingLib.machine import free_disk, free_memory, peak_memory, same_disk
from MSLesionSegTrainingLib.preflight import (
    Need,
    PlannedCases,
    as_sentence,
    concerns,
    duration_words,
    estimate,
    plan_cases,
)
from MSLesionSegTrainingLib.preflight_measure import Pace
from MSLesionSegTrainingLib.prepared_cache import PreparedCache

PACE = Pace("2 CPU threads of 2", 1.0, 5.0, 1_000_000_000, 1_000_000)


@pytest.fixture
def dataset(tmp_path) -> Path:
    """Two patients train, one validates, one is kept for a test."""
    folder = tmp_path / "set"
    for number in (1, 2, 3, 4):
        add_case(folder, f"sub-0{number}", number)
    add_split(folder, sub_01="train", sub_02="train", sub_03="validation", sub_04="test")
    return folder


def flair_hash(dataset: Path, patient: str) -> str:
    return voxel_sha256(read_image(dataset / patient / "anat" / f"{patient}_FLAIR.nii.gz"))


def plan(dataset: Path, hashes=None, leave_out=None) -> PlannedCases:
    return plan_cases(dataset, dataset / "derivatives" / "prepared", leave_out, hashes, SilentProgress())


def planned(**changes) -> PlannedCases:
    values = {"train": ("sub-01", "sub-02"), "validation": ("sub-03",), "test": (), "backgrounds": (), "prepared": 0}
    values |= {"known": (), "checked": None, "twice": (), "new_patients": ()}
    return PlannedCases(**{**values, **changes})


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_command_tells_cases_time_disk_and_memory_and_writes_nothing(tmp_path, dataset):
    before = files(tmp_path)
    start = tiny_bundle(tmp_path / "models", "tiny", hashes=[flair_hash(dataset, "sub-01")], patch=32)
    before |= files(tmp_path / "models")
    words = ["preflight", dataset, "--out", tmp_path / "run", "--init", start, "--epochs", 2, "--epoch-steps", 3]
    command = [sys.executable, "-m", "MSLesionSegTrainingLib", *map(str, words), "--progress", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    told = json.loads(done.stdout.splitlines()[-1])["result"]
    assert (told["train"], told["validation"], told["test"]) == (["sub-01", "sub-02"], ["sub-03"], ["sub-04"])
    assert (told["known"], told["concerns"]) == ([], [])
    assert 10 < told["seconds"] < 3600 and 50e6 < told["disk_bytes"] < 1e9
    assert told["message"].startswith(
        "2 cases to train on, 1 case to validate with, 1 kept for a test. Never trained on, by the hash of the FLAIR's "
        "voxels: sub-03 (the starting model knows 1 case). On "
    )
    assert "CPU thread" in told["message"] and f"of {os.cpu_count()}" in told["message"]
    assert files(tmp_path) == before


def test_a_validation_patient_whom_the_starting_model_knows_is_named(dataset):
    cases = plan(dataset, hashes=[flair_hash(dataset, "sub-03"), flair_hash(dataset, "sub-01")])
    assert cases.known == ("sub-03",)
    (sentence,) = concerns(cases, Need(1.0, 1, 2, None, None))
    assert sentence.startswith("The starting model was trained on sub-03, which must not be trained on")
    assert "Never trained on" not in as_sentence(cases, PACE, Need(1.0, 1, 2, None, None))


def test_a_patient_left_out_validates_and_new_patients_are_allotted_without_being_written(dataset):
    add_case(dataset, "sub-05", 5)
    split = (dataset / "derivatives/annotations/split.tsv").read_bytes()
    cases = plan(dataset, leave_out="sub-02")
    assert "sub-02" in cases.validation and cases.new_patients == ("sub-05",)
    assert (dataset / "derivatives/annotations/split.tsv").read_bytes() == split
    with pytest.raises(UsageError, match="There is no patient sub-09"):
        plan(dataset, leave_out="sub-09")


def test_one_image_under_two_names_is_told(dataset):
    for file in (dataset / "sub-01" / "anat").iterdir():
        (dataset / "sub-03" / "anat" / file.name.replace("sub-01", "sub-03")).write_bytes(file.read_bytes())
    cases = plan(dataset)
    assert cases.twice == (("sub-01", "sub-03"),)
    assert concerns(cases, Need(1.0, 1, 2, None, None)) == [
        "sub-01 and sub-03 have the same FLAIR; remove one of them."
    ]


def test_prepared_cases_are_counted_and_their_hash_is_not_read_from_the_voxels_again(dataset, monkeypatch):
    (case, *_), _ = index_cases(dataset)
    load_case(PreparedCache(dataset / "derivatives" / "prepared"), case)
    monkeypatch.setattr("MSLesionSegTrainingLib.preflight.voxel_sha256", lambda image: "not asked for sub-01")
    cases = plan(dataset, hashes=[flair_hash(dataset, "sub-01")])
    assert (cases.prepared, cases.to_prepare) == (1, 2)


def test_a_data_set_that_cannot_be_used_is_told_with_all_that_is_wrong(dataset):
    (dataset / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz").unlink()
    with pytest.raises(StudyError, match="has cases that cannot be used:\n  sub-02"):
        plan(dataset)


def need(cases=None, **changes) -> Need:
    values = {"run": Path("run"), "cache": Path("cache"), "batch": 2, "steps": 200, "hours": None}
    values |= {"epoch_steps": 100, "rehearses": False, "cores": 2}
    return estimate(cases or planned(), PACE, **{**values, **changes})


def test_time_is_that_of_steps_validation_preparation_and_final_scores():
    # 2 epochs of 100 steps (1 s and 0.1 s for patches), statistics (21.3 s), one validation (5 s);
    # 3 cases prepared (15 s each); 12 predictions at the end (5 s each).
    assert need().seconds == pytest.approx(2 * (110 + 64 / 3 + 5) + 45 + 60)
    assert need(steps=None, hours=0.5).seconds == pytest.approx(1800 + 45 + 60)


def test_a_retraining_takes_synthetic_patients_mixing_and_comparison_as_well():
    more = need(rehearses=True).seconds - need().seconds
    assert more == pytest.approx(18 * 7 + 5 * (4 + 1) * 5 + 15 + 2 * (1 + 6) * 5)


def test_disk_holds_two_checkpoints_and_the_prepared_cases():
    assert need().disk == 2 * 5 * 4_000_000 + 50_000_000 + 3 * 30_000_000
    assert need(planned(prepared=3)).disk == 2 * 5 * 4_000_000 + 50_000_000


@pytest.mark.parametrize(
    ("cases", "lacking", "told"),
    [
        (planned(validation=()), Need(1, 1, 2, None, None), "Nobody validates"),
        (planned(), Need(1, 3_000_000_000, 2_000_000_000, None, None), "The disk has 2.0 GB free, and the run takes"),
        (planned(), Need(1, 1, 2, 4_000_000_000, 3_000_000_000), "3.0 GB of memory are free, and the run takes about"),
    ],
)
def test_what_will_not_go_well_is_told(cases, lacking, told):
    (sentence,) = concerns(cases, lacking)
    assert sentence.startswith(told)


@pytest.mark.parametrize(
    ("seconds", "words"), [(4, "10 s"), (44, "40 s"), (100, "2 min"), (3600, "60 min"), (9000, "2.5 h")]
)
def test_durations_are_told_in_round_figures(seconds, words):
    assert duration_words(seconds) == words


def test_the_machine_tells_what_is_free(tmp_path):
    assert free_disk(tmp_path / "not" / "there") > 0
    assert same_disk(tmp_path / "not", tmp_path)
    assert free_memory() is None or free_memory() > 0
    assert peak_memory() is None or peak_memory() > 10_000_000


def test_backgrounds_are_counted_where_their_patient_trains(dataset):
    for patient in ("sub-02", "sub-04"):
        flair = read_image(dataset / patient / "anat" / f"{patient}_FLAIR.nii.gz")
        (mask,) = (dataset / "derivatives/annotations" / patient / "anat").glob("*_mask.nii.gz")
        mask.unlink()
        folder = dataset / "derivatives/backgrounds" / patient / "anat"
        folder.mkdir(parents=True)
        write_nifti(folder / f"{patient}_label-background_dseg.nii.gz", sitk.Cast(flair * 0, sitk.sitkUInt8))
    cases = plan(dataset)
    assert (cases.train, cases.backgrounds, cases.validation) == (("sub-01",), ("sub-02",), ("sub-03",))
    assert (cases.prepared, cases.to_prepare) == (0, 3)
    assert as_sentence(cases, PACE, Need(1.0, 1, 2, None, None)).startswith(
        "1 case to train on, 1 background, 1 case to validate with. "
    )
