"""A data set becomes what a run reads, and nobody of validation or test gets into training."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.case_loading import load_case
from MSLesionSegTrainingLib.cases import index_cases
from MSLesionSegTrainingLib.prepared_cache import PreparedCache
from MSLesionSegTrainingLib.split import write_split
from MSLesionSegTrainingLib.start_weights import Start, check_overlap
from MSLesionSegTrainingLib.training_set import load_training_set, parts_of

SHAPE = (40, 48, 40)
SPACING = (4.0, 4.0, 4.0)


def image(array: np.ndarray) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(SPACING)
    return made


def stripped(seed: int, contrast: float = 1.0) -> np.ndarray:
    """A ball of a brain of about a litre, 0 around it, brighter where the lesion is."""
    z, y, x = np.indices(SHAPE)
    inside = ((x - 20) / 14) ** 2 + ((y - 24) / 18) ** 2 + ((z - 20) / 14) ** 2 < 1
    noise = np.random.default_rng(seed).normal(0, 20, SHAPE)
    return (inside * (400 + noise + 250 * contrast * lesion())).clip(0).astype(np.int16)


def lesion() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[20:22, 24:26, 26:28] = 1
    mask[16, 20, 14:16] = 1
    return mask


def add(root: Path, patient: str, seed: int, *, contrasts=("FLAIR",), mask: np.ndarray | None = None) -> None:
    (root / patient / "anat").mkdir(parents=True)
    for number, contrast in enumerate(contrasts):
        values = stripped(10 * seed + number, 1.0 if contrast == "FLAIR" else -0.5)
        sitk.WriteImage(image(values), str(root / patient / "anat" / f"{patient}_{contrast}.nii.gz"))
    if mask is not None:
        folder = root / "derivatives/annotations" / patient / "anat"
        folder.mkdir(parents=True)
        sitk.WriteImage(image(mask), str(folder / f"{patient}_label-lesion_mask.nii.gz"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> PreparedCache:
    """A cache for all tests: equal files are prepared once."""
    return PreparedCache(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def load(prepared):
    """Loads a data set, with a patient left out."""
    return lambda root, leave_out=None: load_training_set(root, prepared, leave_out, SilentProgress())


@pytest.fixture
def root(tmp_path) -> Path:
    """Two patients who train, one who validates, one of the test part, one without a mask."""
    folder = tmp_path / "set"
    add(folder, "sub-01", 1, contrasts=("FLAIR", "T1w"), mask=lesion())
    for number in (2, 3, 4):
        add(folder, f"sub-0{number}", number, mask=lesion())
    add(folder, "sub-05", 5)
    write_split(
        folder, {"sub-01": "train", "sub-02": "train", "sub-03": "validation", "sub-04": "test", "sub-05": "train"}
    )
    return folder


def test_each_part_goes_where_it_belongs_and_cases_without_mask_are_not_used(root, load):
    data = load(root)
    assert [canvas.name for canvas in data.canvases] == ["sub-01", "sub-02"]
    assert [canvas.name for canvas in data.validation] == ["sub-03"]
    assert {record.case: record.part for record in data.records} == {
        "sub-01": "train",
        "sub-02": "train",
        "sub-03": "validation",
        "sub-04": "test",
    }
    assert len(data.shapes) == 2
    assert data.sources == ["an unnamed data set: 2 annotated cases; licence: not named"]


def test_a_prepared_case_shows_brain_lesions_and_the_contrasts_there_are(root):
    cases, _ = index_cases(root)
    cache = PreparedCache(root.parent / "cache")
    canvas, sha256 = load_case(cache, cases[0])
    assert len(sha256) == 64 and len(list(cache.folder.iterdir())) == 1
    assert canvas.present == (True, True, False)
    assert canvas.channels.dtype.itemsize == 2 and float(canvas.channels[2].abs().max()) == 0
    brain_ml, lesion_ml = float(canvas.brain.sum()) / 1000, float(canvas.lesion.sum()) / 1000
    true_ml = 4 / 3 * np.pi * 14 * 18 * 14 * 64 / 1000
    assert abs(brain_ml - true_ml) < 0.03 * true_ml
    assert abs(lesion_ml - 10 * 64 / 1000) < 0.03
    flair = canvas.channels[0].float()
    assert float(flair[canvas.lesion[0] > 0].mean()) > 3 > 0.5 > abs(float(flair[canvas.brain[0] > 0].median()))
    again, _ = load_case(cache, cases[0])
    assert len(list(cache.folder.iterdir())) == 1
    assert (again.channels == canvas.channels).all() and (again.lesion == canvas.lesion).all()


def test_a_changed_mask_is_prepared_anew(root):
    cases, _ = index_cases(root)
    cache = PreparedCache(root.parent / "cache")
    before, _ = load_case(cache, cases[0])
    sitk.WriteImage(image(np.zeros(SHAPE, np.uint8)), str(cases[0].mask))
    after, _ = load_case(cache, cases[0])
    assert before.lesion.any() and not after.lesion.any()


def test_a_patient_left_out_validates_and_leaves_neither_shape_nor_tissue_map(root, load):
    for patient in ("sub-01", "sub-09"):
        folder = root / "derivatives/shapes" / patient / "anat"
        folder.mkdir(parents=True)
        sitk.WriteImage(image(lesion()), str(folder / f"{patient}_space-MNI_label-lesion_mask.nii.gz"))
        folder = root / "derivatives/tissue" / patient / "anat"
        folder.mkdir(parents=True)
        brain = (stripped(1) > 0).astype(np.uint8)
        for name, values in (("dseg", 3 * brain), ("desc-brain_mask", brain), ("label-lesion_mask", lesion())):
            sitk.WriteImage(image(values), str(folder / f"{patient}_{name}.nii.gz"))
    data = load(root, "sub-01")
    assert [canvas.name for canvas in data.canvases] == ["sub-02", "sub-09"]
    assert [canvas.name for canvas in data.validation] == ["sub-01", "sub-03"]
    assert len(data.shapes) == 2  # of sub-02 itself and of sub-09
    assert [canvas.name for canvas in load(root).canvases] == ["sub-01", "sub-02", "sub-01", "sub-09"]


def test_a_patient_of_the_test_part_cannot_be_left_out_and_a_stranger_is_told(root):
    cases, _ = index_cases(root)
    with pytest.raises(UsageError, match="sub-04 is a patient of the test part"):
        parts_of(root, cases, "sub-04")
    with pytest.raises(UsageError, match="There is no patient sub-99"):
        parts_of(root, cases, "sub-99")


def test_a_patient_without_a_mask_cannot_be_left_out(root):
    add(root, "sub-06", 6)
    cases, _ = index_cases(root)
    with pytest.raises(UsageError, match="No case of sub-06 is annotated"):
        parts_of(root, cases, "sub-06")
    trained = replace(next(case for case in cases if case.patient == "sub-06"), background=Path("background"))
    with pytest.raises(UsageError, match="No case of sub-06 is annotated"):
        parts_of(root, [trained], "sub-06")


def test_new_patients_get_a_part_and_the_others_keep_theirs(root):
    add(root, "sub-06", 6, mask=lesion())
    cases, _ = index_cases(root)
    parts = parts_of(root, cases, None)
    assert parts["sub-04"] == "test" and parts["sub-06"] in ("train", "validation", "test")
    assert parts_of(root, cases, None) == parts


def test_one_patient_under_two_names_in_two_parts_is_refused(root, load):
    flair = root / "sub-04/anat/sub-04_FLAIR.nii.gz"
    shutil.copy(root / "sub-01/anat/sub-01_FLAIR.nii.gz", flair)
    with pytest.raises(StudyError, match="sub-01 and sub-04 have the same FLAIR") as caught:
        load(root)
    assert caught.value.hint == "Remove one of them, or one patient would train and validate at once."


def test_all_cases_that_cannot_be_used_are_told_at_once(root, load):
    (root / "sub-01/anat/sub-01_T1w.nii.gz").write_bytes(b"no image")
    (root / "sub-02/anat/sub-02_FLAIR.nii.gz").unlink()
    with pytest.raises(StudyError, match="has cases that cannot be used") as caught:
        load(root)
    assert "sub-01_T1w.nii.gz cannot be read" in caught.value.message
    assert "sub-02/anat holds no FLAIR" in caught.value.message


def test_without_an_annotated_case_to_train_on_there_is_no_run(root, load):
    write_split(root, {f"sub-0{number}": "validation" for number in range(1, 6)})
    with pytest.raises(StudyError, match="holds no annotated case to train on"):
        load(root)


def test_a_model_that_knows_a_validation_case_is_refused_unless_forced(root, load):
    records = load(root).records
    known = next(record.flair_sha256 for record in records if record.case == "sub-03")
    trained = next(record.flair_sha256 for record in records if record.case == "sub-01")
    start = Start(None, {}, 64, 0.5, {"name": "other", "version": "2.0", "sha256": "0" * 64}, [known, trained])
    with pytest.raises(UsageError, match=r"other 2\.0 was trained on sub-03, which must not be trained on here"):
        check_overlap(start, records, forced=False)
    assert check_overlap(start, records, forced=True) == ["sub-03"]
