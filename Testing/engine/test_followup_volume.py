"""The volume of a change: what grew, however blurred, and nothing where there is only noise."""

import numpy as np
import pytest
from scipy import ndimage

from MSLesionSegLib.followup.changed_volume import changed_share, volumes_mm3

AXES = np.ogrid[-24:25, -24:25, -24:25]
RADIUS = np.sqrt(sum(axis**2.0 for axis in AXES))
BRAIN = np.ones(RADIUS.shape, bool)


def blurred(radius):
    return ndimage.gaussian_filter((radius >= RADIUS).astype(float), 1.2)


def volume(bright, dark, dark_radius, bright_radius):
    """Shares summed over the lesion and what lies within a voxel of it, mm3."""
    share = changed_share(
        ndimage.gaussian_filter(bright - dark, 0.7),
        bright,
        dark,
        0.9 * (dark_radius >= RADIUS),
        bright_radius >= RADIUS,
        BRAIN,
    )
    return share[bright_radius + 1.0 >= RADIUS].sum()


@pytest.mark.parametrize("contrast", [1.5, 4.0])
def test_a_rim_of_one_millimetre_has_its_own_volume(contrast):
    dark, bright = contrast * blurred(7.0) - 0.5, contrast * blurred(8.0) - 0.5
    rim = float(((RADIUS <= 8.0) & (RADIUS > 7.0)).sum())
    assert volume(bright, dark, 7.0, 8.0) == pytest.approx(rim, rel=0.12)


@pytest.mark.parametrize("contrast", [1.5, 4.0])
def test_a_ball_that_appears_has_its_own_volume(contrast):
    dark, bright = np.full(RADIUS.shape, -0.5), contrast * blurred(6.0) - 0.5
    assert volume(bright, dark, -1.0, 6.0) == pytest.approx(float((RADIUS <= 6.0).sum()), rel=0.12)


def test_a_lesion_that_grows_brighter_by_half_changes_by_half_at_most():
    dark, bright = 1.0 * blurred(7.0), 2.0 * blurred(7.0)
    assert 0.4 < volume(bright, dark, 7.0, 7.0) / float((RADIUS <= 7.0).sum()) < 0.6


def test_noise_alone_cancels():
    noise = np.random.default_rng(0).normal(0.0, 0.5, (2, *RADIUS.shape))
    lesion = 2.0 * blurred(7.0)
    assert abs(volume(lesion + noise[0], lesion + noise[1], 7.0, 7.0)) < 0.03 * float((RADIUS <= 7.0).sum())


def test_a_voxel_between_two_changes_counts_once():
    first, second = np.zeros((9, 9, 12), bool), np.zeros((9, 9, 12), bool)
    first[3:6, 3:6, 2:5], second[3:6, 3:6, 6:9] = True, True  # a gap of one voxel
    box = tuple(slice(0, n) for n in first.shape)
    share = np.ones(first.shape)
    volumes = volumes_mm3([(box, first, share), (box, second, share)], first.shape)
    assert volumes == pytest.approx([112.5, 112.5])  # 5 x 5 x 9 voxels in all
    assert volumes_mm3([(box, first, share)], first.shape) == pytest.approx([125.0])
