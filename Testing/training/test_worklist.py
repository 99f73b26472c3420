"""The work list: states and order, claims of several annotators, masks that are whole or not there, second readings."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cohort import make_cohort

from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegLib.images import read_image
from MSLesionSegLib.nifti import read_nifti
from MSLesionSegTrainingLib.cases import index_cases
from MSLesionSegTrainingLib.worklist.agreement import agreement
from MSLesionSegTrainingLib.worklist.claims import CLAIM_FILE, CaseTaken, see_claim, take_case
from MSLesionSegTrainingLib.worklist.drafts import DRAFT_NUMBERS, DraftReview, read_draft, save_draft
from MSLesionSegTrainingLib.worklist.saving import (
    add_second_reading,
    exclude_case,
    finish_case,
    include_case,
)
from MSLesionSegTrainingLib.worklist.uncertainty import uncertain_ml
from MSLesionSegTrainingLib.worklist.work_list import next_case, ordered, take, work_folder, work_list

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = os.pathsep.join(str(REPOSITORY / module) for module in ("MSLesionSeg", "MSLesionSegTraining"))


@pytest.fixture
def root(tmp_path) -> Path:
    return make_cohort(tmp_path / "set", 3, broken=False)


def boxes(root: Path, *boxes: tuple[slice, slice, slice]) -> sitk.Image:
    """A mask on the grid of the first FLAIR; boxes (z, y, x)."""
    flair = read_image(root / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz")
    voxels = np.zeros(flair.GetSize()[::-1], np.uint8)
    for box in boxes:
        voxels[box] = 1
    mask = sitk.GetImageFromArray(voxels)
    mask.CopyInformation(flair)
    return mask


LEFT, RIGHT = (slice(20, 22), slice(30, 32), slice(10, 14)), (slice(20, 22), slice(30, 32), slice(30, 32))


def by_name(root: Path) -> dict:
    return {case.name: case for case in work_list(root)}


def age(folder: Path, seconds: float) -> None:
    """Let the last sign of life of a claim lie so many seconds back."""
    past = time.time() - seconds
    os.utime(folder / CLAIM_FILE, (past, past))


def test_a_case_goes_from_new_over_a_draft_to_done_and_training_reads_it(root):
    assert [case.state for case in work_list(root)] == ["new"] * 3
    claim = take_case(work_folder(root, "sub-01"), "Anna")
    assert by_name(root)["sub-01"].state == "in progress"
    save_draft(claim, boxes(root, LEFT), 30.0)
    claim.release()
    row = by_name(root)["sub-01"]
    assert (row.state, row.annotator, row.claim) == ("in progress", "Anna", None)
    assert index_cases(root)[0][0].mask is None

    claim = take_case(work_folder(root, "sub-01"), "Anna")
    path = finish_case(root, claim, boxes(root, LEFT, RIGHT), 95.0, {"accepted": 1, "edited": 1})
    row = by_name(root)["sub-01"]
    assert (row.state, row.annotator, row.claim) == ("done", "Anna", None)
    assert path == root / "derivatives/annotations/sub-01/anat/sub-01_label-lesion_mask.nii.gz"
    assert int(sitk.GetArrayFromImage(read_nifti(path)).sum()) == 16 + 8
    sidecar = json.loads(path.with_name("sub-01_label-lesion_mask.json").read_text("utf-8"))
    assert (sidecar["Annotator"], sidecar["SecondsSpent"], sidecar["Lesions"]["edited"]) == ("Anna", 95.0, 1)
    cases, problems = index_cases(root)
    assert [case.mask for case in cases] == [path, None, None] and problems == []
    assert list(work_folder(root, "sub-01").iterdir()) == []


def test_a_draft_comes_back_with_its_review_unless_that_belongs_to_another_mask(root):
    folder = work_folder(root, "sub-01")
    claim = take_case(folder, "Anna")
    assert read_draft(folder) is None
    numbers = sitk.Cast(boxes(root, LEFT), sitk.sitkInt16) * 7
    save_draft(claim, boxes(root, LEFT), 30.0, DraftReview(numbers, {"Threshold": 0.4}))
    draft = read_draft(folder)
    assert (draft.who, draft.seconds_spent, draft.review.values) == ("Anna", 30.0, {"Threshold": 0.4})
    assert np.array_equal(sitk.GetArrayFromImage(draft.mask), sitk.GetArrayFromImage(boxes(root, LEFT)))
    assert np.array_equal(sitk.GetArrayFromImage(draft.review.numbers), sitk.GetArrayFromImage(numbers))

    (folder / DRAFT_NUMBERS).write_bytes(b"of the next draft, whose other files a crash kept away")
    assert read_draft(folder).review is None
    finish_case(root, claim, boxes(root, LEFT), 40.0)
    assert read_draft(folder) is None and list(folder.iterdir()) == []


def test_two_annotators_never_have_one_case(root):
    folder = work_folder(root, "sub-01")
    take_case(folder, "Anna")
    with pytest.raises(CaseTaken, match=r"sub-01 is being corrected by Anna on \S+ since .*, last sign \d+ s ago\."):
        take_case(folder, "Ben")
    with pytest.raises(CaseTaken) as refused:
        take_case(folder, "Ben", take_over="I need it")
    assert refused.value.hint == "Choose another case."


def test_a_claim_without_a_sign_of_life_is_taken_over_with_a_word_and_nothing_of_the_other_is_lost(root):
    folder = work_folder(root, "sub-01")
    anna = take_case(folder, "Anna")
    age(folder, 590)
    anna.beat()
    with pytest.raises(CaseTaken):
        take_case(folder, "Ben", take_over="Anna is on leave")
    age(folder, 610)
    with pytest.raises(CaseTaken) as refused:
        take_case(folder, "Ben")
    assert refused.value.hint == "It gives no sign of life; take the case over with a word, or choose another."
    ben = take_case(folder, "Ben", take_over="Anna is on leave")
    claim = see_claim(folder)
    assert (claim.who, claim.taken_from, claim.word) == ("Ben", "Anna", "Anna is on leave")

    with pytest.raises(CaseTaken, match="Ben has taken over sub-01; nothing was changed there. Your mask lies in"):
        save_draft(anna, boxes(root, LEFT), 30.0)
    (kept,) = folder.glob("kept_*_mask.nii.gz")
    assert int(sitk.GetArrayFromImage(read_nifti(kept)).sum()) == 16
    anna.release()
    assert see_claim(folder).who == "Ben"
    finish_case(root, ben, boxes(root, RIGHT), 10.0)
    with pytest.raises(CaseTaken, match="sub-01 was given back"):
        finish_case(root, anna, boxes(root, LEFT), 30.0)
    mask = read_nifti(by_name(root)["sub-01"].mask)
    assert int(sitk.GetArrayViewFromImage(mask).sum()) == 8


def test_a_case_that_somebody_finished_meanwhile_is_neither_taken_nor_overwritten(root):
    seen = by_name(root)["sub-01"]
    finish_case(root, take(root, seen, "Ben"), boxes(root, RIGHT), 10.0)
    with pytest.raises(CaseTaken, match=r"sub-01 was changed since the list was read\."):
        take(root, seen, "Anna")
    claim = take(root, by_name(root)["sub-01"], "Anna")
    with pytest.raises(UsageError, match=r"sub-01 was finished by Ben already\."):
        finish_case(root, claim, boxes(root, LEFT), 10.0)
    finish_case(root, claim, boxes(root, LEFT), 10.0, replace=True)
    assert (by_name(root)["sub-01"].annotator, by_name(root)["sub-01"].claim) == ("Anna", None)


def test_a_second_reading_stands_beside_the_first_with_their_agreement(root):
    folder = work_folder(root, "sub-01")
    with pytest.raises(UsageError, match="has no finished mask"):
        add_second_reading(root, take_case(folder, "Anna"), boxes(root), 1.0)
    finish_case(root, take_case(folder, "Anna", take_over="again"), boxes(root, LEFT), 60.0)
    with pytest.raises(UsageError, match="Anna has annotated sub-01"):
        add_second_reading(root, take_case(folder, "Anna"), boxes(root), 1.0)
    age(folder, 700)
    wider = (slice(20, 22), slice(30, 32), slice(10, 16))
    agreed = add_second_reading(root, take_case(folder, "Ben", take_over="stale"), boxes(root, wider, RIGHT), 40.0)
    assert agreed == {
        "Dice": 0.6667,  # 2 * 16 of 16 + 32 voxels
        "LesionsAdded": 1,
        "LesionsRemoved": 0,
        "VolumeMlFirst": 0.432,
        "VolumeMlSecond": 0.864,
    }
    row = by_name(root)["sub-01"]
    assert (row.annotator, row.second_reader, row.second_dice) == ("Anna", "Ben", 0.6667)
    cases, problems = index_cases(root)
    assert int(sitk.GetArrayFromImage(read_nifti(cases[0].mask)).sum()) == 16 and problems == []


def test_the_agreement_of_empty_and_of_opposite_masks(root):
    empty, left = boxes(root), boxes(root, LEFT)
    assert agreement(empty, empty)["Dice"] == 1.0
    assert [agreement(left, empty)[name] for name in ("Dice", "LesionsAdded", "LesionsRemoved")] == [0.0, 0, 1]
    assert [agreement(empty, left)[name] for name in ("Dice", "LesionsAdded", "LesionsRemoved")] == [0.0, 1, 0]


def test_an_excluded_case_is_no_work_until_it_is_taken_in_again(root):
    folder = work_folder(root, "sub-02")
    with pytest.raises(UsageError, match="The reason is missing"):
        exclude_case(take_case(folder, "Anna"), " ")
    exclude_case(take_case(folder, "Anna", take_over="again"), "moved head")
    assert by_name(root)["sub-02"].state == "excluded"
    assert next_case([by_name(root)["sub-02"]]) is None
    claim = take_case(folder, "Anna")
    include_case(claim)
    claim.release()
    assert by_name(root)["sub-02"].state == "new"


def test_a_mask_on_another_grid_than_the_flair_is_refused(root):
    mask = boxes(root, LEFT)
    mask.SetOrigin((1.0, 0.0, 0.0))
    with pytest.raises(StudyError, match="does not lie on the grid of its FLAIR"):
        finish_case(root, take_case(work_folder(root, "sub-01"), "Anna"), mask, 1.0)
    assert by_name(root)["sub-01"].mask is None


def test_the_uncertain_volume_counts_a_voxel_of_one_half_whole_and_sure_ones_not_at_all():
    probability = np.array([[[0.0, 0.5, 1.0, 0.11]]], np.float32)
    assert uncertain_ml(probability, (10.0, 10.0, 10.0)) == pytest.approx(1.0 + 0.49992, abs=1e-4)


def test_the_most_uncertain_case_comes_first_and_one_without_a_result_last(root):
    for name, value in (("sub-01", 0.1), ("sub-03", 0.4)):
        folder = root / "derivatives" / "presegmented" / name
        folder.mkdir(parents=True)
        image = sitk.GetImageFromArray(np.full((4, 5, 6), value, np.float32))
        sitk.WriteImage(image, str(folder / "lesion_probability.nii.gz"))
        sitk.WriteImage(sitk.Cast(image > 0.3, sitk.sitkUInt8), str(folder / "lesion_mask.nii.gz"))
        outputs = {"lesion_probability.nii.gz": name * 10}
        provenance = {"tool": "MSLesionSeg", "format_version": 1, "settings": {}, "outputs": outputs, "run": {}}
        (folder / "provenance.json").write_text(json.dumps(provenance))
    assert [case.uncertain_ml for case in work_list(root, measure=False)] == [None, None, None]
    cases = work_list(root)
    assert [case.uncertain_ml for case in work_list(root, measure=False)] == [case.uncertain_ml for case in cases]
    assert [case.state for case in cases] == ["pre-segmented", "new", "pre-segmented"]
    assert [case.name for case in ordered(cases)] == ["sub-03", "sub-01", "sub-02"]
    assert [case.name for case in ordered(cases, "state")] == ["sub-02", "sub-01", "sub-03"]
    assert [case.name for case in ordered(cases, "name", descending=True)] == ["sub-03", "sub-02", "sub-01"]
    assert next_case(cases).name == "sub-03"
    take_case(work_folder(root, "sub-03"), "Anna")
    assert next_case(work_list(root)).name == "sub-01"


def test_the_command_lists_the_cases_and_sums_up_what_is_annotated(root):
    finish_case(root, take_case(work_folder(root, "sub-02"), "Anna"), boxes(root, LEFT, RIGHT), 90.0)
    program = [sys.executable, "-m", "MSLesionSegTrainingLib", "worklist", str(root), "--order", "name"]
    environment = {**os.environ, "PYTHONPATH": MODULES}
    done = subprocess.run([*program, "--progress", "json"], env=environment, capture_output=True, encoding="utf-8")
    told = json.loads(done.stdout.splitlines()[-1])["result"]
    assert [(row["case"], row["state"]) for row in told["cases"]] == [
        ("sub-01", "new"),
        ("sub-02", "done"),
        ("sub-03", "new"),
    ]
    summary = told["summary"]
    assert summary["annotators"] == {"Anna": {"cases": 1, "minutes": 1.5}}
    assert summary["sizes"] == {"<10": 0, "10-100": 0, "100-1000": 2, ">=1000": 0}  # 8 and 16 voxels of 27 mm3
    assert summary["cases"][0]["load_ml"] == 0.648
    page = (root / "derivatives" / "worklist" / "summary.html").read_text("utf-8")
    assert "Anna" in page and "0.65 mL (0.65 to 0.65)" in page


def annotator(root: Path, who: str, seconds: float) -> subprocess.Popen:
    program = [sys.executable, str(Path(__file__).with_name("annotate.py")), str(root), who, str(seconds)]
    environment = {**os.environ, "PYTHONPATH": MODULES}
    return subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, encoding="utf-8")


def check_all_done_once(root: Path, told: dict[str, str]) -> None:
    """Every case is finished once, its mask is the one that its annotator finished, and a data set that trains."""
    lines = [(line.split()[0], line.split()[1], who) for who, text in told.items() for line in text.splitlines()]
    names = [name for name, _, _ in lines]
    assert len(names) == len(set(names))
    assert set(names) <= set(by_name(root))
    for name, digest, who in lines:
        row = by_name(root)[name]
        voxels = sitk.GetArrayFromImage(read_nifti(row.mask))
        assert hashlib.sha256(voxels).hexdigest() == digest
        assert row.annotator == who
    assert index_cases(root)[1] == []


def annotate_together(root: Path, seconds: float) -> None:
    """Two annotators on one folder; one is killed in the middle and comes back."""
    people = {who: annotator(root, who, seconds) for who in ("Anna", "Ben")}
    first = people["Ben"].stdout.readline()
    people["Ben"].kill()
    told = {"Ben": first + people["Ben"].communicate()[0]}
    for row in work_list(root):
        if row.claim is not None and row.claim.who == "Ben":  # what he had when he was killed
            folder = work_folder(root, row.name)
            age(folder, 700)
            take_case(folder, "Ben", take_over="killed").release()
    back = annotator(root, "Ben", seconds)
    told["Anna"] = people["Anna"].communicate(timeout=seconds + 200)[0]
    told["Ben"] += back.communicate(timeout=seconds + 200)[0]
    assert people["Anna"].returncode == back.returncode == 0
    cases = work_list(root)
    assert {case.state for case in cases} == {"done"}
    check_all_done_once(root, told)
    assert len("".join(told.values()).split()) // 2 >= len(cases) - 1  # he may have finished one and not said so


def test_two_annotators_at_once_and_a_kill_lose_and_double_nothing(tmp_path):
    annotate_together(make_cohort(tmp_path / "set", 12, broken=False), 20)


@pytest.mark.acceptance
def test_two_annotators_work_for_a_minute_on_one_folder(tmp_path):
    annotate_together(make_cohort(tmp_path / "set", 60, broken=False), 60)
