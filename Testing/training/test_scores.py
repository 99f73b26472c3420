"""Scores on masks drawn so that the numbers are known."""

import numpy as np
import pytest

from MSLesionSegTrainingLib.scores import score
from MSLesionSegTrainingLib.thresholds import best_threshold
from MSLesionSegTrainingLib.validation import fullest_rows


def test_one_lesion_found_one_missed_one_invented():
    truth = np.zeros((20, 20, 20), bool)
    truth[2:4, 2:4, 2:4] = True
    truth[10:12, 10:12, 10:12] = True
    probability = np.zeros(truth.shape, np.float32)
    probability[2:4, 2:4, 2:6] = 0.9
    probability[16:18, 16:18, 16:19] = 0.6
    probability[16:18, 2:4, 2:4] = 0.8  # small and faint, so that `segment` does not list it
    result = score(probability, truth, 0.5)
    assert result.dice == pytest.approx(2 * 8 / (28 + 16))
    assert (result.lesion_recall, result.lesion_precision, result.lesion_f1) == (0.5, 0.5, 0.5)
    assert (result.volume_ml, result.truth_ml) == (0.028, 0.016)
    assert score(probability, truth, 0.7).lesion_precision == 1.0


def test_specks_under_3_mm3_are_no_lesions():
    truth = np.zeros((8, 8, 8), bool)
    probability = np.zeros(truth.shape, np.float32)
    probability[1, 1, 1:3] = 1
    result = score(probability, truth, 0.5)
    assert (result.dice, result.volume_ml) == (1.0, 0.0)


def rows_of(load_ml: float, *figures: tuple[float, float, float]) -> list[dict]:
    return [{"threshold": t, "dice": d, "lesion_f1": f, "truth_ml": load_ml} for t, d, f in figures]


def test_the_threshold_with_the_best_mean_of_dice_and_f1_is_chosen_and_little_loads_count_by_f1_alone():
    loaded = rows_of(20.0, (0.4, 0.8, 0.3), (0.5, 0.78, 0.5), (0.6, 0.7, 0.55), (0.9, 1.0, 1.0))
    threshold, value = best_threshold(loaded)
    assert (threshold, value) == (0.5, pytest.approx((0.78 + 0.5) / 2))
    little = rows_of(1.3, (0.4, 0.1, 0.4), (0.5, 0.1, 0.4), (0.6, 0.9, 0.45))
    assert best_threshold(loaded + little) == (0.5, pytest.approx((0.78 + 0.45) / 2))
    assert best_threshold(little) == (0.6, pytest.approx((0.9 + 0.45) / 2))


def test_of_equal_thresholds_the_lowest_is_chosen():
    assert best_threshold(rows_of(20.0, (0.6, 0.5, 0.5), (0.4, 0.5, 0.5), (0.5, 0.5, 0.5)))[0] == 0.4


def test_of_each_case_the_rows_with_most_contrasts_count_also_where_there_is_the_flair_alone():
    rows = [
        {"case": case, "contrasts": contrasts, "flip": flip}
        for case, choices in (("sub-01", ("FLAIR+T1w", "FLAIR")), ("sub-02", ("FLAIR",)))
        for contrasts in choices
        for flip in (False, True)
    ]
    assert [(row["case"], row["contrasts"], row["flip"]) for row in fullest_rows(rows)] == [
        ("sub-01", "FLAIR+T1w", True),
        ("sub-02", "FLAIR", True),
    ]
