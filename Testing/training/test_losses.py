"""Losses: near zero for the truth, larger for misses, and weighed over resolutions."""

import pytest
import torch

from MSLesionSegTrainingLib.deep_supervision import supervised_loss
from MSLesionSegTrainingLib.losses import LOSSES, UNSURE, dice_cross_entropy, focal_tversky


@pytest.fixture
def target() -> torch.Tensor:
    drawn = torch.zeros(2, 1, 8, 8, 8)
    drawn[0, :, 2:6, 2:6, 2:6] = 1
    return drawn


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_of_a_perfect_prediction_is_near_zero_and_of_an_empty_one_large(target, name):
    assert float(LOSSES[name](40 * target - 20, target)) < 0.001
    assert float(LOSSES[name](torch.full_like(target, -20), target)) > 0.9


def test_dice_and_cross_entropy_of_even_odds_are_known_by_hand(target):
    # 64 of 1024 voxels: Dice (2 * 32 + 1) / (512 + 64 + 1), cross-entropy ln 2.
    expected = 1 - 65 / 577 + 0.693147
    assert float(dice_cross_entropy(torch.zeros_like(target), target)) == pytest.approx(expected, abs=1e-5)


def test_focal_tversky_of_even_odds_is_known_by_hand_and_misses_weigh_more(target):
    # TP 32, FN 32, FP 480: T = 33 / (33 + 0.7 * 32 + 0.3 * 480).
    expected = (1 - 33 / (33 + 22.4 + 144)) ** 0.75
    assert float(focal_tversky(torch.zeros_like(target), target)) == pytest.approx(expected, abs=1e-5)
    missed = target.clone()
    missed[0, :, 2:4] = 0
    beyond = target.clone()
    beyond[0, :, 6:8, 2:6, 2:6] = 1
    assert float(focal_tversky(40 * missed - 20, target)) > float(focal_tversky(40 * beyond - 20, target)) + 0.1


def test_coarser_resolutions_keep_small_lesions_and_weigh_less(target):
    small = torch.zeros_like(target)
    small[0, :, 3, 3, 3] = 1
    halved = torch.zeros(2, 1, 4, 4, 4)
    halved[0, :, 1, 1, 1] = 1
    loss = supervised_loss(dice_cross_entropy, (40 * small - 20, 40 * halved - 20), small)
    assert float(loss) < 0.001
    wrong = supervised_loss(dice_cross_entropy, (40 * small - 20, torch.full_like(halved, -20.0)), small)
    alone = dice_cross_entropy(torch.full_like(halved, -20.0), halved)
    assert float(wrong) == pytest.approx(float(alone) / 3, abs=1e-3)


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_unsure_counts_neither_way(target, name):
    half = target.clone()
    half[1] = UNSURE
    logits = torch.randn(target.shape, generator=torch.Generator().manual_seed(0))
    alone = LOSSES[name](logits[:1], target[:1])
    assert float(LOSSES[name](logits, half)) == pytest.approx(float(alone), abs=1e-6)
    logits.requires_grad_()
    LOSSES[name](logits, half).backward()
    assert (logits.grad[1] == 0).all() and (logits.grad[0] != 0).all()


def test_a_coarse_voxel_is_unsure_where_no_lesion_but_something_unsure_lies_in_it(target):
    drawn = torch.zeros_like(target)
    drawn[0, 0, 0, 0, 0], drawn[0, 0, 1, 0, 0], drawn[0, 0, 2, 0, 0] = 1, UNSURE, UNSURE
    halved = torch.full((2, 1, 4, 4, 4), -20.0)
    halved[0, 0, 0, 0, 0], halved[0, 0, 1, 0, 0] = 20, 20  # a lesion, and what is left open
    assert float(supervised_loss(dice_cross_entropy, (40 * drawn - 20, halved), drawn)) < 0.001
