"""The study: nobody is in two parts, every arm sees the same number of patches, a stopped study goes on, a report."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from Testing.training.made_up_set import add_case, add_split

from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.errors import Cancelled, StudyError, UsageError
from MSLesionSegLib.networks import build_network
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib import batch_statistics
from MSLesionSegTrainingLib.cli import build_app
from MSLesionSegTrainingLib.evaluation.columns import columns
from MSLesionSegTrainingLib.evaluation.policy import Policy
from MSLesionSegTrainingLib.fabric_setup import make_fabric
from MSLesionSegTrainingLib.painting import LesionLevels
from MSLesionSegTrainingLib.patches import PatchRecipe
from MSLesionSegTrainingLib.settings import TrainSettings
from MSLesionSegTrainingLib.study_data import StudyData
from MSLesionSegTrainingLib.study_progress import PartProgress
from MSLesionSegTrainingLib.study_settings import StudySettings
from MSLesionSegTrainingLib.study_split import study_patients
from MSLesionSegTrainingLib.study_summary import summarise_group
from MSLesionSegTrainingLib.study_training import train_watched
from MSLesionSegTrainingLib.study_watch import fixed_patches, read_watch

ARMS = ("efficientnet_lesion", "efficientnet_uniform", "unet_lesion", "unet_uniform")
LEVELS = LesionLevels(np.array([2.0, -0.5, 1.5]), np.diag([0.01] * 3), np.array([0.1] * 3))


def call(*words: object) -> int:
    return run(build_app(), [str(word) for word in words])


@pytest.fixture(autouse=True)
def few_statistics(monkeypatch):
    monkeypatch.setattr(batch_statistics, "STATISTICS_PATCHES", 4)


@pytest.fixture
def root(tmp_path) -> Path:
    """Two patients with images, 29 with shapes, of whom eight have a tissue map; only names matter here."""
    for number in (1, 2):
        add_case(tmp_path, f"sub-0{number}", number)
    add_split(tmp_path, sub_01="train", sub_02="train")
    for number in range(3, 32):
        name = f"sub-{number:02d}"
        path = tmp_path / "derivatives/shapes" / name / "anat" / f"{name}_space-MNI_label-lesion_mask.nii.gz"
        path.parent.mkdir(parents=True)
        path.touch()
    for number in range(1, 9):
        (tmp_path / "derivatives/tissue" / f"sub-{number:02d}" / "anat").mkdir(parents=True)
    return tmp_path


def test_nobody_is_in_two_parts_and_the_parts_share_out_shapes_and_tissue_maps(root):
    patients = study_patients(root, ["sub-02"], painted=12)
    members = {part: {p for p, of in patients.parts.items() if of == part} for part in ("train", "validation", "test")}
    assert {part: len(names & set(patients.shapes)) for part, names in members.items()} == {
        "train": 14,
        "validation": 3,
        "test": 12,
    }
    assert all(names & set(patients.tissue) for names in members.values())
    assert patients.parts["sub-01"] == "train" and patients.parts["sub-02"] == "test"
    assert study_patients(root, ["sub-02"], painted=12) == patients
    patients.write(root)
    told = dict(line.split("\t")[:2] for line in (root / "split.tsv").read_text().splitlines()[1:])
    assert told == patients.parts


def test_at_most_half_of_the_shapes_are_kept_for_the_test_and_the_data_sets_own_split_is_heeded(root):
    assert list(study_patients(root, ["sub-02"], painted=99).parts.values()).count("test") == 14 + 1
    add_split(root, sub_01="train", sub_02="train", sub_20="test", sub_21="validation", sub_22="train")
    parts = study_patients(root, ["sub-02"], painted=12).parts
    assert (parts["sub-20"], parts["sub-21"], parts["sub-22"]) == ("test", "validation", "train")


def test_where_nobody_tests_those_who_validate_do_and_else_it_is_told(root):
    with pytest.raises(StudyError, match="holds no annotated patient to test on") as caught:
        study_patients(root, [], painted=12)
    assert "name one to test on with --test" in caught.value.hint
    with pytest.raises(UsageError, match="There is no annotated patient sub-77"):
        study_patients(root, ["sub-77"], painted=12)
    add_split(root, sub_01="train", sub_02="validation")
    assert study_patients(root, [], painted=0).parts["sub-02"] == "test"


class StopAt(SilentProgress):
    """Cancels once so much is done."""

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.stop_at = fraction

    def update(self, fraction_of_stage, message=""):
        if fraction_of_stage >= self.stop_at:
            raise Cancelled()


@pytest.mark.parametrize("stop_at", [1 / 6, 1 / 2])
def test_a_run_that_was_stopped_goes_on_to_the_same_figures(tmp_path, study_canvas, map_canvas, shapes, stop_at):
    """Half of the run is where its second epoch ends, before it is measured."""
    data = StudyData([study_canvas], shapes, LEVELS, [], [], [], [], [], {}, [])
    fixed = fixed_patches([study_canvas], 32, 4), fixed_patches([study_canvas], 32, 2)
    architecture = {"type": "efficientnet3d_unet", "widths": [8] * 5, "depths": [1] * 4, "norm": "batch"}
    settings = TrainSettings(architecture=architecture, recipe=PatchRecipe(patch=32), epochs=4, epoch_steps=2)
    fabric = make_fabric("cpu", "32-true")
    whole = train_watched(settings, data, fixed, tmp_path / "whole", SilentProgress(), fabric)
    with pytest.raises(Cancelled):
        train_watched(settings, data, fixed, tmp_path / "cut", StopAt(stop_at), fabric)
    cut = train_watched(settings, data, fixed, tmp_path / "cut", SilentProgress(), fabric)
    assert all((one == other).all() for one, other in zip(whole.parameters(), cut.parameters(), strict=True))
    rows = {name: [vars(row) | {"seconds": 0} for row in read_watch(tmp_path / name)] for name in ("whole", "cut")}
    assert rows["whole"] == rows["cut"]
    assert [(row["epoch"], row["patches"]) for row in rows["whole"]] == [(1, 4), (2, 8), (3, 12), (4, 16)]
    again = train_watched(settings, data, fixed, tmp_path / "whole", SilentProgress(), fabric)
    assert all((one == other).all() for one, other in zip(whole.parameters(), again.parameters(), strict=True))


def test_fixed_patches_are_the_same_for_all_and_half_of_them_lie_on_a_lesion(study_canvas, map_canvas):
    images, labels = fixed_patches([study_canvas], 32, 12)
    again, _ = fixed_patches([study_canvas], 32, 12)
    assert (images == again).all() and images.shape == (12, 3, 32, 32, 32)
    assert 3 <= int(labels[:, 0, 15:17, 15:17, 15:17].amax((1, 2, 3)).sum()) <= 9


def test_both_networks_of_a_study_are_built_from_its_settings():
    settings = StudySettings(unet_width=8, seeds=2)
    assert [run.name for run in settings.runs] == [f"{arm}_seed-{seed}" for seed in (0, 1) for arm in ARMS]
    features = settings.architecture("unet")["features"]
    assert features == [8, 8, 16, 32, 64, 8]
    assert sum(value.numel() for value in build_network(settings.architecture("unet")).parameters()) < 400_000


def test_effects_are_differences_within_each_patient():
    dice = {
        "sub-01": dict(zip(ARMS, (0.8, 0.6, 0.5, 0.4), strict=True)),
        "sub-02": dict(zip(ARMS, (0.6, 0.6, 0.5, 0.5), strict=True)),
    }
    names = [column.name for column in columns(Policy())]
    rows = []
    for seed, shift in (("0", 0.1), ("1", -0.1)):  # the mean over seeds counts
        for case, by_arm in dice.items():
            for arm, value in by_arm.items():
                network, sampler = arm.split("_")
                facts = {"group": "painted", "network": network, "sampler": sampler, "seed": seed}
                scores = {**dict.fromkeys(names, "0.5"), "hd95_mm": "", "dice": str(value + shift)}
                rows.append({**facts, **scores, "case": case, "patient": case})
    told = summarise_group(rows, Policy(draws=200))
    assert told["arms"]["efficientnet_lesion"]["dice"]["mean"] == pytest.approx(0.7)
    assert told["arms"]["unet_lesion"]["hd95_mm"]["mean"] is None
    effects = {name: effect["dice"] for name, effect in told["effects"].items()}
    assert effects["network"]["mean"] == pytest.approx((0.25 + 0.1) / 2)
    assert effects["sampler"]["mean"] == pytest.approx((0.15 + 0.0) / 2)
    assert effects["interaction"]["mean"] == pytest.approx((0.1 + 0.0) / 2)
    assert effects["sampler"]["mean_interval"] == pytest.approx([0.0, 0.15])


def test_progress_of_a_part_lies_within_its_share_and_a_warning_names_it(capsys):
    heard = []

    class Outer(SilentProgress):
        def update(self, fraction_of_stage, message=""):
            heard.append((round(fraction_of_stage, 3), message))

    part = PartProgress(Outer(), 0.5, 1.0, "run 2 of 2")
    part.stage("anything")
    part.update(0.5, "step 3")
    part.part(0.8, 1.0).update(0.5, "window 1")
    part.warn("thick slices")
    assert heard == [(0.75, "run 2 of 2: step 3"), (0.95, "run 2 of 2: window 1")]
    assert "run 2 of 2: thick slices" in capsys.readouterr().err


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, list[str]]:
    """A study of three made-up patients, one to train on, and the words of its command."""
    folder = tmp_path_factory.mktemp("study")
    for number in (1, 2, 3):
        add_case(folder / "set", f"sub-0{number}", number)
    add_split(folder / "set", sub_01="train", sub_02="test", sub_03="test")
    words = ["study", folder / "set", "--out", folder / "out", "--epochs", 2, "--epoch-steps", 1, "--unet-width", 4]
    words = [str(word) for word in (*words, "--precision", "32", "--progress", "none")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_statistics, "STATISTICS_PATCHES", 2)
        assert call(*words) == 0
    return folder / "out", words


def test_the_command_compares_four_arms_on_real_and_painted_test_patients(finished):
    out, _ = finished
    with (out / "cases.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    told = [(row["group"], f"{row['network']}_{row['sampler']}", row["case"]) for row in rows]
    cases = ("sub-02", "sub-03")
    assert sorted(told) == sorted((group, arm, case) for group in ("painted", "real") for arm in ARMS for case in cases)
    summary = json.loads((out / "summary.json").read_text())
    assert {run["patches"] for run in summary["runs"].values()} == {4}
    assert all(run["seconds"] > 0 for run in summary["runs"].values())
    painted, real = (summary["groups"][group] for group in ("painted", "real"))
    assert painted["arms"]["unet_uniform"]["accuracy"]["n"] == 2
    assert min(painted["values"]["load_ml"]["unet_lesion"].values()) > 0.1
    mean = np.mean(list(real["values"]["dice"]["unet_lesion"].values()))
    assert real["arms"]["unet_lesion"]["dice"]["mean"] == pytest.approx(mean)
    text = (out / "study.md").read_text()
    for part in ("## Painted test patients (2)", "### The paper's table", "### The field's table", "### sub-03, load "):
        assert part in text
    for line in ("| 3D U-Net, uniform |", "| EfficientNet3D-UNet, lesion-aware |", "images of sub-02, sub-03; lesion"):
        assert line in text
    for file in ("convergence.png", "overfitting.png", "overlay_painted_sub-02.png"):
        assert f"]({file})" in text and (out / file).read_bytes()[:4] == b"\x89PNG"
    assert (out / "runs/unet_lesion_seed-0/scores/painted/evaluation.html").is_file()


def test_the_same_command_again_does_nothing_twice_and_another_one_is_refused(finished, capsys):
    out, words = finished
    before = {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*") if path.is_file()}
    summary = (out / "summary.json").read_bytes()
    assert call(*words) == 0
    assert {path: path.stat().st_mtime_ns for path in (out / "runs").rglob("*") if path.is_file()} == before
    assert (out / "summary.json").read_bytes() == summary
    assert call(*words, "--batch", 4) == 2
    assert f"The study in {out} was begun with another --batch." in capsys.readouterr().err


def test_a_study_of_nothing_is_told_and_makes_nothing(tmp_path, capsys):
    assert call("study", tmp_path / "none", "--out", tmp_path / "out", "--progress", "none") == 3
    assert f"There is no folder {tmp_path / 'none'}." in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
