"""What changed keeps its volume and its place on the thick slices of a scan."""

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.followup.on_thick_slices import draw_changes
from MSLesionSegLib.grid import Grid
from MSLesionSegLib.lesions import label_lesions

FINE = Grid((40, 40, 30), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
SAME_PLACE = sitk.Transform(3, sitk.sitkIdentity)


@pytest.fixture
def thick():
    """Slices of 3 mm whose middles lie at 1, 4, 7 ... mm of the fine grid."""
    image = sitk.Image(40, 40, 10, sitk.sitkFloat32)
    image.SetSpacing((1.0, 1.0, 3.0))
    image.SetOrigin((0.0, 0.0, 1.0))
    return image


def test_a_thin_change_between_the_middles_of_two_slices_is_drawn_with_its_volume(thick):
    numbers = np.zeros((30, 40, 40), np.int32)
    numbers[12, 10:20, 10:19] = 1  # 90 mm3 in one plane, 1 mm from the middle of the slice at 13 mm
    drawn = draw_changes(numbers, FINE, thick, SAME_PLACE)
    assert set(np.unique(drawn)) == {0, 1}
    assert np.count_nonzero(drawn) == 30  # voxels of 3 mm3
    assert (np.argwhere(drawn)[:, 0] == 4).all()
    assert np.count_nonzero(drawn[4, 10:20, 10:19]) == 30


def test_two_changes_that_touch_keep_their_numbers_and_volumes(thick):
    numbers = np.zeros((30, 40, 40), np.int32)
    numbers[9:18, 10:20, 10:16] = 2
    numbers[9:18, 10:20, 16:22] = 1
    drawn = draw_changes(numbers, FINE, thick, SAME_PLACE)
    assert [np.count_nonzero(drawn == number) for number in (1, 2)] == [180, 180]
    assert (drawn[3:6, 10:20, 10:16] == 2).all() and (drawn[3:6, 10:20, 16:22] == 1).all()


def test_no_change_draws_nothing(thick):
    assert not draw_changes(np.zeros((30, 40, 40), np.int32), FINE, thick, SAME_PLACE).any()


def test_a_change_whose_bridge_is_thinner_than_a_slice_keeps_both_ends_and_stays_in_one_piece(thick):
    numbers = np.zeros((30, 40, 40), np.int32)
    numbers[9:12, 10:16, 10:16] = numbers[9:12, 10:16, 20:26] = 1  # 108 mm3 each
    numbers[11, 12, 16:20] = 1
    drawn = draw_changes(numbers, FINE, thick, SAME_PLACE)
    assert np.count_nonzero(drawn) == 73  # 220 mm3 in voxels of 3 mm3
    assert np.count_nonzero(drawn[:, :, 10:16]) >= 33 and np.count_nonzero(drawn[:, :, 20:26]) >= 33
    assert drawn[3, 11:14, 16:20].any(axis=0).all()
    assert label_lesions(drawn).max() == 1
