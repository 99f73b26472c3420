"""Scores of drawn masks whose answers are known by hand, and the same scores by MONAI, SimpleITK and panoptica."""

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance
from monai.metrics import compute_surface_dice as monai_surface_dice

from MSLesionSegTrainingLib.evaluation.calibration import reliability
from MSLesionSegTrainingLib.evaluation.lesion_metrics import lesion_scores, msseg_found, overlap_table
from MSLesionSegTrainingLib.evaluation.policy import Policy
from MSLesionSegTrainingLib.evaluation.surfaces import surface, surface_distances, surface_scores
from MSLesionSegTrainingLib.evaluation.voxel_metrics import region_scores, voxel_scores

SHAPE = (12, 16, 16)
MM = (1.0, 1.0, 1.0)
THICK = (0.5, 1.0, 2.0)
POLICY = Policy()
ALL_ONE = {"dice": 1.0, "precision": 1.0, "recall": 1.0, "ndsc": 1.0}


def boxes(*corners: tuple[slice, slice, slice]) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    for corner in corners:
        mask[corner] = True
    return mask


EMPTY = boxes()
#: Three voxels in a row, and one voxel further.
ROW, ROW_NEXT = boxes(np.s_[5, 5, 5:8]), boxes(np.s_[5, 5, 6:9])
#: Five lesions: one shifted, one half, one missed, one false, one mostly beside.
TRUTH = boxes(np.s_[1:4, 1:4, 1:4], np.s_[6:8, 6:10, 6:10], np.s_[1:3, 10:12, 10:12], np.s_[9:11, 10:14, 1:5])
PREDICTED = boxes(np.s_[1:4, 1:4, 2:5], np.s_[6:8, 6:8, 6:10], np.s_[9:11, 1:3, 12:14], np.s_[9:11, 13:16, 1:5])


def blobs(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=SHAPE)
    return sitk.GetArrayFromImage(sitk.DiscreteGaussian(sitk.GetImageFromArray(noise), 1.5)) > 0.15


def test_three_voxels_shifted_by_one_share_two():
    scores = voxel_scores(ROW, ROW_NEXT, ROW.size, POLICY)
    assert scores["dice"] == pytest.approx(2 / 3)  # 2 * 2 / (3 + 3)
    assert scores["precision"] == scores["recall"] == pytest.approx(2 / 3)
    k = 0.999 * 3 / (0.001 * (12 * 16 * 16 - 3))  # FP 1, FN 1, TP 2
    assert scores["ndsc"] == pytest.approx(4 / (k * 1 + 4 + 1))


def test_two_empty_masks_agree_in_full():
    assert voxel_scores(EMPTY, EMPTY, EMPTY.size, POLICY) == ALL_ONE
    assert surface_scores(EMPTY, EMPTY, MM, POLICY) == {"hd95_mm": 0.0, "assd_mm": 0.0, "nsd": 1.0}
    values = lesion_scores(EMPTY, EMPTY, MM, POLICY).values
    assert [values[name] for name in ("overlap_f1", "iou25_recall", "msseg_precision", "lesions")] == [1, 1, 1, 0]


@pytest.mark.parametrize(("truth", "predicted"), [(ROW, EMPTY), (EMPTY, ROW)])
def test_one_empty_mask_scores_nothing_and_has_no_distance(truth, predicted):
    assert set(voxel_scores(truth, predicted, ROW.size, POLICY).values()) == {0.0}
    assert surface_scores(truth, predicted, MM, POLICY) == {"hd95_mm": None, "assd_mm": None, "nsd": 0.0}
    values = lesion_scores(truth, predicted, MM, POLICY).values
    assert values["overlap_recall"] == values["overlap_precision"] == values["overlap_f1"] == 0
    assert (values["missed"], values["false_positives"]) == ((1, 0) if truth is ROW else (0, 1))


def test_specificity_and_accuracy_count_the_brain_alone():
    brain = boxes(np.s_[5, 5, 4:14])  # 10 voxels: TP 2, FP 1, FN 1, TN 6
    assert region_scores(ROW, ROW_NEXT, brain) == {"specificity": 6 / 7, "accuracy": 8 / 10}
    assert region_scores(ROW, ROW_NEXT, EMPTY) == {"specificity": None, "accuracy": None}


def test_distances_are_in_mm_along_each_axis():
    voxel = boxes(np.s_[5, 5, 5])
    for moved, mm in ((np.s_[5, 5, 7], 1.0), (np.s_[5, 7, 5], 2.0), (np.s_[7, 5, 5], 4.0), (np.s_[8, 9, 5], 52**0.5)):
        scores = surface_scores(voxel, boxes(moved), THICK, POLICY)
        assert scores["hd95_mm"] == scores["assd_mm"] == pytest.approx(mm)
        assert scores["nsd"] == (1.0 if mm <= 1.0 else 0.0)


def test_lesions_under_three_rules():
    scores = lesion_scores(TRUTH, PREDICTED, MM, POLICY)
    values = scores.values
    assert (values["lesions"], values["lesions_predicted"]) == (4, 4)
    # 27 voxels sharing 18 (IoU 18 / 36), 32 of which 16 are marked (16 / 32), 32 sharing 8 with 24 (8 / 48)
    assert values["overlap_recall"] == values["overlap_precision"] == values["overlap_f1"] == 3 / 4
    assert values["iou25_recall"] == values["iou25_precision"] == values["iou25_f1"] == 2 / 4
    # of the last, 16 of 24 predicted voxels lie outside every lesion; seen from it, 24 of 32 do
    assert values["msseg_recall"] == values["msseg_precision"] == 2 / 4
    assert (values["missed"], values["false_positives"], values["split"], values["merged"]) == (1, 1, 0, 0)
    assert values["false_positive_ml"] == pytest.approx(0.008)


def test_the_overlap_table_counts_voxels_of_each_pair():
    assert overlap_table(TRUTH, PREDICTED, MM, POLICY).tolist() == [
        [0, 9, 16, 0, 8],
        [16, 0, 0, 16, 0],
        [24, 0, 8, 0, 0],
        [9, 18, 0, 0, 0],
        [8, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize(
    ("row", "outside", "found"),
    [
        ([95, 5], 0, False),  # not more than 5 % covered
        ([94, 6], 6, True),  # half of the predicted lesion lies outside: not more than half
        ([94, 6], 7, False),
    ],
)
def test_msseg_alpha_and_beta_are_strict(row, outside, found):
    table = np.array([[0, outside], row])
    assert msseg_found(table, 0.05, 0.5, 0.5).tolist() == [found]


def test_msseg_looks_no_further_than_the_lesions_that_explain_half_of_the_overlap():
    # predicted lesions of 10, 6 and 4 shared voxels; the third lies mostly outside, the first two explain 16 of 20
    assert msseg_found(np.array([[0, 0, 0, 90], [80, 10, 6, 4]]), 0.05, 0.5, 0.5).tolist() == [True]
    assert msseg_found(np.array([[0, 0, 90, 0], [80, 10, 6, 4]]), 0.05, 0.5, 0.5).tolist() == [True]  # 10 are half
    assert msseg_found(np.array([[0, 0, 90, 0], [80, 9, 6, 5]]), 0.05, 0.5, 0.5).tolist() == [False]


def test_one_lesion_in_two_pieces_is_a_split_and_seen_the_other_way_a_merge():
    whole, pieces = boxes(np.s_[5, 5, 2:12]), boxes(np.s_[5, 5, 2:6], np.s_[5, 5, 7:12])
    one, other = lesion_scores(whole, pieces, MM, POLICY).values, lesion_scores(pieces, whole, MM, POLICY).values
    assert (one["split"], one["merged"]) == (1, 0)
    assert (other["split"], other["merged"]) == (0, 1)


def test_corner_neighbours_are_one_lesion_and_two_voxels_of_1_mm3_are_none():
    diagonal = boxes(np.s_[1, 1, 1], np.s_[2, 2, 2], np.s_[3, 3, 3], np.s_[8, 8, 8:10])
    assert lesion_scores(diagonal, EMPTY, MM, POLICY).values["lesions"] == 1
    assert lesion_scores(diagonal, EMPTY, (1.0, 1.0, 3.0), POLICY).values["lesions"] == 2


@pytest.mark.parametrize(
    ("spacing", "bins"), [(MM, (1, 1, 0, 0)), (THICK, (1, 1, 0, 0)), ((2.0, 2.5, 2.0), (0, 1, 1, 0))]
)
def test_size_bins_go_by_mm3_and_an_edge_belongs_above(spacing, bins):
    truth = boxes(np.s_[1, 1, 1:10], np.s_[5, 5:7, 5:10])  # 9 and 10 voxels
    scores = lesion_scores(truth, truth & boxes(np.s_[5:]), spacing, POLICY)
    assert scores.size_lesions == bins
    assert sum(scores.size_found) == 1


def test_a_probability_of_one_half_on_voxels_of_which_a_seventh_are_lesion():
    truth = boxes(np.s_[5, 5, 5])
    policy = Policy(calibration_margin_mm=1.0)  # the voxel and its six neighbours
    bins = reliability(np.full(SHAPE, 0.5, np.float32), truth, EMPTY, MM, policy)
    assert bins.voxels.sum() == 7 and bins.voxels[7] == 7
    assert bins.ece == pytest.approx(0.5 - 1 / 7)
    assert bins.brier == pytest.approx(0.25)
    thick = reliability(np.full(SHAPE, 0.5, np.float32), truth, EMPTY, THICK, Policy(calibration_margin_mm=0.5))
    assert thick.voxels.sum() == 3  # one on either side along x, which is 0.5 mm, none along y and z


def test_perfect_probabilities_have_no_error_and_none_are_measured_without_lesions():
    bins = reliability(TRUTH.astype(np.float32), TRUTH, TRUTH, MM, POLICY)
    assert (bins.ece, bins.brier) == (0.0, 0.0)
    nothing = reliability(EMPTY.astype(np.float32), EMPTY, EMPTY, MM, POLICY)
    assert (nothing.ece, nothing.brier) == (None, None)


@pytest.mark.parametrize("spacing", [MM, THICK])
@pytest.mark.parametrize("masks", [(TRUTH, PREDICTED), (blobs(1), blobs(2)), (ROW, blobs(3))])
@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
def test_monai_gives_the_same_dice_hd95_assd_and_surface_dice(masks, spacing):
    truth, predicted = masks
    ours = surface_scores(truth, predicted, spacing, POLICY)
    y_pred, y = (torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (predicted, truth))
    options = {"include_background": True, "spacing": list(spacing[::-1])}
    assert voxel_scores(truth, predicted, truth.size, POLICY)["dice"] == pytest.approx(float(compute_dice(y_pred, y)))
    hd95 = compute_hausdorff_distance(y_pred, y, percentile=95, **options)
    assd = compute_average_surface_distance(y_pred, y, symmetric=True, **options)
    nsd = monai_surface_dice(y_pred, y, [1.0], **options)
    assert ours["hd95_mm"] == pytest.approx(float(hd95), rel=1e-5)
    assert ours["assd_mm"] == pytest.approx(float(assd), rel=1e-5)
    assert ours["nsd"] == pytest.approx(float(nsd), rel=1e-5)


def test_panoptica_gave_the_same_lesion_f1_dice_and_surface_distances():
    # panoptica 2.1.7, run on TRUTH and PREDICTED in an environment of its own, because it needs numpy < 2.3:
    # ConnectedComponentsInstanceApproximator and NaiveThresholdMatching(Metric.IOU, 0.25) gave rq, prec and rec of
    # 0.5 and global_bin_dsc; metrics.hausdorff_distance and metrics.assd with voxelspacing (2, 1, 0.5) the distances.
    values = lesion_scores(TRUTH, PREDICTED, THICK, POLICY).values
    assert (values["iou25_recall"], values["iou25_precision"], values["iou25_f1"]) == (0.5, 0.5, 0.5)
    assert voxel_scores(TRUTH, PREDICTED, TRUTH.size, POLICY)["dice"] == pytest.approx(0.4827586206896552)
    directed = surface_distances(TRUTH, PREDICTED, THICK)
    assert np.percentile(np.concatenate(directed), 95) == pytest.approx(7.615773105863909)
    # its HD95 pools both directions, its ASSD is the mean of the two directed means
    assert np.mean([one.mean() for one in directed]) == pytest.approx(1.3010471025962862)


@pytest.mark.parametrize("masks", [(TRUTH, PREDICTED), (blobs(1), blobs(2))])
def test_simpleitk_gives_the_same_overlap_and_largest_distance(masks):
    truth, predicted = masks
    images = []
    for mask in (predicted, truth):
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.SetSpacing(THICK)
        images.append(image)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*images)
    ours = voxel_scores(truth, predicted, truth.size, POLICY)
    assert ours["dice"] == pytest.approx(overlap.GetDiceCoefficient())
    assert 1 - ours["precision"] == pytest.approx(overlap.GetFalseDiscoveryRate())
    assert 1 - ours["recall"] == pytest.approx(overlap.GetFalseNegativeError())
    hausdorff = sitk.HausdorffDistanceImageFilter()
    hausdorff.Execute(*images)
    # ITK takes distances to the whole of the other mask, 0 inside it; the largest is reached outside
    to_surface = zip(surface_distances(truth, predicted, THICK), ((truth, predicted), (predicted, truth)), strict=True)
    beyond = [distances[~other[surface(mask)]].max() for distances, (mask, other) in to_surface]
    assert hausdorff.GetHausdorffDistance() == pytest.approx(max(beyond), rel=1e-5)
