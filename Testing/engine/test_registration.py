"""Registration: T1 and T2 land on the FLAIR, from wherever the headers put them, and twice at the same place."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import MSLesionSegLib
from MSLesionSegLib.grid import Grid, model_grid, resample
from MSLesionSegLib.prepare import DOUBTFUL_FIT
from MSLesionSegLib.registration import register_rigid

ENGINE = Path(MSLesionSegLib.__file__).resolve().parent.parent


def read(path: Path) -> sitk.Image:
    return sitk.ReadImage(str(path), sitk.sitkFloat32)


def points_inside(mask: sitk.Image) -> np.ndarray:
    """1000 places (LPS mm) in the mask, shape (1000, 3)."""
    inside = np.argwhere(sitk.GetArrayFromImage(mask) > 0)
    zyx = np.random.default_rng(0).choice(inside, 1000, replace=False)
    return np.asarray(mask.GetOrigin()) + zyx[:, ::-1] @ Grid.of(mask).steps.T


def moved(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    return np.array([transform.TransformPoint(p.tolist()) for p in points])


def distance(a: sitk.Transform, b: sitk.Transform, points: np.ndarray) -> float:
    return float(np.linalg.norm(moved(a, points) - moved(b, points), axis=1).mean())


def motion(image: sitk.Image, degrees: tuple, shift_mm: tuple) -> sitk.Euler3DTransform:
    transform = sitk.Euler3DTransform()
    transform.SetCenter(Grid.of(image).centre.tolist())
    transform.SetParameters([*np.radians(degrees), *shift_mm])
    return transform


def displaced(image: sitk.Image, motion: sitk.Euler3DTransform) -> sitk.Image:
    """The image with a header that puts it elsewhere; voxels untouched."""
    image = sitk.Image(image)
    turn = np.reshape(motion.GetMatrix(), (3, 3))
    origin = motion.TransformPoint(image.GetOrigin())
    image.SetDirection((turn @ Grid.of(image).axes).ravel().tolist())
    image.SetOrigin(origin)
    return image


@pytest.fixture(scope="module")
def phantom(phantom_study) -> dict:
    names = ("FLAIR", "T1w", "T2w", "brain_truth")
    images = {name: read(phantom_study / f"{name}.nii.gz") for name in names}
    true = {name: sitk.ReadTransform(str(phantom_study / f"{name}_to_FLAIR.tfm")) for name in ("T1w", "T2w")}
    return {**images, "true": true, "points": points_inside(images["brain_truth"])}


@pytest.mark.parametrize("name", ["T1w", "T2w"])
def test_known_motion_of_the_phantom_is_found(phantom, name):
    found = register_rigid(phantom["FLAIR"], phantom[name])
    assert not found.skipped
    assert distance(found.transform, phantom["true"][name], phantom["points"]) < 0.5
    assert np.allclose(found.transform.GetCenter(), Grid.of(phantom["FLAIR"]).centre)


@pytest.mark.parametrize(
    ("degrees", "shift_mm"),
    [((10, 0, 0), (0, 0, 20)), ((-8, 6, 10), (12, -12, 8)), ((25, 0, 0), (80, -30, 40)), ((0, 0, 0), (300, -200, 400))],
    ids=["10 degrees and 20 mm", "about every axis", "far off", "another scanner's origin"],
)
def test_wrong_headers_are_found_out(phantom, degrees, shift_mm):
    there = motion(phantom["T1w"], degrees, shift_mm)
    found = register_rigid(phantom["FLAIR"], displaced(phantom["T1w"], there))
    want = sitk.CompositeTransform([there, phantom["true"]["T1w"]])
    assert distance(found.transform, want, phantom["points"]) < 0.5


def test_side_by_side_alone_and_in_a_fresh_process_give_the_same_bits(phantom, phantom_study):
    usual = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    alone = [register_rigid(phantom["FLAIR"], phantom[name]).transform.GetParameters() for name in ("T1w", "T2w")]
    with ThreadPoolExecutor(2) as pool:
        both = pool.map(lambda name: register_rigid(phantom["FLAIR"], phantom[name]), ("T1w", "T2w"))
        assert [found.transform.GetParameters() for found in both] == alone
    code = (
        "import json, sys, SimpleITK as sitk; from MSLesionSegLib.registration import register_rigid\n"
        "f, m = (sitk.ReadImage(p, sitk.sitkFloat32) for p in sys.argv[1:])\n"
        "print(json.dumps(register_rigid(f, m).transform.GetParameters()))"
    )
    files = [str(phantom_study / f"{name}.nii.gz") for name in ("FLAIR", "T1w")]
    fresh = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True, cwd=ENGINE)
    assert tuple(json.loads(fresh.stdout)) == alone[0]
    assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == usual


@pytest.fixture(scope="module")
def aligned(data_dir) -> tuple[sitk.Image, sitk.Image]:
    """FLAIR and T1 of one patient, both brought to MNI space by others."""
    folder = data_dir / "cross-sectional/sub-07/anat"
    return tuple(read(folder / f"sub-07_space-MNI_{name}.nii.gz") for name in ("FLAIR", "T1w"))


@pytest.mark.parametrize("patient", ["07", "19"])
def test_aligned_series_are_left_alone(data_dir, patient):
    folder = data_dir / f"cross-sectional/sub-{patient}/anat"
    flair, *others = (read(folder / f"sub-{patient}_space-MNI_{name}.nii.gz") for name in ("FLAIR", "T1w", "T2w"))
    for series in others:
        found = register_rigid(flair, series)
        assert found.skipped
        assert found.transform.GetParameters() == (0.0,) * 6


def test_aligned_series_in_another_sampling_are_left_alone(aligned):
    flair, t1 = aligned
    assert register_rigid(flair, resample(sitk.DICOMOrient(t1, "PIR"), model_grid(t1, 1.4))).skipped


@pytest.mark.parametrize("shift_mm", [(3.0, 0.0, 0.0), (0.0, 0.0, -1.5)])
def test_equal_headers_with_a_head_that_moved_are_registered(aligned, shift_mm):
    flair, t1 = aligned
    found = register_rigid(flair, resample(t1, t1, sitk.TranslationTransform(3, shift_mm)))
    assert not found.skipped
    assert found.transform.GetTranslation() == pytest.approx([-s for s in shift_mm], abs=0.5)


RAW_PAIRS = [("12", 1, "T1w"), ("12", 1, "T2w"), ("03", 2, "T1w"), ("03", 2, "T2w"), ("19", 2, "T1w")]


@pytest.mark.parametrize(("patient", "date", "name"), RAW_PAIRS)
def test_raw_series_land_on_the_flair(data_dir, patient, date, name):
    """Mean distance over the brain to the reference (affine: a rigid result cannot reach 0)."""
    folder, key = data_dir / "longitudinal", f"sub-{patient}_ses-{date}"
    flair, series = (
        read(folder / f"sub-{patient}/ses-{date}/anat/{key}_{contrast}.nii.gz") for contrast in ("FLAIR", name)
    )
    transforms = folder / f"derivatives/transforms/sub-{patient}/ses-{date}"
    to_common = sitk.ReadTransform(str(transforms / f"{key}_from-FLAIR_to-common.txt"))
    brain = read(folder / f"derivatives/common/sub-{patient}/sub-{patient}_space-common_desc-brain_mask.nii.gz")
    brain = resample(brain, flair, to_common.GetInverse(), "nearest")
    reference = sitk.ReadTransform(str(transforms / f"{key}_from-{name}_to-FLAIR.txt"))
    found = register_rigid(flair, series)
    assert distance(found.transform, reference, points_inside(brain)) < 0.8


@pytest.mark.parametrize(
    ("series", "doubtful"),
    [
        ("sub-12/ses-1/anat/sub-12_ses-1_T1w", False),
        ("sub-12/ses-1/anat/sub-12_ses-1_T2w", False),
        ("sub-19/ses-2/anat/sub-19_ses-2_T1w", True),
        ("sub-03/ses-1/anat/sub-03_ses-1_T2w", True),
    ],
)
def test_the_fit_tells_a_series_of_another_patient(data_dir, series, doubtful):
    folder = data_dir / "longitudinal"
    flair = read(folder / "sub-12/ses-1/anat/sub-12_ses-1_FLAIR.nii.gz")
    assert (register_rigid(flair, read(folder / f"{series}.nii.gz")).metric < DOUBTFUL_FIT) == doubtful
