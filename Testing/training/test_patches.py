"""Patches: what they show, that they repeat, and that labels lie on what was painted."""

import dataclasses

import numpy as np
import torch
from scipy import ndimage

from MSLesionSegTrainingLib.appearance import vary_appearance
from MSLesionSegTrainingLib.brain_place import BrainBox, between, brain_box
from MSLesionSegTrainingLib.canvases import background_canvas, real_canvas, shape_mask, shapes_of
from MSLesionSegTrainingLib.case_index import index_case
from MSLesionSegTrainingLib.losses import UNSURE
from MSLesionSegTrainingLib.painting import LesionLevels, blur, measure_levels, paint
from MSLesionSegTrainingLib.patches import PatchDataset, PatchRecipe
from MSLesionSegTrainingLib.samplers import make_sampler
from MSLesionSegTrainingLib.spatial import patch_offsets, random_affine, read_places
from MSLesionSegTrainingLib.synthesis import synthesise_patch

LEVELS = LesionLevels(np.array([2.0, -0.5, 1.5]), np.diag([0.01, 0.01, 0.01]), np.array([0.1, 0.1, 0.1]))


def patches(canvases, shapes, *, seed: int = 0, **shares: float) -> PatchDataset:
    return PatchDataset(canvases, shapes, LEVELS, PatchRecipe(patch=32, **shares), make_sampler("lesion", 32), seed, 40)


def test_reading_undeformed_places_gives_the_volume_back_and_zero_outside():
    volume = torch.arange(6 * 7 * 8, dtype=torch.float32).reshape(1, 6, 7, 8)
    places = patch_offsets(4) + torch.tensor([2.5, 3.5, 4.5])
    assert torch.allclose(read_places(volume, places), volume[:, 1:5, 2:6, 3:7], atol=1e-4)
    assert float(read_places(volume, places + 100).abs().sum()) == 0.0


def test_affine_scales_stay_near_one_and_half_are_mirrored():
    drawn = [np.linalg.det(random_affine(np.random.default_rng(seed))) for seed in range(400)]
    assert 0.4 < np.mean(np.array(drawn) < 0) < 0.6
    assert np.abs(drawn).min() > 0.5 and np.abs(drawn).max() < 2.0


def test_blur_keeps_the_sum_and_spreads_by_its_sigma():
    point = torch.zeros(1, 21, 21, 21)
    point[0, 10, 10, 10] = 1
    spread = blur(point, (2.0, 0.0, 0.0))[0]
    assert abs(float(spread.sum()) - 1) < 1e-5
    assert 1.7 < float((spread[:, 10, 10] * (torch.arange(21) - 10.0) ** 2).sum()) ** 0.5 < 2.05
    assert float(spread[:, 9].sum()) == 0.0


def test_levels_are_those_of_the_annotated_lesions(study_canvas):
    # Two lesions of at least ten voxels are too few to measure, so the stated values are taken.
    assert measure_levels([study_canvas]).mean.tolist() == [2.0, -0.3, 1.8]
    measured = measure_levels([study_canvas] * 3)
    # The level is that of the brighter half: half a normal deviation of 0.1 above the mean on FLAIR.
    assert np.allclose(measured.mean, [2.08, -0.5, 1.5], atol=0.05)
    assert np.allclose(measured.inside, 0.1, atol=0.02)


def test_painted_lesions_are_bright_on_flair_and_t2_dark_on_t1_and_spare_fluid():
    channels = torch.zeros(3, 24, 24, 24)
    channels[:, :, :, 12:] = torch.tensor([-5.0, -2.5, 5.0])[:, None, None, None]
    mask = torch.zeros(24, 24, 24)
    mask[8:16, 8:16, 6:18] = 1
    painted, label = paint(np.random.default_rng(0), channels, mask, torch.ones(24, 24, 24), LEVELS)
    assert label.sum() == 8 * 8 * 6
    assert label[:, :, 12:].sum() == 0
    core = painted[:, 10:14, 10:14, 7:10].mean((1, 2, 3))
    assert 1.4 < core[0] < 2.3 and -1.2 < core[1] < -0.2 and 1.0 < core[2] < 2.9
    assert torch.equal(painted[:, :3], channels[:, :3])


def test_synthesised_tissue_has_the_contrast_of_the_three_sequences(map_canvas):
    patch = synthesise_patch(np.random.default_rng(0), map_canvas.tissue.float() / 255)
    fluid = patch[:, 22:26, 22:26, 22:26].mean((1, 2, 3))
    white = patch[:, 22:26, 22:26, 34:38].mean((1, 2, 3))
    assert fluid[0] < white[0] - 2 and fluid[1] < white[1] - 1.5 and fluid[2] > white[2] + 2


def test_appearance_keeps_the_inside_in_range_and_the_outside_at_zero(brain):
    mask = torch.from_numpy(brain.astype(np.float32))[None]
    for seed in range(12):
        varied = vary_appearance(np.random.default_rng(seed), torch.randn(3, 48, 48, 48), mask)
        assert float(varied.min()) >= -6.0 and float(varied.max()) <= 12.0
        assert float(varied[:, 0].abs().max()) == 0.0
        assert varied[0].abs().sum() > 0


def test_the_same_number_gives_the_same_patch_and_another_seed_another(study_canvas, map_canvas, shapes):
    one, again = (patches([study_canvas, map_canvas], shapes, seed=5) for _ in range(2))
    other = patches([study_canvas, map_canvas], shapes, seed=6)
    for number in range(4):
        assert torch.equal(one[number][0], again[number][0]) and torch.equal(one[number][1], again[number][1])
    assert not torch.equal(one[0][0], other[0][0])


def test_labels_are_zero_or_one_and_most_patches_hold_a_lesion(study_canvas, map_canvas, shapes):
    dataset = patches([study_canvas, map_canvas], shapes)
    labels = [dataset[number][1] for number in range(40)]
    assert all(set(label.unique().tolist()) <= {0.0, 1.0} for label in labels)
    assert sum(bool(label.any()) for label in labels) >= 24


def test_labelled_voxels_are_brighter_on_flair_than_the_rest(study_canvas, shapes):
    dataset = patches([study_canvas], shapes, blobs=0.0)
    differences = []
    for number in range(30):
        channels, label = dataset[number]
        inside = (label[0] > 0) & (channels[0] != 0)
        if inside.sum() >= 10:
            differences.append(float(channels[0][inside].mean() - channels[0][~inside & (channels[0] != 0)].mean()))
    assert len(differences) >= 15
    assert np.median(differences) > 1.0


def test_a_contrast_that_is_missing_stays_zero_whatever_is_painted(study_canvas, shapes):
    flair_only = dataclasses.replace(study_canvas, present=(True, False, False))
    dataset = patches([flair_only], shapes, painted=1.0)
    for number in range(6):
        channels, _ = dataset[number]
        assert channels[0].abs().sum() > 0
        assert channels[1:].abs().sum() == 0


def test_places_go_from_one_brain_to_another_and_back():
    one = BrainBox(np.array([10.0, 20.0, 30.0]), np.array([110.0, 140.0, 130.0]))
    other = BrainBox(np.array([0.0, 0.0, 0.0]), np.array([50.0, 60.0, 50.0]))
    scale, offset = between(one, other)
    assert np.allclose(scale * np.array([60.0, 80.0, 80.0]) + offset, [25.0, 30.0, 25.0])
    back, shift = between(other, one)
    assert np.allclose(back * np.array([25.0, 30.0, 25.0]) + shift, [60.0, 80.0, 80.0])


def test_shapes_of_a_smaller_brain_are_painted_where_they_lie_in_it(study_canvas, ball_at):
    # A brain of half the size with a lesion of 3 voxels radius right of its middle: twice as large in the canvas.
    small = ball_at((12, 12, 12), 10), ball_at((12, 12, 18), 3)
    shape = shape_mask(small[1], brain_box(small[0]))
    dataset = patches([study_canvas], [shape], painted=1.0, blobs=0.0, grown=0.0)
    places = patch_offsets(32) + torch.tensor([24.0, 24.0, 36.0])
    rng = np.random.default_rng(0)
    shares = [dataset._shapes(rng, study_canvas, shape, places) for _ in range(8)]
    volumes = [float(share.sum()) for share in shares]
    assert 600 < np.median(volumes) < 1400  # 113 voxels times 8
    centre = (shares[0][..., None] * places).sum((0, 1, 2)) / shares[0].sum()
    assert torch.allclose(centre, torch.tensor([24.0, 24.0, 36.0]), atol=2.5)


def test_in_a_background_the_unsure_is_left_open_and_painted_lesions_are_learnt(study_canvas, brain, shapes):
    unsure = study_canvas.lesion[0].numpy() > 0
    index = index_case(study_canvas.channels[0].numpy(), brain & ~unsure, unsure & False)
    canvas = background_canvas(
        "raw", study_canvas.channels.numpy(), brain, unsure & False, unsure, (True, True, True), index
    )
    kinds = {UNSURE: 0, 0.0: 0, 1.0: 0}
    drawn = patches([canvas], shapes, background=1.0, painted=1.0, blobs=0.0)
    for images, label in (drawn[number] for number in range(12)):
        assert images.shape == (3, 32, 32, 32)
        for kind in kinds:
            kinds[kind] += int((label == kind).sum())
        assert sum(int((label == kind).sum()) for kind in kinds) == label.numel()
    assert kinds[UNSURE] > 300 and kinds[1.0] > 300
    same = real_canvas("raw", study_canvas.channels.numpy(), brain, unsure & False)
    unpainted = patches([same], shapes, painted=0.0, blobs=0.0)
    without = sum(int((unpainted[number][1] == 1).sum()) for number in range(4))
    assert without == 0


def test_a_tenth_of_the_patches_shows_backgrounds_however_many_there_are(study_canvas, brain, shapes):
    index = index_case(study_canvas.channels[0].numpy(), brain, np.zeros_like(brain))
    raw = background_canvas(
        "raw", study_canvas.channels.numpy(), brain, brain & False, brain, (True, True, True), index
    )
    drawn = patches([study_canvas, raw, raw, raw, raw], shapes, painted=0.0, blobs=0.0)
    of_backgrounds = sum(bool((drawn[number][1] == UNSURE).any()) for number in range(150))
    assert 6 <= of_backgrounds <= 26


def test_no_contrast_that_backgrounds_lack_tells_them_from_annotated_brains(study_canvas, brain, shapes):
    index = index_case(study_canvas.channels[0].numpy(), brain, np.zeros_like(brain))
    full, without_t2 = (
        background_canvas("raw", study_canvas.channels.numpy(), brain, brain & False, brain, present, index)
        for present in ((True, True, True), (True, True, False))
    )
    drawn = patches([study_canvas, full, *[without_t2] * 6], shapes, background=0.5, painted=0.0, blobs=0.0)
    shown = [
        (bool(images[2].any()), bool((label == UNSURE).any())) for images, label in map(drawn.__getitem__, range(120))
    ]
    with_t2, lacking = ([of_background for has_t2, of_background in shown if has_t2 == kind] for kind in (True, False))
    assert 0.15 < len(lacking) / len(shown) < 0.37
    assert 0.35 < np.mean(with_t2) < 0.65 and 0.25 < np.mean(lacking) < 0.75


def test_a_contrast_that_no_background_has_is_learnt_from_annotated_brains(study_canvas, brain, shapes):
    index = index_case(study_canvas.channels[0].numpy(), brain, np.zeros_like(brain))
    flair_only = background_canvas(
        "raw", study_canvas.channels.numpy(), brain, brain & False, brain, (True, False, False), index
    )
    drawn = patches([study_canvas, flair_only], shapes, background=1.0, painted=0.0, blobs=0.0)
    seen = [
        (bool(images[1:].any()), bool((label == UNSURE).any())) for images, label in map(drawn.__getitem__, range(60))
    ]
    assert set(seen) == {(True, False), (False, True)}
    assert sum(more_than_flair for more_than_flair, _ in seen) > 45


def test_a_lesion_painted_over_an_unsure_place_is_learnt(study_canvas, brain, shapes):
    index = index_case(study_canvas.channels[0].numpy(), brain, np.zeros_like(brain))
    raw = background_canvas(
        "raw", study_canvas.channels.numpy(), brain, brain & False, brain, (True, True, True), index
    )
    drawn = patches([raw], shapes, background=1.0, painted=1.0, blobs=0.0)
    assert sum(int((drawn[number][1] == 1).sum()) for number in range(8)) > 300


def test_a_lesion_that_is_sure_in_a_background_is_learnt_and_its_edge_is_left_open(study_canvas, brain):
    lesion = study_canvas.lesion[0].numpy() > 0
    edge = ndimage.binary_dilation(lesion, iterations=2) & ~lesion
    index = index_case(study_canvas.channels[0].numpy(), brain & ~edge, lesion)
    raw = background_canvas("raw", study_canvas.channels.numpy(), brain, lesion, edge, (True, True, True), index)
    assert shapes_of(raw) is None
    drawn = [patches([raw], [], background=1.0, blobs=0.0)[number][1] for number in range(8)]
    for label in drawn:
        touched = ndimage.binary_dilation((label[0] == 1).numpy())
        assert not ((label[0] == 0).numpy() & touched).any()
    assert sum(int((label == 1).sum()) for label in drawn) > 100
