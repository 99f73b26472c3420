"""Each warning about the images fires on its fault, and none on a plain study."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from MSLesionSegLib.grid import Grid
from MSLesionSegLib.normalise import normalise
from MSLesionSegLib.prepare import PreparedStudy
from MSLesionSegLib.quality import check_quality
from MSLesionSegLib.slice_motion import slice_shift_mm
from MSLesionSegLib.study import SeriesSource, Study

GRID = Grid((80, 96, 60), (2.0, 2.0, 3.0), (-79.0, -95.0, -88.5), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
LEVELS = {"FLAIR": (100.0, 112.0, 20.0), "T1w": (100.0, 82.0, 30.0), "T2w": (100.0, 125.0, 200.0)}
"""White matter, grey matter, fluid."""


def drawn(name: str, brain: np.ndarray, depth: np.ndarray) -> sitk.Image:
    white, grey, fluid = LEVELS[name]
    rng = np.random.default_rng(len(name))
    array = np.where(depth > 9.0, white, grey) * brain
    sulci = (depth > 0) & (depth < 2.5) & (np.arange(array.shape[1]) > 60)[None, :, None]
    array[(depth > 40.0) | sulci] = fluid
    array = ndimage.gaussian_filter(array, (0.3, 0.6, 0.6)) + rng.normal(0.0, 4.0, array.shape) * brain
    return GRID.image(np.maximum(array, 0.0).astype(np.float32))


@pytest.fixture(scope="module")
def plain() -> tuple[Study, PreparedStudy]:
    z, y, x = np.indices(GRID.shape)
    brain = ((z - 30) * 3 / 72) ** 2 + ((y - 48) * 2 / 80) ** 2 + ((x - 40) * 2 / 66) ** 2 < 1
    depth = ndimage.distance_transform_edt(brain, sampling=(3.0, 2.0, 2.0))
    images = {name: drawn(name, brain, depth) for name in LEVELS}
    study = Study(images["FLAIR"], images["T1w"], images["T2w"])
    channels = np.stack([normalise(sitk.GetArrayFromImage(image), brain) for image in images.values()])
    transforms = {name: sitk.Euler3DTransform() for name in LEVELS}
    return study, PreparedStudy(GRID, channels, study.contrasts, brain, GRID.image(brain), transforms, [])


def codes(study: Study, prepared: PreparedStudy) -> list[tuple[str, str]]:
    return [(warning.code, warning.series) for warning in check_quality(study, prepared)]


def test_a_plain_study_has_no_warning(plain):
    assert codes(*plain) == []


def test_slices_6_mm_apart_are_named_with_their_distance(plain):
    study, prepared = plain
    thick = study.t1w[:, :, ::2]
    (warning,) = check_quality(replace(study, t1w=thick), prepared)
    assert (warning.code, warning.series) == ("thick slices", "T1w")
    assert "T1w: slices lie 6.0 mm apart" in warning.message


@pytest.mark.parametrize(
    ("part", "side"), [(np.s_[:, :, 18:], "bottom"), (np.s_[:, :, :42], "top"), (np.s_[15:], "right")]
)
def test_a_field_of_view_that_cuts_the_brain_is_told_with_the_side(plain, part, side):
    study, prepared = plain
    cut = replace(prepared, brain_on_flair=prepared.brain_on_flair[part])
    (warning,) = check_quality(replace(study, flair=study.flair[part]), cut)
    assert warning.code == "brain cut" and f"cuts the brain at the {side}" in warning.message


def test_a_movement_between_two_passes_of_slices_is_told(plain):
    study, prepared = plain
    array = sitk.GetArrayFromImage(study.flair)
    array[1::2] = ndimage.shift(array[1::2], (0, 0.75, 0.5), order=1)  # 1.5 and 1 mm
    moved = GRID.image(array)
    assert slice_shift_mm(study.flair) < 0.2
    assert slice_shift_mm(moved) == pytest.approx(1.8, abs=0.3)
    assert codes(replace(study, flair=moved), prepared) == [("motion", "FLAIR")]


def test_series_with_cubic_voxels_are_not_judged_for_motion():
    assert slice_shift_mm(sitk.Image(20, 20, 20, sitk.sitkFloat32)) is None


@pytest.mark.parametrize(("first", "second"), [("FLAIR", "T2w"), ("FLAIR", "T1w"), ("T1w", "T2w")])
def test_swapped_contrasts_are_told_for_both(plain, first, second):
    study, prepared = plain
    images = {name: study.image(name) for name in LEVELS}
    images[first], images[second] = images[second], images[first]
    found = codes(Study(images["FLAIR"], images["T1w"], images["T2w"]), prepared)
    assert found == [("contrast", first), ("contrast", second)]


def test_a_series_that_shows_part_of_the_brain_is_told_with_the_share(plain):
    study, prepared = plain
    channels = prepared.channels.copy()
    channels[2, 36:] = 0.0
    (warning,) = check_quality(study, replace(prepared, channels=channels))
    assert (warning.code, warning.series) == ("coverage", "T2w")
    assert f"only {100 * prepared.brain[:36].sum() / prepared.brain.sum():.0f} % of the brain" in warning.message


def test_contrast_agent_is_known_by_the_name_which_is_not_repeated(plain):
    study, prepared = plain
    source = SeriesSource(Path("/in/doe_jane_T1w_gd.nii.gz"), "0" * 64, Path("/in/doe_jane_T1w_gd.nii.gz"))
    (warning,) = check_quality(replace(study, sources={"T1w": source}), prepared)
    assert (warning.code, warning.series) == ("contrast agent", "T1w")
    assert "doe" not in warning.message and "by its name" in warning.message


def test_contrast_agent_is_known_by_bright_voxels(plain):
    study, prepared = plain
    channels = prepared.channels.copy()
    inside = np.argwhere(prepared.brain)[::100]
    channels[(1, *inside.T)] = 4.5
    assert codes(study, replace(prepared, channels=channels)) == [("contrast agent", "T1w")]


def test_fluid_that_is_not_suppressed_is_unusual_for_a_flair(plain):
    study, prepared = plain
    channels = prepared.channels.copy()
    channels[0] = np.maximum(channels[0], -1.5)
    (warning,) = check_quality(study, replace(prepared, channels=channels))
    assert (warning.code, warning.series) == ("unusual contrast", "FLAIR") and "(fluid)" in warning.message
