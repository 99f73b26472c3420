"""Lesions are indexed once and drawn one by one."""

import numpy as np

from MSLesionSegTrainingLib.lesion_index import index_lesions


def test_lesions_under_three_voxels_are_left_out_and_diagonal_neighbours_are_one_lesion():
    mask = np.zeros((10, 10, 10), bool)
    mask[1, 1, 1:3] = True
    mask[5, 5, 5] = mask[6, 6, 6] = mask[7, 7, 7] = True
    mask[9, 0, 0:5] = True
    index = index_lesions(mask)
    assert sorted(index.sizes.tolist()) == [3, 5]
    assert len(index) == 2
    assert mask[tuple(index.voxels.T)].all()


def test_an_empty_mask_has_no_lesion():
    assert len(index_lesions(np.zeros((4, 4, 4), bool))) == 0


def test_every_lesion_is_drawn_alike_with_exponent_0_and_by_size_with_exponent_1():
    mask = np.zeros((10, 10, 100), bool)
    mask[2, 2, 0:4] = True
    mask[7, 7, 0:96] = True
    index = index_lesions(mask)
    rng = np.random.default_rng(0)
    alike = sum(index.draw(rng, 0.0)[0] == 2 for _ in range(2000)) / 2000
    by_size = sum(index.draw(rng, 1.0)[0] == 2 for _ in range(2000)) / 2000
    assert 0.46 < alike < 0.54
    assert 0.025 < by_size < 0.055
