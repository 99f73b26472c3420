"""Studies of any folder tree become a data set: as a table says, voxel for voxel, each whole or not at all."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from Testing.training.cohort import write_flair
from Testing.training.test_studies import FLAIR, T2, write_dicom

from MSLesionSegLib.errors import OutputError, UsageError
from MSLesionSegLib.images import read_image
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.collecting import collect
from MSLesionSegTrainingLib.studies import StudyFiles, bids_studies
from MSLesionSegTrainingLib.study_guess import guess_studies

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = os.pathsep.join(str(REPOSITORY / module) for module in ("MSLesionSeg", "MSLesionSegTraining"))


@pytest.fixture
def tree(tmp_path):
    """A NIfTI study, two dates of one patient, and a DICOM study."""
    tree = tmp_path / "archive"
    write_flair(tree / "Ada" / "t2_flair.nii.gz", 1)
    write_flair(tree / "Bob" / "2020" / "flair.nii", 2)
    write_flair(tree / "Bob" / "2022" / "flair.nrrd", 3)
    write_dicom(tree / "Doe", 1, "a", FLAIR)
    write_dicom(tree / "Doe", 2, "b", T2)
    return tree


def collect_all(studies, tree, dataset):
    return collect(studies, tree, dataset, SilentProgress())


def test_studies_below_one_folder_are_taken_for_dates_of_one_patient(tree):
    names = [study.name for study in guess_studies(tree, patients=True)]
    assert names == ["sub-01", "sub-02_ses-1", "sub-02_ses-2", "sub-03"]


def test_images_are_copied_voxel_for_voxel_and_nobodys_name_with_them(tree, tmp_path):
    dataset = tmp_path / "set"
    done = collect_all(guess_studies(tree, patients=True), tree, dataset)
    assert (done.cases, done.left_out) == (4, [])
    assert {study.name: list(study.images) for study in bids_studies(dataset)} == {
        "sub-01": ["FLAIR"],
        "sub-02_ses-1": ["FLAIR"],
        "sub-02_ses-2": ["FLAIR"],
        "sub-03": ["FLAIR", "T2w"],
    }
    for source, target in (
        (tree / "Bob/2022/flair.nrrd", "sub-02/ses-2/anat/sub-02_ses-2_FLAIR.nii.gz"),
        (tree / "Doe/a00", "sub-03/anat/sub-03_FLAIR.nii.gz"),
    ):
        before, after = read_image(source), read_image(dataset / target)
        assert np.array_equal(sitk.GetArrayFromImage(before), sitk.GetArrayFromImage(after))
        assert np.allclose(before.GetOrigin(), after.GetOrigin(), atol=1e-4)
    assert not [file for file in dataset.rglob("*") if file.is_file() and b"Jane" in file.read_bytes()]


def test_what_is_there_stays_and_another_study_under_its_name_is_refused(tree, tmp_path):
    dataset, studies = tmp_path / "set", guess_studies(tree, patients=True)
    collect_all(studies[:1], tree, dataset)
    file = dataset / "sub-01/anat/sub-01_FLAIR.nii.gz"
    before = file.stat().st_mtime_ns
    assert collect_all(studies, tree, dataset).cases == 4
    assert file.stat().st_mtime_ns == before
    with pytest.raises(OutputError, match="holds another study as sub-01"):
        collect_all([StudyFiles("sub-01", studies[1].images)], tree, dataset)


def test_a_study_that_cannot_be_read_is_left_out_and_told(tree, tmp_path):
    (tree / "Ada" / "t2_flair.nii.gz").write_bytes(b"no image")
    images = {"FLAIR": tree / "Ada" / "t2_flair.nii.gz"}
    studies = [StudyFiles("sub-01", images), *guess_studies(tree, patients=True)[1:]]
    done = collect_all(studies, tree, tmp_path / "set")
    assert done.cases == len(studies) - 1
    assert [sentence.partition(":")[0] for sentence in done.left_out] == ["sub-01"]
    assert not (tmp_path / "set" / "sub-01").exists()


@pytest.mark.parametrize("name", ["case-001", "sub-01_2020", "sub-", "sub-01_ses-1_run-2", "sub-a b"])
def test_a_name_that_bids_does_not_know_is_refused(tree, tmp_path, name):
    with pytest.raises(UsageError, match="is no name of a case"):
        collect_all([StudyFiles(name, {"FLAIR": tree / "Ada/t2_flair.nii.gz"})], tree, tmp_path / "set")


def test_a_data_set_among_the_studies_or_in_a_folder_of_something_else_is_refused(tree, tmp_path):
    studies = guess_studies(tree, patients=True)
    with pytest.raises(UsageError, match="would lie among the studies"):
        collect_all(studies, tree, tree / "set")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.docx").write_text("x")
    with pytest.raises(OutputError, match="is no data set and not empty"):
        collect_all(studies, tree, tmp_path / "set")


def test_the_command_writes_a_table_first_and_copies_what_the_corrected_one_says(tree, tmp_path):
    def told(*words):
        program = [sys.executable, "-m", "MSLesionSegTrainingLib", "collect", *map(str, words), "--progress", "json"]
        done = subprocess.run(
            program, env={**os.environ, "PYTHONPATH": MODULES}, capture_output=True, encoding="utf-8", timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])["result"]

    table = tmp_path / "studies.tsv"
    assert told(tree, "--mapping", table)["cases"] == 4
    rows = list(csv.reader(table.read_text("utf-8").splitlines(), delimiter="\t"))
    assert rows[1][:2] == ["sub-01", "Ada/t2_flair.nii.gz"]
    table.write_text("\n".join("\t".join(row) for row in rows[:2]) + "\n", "utf-8")
    assert told(tree, tmp_path / "set", "--mapping", table)["cases"] == 1
    assert [study.name for study in bids_studies(tmp_path / "set")] == ["sub-01"]
