"""A data set is indexed from headers, every problem is told at once, and patients keep their part of the split."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.brain_mask import find_brain
from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.contrast_check import doubtful_contrast
from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.images import read_image
from MSLesionSegTrainingLib.cases import Case, check_cases, index_cases
from MSLesionSegTrainingLib.cli import build_app
from MSLesionSegTrainingLib.split import allot_patients, extend_split, read_split, write_split

SHAPE = (70, 96, 80)
SPACING = (2.0, 2.0, 2.0)
LEVELS = {"FLAIR": (520, 450, 120), "T1w": (330, 450, 120), "T2w": (520, 450, 1400)}
"""Cortex, white matter, fluid."""


def inside(scale: float) -> np.ndarray:
    z, y, x = np.indices(SHAPE)
    return ((x - 40) / 35) ** 2 + ((y - 48) / 44) ** 2 + ((z - 35) / 31) ** 2 < scale**2


def head(seed: int, contrast: str = "FLAIR") -> sitk.Image:
    """A stripped brain: cortex around white matter around fluid."""
    cortex, white, fluid = LEVELS[contrast]
    array = np.select([inside(0.35), inside(0.85), inside(1)], [fluid, white, cortex], 0)
    noise = np.random.default_rng(seed).normal(0, 12, SHAPE)
    image = sitk.GetImageFromArray(np.where(inside(1), array + noise, 0).astype(np.int16))
    image.SetSpacing(SPACING)
    return image


def lesion(value: int = 1, corner=(34, 62, 38)) -> sitk.Image:
    z, y, x = corner
    array = np.zeros(SHAPE, np.uint8)
    array[z : z + 3, y : y + 4, x : x + 4] = value
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(head(0))
    return image


def add(root: Path, patient: str, seed: int, *, date: str = "", contrasts=("FLAIR", "T1w"), mask=None, **swap) -> Path:
    """Add a case, with ``FLAIR="T1w"`` a T1w in place of its FLAIR; its ``anat`` folder."""
    stem = f"{patient}_{date}_" if date else f"{patient}_"
    inner = Path(patient, *([date] if date else []), "anat")
    (root / inner).mkdir(parents=True)
    for number, contrast in enumerate(contrasts):
        sitk.WriteImage(
            head(10 * seed + number, swap.get(contrast, contrast)), str(root / inner / f"{stem}{contrast}.nii.gz")
        )
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
    assert [(checked.lesion_ml, checked.problems) for checked in check_cases(cases)] == [
        (0.384, []),
        (0.384, []),
        (None, []),
    ]


def told(root: Path) -> list[tuple[str, str]]:
    """Case and sentence of all that is wrong with a data set."""
    cases, problems = index_cases(root)
    problems = problems + [problem for checked in check_cases(cases) for problem in checked.problems]
    sentences = ((problem, problem.message.replace(str(root), "SET")) for problem in problems)
    return [(problem.case, f"{'warning: ' * problem.warning}{sentence}") for problem, sentence in sentences]


def test_all_problems_are_told_at_once_each_with_its_file(good):
    add(good, "sub-03", 4, contrasts=("T1w",))
    add(good, "sub-05", 5, mask=lesion(3))
    moved = lesion()
    moved.SetOrigin((1.0, 0.0, 0.0))
    add(good, "sub-06", 6, mask=moved)
    (add(good, "sub-07", 7) / "sub-07_T1w.nii.gz").write_bytes(b"no image")
    (add(good, "sub-08", 8) / "sub-08_acq-2_FLAIR.nii.gz").write_bytes(b"")
    add(good, "sub-09", 9, mask=lesion(corner=(0, 0, 0)))
    nothing = sitk.GetImageFromArray(np.random.default_rng(1).normal(100, 20, SHAPE).astype(np.float32))
    nothing.SetSpacing(SPACING)
    sitk.WriteImage(nothing, str(add(good, "sub-10", 10, contrasts=("FLAIR",)) / "sub-10_FLAIR.nii.gz"))
    half = add(good, "sub-11", 11) / "sub-11_FLAIR.nii.gz"
    half.write_bytes(half.read_bytes()[:9000])
    masks = "SET/derivatives/annotations"
    assert dict(told(good)) == {
        "sub-03": "SET/sub-03/anat holds no FLAIR.",
        "sub-05": f"The mask {masks}/sub-05/anat/sub-05_label-lesion_mask.nii.gz holds the values 3 beside 0 and 1.",
        "sub-06": f"The mask {masks}/sub-06/anat/sub-06_label-lesion_mask.nii.gz lies on another grid than its FLAIR.",
        "sub-07": "SET/sub-07/anat/sub-07_T1w.nii.gz cannot be read as NIfTI: it is damaged or of another kind.",
        "sub-08": "SET/sub-08/anat holds 2 files for FLAIR: sub-08_FLAIR.nii.gz, sub-08_acq-2_FLAIR.nii.gz.",
        "sub-09": f"The mask {masks}/sub-09/anat/sub-09_label-lesion_mask.nii.gz lies mostly outside the brain: "
        "0 of its 48 voxels are in it.",
        "sub-10": "No brain was recognised in SET/sub-10/anat/sub-10_FLAIR.nii.gz.",
        "sub-11": "SET/sub-11/anat/sub-11_FLAIR.nii.gz is damaged: its voxels are truncated or altered.",
    }


def test_another_grid_and_an_unreadable_file_are_told_from_headers_alone(good):
    moved = lesion()
    moved.SetOrigin((1.0, 0.0, 0.0))
    add(good, "sub-06", 6, mask=moved)
    (add(good, "sub-07", 7) / "sub-07_T1w.nii.gz").write_bytes(b"no image")
    cases, problems = index_cases(good)
    assert {problem.case for problem in problems} == {"sub-06", "sub-07"}
    assert {case.patient for case in cases} == {"sub-01", "sub-02"}


def test_swapped_contrasts_are_a_warning(tmp_path):
    for number, swap in enumerate(
        ({"FLAIR": "T1w", "T1w": "FLAIR"}, {"FLAIR": "T2w", "T2w": "FLAIR"}, {"T1w": "T2w", "T2w": "T1w"}), start=1
    ):
        add(tmp_path, f"sub-{number:02d}", number, contrasts=("FLAIR", "T1w", "T2w"), **swap)
    assert [sentence for _, sentence in told(tmp_path)] == [
        "warning: SET/sub-01/anat/sub-01_FLAIR.nii.gz, given as FLAIR, may be a T1w.",
        "warning: SET/sub-01/anat/sub-01_T1w.nii.gz, given as T1w, may be a FLAIR.",
        "warning: SET/sub-02/anat/sub-02_FLAIR.nii.gz, given as FLAIR, may be a T2w.",
        "warning: SET/sub-02/anat/sub-02_T2w.nii.gz, given as T2w, may be a FLAIR.",
        "warning: SET/sub-03/anat/sub-03_T1w.nii.gz, given as T1w, may be a T2w.",
        "warning: SET/sub-03/anat/sub-03_T2w.nii.gz, given as T2w, may be a T1w.",
    ]


def test_one_patient_under_two_ids_is_found_however_the_image_is_stored(tmp_path):
    add(tmp_path, "sub-01", 1, contrasts=("FLAIR",))
    flair = head(10)
    moved = sitk.Image(flair)
    moved.SetOrigin((7.0, 8.0, 9.0))
    scaled = sitk.Cast(flair, sitk.sitkFloat32) * 0.37 + 5.0
    turned = sitk.PermuteAxes(sitk.Flip(flair, (True, False, True)), (2, 0, 1))
    for patient, image in (("sub-02", flair), ("sub-03", moved), ("sub-04", turned), ("sub-05", scaled)):
        (tmp_path / patient / "anat").mkdir(parents=True)
        sitk.WriteImage(image, str(tmp_path / patient / "anat" / f"{patient}_FLAIR.nii.gz"))
    sitk.WriteImage(flair, str(add(tmp_path, "sub-06", 6, contrasts=("FLAIR",)) / "sub-06_T2w.nii.gz"))
    add(tmp_path, "sub-07", 7, contrasts=("FLAIR",))
    same = "is the same image as SET/sub-01/anat/sub-01_FLAIR.nii.gz."
    assert [one for one in told(tmp_path) if "same image" in one[1]] == [
        *((f"sub-0{n}", f"SET/sub-0{n}/anat/sub-0{n}_FLAIR.nii.gz {same}") for n in (2, 3, 4, 5)),
        ("sub-06", f"SET/sub-06/anat/sub-06_T2w.nii.gz {same}"),
    ]


def test_an_image_without_its_own_contrasts_and_an_empty_mask_are_no_problem(tmp_path, capsys):
    add(tmp_path, "sub-01", 1, contrasts=("FLAIR",), mask=lesion(0))
    assert run(build_app(), ["cases", str(tmp_path), "--check"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()][1] == ["sub-01", "FLAIR", "empty"]


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


def test_scans_that_nobody_annotated_take_no_place_in_validation():
    def case(number: int, mask: bool = False, background: bool = False) -> Case:
        name, file = f"sub-{number:02d}", Path("file")
        return Case(name, name, {"FLAIR": file}, file if mask else None, file if background else None)

    annotated, raw = [case(n, mask=True) for n in range(20)], [case(n, background=True) for n in range(20, 50)]
    parts = allot_patients({}, [*raw, *annotated, case(50)])
    assert [list(parts[one.name] for one in annotated).count(part) for part in ("train", "validation", "test")] == [
        14,
        3,
        3,
    ]
    assert {parts[one.name] for one in raw} == {"train"} and "sub-50" not in parts
    later = allot_patients({"sub-50": "test", **parts}, [case(n, mask=True) for n in range(51)])
    assert {name: later[name] for name in parts} == parts and later["sub-50"] == "test"


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
        ["sub-01", "FLAIR+T1w", "0.38", "mL", parts["sub-01"]],
        ["sub-02_ses-1", "FLAIR+T1w", "0.38", "mL", parts["sub-02"]],
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


def test_warnings_alone_do_not_fail_the_command(tmp_path, capsys):
    add(tmp_path, "sub-01", 1, FLAIR="T1w")
    assert run(build_app(), ["cases", str(tmp_path), "--check"]) == 0
    shown = capsys.readouterr().out
    assert "warning: " in shown
    assert shown.endswith(f"1 cases in {tmp_path}, 0 of them annotated; 1 warning, listed above\n")


def test_another_program_gets_each_problem_as_a_line_of_json(good):
    add(good, "sub-05", 5, mask=lesion(3))
    words = [sys.executable, "-m", "MSLesionSegTrainingLib", "cases", str(good), "--check", "--progress", "json"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=good)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3
    mask = good / "derivatives/annotations/sub-05/anat/sub-05_label-lesion_mask.nii.gz"
    assert [line["warning"] for line in lines if "warning" in line] == [
        f"sub-05: The mask {mask} holds the values 3 beside 0 and 1. Save a mask of 0 and 1."
    ]
    assert lines[-1]["error"]["message"] == f"{good} has 1 problem, listed above."
    assert {line["stage"] for line in lines if "stage" in line} == {"index", "check"}


MEASURED = r"""
import re, sys, time
from pathlib import Path
from MSLesionSegTrainingLib.cases import index_cases
start = time.perf_counter()
cases, problems = index_cases(Path(sys.argv[1]))
status = Path("/proc/self/status").read_text()  # getrusage would count the process that started this one
peak = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024
print(len(cases), len(problems), peak, time.perf_counter() - start)
"""


def test_a_thousand_cases_are_indexed_in_less_than_500_mb(tmp_path):
    pattern = add(tmp_path / "one", "sub-00", 1, contrasts=("FLAIR", "T1w", "T2w"), mask=lesion())
    root = tmp_path / "set"
    for number in range(1000):
        name = f"sub-{number:04d}"
        for contrast in ("FLAIR", "T1w", "T2w"):
            path = root / name / "anat" / f"{name}_{contrast}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.hardlink_to(pattern / f"sub-00_{contrast}.nii.gz")
        mask = root / "derivatives/annotations" / name / "anat" / f"{name}_label-lesion_mask.nii.gz"
        mask.parent.mkdir(parents=True)
        mask.hardlink_to(tmp_path / "one/derivatives/annotations/sub-00/anat/sub-00_label-lesion_mask.nii.gz")
    done = subprocess.run([sys.executable, "-c", MEASURED, str(root)], capture_output=True, text=True, check=True)
    found, problems, megabytes, seconds = done.stdout.split()
    assert (int(found), int(problems)) == (1000, 0)
    assert int(megabytes) < 500
    assert float(seconds) < 60  # 16 s on two busy cores


@pytest.mark.acceptance
def test_no_real_image_is_taken_for_another_contrast_and_every_swap_is_seen(data_dir, phantom_study):
    files = [*data_dir.glob("*/sub-*/anat/*.nii.gz"), *data_dir.glob("*/sub-*/ses-*/anat/*.nii.gz")]
    files += [phantom_study / f"{contrast}.nii.gz" for contrast in LEVELS]
    assert len(files) > 3
    for path in sorted(files):
        image = read_image(path)
        brain = find_brain(image)
        given = path.name.removesuffix(".nii.gz").rpartition("_")[2]
        doubts = {contrast: doubtful_contrast(image, brain, contrast) for contrast in LEVELS}
        assert [contrast for contrast, doubt in doubts.items() if doubt is None] == [given], path.name
