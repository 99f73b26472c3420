"""A study of one to three contrasts, and the rules that keep out what is no MR of a head."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.study import check_brain_volume, read_study


def write(path: Path, array: np.ndarray | None = None, spacing=(4.0, 4.0, 5.0), seed: int = 0) -> Path:
    if array is None:
        array = np.random.default_rng(seed).normal(100, 20, (30, 50, 40))
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(path))
    return path


def refusal(*paths: Path) -> StudyError:
    with pytest.raises(StudyError) as caught:
        read_study(*paths)
    assert str(paths[0]) in caught.value.message
    assert caught.value.hint
    return caught.value


def test_flair_alone_and_all_three(tmp_path):
    flair, t1, t2 = (write(tmp_path / f"{name}.nii.gz", seed=seed) for seed, name in enumerate(("f", "t1", "t2")))
    alone = read_study(flair)
    assert alone.contrasts == ("FLAIR",)
    assert alone.t1w is None
    assert list(alone.sources) == ["FLAIR"]
    with pytest.raises(KeyError):
        alone.image("T2w")
    assert read_study(flair, t2w=t2).contrasts == ("FLAIR", "T2w")
    study = read_study(str(flair), t1, t2)
    assert study.contrasts == ("FLAIR", "T1w", "T2w")
    assert study.image("T2w") is study.t2w
    np.testing.assert_array_equal(sitk.GetArrayFromImage(study.t1w), sitk.GetArrayFromImage(sitk.ReadImage(str(t1))))
    assert study.sources["T1w"].path == t1
    assert len({source.sha256 for source in study.sources.values()}) == 3


def test_same_image_for_two_contrasts(tmp_path):
    flair, other = write(tmp_path / "f.nii.gz"), write(tmp_path / "o.nii.gz", seed=1)
    copy = tmp_path / "copy.nii.gz"
    copy.write_bytes(flair.read_bytes())
    for paths in ((flair, flair), (flair, copy), (flair, other, copy)):
        assert "are the same image" in refusal(*paths).message
    assert "the T1w" in refusal(flair, copy).message


def test_missing_second_file_is_told_before_anything_is_read(tmp_path):
    damaged = tmp_path / "f.nii.gz"
    write(damaged)
    damaged.write_bytes(damaged.read_bytes()[:-50])
    with pytest.raises(StudyError, match=r"nothing\.nii does not exist"):
        read_study(damaged, tmp_path / "nothing.nii")


@pytest.mark.parametrize(
    ("spacing", "told"),
    [
        ((2.4, 4.0, 5.0), "covers 96 x 200 x 150 mm"),
        ((4.0, 7.1, 5.0), "covers 160 x 355 x 150 mm"),
        ((0.1, 4.0, 5.0), "voxel spacing of 0.1 x 4 x 5 mm"),
        ((4.0, 4.0, 10.1), "voxel spacing of 4 x 4 x 10.1 mm"),
        ((0.001, 0.001, 0.001), "voxel spacing"),
    ],
)
def test_spacing_and_field_of_view(tmp_path, spacing, told):
    assert told in refusal(write(tmp_path / "f.nrrd", spacing=spacing)).message


@pytest.mark.parametrize("spacing", [(2.5, 4.0, 5.0), (4.0, 7.0, 10.0), (8.75, 2.0, 3.4)])
def test_edges_of_the_rules_are_inside(tmp_path, spacing):
    assert read_study(write(tmp_path / "f.nii.gz", spacing=spacing)).contrasts == ("FLAIR",)


@pytest.mark.parametrize("shape", [(7, 50, 40), (50, 15, 15), (50, 40, 7)])
def test_too_few_voxels(tmp_path, shape):
    noise = np.random.default_rng(0).normal(100, 20, shape)
    spacing = tuple(150 / count for count in reversed(shape))
    assert "voxels, fewer than 8 slices of 16 x 16" in refusal(write(tmp_path / "f.nrrd", noise, spacing)).message


def test_no_picture(tmp_path):
    shape = (30, 50, 40)
    assert "all zero" in refusal(write(tmp_path / "zero.nii.gz", np.zeros(shape))).message
    assert "the same everywhere (7)" in refusal(write(tmp_path / "seven.nii.gz", np.full(shape, 7))).message
    mask = np.zeros(shape)
    mask[10:20, 10:30, 10:30] = 1
    assert "only 2 different intensities, as a mask has" in refusal(write(tmp_path / "mask.nii.gz", mask)).message
    labels = np.arange(np.prod(shape)).reshape(shape)
    assert "only 49 different" in refusal(write(tmp_path / "labels.nii.gz", labels % 49)).message
    assert read_study(write(tmp_path / "fifty.nii.gz", labels % 50)).contrasts == ("FLAIR",)


def test_second_contrast_is_checked_and_named(tmp_path):
    flair, mask = write(tmp_path / "f.nii.gz"), write(tmp_path / "m.nii.gz", np.eye(50)[None, :, :40].repeat(30, 0))
    with pytest.raises(StudyError, match=r"The T2w .*m\.nii\.gz has only 2 different"):
        read_study(flair, None, mask)


@pytest.mark.parametrize(("voxels", "fine"), [(399, False), (400, True), (2200, True), (2201, False), (0, False)])
def test_brain_volume(voxels, fine):
    mask = np.zeros((30, 50, 40), np.uint8)
    mask.ravel()[:voxels] = 1
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing((10, 10, 10))  # a voxel is 1 mL
    if fine:
        assert check_brain_volume(image, "for f.nii.gz") == pytest.approx(voxels)
        return
    with pytest.raises(StudyError, match=rf"brain mask for f\.nii\.gz holds {voxels} mL"):
        check_brain_volume(image, "for f.nii.gz")


def test_real_studies_are_accepted(data_dir):
    folder = data_dir / "longitudinal" / "sub-12" / "ses-1" / "anat"
    paths = [next(folder.glob(f"*_{name}.nii.gz")) for name in ("FLAIR", "T1w", "T2w")]
    study = read_study(*paths)
    for path, name in zip(paths, study.contrasts, strict=True):
        stored = sitk.ReadImage(str(path))
        image = study.image(name)
        assert image.GetSize() == stored.GetSize()
        assert image.GetSpacing() == stored.GetSpacing()
        assert image.GetOrigin() == stored.GetOrigin()
        assert image.GetDirection() == stored.GetDirection()
    stripped = sorted((data_dir / "cross-sectional").glob("sub-07/anat/*_FLAIR.nii.gz"))
    assert read_study(stripped[0]).contrasts == ("FLAIR",)


def test_reading_needs_only_numpy_and_simpleitk():
    code = (
        "import sys, MSLesionSegLib.study\n"
        "heavy = {'torch', 'pydicom', 'nibabel', 'scipy', 'pydantic', 'monai'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    engine = Path(sys.modules["MSLesionSegLib"].__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=engine, check=True)
