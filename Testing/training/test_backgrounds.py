"""Scans without annotation as backgrounds: what is left open, what counts as no lesion, who trains on them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cohort import make_cohort

from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.finish import BRAIN_FILE, FLAIR_FILE, MASK_FILE, PROBABILITY_FILE, TABLE_FILE
from MSLesionSegLib.images import read_image
from MSLesionSegLib.lesion_table import lesion_table, write_lesion_csv
from MSLesionSegLib.lesions import label_lesions
from MSLesionSegLib.nifti import read_nifti, write_nifti
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegLib.provenance import FORMAT_VERSION, PROVENANCE_FILE, TOOL
from MSLesionSegTrainingLib.background_labels import FALSE_LESION, NO_LESION, SURE_LESION, UNSURE_PLACE
from MSLesionSegTrainingLib.backgrounds import Background, background_labels, make_backgrounds
from MSLesionSegTrainingLib.cases import index_cases
from MSLesionSegTrainingLib.cli import build_app
from MSLesionSegTrainingLib.prepared_cache import PreparedCache
from MSLesionSegTrainingLib.split import write_split
from MSLesionSegTrainingLib.training_set import load_training_set

SURE, DOUBTED = (22, 30, 20), (22, 30, 32)
"""Voxels (z, y, x) in the made-up brains."""


def write_result(root: Path, name: str, *, confident: bool = True, brain_from: int = 0) -> None:
    """What ``batch`` leaves of a case: a lesion that is sure, one that is doubtful, a haze about the first.

    The brain begins at the column ``brain_from``; the sure lesion, at 19. A voxel is 3 mm wide.
    """
    flair = read_image(root / name / "anat" / f"{name}_FLAIR.nii.gz")
    probability = np.zeros(flair.GetSize()[::-1], np.float32)
    probability[20:25, 28:33, 18:23] = 0.2
    probability[21:24, 29:32, 19:22] = 0.9
    probability[21:24, 29:32, 31:34] = 0.4
    mask = probability > 0.3
    labels = label_lesions(mask)
    folder = root / "derivatives/presegmented" / name
    folder.mkdir(parents=True)

    def image(array: np.ndarray) -> sitk.Image:
        made = sitk.GetImageFromArray(array)
        made.CopyInformation(flair)
        return made

    lesions = lesion_table(image(labels.astype(np.int32)), image(probability))
    doubted = labels[DOUBTED]
    if confident:
        lesions = [
            replace(one, confidence=0.3 if one.id == doubted else 0.9, doubtful="low" if one.id == doubted else "")
            for one in lesions
        ]
    brain = np.ones(mask.shape, np.uint8)
    brain[:, :, :brain_from] = 0
    write_nifti(folder / FLAIR_FILE, flair)
    write_nifti(folder / BRAIN_FILE, image(brain))
    write_nifti(folder / MASK_FILE, image(mask.astype(np.uint8)))
    write_nifti(folder / PROBABILITY_FILE, image(probability))
    write_lesion_csv(folder / TABLE_FILE, lesions, threshold=0.3, min_mm3=3)
    blocks = {"settings": {}, "outputs": {}, "run": {}, "models": {"lesion": {"name": "tiny", "version": "1.0"}}}
    record = {"tool": TOOL, "format_version": FORMAT_VERSION, **blocks}
    (folder / PROVENANCE_FILE).write_text(json.dumps(record))


@pytest.fixture
def root(tmp_path) -> Path:
    """Four patients; the first is annotated, the second and third were segmented, the third is kept for a test."""
    folder = make_cohort(tmp_path / "set", 4, broken=False)
    flair = read_image(folder / "sub-01/anat/sub-01_FLAIR.nii.gz")
    mask = np.zeros(flair.GetSize()[::-1], np.uint8)
    mask[21:24, 29:32, 19:22] = 1
    annotated = sitk.GetImageFromArray(mask)
    annotated.CopyInformation(flair)
    annotations = folder / "derivatives/annotations/sub-01/anat"
    annotations.mkdir(parents=True)
    write_nifti(annotations / "sub-01_label-lesion_mask.nii.gz", annotated)
    write_split(folder, {"sub-01": "train", "sub-02": "train", "sub-03": "test", "sub-04": "train"})
    for name in ("sub-02", "sub-03"):
        write_result(folder, name)
    return folder


def command(*words) -> int:
    """Exit code of ``mslesionseg background``."""
    return run(build_app(), ["background", *map(str, words), "--progress", "none"])


def test_sure_places_are_left_open_with_their_haze_and_doubtful_ones_count_as_none():
    probability, labels = np.zeros((9, 9, 60), np.float32), np.zeros((9, 9, 60), int)
    probability[4, 4, 10:15], labels[4, 4, 11:14] = 0.9, 1
    probability[4, 4, 24:29], labels[4, 4, 25:28] = 0.4, 2
    probability[4, 4, 38:43] = 0.2  # not listed
    probability[4, 4, 51:57], labels[4, 4, 51:53], labels[4, 4, 55:57] = 0.5, 3, 4  # one place, one of two doubted
    found = background_labels(probability, labels, [2, 3], [], (3.0, 1.0, 1.0))
    assert "".join(str(value) for value in found[4, 4]) == ("0" * 6 + "1" * 13 + "0" * 6 + "222" + "0" * 6 + "1" * 26)
    assert "".join(str(value) for value in found[3, 4, :20]) == "00000000111111111000"
    assert not found[2].any()


def test_the_core_of_a_lesion_that_is_sure_and_not_small_is_lesion_and_its_edge_is_left_open():
    probability, labels = np.zeros((1, 1, 60), np.float32), np.zeros((1, 1, 60), int)
    probability[0, 0, 10:16], labels[0, 0, 10:16] = (0.6, 0.9, 0.95, 1.0, 0.9, 0.6), 1
    probability[0, 0, 28:33], labels[0, 0, 28:33] = 1.0, 2  # 25 mm3
    probability[0, 0, 44:50], labels[0, 0, 44:50] = 1.0, 3  # doubted
    found = background_labels(probability, labels, [3], [], (5.0, 1.0, 1.0))
    assert "".join(str(value) for value in found[0, 0]) == (
        "0" * 6 + "11111" + "3333" + "11111" + "0" * 4 + "1" * 13 + "0" * 7 + "222222" + "0" * 10
    )


def test_backgrounds_are_made_of_what_was_segmented_and_not_annotated(root):
    made = make_backgrounds(root, (), SilentProgress())
    # 98 voxels of 27 mm3 about the core of 27, and one more at each of six faces.
    assert made == [Background("sub-02", 6.70, 1, 0.73), Background("sub-03", 6.70, 1, 0.73)]
    path = root / "derivatives/backgrounds/sub-02/anat/sub-02_label-background_dseg.nii.gz"
    labels = sitk.GetArrayFromImage(read_nifti(path))
    assert (labels[SURE], labels[DOUBTED], labels[10, 30, 25]) == (SURE_LESION, FALSE_LESION, NO_LESION)
    assert (labels[20, 28, 18], labels[19, 28, 18], labels[19, 27, 18]) == (UNSURE_PLACE, UNSURE_PLACE, NO_LESION)
    assert (labels == FALSE_LESION).sum() == 27
    told = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
    assert told["Model"] == {"name": "tiny", "version": "1.0"} and told["PerhapsProbability"] == 0.1
    assert told["EdgeMm"] == 2.5
    assert sorted(p.name for p in (root / "derivatives/backgrounds").iterdir()) == ["sub-02", "sub-03"]


def test_a_lesion_at_the_edge_of_the_brain_is_left_open_however_sure_the_model_is(tmp_path):
    folder = make_cohort(tmp_path / "set", 2, broken=False)
    write_result(folder, "sub-02", brain_from=20)
    assert make_backgrounds(folder, (), SilentProgress()) == [
        Background("sub-02", 7.42, 1, 0.0)  # 275 voxels of 27 mm3
    ]
    path = folder / "derivatives/backgrounds/sub-02/anat/sub-02_label-background_dseg.nii.gz"
    assert sitk.GetArrayFromImage(read_nifti(path))[SURE] == UNSURE_PLACE


def test_who_trains_paints_into_backgrounds_and_nobody_kept_out_is_one(root, capsys):
    assert command(root) == 0
    assert (
        "sub-03: the patient validates or tests by split.tsv, so this background does nothing."
        in capsys.readouterr().err
    )
    cases = {case.name: case for case in index_cases(root)[0]}
    assert [name for name, case in cases.items() if case.background is not None] == ["sub-02", "sub-03"]
    assert run(build_app(), ["cases", str(root), "--progress", "none"]) == 0
    told = [line.split()[2] for line in capsys.readouterr().out.splitlines()[1:]]
    assert told == ["yes", "background", "background", "no"]
    data = load_training_set(root, PreparedCache(root.parent / "cache"), None, SilentProgress())
    assert [canvas.name for canvas in data.canvases] == ["sub-01", "sub-02"]
    annotated, raw = data.canvases
    assert annotated.unsure is None and annotated.lesion.any()
    assert abs(float(raw.lesion.sum()) - 27 * 27) < 30 and len(raw.index.lesions) == 1
    assert abs(float(raw.unsure.sum()) - 248 * 27) < 60
    assert len(data.shapes) == 1
    assert abs(len(raw.index.false_positives) - 27 * 27) < 30
    assert {(record.case, record.part) for record in data.records} == {
        ("sub-01", "train"),
        ("sub-02", "train"),
        ("sub-03", "test"),
    }
    assert data.sources[0].startswith("an unnamed data set: 1 annotated case, 1 without annotation (as background)")


def test_a_case_that_is_annotated_later_is_no_background_any_more(root):
    assert command(root, "sub-02") == 0
    annotations = root / "derivatives/annotations/sub-02/anat"
    annotations.mkdir(parents=True)
    mask = read_nifti(root / "derivatives/presegmented/sub-02" / MASK_FILE)
    write_nifti(annotations / "sub-02_label-lesion_mask.nii.gz", mask)
    case = next(case for case in index_cases(root)[0] if case.name == "sub-02")
    assert case.mask is not None and case.background is None


def test_a_background_that_somebody_edited_is_not_made_anew(root, capsys):
    assert command(root) == 0
    path = root / "derivatives/backgrounds/sub-02/anat/sub-02_label-background_dseg.nii.gz"
    labels = read_nifti(path)
    labels[30, 30, 30] = SURE_LESION
    write_nifti(path, labels)
    edited = path.read_bytes()
    capsys.readouterr()
    assert command(root) == 2
    assert "sub-02_label-background_dseg.nii.gz is not as it was made; somebody edited it." in capsys.readouterr().err
    assert path.read_bytes() == edited
    assert command(root, "sub-03") == 0
    path.unlink()
    assert command(root, "sub-02") == 0
    assert read_nifti(path)[30, 30, 30] == NO_LESION


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("sub-01", 2, "sub-01 is annotated: "),
        ("sub-04", 3, "sub-04 was not segmented: "),
        ("sub-09", 2, "There is no case sub-09 in "),
    ],
)
def test_what_cannot_be_a_background_is_told(root, capsys, name, code, sentence):
    assert command(root, name) == code
    assert sentence in capsys.readouterr().err
    assert not (root / "derivatives/backgrounds").exists()


def test_a_result_of_another_flair_or_without_confidence_is_refused(root, capsys):
    write_result(root, "sub-04", confident=False)
    assert command(root, "sub-04") == 3
    assert "have no confidence" in capsys.readouterr().err
    sitk.WriteImage(
        read_image(root / "sub-01/anat/sub-01_FLAIR.nii.gz"),
        str(root / "derivatives/presegmented/sub-02" / FLAIR_FILE),
    )
    assert command(root, "sub-02") == 3
    assert "is a result of another FLAIR than" in capsys.readouterr().err


def test_a_background_that_does_not_fit_is_told_like_a_mask_that_does_not(root, capsys):
    assert command(root, "sub-02") == 0
    path = root / "derivatives/backgrounds/sub-02/anat/sub-02_label-background_dseg.nii.gz"
    labels = read_nifti(path)
    write_nifti(path, labels * 3)
    with pytest.raises(StudyError, match="holds other values than 0 to 3"):
        load_training_set(root, PreparedCache(root.parent / "cache"), None, SilentProgress())
    labels.SetSpacing((2.0, 2.0, 2.0))
    write_nifti(path, labels)
    assert [problem.case for problem in index_cases(root)[1]] == ["sub-02"]
    capsys.readouterr()
    assert command(root, "sub-02") == 3
    assert "sub-02_label-background_dseg.nii.gz lies on another grid than its FLAIR." in capsys.readouterr().err
