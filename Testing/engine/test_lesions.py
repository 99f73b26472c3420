"""Threshold, 26-connected components, minimum size: what becomes a lesion."""

import numpy as np
import pytest

from MSLesionSegLib.errors import UsageError
from MSLesionSegLib.lesions import hold_back_small, label_lesions, lesion_mask, quantise_probability


def probability(**boxes: tuple) -> np.ndarray:
    array = np.zeros((12, 20, 20), dtype=np.float32)
    for value, where in boxes.values():
        array[where] = value
    return array


def test_voxel_at_the_threshold_is_lesion_and_one_below_is_not():
    array = probability(at=(0.5, np.s_[2, 2, 2:6]), below=(0.4999, np.s_[8, 2, 2:6]))
    mask = lesion_mask(array, 0.5)
    assert mask.dtype == np.uint8
    assert mask[2, 2, 2:6].tolist() == [1, 1, 1, 1]
    assert mask.sum() == 4


def test_decimal_threshold_keeps_the_voxel_that_has_it():
    assert lesion_mask(probability(a=(np.float32(0.35), np.s_[2, 2, 2:6])), 0.35).sum() == 4


def test_voxels_that_touch_at_a_corner_are_one_lesion():
    array = probability()
    for step in range(3):
        array[2 + step, 2 + step, 2 + step] = 0.9
    assert lesion_mask(array, 0.5, 3.0).sum() == 3
    assert label_lesions(array).max() == 1


def test_voxels_two_apart_are_two_lesions_each_too_small():
    assert lesion_mask(probability(a=(0.9, np.s_[2, 2, 2:4]), b=(0.9, np.s_[2, 2, 5:7])), 0.5, 3.0).sum() == 0


def test_exactly_the_minimum_size_is_kept_one_voxel_less_is_not():
    array = probability(three=(0.9, np.s_[2, 2, 2:5]), two=(0.9, np.s_[8, 8, 8:10]))
    assert lesion_mask(array, 0.5, 3.0).sum() == 3


@pytest.mark.parametrize(
    ("spacing", "kept"),
    [((0.5, 0.5, 3.0), 4), ((1.0, 1.0, 3.0), 4 + 2 + 1), ((0.5, 0.5, 6.0), 4 + 2), ((0.4, 0.5, 3.0), 0)],
)
def test_minimum_size_is_a_volume_on_an_anisotropic_grid(spacing, kept):
    array = probability(four=(0.9, np.s_[2, 2, 2:6]), two=(0.9, np.s_[6, 8, 8:10]), one=(0.9, np.s_[10, 15, 15]))
    assert lesion_mask(array, 0.5, 3.0, spacing).sum() == kept


def test_spacing_rounded_to_float32_does_not_lose_a_lesion_of_exactly_the_minimum():
    array = probability(three=(0.9, np.s_[2, 2, 2:5]))
    assert lesion_mask(array, 0.5, 3.0, (0.99999994, 0.99999994, 0.99999994)).sum() == 3


def test_no_candidates_gives_an_empty_mask():
    assert lesion_mask(probability(), 0.5).sum() == 0
    assert label_lesions(probability()).max() == 0


def test_labels_go_from_largest_to_smallest_and_ties_by_first_voxel():
    array = probability(
        small=(1, np.s_[1, 1, 1:4]),
        big=(1, np.s_[5, 5, 5:12]),
        tie_late=(1, np.s_[9, 9, 2:7]),
        tie=(1, np.s_[3, 1, 2:7]),
    )
    labels = label_lesions(array)
    assert labels.dtype == np.int32
    assert [labels[5, 5, 5], labels[3, 1, 2], labels[9, 9, 2], labels[1, 1, 1]] == [1, 2, 3, 4]
    assert np.bincount(labels.ravel())[1:].tolist() == [7, 5, 5, 3]


@pytest.mark.parametrize("threshold", [0.0, -0.1, 1.5, float("nan")])
def test_impossible_threshold_is_refused_in_one_sentence(threshold):
    with pytest.raises(UsageError, match="threshold must be above 0 and at most 1"):
        lesion_mask(probability(), threshold)


@pytest.mark.parametrize("minimum", [-1.0, float("nan"), float("inf")])
def test_impossible_minimum_size_is_refused(minimum):
    with pytest.raises(UsageError, match="minimum lesion size"):
        lesion_mask(probability(), 0.5, minimum)


def test_stored_probability_is_exact_in_every_float_type():
    stored = quantise_probability(np.array([0.0, 1.0, 0.5, 0.3333333, -0.2, 1.7, np.nan], dtype=np.float32))
    assert stored.dtype == np.float32
    assert stored.tolist() == [0.0, 1.0, 0.5, 1365 / 4096, 0.0, 1.0, 0.0]
    assert np.array_equal(quantise_probability(stored), stored)


def faint_and_strong() -> np.ndarray:
    """Two voxels of 0.8, two of 0.92 and 0.6, twelve of 0.6."""
    probability = np.zeros((5, 5, 30), np.float32)
    probability[2, 2, 2:4] = 0.8
    probability[2, 2, 8:10] = 0.92, 0.6
    probability[2, 2, 14:26] = 0.6
    return quantise_probability(probability)


def test_a_small_faint_lesion_is_held_back_just_below_the_threshold_and_others_stay():
    probability = faint_and_strong()
    held, count = hold_back_small(probability, 0.5)
    assert count == 1
    assert held[2, 2, 2:4].tolist() == [2047 / 4096] * 2
    changed = held != probability
    assert changed.sum() == 2 and changed[2, 2, 2:4].all()
    assert label_lesions(lesion_mask(held, 0.5, 0.0)).max() == 2
    assert label_lesions(lesion_mask(held, 0.49, 0.0)).max() == 3


def test_what_is_small_goes_by_volume_and_what_is_faint_by_the_threshold():
    probability = faint_and_strong()
    assert hold_back_small(probability, 0.5, (2.0, 2.0, 2.0))[1] == 0  # 16 mm3
    assert hold_back_small(probability, 0.5, (2.0, 2.0, 1.0))[1] == 1  # 8 mm3
    assert hold_back_small(probability, 0.3)[1] == 0  # 0.7 suffices
    assert hold_back_small(probability, 0.7)[1] == 2  # 0.95 does not
    assert hold_back_small(probability, 0.99)[1] == 0 and hold_back_small(0 * probability, 0.5)[1] == 0
