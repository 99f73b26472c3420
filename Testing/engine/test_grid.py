"""Grids: a FLAIR in any storage order looks the same to the network, and what comes back lies where it was."""

import itertools
import math

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from MSLesionSegLib.grid import Grid, antialias_width_mm, coarser_grid, model_grid, resample, same_grid

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
OBLIQUE = tuple(Rotation.from_euler("xyz", (12, -7, 20), degrees=True).as_matrix().ravel())


def random_image(size=(14, 12, 10), spacing=(1.0, 1.0, 1.0), direction=IDENTITY, origin=(-30.5, 12.25, 7.75)):
    values = np.random.default_rng(3).normal(100, 20, size[::-1]).astype(np.float32)
    return Grid(size, spacing, origin, direction).image(values)


def array(image):
    return sitk.GetArrayFromImage(image)


def test_same_grid_tells_a_hundredth_of_a_millimetre_apart():
    image = random_image()
    moved = random_image(origin=(-30.5, 12.26, 7.75))
    nearly = random_image(origin=(-30.5, 12.250001, 7.75))
    assert same_grid(image, nearly)
    assert not same_grid(image, moved)
    assert not same_grid(image, random_image(size=(14, 12, 11)))
    assert not same_grid(image, random_image(direction=OBLIQUE))


ORIENTATIONS = [
    "".join(letters) for axes in itertools.permutations(("RL", "AP", "IS")) for letters in itertools.product(*axes)
]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE], ids=["straight", "oblique"])
def test_every_storage_order_gives_the_same_array_bit_for_bit(orientation, direction):
    plain = random_image(direction=direction)
    if direction == IDENTITY:
        stored = sitk.DICOMOrient(plain, orientation)
    else:  # the same re-ordering of an oblique image: order the straight one, then turn both
        straight = sitk.DICOMOrient(random_image(), orientation)
        turn = sitk.Euler3DTransform()
        turn.SetMatrix(direction, 1e-9)
        stored = Grid(
            straight.GetSize(),
            straight.GetSpacing(),
            tuple(
                np.asarray(turn.TransformPoint((np.array(straight.GetOrigin()) - plain.GetOrigin()).tolist()))
                + plain.GetOrigin()
            ),
            tuple((np.reshape(direction, (3, 3)) @ np.reshape(straight.GetDirection(), (3, 3))).ravel()),
        ).image(array(straight))
    grid = model_grid(stored)
    seen = resample(stored, grid)
    assert np.array_equal(array(seen), array(plain))
    assert same_grid(seen, plain)
    assert np.array_equal(array(resample(seen, stored)), array(stored))


def test_x_runs_from_right_to_left_y_to_the_back_z_up():
    grid = model_grid(random_image(size=(80, 90, 30), spacing=(2.0, 2.0, 5.0), direction=OBLIQUE))
    left, back, up = np.reshape(grid.direction, (3, 3)).T
    assert left[0] > 0.9 and back[1] > 0.9 and up[2] > 0.9


def test_model_grid_of_a_thick_oblique_flair_covers_it():
    flair = random_image(size=(320, 320, 48), spacing=(0.71875, 0.71875, 3.0), direction=OBLIQUE)
    grid = model_grid(flair)
    assert grid.size_xyz == (230, 230, 144)
    assert grid.spacing == (1.0, 1.0, 1.0)
    assert np.allclose(grid.centre, Grid.of(flair).centre)
    everywhere = resample(grid.image(np.ones(grid.shape, np.float32)), flair)
    assert array(everywhere).min() == pytest.approx(1.0, abs=1e-5)


def test_model_grid_at_another_spacing():
    grid = model_grid(random_image(size=(10, 20, 30), spacing=(1.0, 1.0, 1.0)), spacing_mm=2.5)
    assert grid.size_xyz == (4, 8, 12)
    assert grid.spacing == (2.5, 2.5, 2.5)


def test_spacing_within_a_thousandth_keeps_the_voxels():
    image = random_image(spacing=(1.0004, 0.9996, 1.0))
    grid = model_grid(image)
    assert grid.spacing == (1.0004, 0.9996, 1.0)
    assert np.array_equal(array(resample(image, grid)), array(image))


def test_cropping_and_padding_by_whole_voxels_copies():
    image = random_image()
    target = Grid((20, 5, 10), (1.0, 1.0, 1.0), (-33.5, 15.25, 7.75), IDENTITY)
    seen = array(resample(image, target, default=-7.0))
    assert np.array_equal(seen[:, :, 3:17], array(image)[:, 3:8, :])
    assert np.all(seen[:, :, :3] == -7.0) and np.all(seen[:, :, 17:] == -7.0)


def test_half_a_voxel_away_is_interpolated():
    image = random_image()
    seen = array(resample(image, Grid((13, 12, 10), (1.0, 1.0, 1.0), (-30.0, 12.25, 7.75), IDENTITY)))
    assert np.allclose(seen, (array(image)[:, :, 1:] + array(image)[:, :, :-1]) / 2, atol=1e-4)


def test_transform_maps_target_points_to_the_source():
    image = random_image()
    shift = sitk.Euler3DTransform()
    shift.SetTranslation((5.0, 0.0, 0.0))
    seen = array(resample(image, image, shift))
    assert np.allclose(seen[:, :, :9], array(image)[:, :, 5:], atol=1e-4)


def test_an_identity_transform_of_any_kind_copies():
    image = random_image(direction=OBLIQUE)
    still = sitk.Euler3DTransform()
    still.SetCenter((10.0, 20.0, 30.0))
    assert np.array_equal(array(resample(image, image, still)), array(image))
    assert np.array_equal(array(resample(image, image, sitk.CompositeTransform([still]))), array(image))


def slab(thickness):
    """Probability 1 in a slab of so many 1 mm slices about the middle one of 45; 0 elsewhere."""
    values = np.zeros((45, 20, 20), np.float32)
    values[22 - thickness // 2 : 23 + thickness // 2] = 1.0
    return Grid((20, 20, 45), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY).image(values)


def test_a_thick_slice_holds_the_mean_over_its_thickness():
    thick = Grid((20, 20, 15), (1.0, 1.0, 3.0), (0.0, 0.0, 1.0), IDENTITY)
    middle = {n: array(resample(slab(n), thick))[7, 10, 10] for n in (1, 3)}
    assert middle[1] == pytest.approx(1 / 3, abs=0.03)
    assert middle[3] == pytest.approx(1.0, abs=0.01)
    assert array(resample(slab(1), thick, antialias=False))[7, 10, 10] == 1.0


def test_nothing_is_lost_between_thick_slices():
    """A thin slab right between two slice centres still adds up to its volume."""
    thick = Grid((20, 20, 15), (1.0, 1.0, 3.0), (0.0, 0.0, 2.5), IDENTITY)
    sums = array(resample(slab(1), thick))[:, 10, 10].sum() * 3.0
    assert sums == pytest.approx(1.0, abs=0.1)


def test_antialias_widths():
    fine = Grid((50, 50, 50), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    thick = Grid((50, 50, 17), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0), IDENTITY)
    assert antialias_width_mm(fine, thick) == pytest.approx((0.0, 0.0, math.sqrt(8)))
    assert antialias_width_mm(thick, fine) == (0.0, 0.0, 0.0)
    quarter_turn = Grid((50, 17, 50), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 0, 1, 0, -1, 0))
    assert antialias_width_mm(fine, quarter_turn) == pytest.approx((0.0, math.sqrt(8), 0.0))
    turn = sitk.Euler3DTransform()
    turn.SetRotation(math.pi / 2, 0.0, 0.0)
    assert antialias_width_mm(fine, thick, turn) == pytest.approx((0.0, math.sqrt(8), 0.0))


def test_labels_keep_their_values_and_type():
    labels = Grid((30, 30, 30), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY).image(
        np.random.default_rng(0).integers(0, 5, (30, 30, 30)).astype(np.uint8)
    )
    seen = resample(labels, Grid((10, 10, 10), (3.0, 3.0, 3.0), (0.3, 0.3, 0.3), OBLIQUE), interpolator="nearest")
    assert seen.GetPixelID() == sitk.sitkUInt8
    assert set(np.unique(array(seen))) <= {0, 1, 2, 3, 4}


def test_coarser_grid_keeps_axes_and_field_of_view():
    grid = coarser_grid(random_image(size=(320, 300, 40), spacing=(0.7, 0.7, 3.3), direction=OBLIQUE), 2.0)
    assert grid.spacing == (2.0, 2.0, 3.3)
    assert grid.size_xyz == (112, 105, 40)
    assert grid.direction == OBLIQUE


def test_an_array_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        Grid.of(random_image()).image(np.zeros((3, 4, 5)))


def test_real_flair_goes_and_comes_back(data_dir):
    path = data_dir / "cross-sectional/sub-07/anat/sub-07_space-MNI_FLAIR.nii.gz"
    flair = sitk.ReadImage(str(path), sitk.sitkFloat32)
    grid = model_grid(flair)
    seen = resample(flair, grid)
    assert grid.size_xyz == (182, 218, 182)
    assert np.array_equal(array(seen), array(flair)[:, ::-1, :])
    assert np.array_equal(array(resample(seen, flair)), array(flair))


def test_lesion_probability_survives_thick_slices(data_dir):
    """Against the true mean over each 3 mm slice, from which every third slice alone is 0.22 away."""
    path = data_dir / "cross-sectional/derivatives/consensus/sub-19/anat/sub-19_space-MNI_label-lesion_mask.nii.gz"
    mask = sitk.ReadImage(str(path), sitk.sitkFloat32)
    size, origin, direction = mask.GetSize(), mask.GetOrigin(), mask.GetDirection()
    thick = Grid((size[0], size[1], 60), (1.0, 1.0, 3.0), (origin[0], origin[1], origin[2] + 1.0), direction)
    seen, true = array(resample(mask, thick)), array(mask)[:180].reshape(60, 3, size[1], size[0]).mean(axis=1)
    near = (seen > 0.02) | (true > 0.02)
    plain = array(resample(mask, thick, antialias=False))
    error = math.sqrt(np.mean((seen - true)[near] ** 2))
    assert error < 0.02 and math.sqrt(np.mean((plain - true)[near] ** 2)) > 0.1
    assert seen.sum() == pytest.approx(true.sum(), rel=0.01)
