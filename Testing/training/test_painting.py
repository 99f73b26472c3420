"""What is painted is labelled, what would not show is neither, and look-alikes have no label."""

import numpy as np
import torch

from MSLesionSegTrainingLib.appearance import brighten_fluid
from MSLesionSegTrainingLib.case_loading import as_white_matter
from MSLesionSegTrainingLib.painting import LesionLevels, grow, paint

LEVELS = LesionLevels(np.array([2.0, -0.5, 1.5]), np.diag([1e-6] * 3), np.array([0.1, 0.1, 0.1]))


def test_a_shape_on_cortex_as_bright_as_a_lesion_is_neither_painted_nor_labelled():
    channels = torch.zeros(3, 24, 24, 24)
    channels[0, :, :, 12:] = 1.6
    mask = torch.zeros(24, 24, 24)
    mask[9:13, 9:13, 3:7] = mask[9:13, 9:13, 16:20] = 1
    painted, label = paint(np.random.default_rng(0), channels, mask, torch.ones(24, 24, 24), LEVELS)
    assert float(label[:, :, :12].sum()) == 4 * 4 * 4
    assert float(label[:, :, 12:].sum()) == 0
    assert torch.equal(painted[:, :, :, 14:], channels[:, :, :, 14:])


def test_a_painted_lesion_keeps_the_noise_of_its_place_and_never_darkens_flair():
    noise = torch.from_numpy(np.random.default_rng(1).standard_normal((3, 24, 24, 24)).astype(np.float32)) * 0.5
    mask = torch.zeros(24, 24, 24)
    mask[6:18, 6:18, 6:18] = 1
    painted, _ = paint(np.random.default_rng(0), noise, mask, torch.ones(24, 24, 24), LEVELS)
    inside = painted[0, 9:15, 9:15, 9:15]
    fine = inside - noise[0, 9:15, 9:15, 9:15]
    assert float(inside.std()) > 0.4 > float(fine.std())
    assert float((painted[0] - noise[0]).min()) >= 0


def test_growing_joins_neighbours_and_loses_nothing():
    mask = torch.zeros(24, 24, 24)
    mask[8:14, 8:14, 4:10] = mask[8:14, 8:14, 12:18] = 1
    joined = 0
    for seed in range(20):
        grown = grow(np.random.default_rng(seed), mask)
        assert float((mask - grown).max()) <= 0 and float(grown.max()) <= 1
        assert float(grown[:2].max()) == 0
        joined += bool(grown[11, 11, 10:12].min() > 0.5)
    assert joined > 5


def test_lesions_of_a_tissue_map_become_white_matter_but_not_the_fluid_beside_them():
    tissue = np.zeros((3, 8, 8, 8), np.uint8)
    tissue[0, :, :, :2], tissue[1, :, :, 2:5], tissue[2, :, :, 5:] = 255, 255, 255
    lesion = np.zeros((8, 8, 8), bool)
    lesion[3:5, 3:5, 2:4] = True
    filled = as_white_matter(tissue, lesion)
    assert filled[:, 3, 3, 3].tolist() == [0, 0, 255]
    assert filled[:, 3, 3, 4].tolist() == [0, 0, 255]
    assert filled[:, 3, 3, 1].tolist() == [255, 0, 0]
    assert filled[:, 0, 0, 3].tolist() == [0, 255, 0]
    assert (filled.sum(0) == 255).all()


def test_bright_spots_come_only_where_fluid_is():
    channels = torch.zeros(3, 24, 24, 24)
    channels[0, :, :, 12:] = -5.0
    brightened = brighten_fluid(np.random.default_rng(3), channels)
    assert torch.equal(brightened[:, :, :, :9], channels[:, :, :, :9])
    assert float((brightened - channels)[0, :, :, 14:].max()) > 1.0
