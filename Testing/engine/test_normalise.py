"""Normalisation: the same tissue has the same value whatever the scanner, the scale and the lesion load."""

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.normalise import CLIP_RANGE, normalise

SHAPE = (40, 60, 50)


def made_brain(lesions: float = 0.0):
    """Grey 120, white 100, CSF 40, lesions 150, each with noise 5, as shares 0.38, 0.5, 0.12 - lesions, lesions."""
    rng = np.random.default_rng(0)
    brain = np.zeros(SHAPE, bool)
    brain[5:-5, 5:-5, 5:-5] = True
    tissue = rng.choice(4, size=SHAPE, p=(0.38, 0.5 - lesions, 0.12, lesions))
    values = np.array([120.0, 100.0, 40.0, 150.0])[tissue] + rng.normal(0, 5, SHAPE)
    return values.astype(np.float32), brain, tissue


def test_outside_the_brain_is_zero():
    values, brain, _ = made_brain()
    seen = normalise(values, brain)
    assert seen.dtype == np.float32 and seen.shape == SHAPE
    assert np.all(seen[~brain] == 0.0)


def test_scale_and_offset_of_the_scanner_do_not_matter():
    values, brain, _ = made_brain()
    assert np.allclose(normalise(values * 7.3 + 250, brain), normalise(values, brain), atol=1e-4)


def test_voxels_outside_the_brain_do_not_matter():
    values, brain, _ = made_brain()
    spoilt = np.where(brain, values, 1e6)
    assert np.array_equal(normalise(spoilt, brain), normalise(values, brain))


def test_tissue_keeps_its_values_under_a_heavy_lesion_load():
    seen = []
    for load in (0.001, 0.05):
        values, brain, tissue = made_brain(load)
        scaled = normalise(values, brain)
        seen.append([np.median(scaled[brain & (tissue == kind)]) for kind in (0, 1, 3)])
    assert seen[0] == pytest.approx([0.81, -0.57, 2.97], abs=0.02)
    assert np.abs(np.subtract(*seen)).max() < 0.35


def test_extremes_are_cut():
    values, brain, _ = made_brain()
    values[10, 10, 10], values[11, 11, 11] = 1e6, -1e6
    seen = normalise(values, brain)
    assert (seen[11, 11, 11], seen[10, 10, 10]) == CLIP_RANGE == (-6.0, 12.0)


def test_a_constant_image_is_refused():
    _, brain, _ = made_brain()
    with pytest.raises(StudyError, match="one intensity"):
        normalise(np.full(SHAPE, 3.0, np.float32), brain)


def test_a_brain_of_a_few_voxels_is_refused():
    values, brain, _ = made_brain()
    with pytest.raises(StudyError, match="Only 125 voxels"):
        few = np.zeros_like(brain)
        few[10:15, 10:15, 10:15] = True
        normalise(values, few)


def test_two_patients_with_1_and_50_ml_of_lesions_share_one_scale(data_dir):
    """Median lesion at 2.0, white matter (upper half of T1) within 0.3, no lesion voxel cut."""
    lesions, white = [], []
    for patient in ("07", "19"):
        folder = data_dir / "cross-sectional"
        flair, t1 = (
            sitk.GetArrayFromImage(
                sitk.ReadImage(str(folder / f"sub-{patient}/anat/sub-{patient}_space-MNI_{c}.nii.gz"))
            )
            for c in ("FLAIR", "T1w")
        )
        mask = folder / f"derivatives/consensus/sub-{patient}/anat/sub-{patient}_space-MNI_label-lesion_mask.nii.gz"
        lesion = sitk.GetArrayFromImage(sitk.ReadImage(str(mask))) > 0
        brain = (flair > 1e-3) | (t1 > 1e-3)
        scaled = normalise(flair, brain)
        lesions.append(np.median(scaled[lesion]))
        white.append(np.median(scaled[brain & ~lesion & (t1 > np.percentile(t1[brain], 60))]))
        assert scaled[lesion].max() < CLIP_RANGE[1] - 4
    assert lesions == pytest.approx([2.0, 2.0], abs=0.15)
    assert abs(white[0] - white[1]) < 0.3
