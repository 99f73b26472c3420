"""The brain mask: read off stripped images, found in whole heads of any contrast and orientation."""

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.brain_mask import find_brain, mask_from_probability, normalise_head, read_off
from MSLesionSegLib.errors import Cancelled, ModelError, StudyError
from MSLesionSegLib.grid import resample, same_grid
from MSLesionSegLib.images import read_image
from MSLesionSegLib.model_store import default_model
from MSLesionSegLib.phantom import make_phantom
from MSLesionSegLib.protocol import Progress

RAW = "longitudinal/sub-12/ses-1/anat/sub-12_ses-1_{}.nii.gz"


def dice(a: sitk.Image, b: sitk.Image) -> float:
    x, y = (sitk.GetArrayFromImage(m) > 0 for m in (a, b))
    return 2 * float((x & y).sum()) / float(x.sum() + y.sum())


def reference(data_dir, flair: sitk.Image) -> sitk.Image:
    folder = data_dir / "longitudinal/derivatives"
    mask = sitk.ReadImage(str(folder / "common/sub-12/sub-12_space-common_desc-brain_mask.nii.gz"))
    transform = sitk.ReadTransform(
        str(folder / "transforms/sub-12/ses-1/sub-12_ses-1_from-FLAIR_to-common.txt")
    ).GetInverse()
    return resample(sitk.Cast(mask, sitk.sitkFloat32), flair, transform, antialias=False) > 0.5


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> tuple[sitk.Image, sitk.Image]:
    """The FLAIR of the phantom, with thick oblique slices, and its brain mask."""
    folder = tmp_path_factory.mktemp("phantom")
    make_phantom(folder, seed=0)
    return read_image(folder / "FLAIR.nii.gz"), sitk.ReadImage(str(folder / "brain_truth.nii.gz"))


def ball(radius_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the middle of a 160 mm cube of 2 mm voxels, and the voxels within a radius."""
    line = np.arange(80) * 2.0 - 79.0
    distance = np.sqrt(line[:, None, None] ** 2 + line[None, :, None] ** 2 + line[None, None, :] ** 2)
    return distance, distance <= radius_mm


def image(values: np.ndarray, spacing: float = 2.0) -> sitk.Image:
    made = sitk.GetImageFromArray(values.astype(np.float32))
    made.SetSpacing([spacing] * 3)
    return made


def test_stripped_image_is_read_off_with_ringing_and_holes():
    distance, brain = ball(65)
    values = np.where(brain, 100.0, 0.0)
    values[distance <= 15] = 0
    values[(distance > 65) & (distance <= 67)] = -9
    mask = read_off(image(values))
    assert mask.GetPixelID() == sitk.sitkUInt8
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask) == 1, brain)


def test_constant_background_other_than_zero_counts_as_background():
    _, brain = ball(65)
    mask = read_off(image(np.where(brain, 1100.0, 1000.0)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask) == 1, brain)


def test_head_on_zero_background_is_not_taken_for_a_stripped_brain():
    distance, head = ball(70)
    assert read_off(image(np.where(head, np.where(distance > 66, 8.0, 100.0), 0.0))) is None


@pytest.mark.parametrize("contrast", ["FLAIR", "T1w", "T2w"])
def test_real_stripped_image_is_read_off(data_dir, contrast):
    path = data_dir / f"cross-sectional/sub-07/anat/sub-07_space-MNI_{contrast}.nii.gz"
    stripped = read_image(path)
    mask = find_brain(stripped, bundle="a model that is not there")
    assert same_grid(mask, stripped)
    assert np.count_nonzero(sitk.GetArrayFromImage(mask)) / 1000 == pytest.approx(1131, abs=5)


@pytest.mark.parametrize(
    "name",
    [
        "sub-12/ses-1/anat/sub-12_ses-1_T1w",
        "sub-03/ses-2/anat/sub-03_ses-2_FLAIR",
        "sub-03/ses-1/anat/sub-03_ses-1_T2w",
    ],
)
def test_raw_head_with_zeroed_air_is_not_read_off(data_dir, name):
    assert read_off(read_image(data_dir / f"longitudinal/{name}.nii.gz")) is None


def test_brain_of_a_raw_flair_agrees_with_the_reference(data_dir):
    flair = read_image(data_dir / RAW.format("FLAIR"))
    mask = find_brain(flair)
    assert same_grid(mask, flair) and mask.GetPixelID() == sitk.sitkUInt8
    assert sorted(np.unique(sitk.GetArrayFromImage(mask))) == [0, 1]
    assert dice(mask, reference(data_dir, flair)) > 0.95


@pytest.mark.parametrize("contrast", ["T1w", "T2w"])
def test_other_contrasts_give_the_same_brain(data_dir, contrast):
    flair = read_image(data_dir / RAW.format("FLAIR"))
    transform = sitk.ReadTransform(
        str(data_dir / f"longitudinal/derivatives/transforms/sub-12/ses-1/sub-12_ses-1_from-{contrast}_to-FLAIR.txt")
    )
    found = find_brain(read_image(data_dir / RAW.format(contrast)))
    on_flair = resample(found, flair, transform, "nearest")
    assert dice(on_flair, reference(data_dir, flair)) > 0.93


def test_storage_order_does_not_matter(data_dir):
    flair = read_image(data_dir / RAW.format("FLAIR"))
    sagittal = sitk.Flip(sitk.PermuteAxes(flair, [1, 2, 0]), [True, False, True])
    back = resample(find_brain(sagittal), flair, interpolator="nearest")
    assert dice(back, find_brain(flair)) > 0.999


def test_strong_coil_field_and_noise_are_endured(data_dir):
    flair = read_image(data_dir / RAW.format("FLAIR"))
    values = sitk.GetArrayFromImage(flair)
    ramp = np.exp(np.linspace(-0.8, 0.8, values.shape[1]))[None, :, None]
    noise = np.random.default_rng(0).normal(0, 30, values.shape)
    worse = sitk.GetImageFromArray(np.abs(values * ramp + noise).astype(np.float32))
    worse.CopyInformation(flair)
    assert dice(find_brain(worse), reference(data_dir, flair)) > 0.93


def test_brain_of_the_phantom_is_found_the_same_way_twice(phantom):
    head, brain = phantom
    first, second = find_brain(head), find_brain(head)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(first), sitk.GetArrayFromImage(second))
    assert dice(first, brain) > 0.95


def test_noise_without_a_head_is_refused():
    values = np.random.default_rng(0).uniform(0, 100, (80, 80, 80))
    with pytest.raises(StudyError, match="No brain was recognised"):
        find_brain(image(values))


def test_bundle_of_another_kind_is_refused(phantom):
    try:
        lesion = default_model("lesion")
    except ModelError:
        pytest.skip("no lesion model is shipped yet")
    head, _ = phantom
    with pytest.raises(ModelError):
        find_brain(head, bundle=lesion)


def test_cancel_is_heeded(phantom):
    head, _ = phantom
    progress = Progress()
    progress.stage("brain")
    progress.cancelled = True
    with pytest.raises(Cancelled):
        find_brain(head, progress=progress)


def test_mask_reaches_the_border_of_a_field_of_view_that_cuts_the_brain():
    coarse = image(np.ones((20, 20, 20)), 4.0)
    fine = image(np.zeros((40, 40, 40)), 2.0)
    fine.SetOrigin([-1.0] * 3)
    assert sitk.GetArrayFromImage(mask_from_probability(coarse, fine)).all()


def test_normalisation_ignores_scale_and_offset():
    values = np.random.default_rng(0).gamma(2.0, 1.0, (20, 20, 20)).astype(np.float32)
    np.testing.assert_allclose(normalise_head(values), normalise_head(values * 700 + 50), atol=1e-3)


def test_constant_image_is_refused():
    with pytest.raises(StudyError, match="one intensity"):
        normalise_head(np.zeros((20, 20, 20)))
