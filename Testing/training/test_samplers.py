"""Samplers draw the shares that they are asked for, from whatever a case has."""

from dataclasses import replace

import numpy as np
import pytest
from monai.transforms import RandCropByPosNegLabeld
from monai.transforms.utils import generate_pos_neg_label_crop_centers, map_binary_to_indices

from MSLesionSegLib.errors import UsageError
from MSLesionSegTrainingLib.case_index import CaseIndex, index_case, with_hard_negatives
from MSLesionSegTrainingLib.samplers import LesionSampler, PosNegSampler, UniformSampler, make_sampler

SHAPE = (40, 50, 60)
NAMES = ("lesion", "uniform", "posneg")


def box(*ranges: tuple[int, int]) -> np.ndarray:
    """A filled box in the case's grid, bool (z, y, x)."""
    mask = np.zeros(SHAPE, bool)
    mask[tuple(slice(*r) for r in ranges)] = True
    return mask


BRAIN = box((5, 35), (5, 45), (5, 55))
LESION = box((10, 18), (10, 18), (10, 18)) | box((10, 13), (30, 33), (10, 12)) | box((30, 31), (10, 11), (10, 13))
SPECK = box((32, 33), (40, 41), (50, 51))
FLAIR = np.where(box((25, 26), (5, 45), (30, 55)), 1.5, 0.0)


@pytest.fixture(scope="module")
def index() -> CaseIndex:
    """Lesions of 512, 18 and 3 voxels, a single voxel, and a bright plate of a thousand voxels."""
    return index_case(FLAIR, BRAIN, LESION | SPECK)


def draws(sampler, index: CaseIndex, count: int = 4000, seed: int = 0) -> np.ndarray:
    """(count, 3) centres."""
    rng = np.random.default_rng(seed)
    return np.array([sampler.draw(rng, index) for _ in range(count)])


def in_mask(mask: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Which centres lie on a mask, bool (n,)."""
    return mask[tuple(centres.astype(int).T)]


def test_lesions_hard_negatives_and_the_rest_of_the_brain_have_the_shares_asked_for(index):
    # Drawn without jitter, a centre says where it came from.
    centres = draws(LesionSampler(lesion=0.5, hard=0.3, jitter_voxels=0, hard_jitter_voxels=0), index)
    anywhere = 0.2
    assert abs(in_mask(LESION, centres).mean() - 0.5 - anywhere * LESION.sum() / BRAIN.sum()) < 0.025
    assert abs(in_mask(FLAIR > 1, centres).mean() - 0.3 - anywhere * 1000 / BRAIN.sum()) < 0.025
    assert in_mask(BRAIN, centres).all()


@pytest.mark.parametrize("exponent", [0.0, 0.3, 1.0])
def test_each_lesion_is_drawn_as_often_as_its_size_to_the_exponent_says(index, exponent):
    centres = draws(LesionSampler(lesion=1.0, hard=0.0, size_exponent=exponent, jitter_voxels=0), index, 5000)
    weights = np.array([512.0, 18.0, 3.0]) ** exponent
    expected = 5000 * weights / weights.sum()
    counts = [
        in_mask(box((10, 18), (10, 18), (10, 18)), centres).sum(),
        in_mask(box((10, 13), (30, 33), (10, 12)), centres).sum(),
        in_mask(box((30, 31), (10, 11), (10, 13)), centres).sum(),
    ]
    assert sum(counts) == 5000
    assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected))


def test_every_lesion_of_a_heavy_load_is_drawn_within_ten_times_its_expected_number():
    # 200 lesions, from 3 to 20,000 voxels, far apart in a row each.
    sizes = np.unique(np.geomspace(3, 20000, 260).astype(int))[-200:]
    lesion = np.zeros((200, 10, 2010), bool)
    for number, size in enumerate(sizes):
        lesion[number].reshape(-1)[:size] = number % 2 == 0
    index = index_case(None, np.ones_like(lesion), lesion)
    expected = 20000 * 0.6 * index.lesions.shares(0.3)
    centres = draws(LesionSampler(jitter_voxels=0, hard=0.4), index, 20000)
    near = centres[in_mask(lesion, centres)]
    counts = np.bincount(near[:, 0].astype(int), minlength=200)[::2]
    assert expected.min() > 30
    assert (counts >= expected / 10).all()
    # What is drawn anywhere in the brain adds its share of hits: 0.4 of the draws, by volume.
    assert (counts <= 10 * (expected + 0.4 * 20000 * index.lesions.sizes / lesion.size)).all()


def test_single_voxels_are_no_lesions_to_draw_but_are_part_of_the_mask_for_posneg(index):
    lesions = draws(LesionSampler(lesion=1.0, hard=0.0, jitter_voxels=0), index)
    assert not in_mask(SPECK, lesions).any()
    posneg = draws(PosNegSampler(pos=1, neg=0), index, 20000)
    assert 10 < in_mask(SPECK, posneg).sum() < 80  # 1 of 534 voxels: 37 expected


@pytest.mark.parametrize("name", NAMES)
def test_a_healthy_case_is_drawn_from_the_brain(name):
    healthy = index_case(np.zeros(SHAPE), BRAIN, np.zeros(SHAPE, bool))
    assert in_mask(BRAIN, draws(make_sampler(name, 32), healthy, 500)).all()


def test_without_bright_voxels_their_share_goes_to_the_brain():
    plain = index_case(None, BRAIN, LESION)
    centres = draws(LesionSampler(lesion=0.0, hard=1.0), plain, 500)
    assert in_mask(BRAIN, centres).all() and len(np.unique(centres, axis=0)) > 400


def test_without_background_every_draw_of_posneg_lies_on_a_lesion():
    full = index_case(None, LESION, LESION)
    assert in_mask(LESION, draws(PosNegSampler(), full, 200)).all()


def test_former_false_positives_are_half_of_the_hard_negatives(index):
    voxels = np.argwhere(box((20, 21), (20, 21), (20, 25)))
    sampler = LesionSampler(lesion=0.0, hard=1.0, hard_jitter_voxels=0)
    centres = draws(sampler, with_hard_negatives(index, voxels))
    assert 0.46 < in_mask(box((20, 21), (20, 21), (20, 25)), centres).mean() < 0.54
    # A case without bright voxels has them alone.
    only = with_hard_negatives(index_case(None, BRAIN, LESION), voxels)
    assert set(draws(sampler, only, 200)[:, 0]) == {20.0}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("patch", [16, 32, 64])
def test_every_patch_touches_the_brain(index, name, patch):
    whole = [np.arange(n) for n in SHAPE]
    for centre in draws(make_sampler(name, patch), index, 300):
        assert centre.dtype == np.float64 and centre.shape == (3,)
        inside = [np.abs(line - c) <= patch / 2 for line, c in zip(whole, centre, strict=True)]
        assert BRAIN[np.ix_(*inside)].any()


@pytest.mark.parametrize("patch", [16, 64])
def test_a_lesion_drawn_lies_in_the_patch(index, patch):
    voxels = index.lesions.voxels
    for centre in draws(replace(make_sampler("lesion", patch), lesion=1.0, hard=0.0), index, 300):
        assert (np.abs(voxels - centre).max(1) <= 0.3 * patch).any()


@pytest.mark.parametrize("name", NAMES)
def test_one_seed_draws_the_same_and_another_differs(index, name):
    sampler = make_sampler(name, 32)
    assert np.array_equal(draws(sampler, index, 50, seed=3), draws(sampler, index, 50, seed=3))
    assert not np.array_equal(draws(sampler, index, 50, seed=3), draws(sampler, index, 50, seed=4))


def test_uniform_draws_the_brain_evenly(index):
    centres = draws(UniformSampler(), index, 6000)
    assert in_mask(BRAIN, centres).all()
    assert np.allclose(centres.mean(0), [19.5, 24.5, 29.5], atol=0.8)
    assert abs(in_mask(LESION, centres).mean() - LESION.sum() / BRAIN.sum()) < 0.005


@pytest.mark.parametrize(("pos", "neg"), [(1, 1), (3, 1), (0, 1)])
def test_posneg_draws_as_monai_does(index, pos, neg):
    # A crop of one voxel: MONAI then moves no centre to keep the crop inside.
    label = (LESION | SPECK)[None].astype(np.uint8)
    foreground, background = map_binary_to_indices(label, BRAIN[None].astype(np.uint8))
    state = np.random.RandomState(0)
    theirs = np.array(
        generate_pos_neg_label_crop_centers(1, 6000, pos / (pos + neg), SHAPE, foreground, background, state)
    )
    ours = draws(PosNegSampler(pos, neg), index, 6000)
    assert abs(in_mask(label[0] > 0, theirs).mean() - in_mask(label[0] > 0, ours).mean()) < 0.03
    for mask in (label[0] > 0, BRAIN & (label[0] == 0)):
        of_theirs, of_ours = theirs[in_mask(mask, theirs)], ours[in_mask(mask, ours)]
        assert len(of_theirs) == len(of_ours) == 0 or np.allclose(of_theirs.mean(0), of_ours.mean(0), atol=1.2)
        assert len(of_ours) == 0 or np.allclose(of_theirs.std(0), of_ours.std(0), atol=1.0)
    assert in_mask(BRAIN, theirs).all() and in_mask(BRAIN, ours).all()


def test_monais_transform_crops_where_posneg_may_draw(index):
    data = {"label": (LESION | SPECK)[None].astype(np.uint8), "brain": BRAIN[None].astype(np.uint8)}
    crop = RandCropByPosNegLabeld(["label", "brain"], "label", 1, 1, 1, 400, image_key="brain")
    crop.set_random_state(0)
    crops = crop(data)
    assert all(int(c["brain"].max()) == 1 for c in crops)
    share = np.mean([int(c["label"].max()) for c in crops])
    ours = in_mask(data["label"][0] > 0, draws(PosNegSampler(), index, 400)).mean()
    assert abs(share - 0.5) < 0.1 and abs(ours - 0.5) < 0.1


def test_an_unknown_sampler_and_settings_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="'random'"):
        make_sampler("random", 64)
    with pytest.raises(UsageError, match="shares"):
        LesionSampler(lesion=0.9, hard=0.2)
    with pytest.raises(UsageError, match="exponent"):
        LesionSampler(size_exponent=-1)
    with pytest.raises(UsageError, match="odds"):
        PosNegSampler(0, 0)
