"""A data set is indexed from headers, every problem is told at once, and patients keep their part of the split."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.errors import StudyError
from MSLesionSegTrainingLib.cases import check_cases, index_cases
from MSLesionSegTrainingLib.cli import build_app
from MSLesionSegTrainingLib.split import extend_split, read_split, write_split

SHAPE = (30, 52, 44)


def head(seed: int) -> sitk.Image:
    z, y, x = np.indices(SHAPE)
    inside = ((x - 22) / 19) ** 2 + ((y - 26) / 23) ** 2 + ((z - 15) / 13) ** 2 < 1
    image = sitk.GetImageFromArray((400 * inside + np.random.default_rng(seed).normal(90, 12, SHAPE)).astype(np.int16))
    image.SetSpacing((4.0, 4.0, 5.0))
    return image


def lesion(value: int = 1) -> sitk.Image:
    array = np.zeros(SHAPE, np.uint8)
    array[12:15, 20:24, 18:22] = value
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(head(0))
    return image


def add(root: Path, patient: str, seed: int, *, date: str = "", contrasts=("FLAIR", "T1w"), mask=None) -> Path:
    """Add a case; its ``anat`` folder."""
    stem = f"{patient}_{date}_" if date else f"{patient}_"
    inner = Path(patient, *([date] if date else []), "anat")
    (root / inner).mkdir(parents=True)
    for number, contrast in enumerate(contrasts):
        sitk.WriteImage(head(10 * seed + number), str(root / inner / f"{stem}{contrast}.nii.gz"))
    if mask is not None:
        folder = root / "derivatives" / "annotations" / inner
        folder.mkdir(parents=True)
        sitk.WriteImage(mask, str(folder / f"{stem}label-lesion_mask.nii.gz"))
    return root / inner


@pytest.fixture
def good(tmp_path) -> Path:
    root = tmp_path / "set"
    add(root, "sub-01", 1, mask=lesion())
    add(root, "sub-02", 2, date="ses-1", mask=lesion())
    add(root, "sub-02", 3, date="ses-2", contrasts=("FLAIR",))
    return root


def test_cases_are_found_with_dates_contrasts_and_masks(good):
    cases, problems = index_cases(good)
    assert problems == []
    assert [(case.name, case.patient, tuple(case.images), case.mask is not None) for case in cases] == [
        ("sub-01", "sub-01", ("FLAIR", "T1w"), True),
        ("sub-02_ses-1", "sub-02", ("FLAIR", "T1w"), True),
        ("sub-02_ses-2", "sub-02", ("FLAIR",), False),
    ]
    assert all(wrong == [] for _, wrong in check_cases(cases))


def test_all_problems_are_told_at_once_each_with_its_file(good):
    add(good, "sub-03", 4, contrasts=("T1w",))
    shutil.copytree(good / "sub-01", good / "sub-04")
    (good / "sub-04/anat/sub-01_FLAIR.nii.gz").rename(good / "sub-04/anat/sub-04_FLAIR.nii.gz")
    add(good, "sub-05", 5, mask=lesion(3))
    moved = lesion()
    moved.SetOrigin((2.0, 0.0, 0.0))
    add(good, "sub-06", 6, mask=moved)
    (add(good, "sub-07", 7) / "sub-07_T1w.nii.gz").write_bytes(b"no image")
    (add(good, "sub-08", 8) / "sub-08_acq-2_FLAIR.nii.gz").write_bytes(b"")
    cases, problems = index_cases(good)
    problems += [problem for _, wrong in check_cases(cases) for problem in wrong]
    told = {problem.case: problem.message.replace(str(good), "SET") for problem in problems}
    masks = "SET/derivatives/annotations"
    assert told == {
        "sub-03": "SET/sub-03/anat holds no FLAIR.",
        "sub-04": "SET/sub-04/anat/sub-04_FLAIR.nii.gz is the same image as SET/sub-01/anat/sub-01_FLAIR.nii.gz.",
        "sub-05": f"The mask {masks}/sub-05/anat/sub-05_label-lesion_mask.nii.gz holds the values 3 beside 0 and 1.",
        "sub-06": f"The mask {masks}/sub-06/anat/sub-06_label-lesion_mask.nii.gz lies on another grid than its FLAIR.",
        "sub-07": "SET/sub-07/anat/sub-07_T1w.nii.gz cannot be read.",
        "sub-08": "SET/sub-08/anat holds 2 files for FLAIR: sub-08_FLAIR.nii.gz, sub-08_acq-2_FLAIR.nii.gz.",
    }


def test_a_folder_without_cases_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"holds no sub-\*/anat/\*_FLAIR"):
        index_cases(tmp_path)


def test_patients_keep_their_part_and_new_ones_fill_the_shares():
    first = extend_split({}, [f"sub-{number:02d}" for number in range(20)])
    counts = [list(first.values()).count(part) for part in ("train", "validation", "test")]
    assert counts == [14, 3, 3]
    more = extend_split(first, [f"sub-{number:02d}" for number in range(40)])
    assert {patient: more[patient] for patient in first} == first
    assert list(more.values()).count("train") == 28
    assert extend_split({}, [f"sub-{number:02d}" for number in range(20)]) == first


def test_the_split_comes_back_from_its_file_and_mistakes_in_it_are_told(good):
    write_split(good, {"sub-02": "test", "sub-01": "train"})
    path = good / "derivatives/annotations/split.tsv"
    assert path.read_text() == "participant_id\tsplit\nsub-01\ttrain\nsub-02\ttest\n"
    assert read_split(good) == {"sub-01": "train", "sub-02": "test"}
    path.write_text("participant_id\tsplit\nsub-01\tholdout\n")
    with pytest.raises(StudyError, match="puts sub-01 into 'holdout'"):
        read_split(good)
    path.write_text("participant_id\tsplit\nsub-01\ttest\nsub-01\ttrain\n")
    with pytest.raises(StudyError, match="puts sub-01 into two parts"):
        read_split(good)


def test_the_command_prints_a_table_and_fails_where_there_are_problems(good, capsys):
    assert run(build_app(), ["cases", str(good), "--check", "--split"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["CASE", "CONTRASTS", "MASK", "SPLIT", "PROBLEM"]
    parts = read_split(good)
    assert lines[1:4] == [
        ["sub-01", "FLAIR+T1w", "yes", parts["sub-01"]],
        ["sub-02_ses-1", "FLAIR+T1w", "yes", parts["sub-02"]],
        ["sub-02_ses-2", "FLAIR", "no", parts["sub-02"]],
    ]
    assert " ".join(lines[4]) == f"3 cases in {good}, 2 of them annotated"
    add(good, "sub-05", 5, mask=lesion(3))
    assert run(build_app(), ["cases", str(good), "--check"]) == 3
    shown = capsys.readouterr()
    assert "holds the values 3 beside 0 and 1." in shown.out
    assert shown.err.endswith(
        f"Error: {good} has 1 problem, listed above.\nEach would stop a training; mend or remove those cases.\n"
    )
