"""How sure each lesion is: drawn lesions with known answers, and results that keep it at any threshold."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from pydantic import ValidationError
from torch import nn

from MSLesionSegLib.bundle_schema import Calibration, LesionCalibration, ModelDescription, TrainingRecord
from MSLesionSegLib.finish import BRAIN_FILE, FLAIR_FILE, SECOND_FILE, finish, write_probability
from MSLesionSegLib.lesion_confidence import CONFIDENCE_NOTICE, lesion_features, rate_lesions, review_order
from MSLesionSegLib.lesion_table import Lesion, lesion_table, read_lesion_csv
from MSLesionSegLib.nifti import compact
from MSLesionSegLib.predictor import Predictor
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegLib.provenance import build_provenance, read_provenance
from MSLesionSegLib.report import write_report
from MSLesionSegLib.results import ResultFolder
from MSLesionSegLib.rethreshold import rethreshold
from MSLesionSegLib.second_pass import calibration_for, left_out, second_pass
from MSLesionSegLib.study import SeriesSource, Study

RULE = {
    "contrasts": ["FLAIR", "T1w", "T2w"],
    "left_out": "T2w",
    "intercept": 0.0,
    "weights": {"evidence": 1.0, "edge": -2.0},
    "doubtful_below": 0.5,
    "fitted_on": ["sub-01: 30 lesions listed, 20 of them real"],
    "voxel_temperature": None,
}


def image(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(spacing)
    return made


@pytest.fixture
def drawn():
    """Labels, first and second probability and brain: one sure lesion, one that fades, one at the edge of the brain."""
    labels = np.zeros((30, 30, 30), np.int32)
    first, second = np.zeros(labels.shape, np.float32), np.zeros(labels.shape, np.float32)
    brain = np.zeros(labels.shape, np.uint8)
    brain[5:25, 5:25, 5:25] = 1
    for number, place, before, after in ((1, 10, 0.9, 0.8), (2, 15, 0.9, 0.25), (3, 20, 0.9, 0.75)):
        labels[place, 12:14, 12:14], first[place, 12:14, 12:14] = number, before
        second[place, 12, 12] = after
    labels[20] = np.roll(labels[20], -6, axis=1)  # x 6 and 7: 2 mm from the voxels at x 4, which are no brain
    first[20], second[20] = np.roll(first[20], -6, axis=1), np.roll(second[20], -6, axis=1)
    return tuple(map(image, (labels, first, second, brain)))


def test_confidence_is_the_logistic_regression_and_each_doubt_has_its_reason(drawn):
    labels, first, second, brain = drawn
    rated = rate_lesions(lesion_table(labels, first), labels, first, second, brain, RULE, 0.3)
    at_the_edge = 1 / (1 + np.exp(-(np.log(0.75 / 0.25) - 2)))
    assert [lesion.confidence for lesion in rated] == [0.8, 0.25, round(at_the_edge, 2)]
    assert [lesion.doubtful for lesion in rated] == ["", "not found without T2w", "at the edge of the brain"]


def test_a_doubt_without_another_reason_is_a_low_probability(drawn):
    labels, first, second, brain = drawn
    rated = rate_lesions(lesion_table(labels, first), labels, first, second * 0.5, brain, RULE, 0.3)
    assert (rated[0].confidence, rated[0].doubtful) == (0.4, "low probability")


def test_the_second_pass_can_only_lower_the_evidence(drawn):
    labels, first, second, brain = drawn
    features = lesion_features(labels, first * 0.5, second * 0.0 + 1.0, brain)
    assert features[1]["evidence"] == pytest.approx(0.45)


@pytest.mark.parametrize(("gap", "edge"), [(2, 1.0), (3, 0.0)])
def test_a_lesion_touches_the_edge_of_the_brain_within_two_and_a_half_mm(gap, edge):
    brain = np.ones((20, 20, 20), np.uint8)
    brain[:, :, :5] = 0
    labels = np.zeros(brain.shape, np.int32)
    labels[10, 10, 4 + gap] = 1
    zero = np.zeros(brain.shape, np.float32)
    assert lesion_features(*map(image, (labels, zero, zero, brain)))[1]["edge"] == edge


def test_the_end_of_the_image_is_no_edge_of_the_brain():
    labels = np.zeros((10, 10, 10), np.int32)
    labels[0, 0, 0] = 1
    zero = np.zeros(labels.shape, np.float32)
    features = lesion_features(*map(image, (labels, zero, zero, np.ones(labels.shape, np.uint8))))
    assert features[1]["edge"] == 0.0


def test_a_lesion_that_a_reader_drew_is_not_rated(drawn):
    labels, first, second, brain = drawn
    rated = rate_lesions(lesion_table(labels, first), labels, first, second, brain, RULE, 0.95)
    assert {(lesion.confidence, lesion.doubtful) for lesion in rated} == {(None, "")}


def test_doubtful_lesions_are_looked_at_first_and_the_least_sure_of_them_first():
    values = ((1, 0.9, ""), (2, 0.4, "low probability"), (3, None, ""), (4, 0.1, "low probability"), (5, 0.5, ""))
    lesions = [Lesion(number, 0.1, 0, 0, 0, 3, 0.5, 0.6, "", sure, doubt) for number, sure, doubt in values]
    assert [lesion.id for lesion in review_order(lesions)] == [4, 2, 1, 3, 5]


@pytest.mark.parametrize(
    ("given", "without"),
    [(("FLAIR", "T1w", "T2w"), "T2w"), (("FLAIR", "T2w"), "T2w"), (("FLAIR", "T1w"), "T1w"), (("FLAIR",), "")],
)
def test_the_last_contrast_is_left_out(given, without):
    assert left_out(given) == without


class SumOfContrasts(nn.Module):
    """The logit of a voxel is the sum of its contrasts, 4 higher in the left half of the window that it is shown."""

    def forward(self, x):
        half = torch.zeros_like(x[:, :1])
        half[..., : x.shape[-1] // 2] = 4
        return x.sum(1, keepdim=True) + half


def test_the_second_pass_sees_all_but_one_contrast_and_is_kept_where_lesions_may_be():
    channels = np.ones((3, 40, 40, 40), np.float32)
    probability = np.zeros(channels.shape[1:], np.float32)
    probability[20, 20, 5] = 0.2
    predictor = Predictor(SumOfContrasts(), patch=(64, 64, 64), device="cpu")
    brain = np.ones(probability.shape, bool)
    second = second_pass(predictor, channels, ("FLAIR", "T1w", "T2w"), "T2w", brain, probability, SilentProgress())
    assert second[20, 20, 5] == pytest.approx(1 / (1 + np.exp(-6)), abs=1e-6)
    assert np.count_nonzero(second) == 1


def test_without_another_contrast_the_images_are_mirrored():
    channels = np.ones((1, 40, 40, 40), np.float32)
    probability = np.zeros(channels.shape[1:], np.float32)
    probability[20, 20, 5] = 0.2
    predictor = Predictor(SumOfContrasts(), patch=(64, 64, 64), device="cpu")
    brain = np.ones(probability.shape, bool)
    second = second_pass(predictor, channels, ("FLAIR",), "", brain, probability, SilentProgress())
    assert second[20, 20, 5] == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-6)


@pytest.mark.parametrize(("contrasts", "without", "logit"), [(("FLAIR", "T1w"), "T1w", 5), (("FLAIR",), "", 1)])
def test_the_second_pass_of_a_model_that_averages_the_mirrored_windows_does_not(contrasts, without, logit):
    """On the left, 4 higher in the window itself: of FLAIR alone the second is the lower of what was averaged."""
    channels = np.ones((len(contrasts), 40, 40, 40), np.float32)
    predictor = Predictor(SumOfContrasts(), patch=(64, 64, 64), device="cpu", flip=True)
    brain = np.ones(channels.shape[1:], bool)
    probability = predictor.predict(channels, brain, SilentProgress())
    second = second_pass(predictor, channels, contrasts, without, brain, probability, SilentProgress())
    assert second[20, 20, 5] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)
    if not without:
        assert second[20, 20, 35] == pytest.approx(second[20, 20, 5], abs=1e-6)


def description(calibration: Calibration | None) -> ModelDescription:
    return ModelDescription(
        format_version=1,
        kind="lesion",
        name="small",
        version="1.0",
        architecture={"type": "unet3d"},
        contrasts=["FLAIR", "T1w"],
        spacing_mm=1.0,
        normalisation="brain-biweight-3",
        threshold=0.3,
        min_lesion_mm3=3.0,
        patch=(64, 64, 64),
        flip=False,
        training=TrainingRecord(data=["none"], licence="CC0", case_hashes=[], recipe={}),
        scores=[],
        calibration=calibration,
        created="2026-11-25T00:00:00Z",
    )


def test_the_calibration_is_that_of_the_contrasts_which_the_model_was_given():
    entry = LesionCalibration(
        contrasts=["FLAIR", "T1w"],
        left_out="T1w",
        intercept=0.5,
        weights={"evidence": 1.0, "edge": -1.0},
        doubtful_below=0.5,
    )
    model = description(Calibration(fitted_on=["one"], voxel_temperature=None, lesions=[entry], figures=[]))
    assert calibration_for(model, ("FLAIR", "T1w", "T2w")) == calibration_for(model, ("FLAIR", "T1w")) == entry
    assert calibration_for(model, ("FLAIR", "T2w")) is None
    assert calibration_for(description(None), ("FLAIR", "T1w")) is None


@pytest.mark.parametrize(
    "change",
    [
        {"weights": {"evidence": 1.0}},
        {"weights": {"evidence": 1.0, "volume": 2.0}},
        {"doubtful_below": 1.0},
        {"left_out": "FLAIR"},
    ],
)
def test_a_calibration_that_the_program_does_not_know_is_refused(change):
    entry = {name: RULE[name] for name in ("contrasts", "left_out", "intercept", "weights", "doubtful_below")}
    assert LesionCalibration(**entry).weights == RULE["weights"]
    with pytest.raises(ValidationError):
        LesionCalibration(**{**entry, **change})


def write_rated_result(folder: Path, images, threshold: float) -> dict:
    """What ``segment`` writes: the second pass halves the lower of the small study's lesions."""
    flair, probability, brain = images
    second = probability.copy()
    second[:, 35:] *= 0.5
    study = Study(flair=flair, sources={"FLAIR": SeriesSource(Path("flair.nii.gz"), "f" * 64)})
    with ResultFolder(folder) as result:
        result.write_image(FLAIR_FILE, compact(flair))
        result.write_image(BRAIN_FILE, brain)
        write_probability(result, probability, flair)
        write_probability(result, second, flair, SECOND_FILE)
        provenance = build_provenance(
            study,
            models={"lesion": {"name": "small", "version": "1.0", "sha256": "a" * 64}},
            settings={"threshold": threshold, "min_lesion_mm3": 3.0},
            device="cpu",
            runtime="torch",
        )
        provenance["confidence"] = RULE
        return finish(result, provenance)


@pytest.fixture(scope="module")
def rated(tmp_path_factory, small_images) -> Path:
    folder = tmp_path_factory.mktemp("rated") / "result"
    write_rated_result(folder, small_images, 0.5)
    return folder


def test_the_table_holds_confidence_and_doubt(rated):
    lesions = read_lesion_csv(rated / "lesions.csv")
    assert [(round(one.max_probability, 2), one.confidence, one.doubtful) for one in lesions] == [
        (0.95, 0.95, ""),
        (0.8, 0.8, ""),
        (0.6, 0.3, "not found without T2w"),
    ]


def test_another_threshold_rates_the_lesions_as_a_first_run_would_have(rated, small_images, tmp_path):
    shutil.copytree(rated, tmp_path / "again")
    rethreshold(tmp_path / "again", 0.3)
    write_rated_result(tmp_path / "fresh", small_images, 0.3)
    again, fresh = tmp_path / "again" / "lesions.csv", tmp_path / "fresh" / "lesions.csv"
    assert len(read_lesion_csv(fresh)) == 4 and all(one.confidence for one in read_lesion_csv(fresh))
    assert again.read_bytes() == fresh.read_bytes()
    assert read_provenance(tmp_path / "again")["confidence"] == RULE


def test_the_report_shows_doubtful_lesions_first_and_says_what_it_rests_on(rated, tmp_path):
    write_report(rated, tmp_path / "report")
    data = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert data["confidence"]["notice"] == CONFIDENCE_NOTICE and "another site" in CONFIDENCE_NOTICE
    assert (data["confidence"]["doubtful"], data["confidence"]["review_order"]) == (1, [3, 1, 2])
    assert CONFIDENCE_NOTICE in page and RULE["fitted_on"][0] in page
    assert "1 lesion is doubtful (confidence below 0.50); look at it first" in page
    assert page.index("<b>3: ") < page.index("<b>1: ") < page.index("<b>2: ")
    assert page.count("doubtful: not found without T2w") == 1
    header, *rows = (tmp_path / "report" / "report.csv").read_text("utf-8").splitlines()
    assert ",confidence,doubtful," in header and ",0.30,not found without T2w," in rows[2]


def test_a_reader_s_mask_is_rated_where_the_model_found_something(rated, tmp_path):
    mask = sitk.ReadImage(str(rated / "lesion_mask.nii.gz"))
    array = sitk.GetArrayFromImage(mask)
    array[3:5, 28:31, 20:23] = 1
    drawn = sitk.GetImageFromArray(array)
    drawn.CopyInformation(mask)
    sitk.WriteImage(drawn, str(tmp_path / "mine.nrrd"))
    data = write_report(rated, tmp_path / "report", mask=tmp_path / "mine.nrrd")
    assert sorted((row["confidence"] is None, row["doubtful"]) for row in data["lesions"]) == [
        (False, ""),
        (False, ""),
        (False, "not found without T2w"),
        (True, ""),
    ]
