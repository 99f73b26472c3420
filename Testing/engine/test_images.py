"""Reading one image: formats, geometry, and a plain sentence for every kind of damage."""

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from Testing.engine.image_files import OBLIQUE, head, oblique_image, refusal, write_dicom

from MSLesionSegLib.images import input_sha256, read_image


def write_nifti(path: Path, array_xyz: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nib.save(nib.Nifti1Image(array_xyz, np.diag([4, 4.5, 6.6, 1]) if affine is None else affine), path)
    return path


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "A.NII.GZ", "a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
def test_every_format_keeps_oblique_anisotropic_geometry(tmp_path, name):
    path = tmp_path / name
    sitk.WriteImage(oblique_image(head()), str(tmp_path / name.lower()), useCompression=True)
    (tmp_path / name.lower()).rename(path)
    image = read_image(path)
    assert image.GetPixelID() == sitk.sitkFloat32
    assert image.GetSize() == (36, 40, 24)
    np.testing.assert_allclose(image.GetSpacing(), (4.0, 4.5, 6.6), atol=1e-6)
    np.testing.assert_allclose(image.GetOrigin(), (-70.25, 33.5, -12.125), atol=1e-5)
    np.testing.assert_allclose(image.GetDirection(), OBLIQUE, atol=1e-6)
    assert image[7, 5, 3] == 4000
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), head())


@pytest.mark.parametrize("name", ["two words.nii.gz", "Schädel Köpfe.nii", 'it\'s "quoted".nrrd', "100% [1]&;.mha"])
def test_unusual_names(tmp_path, name):
    path = tmp_path / name
    sitk.WriteImage(oblique_image(head()), str(path))
    assert read_image(str(path))[7, 5, 3] == 4000


def test_read_only_file_is_read_and_left_alone(tmp_path):
    path = write_nifti(tmp_path / "a.nii.gz", head().T)
    path.chmod(0o400)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    read_image(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "f4", "f8", ">i2", ">f4"])
def test_number_types_are_read_as_float32(tmp_path, kind):
    values = (head().T % 100).astype(kind)
    nib.save(nib.Nifti1Image(values, np.diag([4, 4, 6, 1]), dtype=values.dtype), tmp_path / "a.nii.gz")
    image = read_image(tmp_path / "a.nii.gz")
    assert image.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), values.T.astype(np.float32))


def test_rescale_slope_and_negative_values(tmp_path):
    picture = nib.Nifti1Image(head().T, np.diag([4, 4, 6, 1]))
    picture.header.set_slope_inter(0.5, -1000)
    picture.to_filename(tmp_path / "a.nii.gz")
    stored = np.asarray(nib.load(tmp_path / "a.nii.gz").dataobj)
    np.testing.assert_allclose(sitk.GetArrayFromImage(read_image(tmp_path / "a.nii.gz")).T, stored, atol=1e-3)
    assert stored.min() < 0


def test_fourth_axis_of_one_is_dropped(tmp_path):
    write_nifti(tmp_path / "a.nii.gz", head().T[..., None])
    assert read_image(tmp_path / "a.nii.gz").GetSize() == (36, 40, 24)
    sitk.WriteImage(sitk.JoinSeries([oblique_image(head())]), str(tmp_path / "one.nrrd"))
    image = read_image(tmp_path / "one.nrrd")
    assert image.GetDimension() == 3
    np.testing.assert_allclose(image.GetDirection(), OBLIQUE, atol=1e-9)


def test_no_header_text_travels_on(tmp_path):
    picture = nib.Nifti1Image(head().T, np.diag([4, 4, 6, 1]))
    picture.header["descrip"] = b"Doe^Jane"
    picture.to_filename(tmp_path / "a.nii.gz")
    assert read_image(tmp_path / "a.nii.gz").GetMetaDataKeys() == ()
    assert read_image(write_dicom(tmp_path / "d", head())).GetMetaDataKeys() == ()


def test_header_text_that_is_not_utf8_is_dropped_as_well(tmp_path):
    sitk.WriteImage(oblique_image(head()), str(tmp_path / "a.mha"))
    content = (tmp_path / "a.mha").read_bytes()
    (tmp_path / "a.mha").write_bytes(content.replace(b"CenterOfRotation", b"CenterOf\xffotatio", 1))
    image = read_image(tmp_path / "a.mha")
    assert image.GetMetaDataKeys() == ()
    assert image.GetSpacing() == (4.0, 4.5, 6.6)
    assert np.array_equal(sitk.GetArrayViewFromImage(image), head())


def test_missing_unknown_and_empty(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nothing.nii.gz").message
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff" + bytes(1000))
    assert "no known image format" in refusal(tmp_path / "a.jpg").message
    (tmp_path / "a.nii").touch()
    assert "is empty" in refusal(tmp_path / "a.nii").message
    (tmp_path / "a.nrrd").write_text("not an image at all")
    assert "damaged or of another kind" in refusal(tmp_path / "a.nrrd").message


@pytest.mark.parametrize(
    ("written", "named", "told"),
    [
        ("a.nii.gz", "b.nrrd", "named like NRRD and holds NIfTI"),
        ("a.nii", "b.mha", "named like MetaImage and holds NIfTI"),
        ("a.nrrd", "b.nii.gz", "named like NIfTI and holds NRRD"),
        ("a.mha", "b.nii", "named like NIfTI and holds MetaImage"),
        ("a.nii", "b.dcm", "named like DICOM and holds NIfTI"),
        ("a.nii.gz", "b.nii", "holds NIfTI packed with gzip"),
    ],
)
def test_renamed_files_are_told_apart(tmp_path, written, named, told):
    sitk.WriteImage(oblique_image(head()), str(tmp_path / written))
    (tmp_path / written).rename(tmp_path / named)
    error = refusal(tmp_path / named)
    assert told in error.message
    assert "Rename it to end in ." in error.hint


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha", "raw.nrrd", "raw.mha"])
@pytest.mark.parametrize("keep", ["20 bytes", "header", "half", "all but 12 bytes"])
def test_truncated_files(tmp_path, name, keep):
    path = tmp_path / name
    sitk.WriteImage(oblique_image(head().astype(np.float32)), str(path), useCompression=not name.startswith("raw"))
    whole = path.read_bytes()
    length = {"20 bytes": 20, "header": 352, "half": len(whole) // 2, "all but 12 bytes": len(whole) - 12}[keep]
    path.write_bytes(whole[:length])
    assert "damaged" in refusal(path).message


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_altered_packed_voxels(tmp_path, name):
    path = tmp_path / name
    sitk.WriteImage(oblique_image(head().astype(np.float32)), str(path), useCompression=True)
    data = bytearray(path.read_bytes())
    for index in range(len(data) // 2, len(data) // 2 + 20):
        data[index] ^= 255
    path.write_bytes(data)
    assert "damaged" in refusal(path).message


def test_wrong_checksum_of_a_gzip_file(tmp_path):
    path = write_nifti(tmp_path / "a.nii.gz", head(shape=(128, 128, 128)).T)  # fills the pieces read exactly
    data = bytearray(path.read_bytes())
    data[-8] ^= 255
    path.write_bytes(data)
    assert "damaged" in refusal(path).message


def test_detached_voxels_missing(tmp_path):
    for name, data in (("a.nhdr", "a.raw"), ("b.mhd", "b.raw")):
        sitk.WriteImage(oblique_image(head()), str(tmp_path / name))
        (tmp_path / data).unlink()
        assert f"names {data}" in refusal(tmp_path / name).message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.nrrd", "a.mha"])
def test_not_finite(tmp_path, name, value):
    voxels = head().astype(np.float32)
    voxels[20, 1, 1] = value
    sitk.WriteImage(oblique_image(voxels), str(tmp_path / name))
    assert "not finite" in refusal(tmp_path / name).message


def test_other_than_3d_scalar(tmp_path):
    write_nifti(tmp_path / "4d.nii.gz", np.stack([head().T] * 3, axis=-1))
    assert "is 4D and holds 3 volumes" in refusal(tmp_path / "4d.nii.gz").message
    sitk.WriteImage(sitk.JoinSeries([oblique_image(head())] * 5), str(tmp_path / "4d.nrrd"))
    assert "is 4D and holds 5 volumes" in refusal(tmp_path / "4d.nrrd").message
    write_nifti(tmp_path / "2d.nii.gz", head()[0].T)
    assert "is a 2D image" in refusal(tmp_path / "2d.nii.gz").message
    write_nifti(tmp_path / "slice.nii.gz", head()[:1].T)
    assert "is a 2D image" in refusal(tmp_path / "slice.nii.gz").message
    write_nifti(tmp_path / "complex.nii.gz", head().T.astype(np.complex64))
    assert "complex numbers" in refusal(tmp_path / "complex.nii.gz").message
    nib.save(nib.Nifti2Image(head().T, np.diag([4, 4, 6, 1])), tmp_path / "two.nii.gz")
    assert "is a NIfTI-2 file" in refusal(tmp_path / "two.nii.gz").message
    colours = np.zeros((36, 40, 24), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    write_nifti(tmp_path / "rgb.nii.gz", colours)
    assert "colours" in refusal(tmp_path / "rgb.nii.gz").message
    vectors = sitk.GetImageFromArray(np.stack([head()] * 3, axis=-1), isVector=True)
    sitk.WriteImage(vectors, str(tmp_path / "vector.nrrd"))
    assert "vectors" in refusal(tmp_path / "vector.nrrd").message


@pytest.mark.parametrize("axes", ["-1", "0", "101", "99999999999999999999", "none", "3\nNDims: 1000"])
def test_a_metaimage_of_impossible_axes_is_refused_before_it_ends_the_process(tmp_path, axes):
    sitk.WriteImage(oblique_image(head()), str(tmp_path / "a.mha"))
    text = (tmp_path / "a.mha").read_bytes().replace(b"NDims = 3", f"NDims = {axes}".encode())
    (tmp_path / "a.mha").write_bytes(text)
    message = refusal(tmp_path / "a.mha").message
    assert message.endswith("a.mha is damaged: its header gives an impossible number of axes.")


@pytest.mark.parametrize("step", [0.0, -4.0, np.nan])
def test_spacing_that_is_not_positive(tmp_path, step):
    picture = nib.Nifti1Image(head().T, np.diag([4, 4, 6, 1]))
    picture.header["pixdim"][2] = step
    picture.to_filename(tmp_path / "a.nii")
    # nibabel rewrites pixdim from the affine, so it is set in the bytes: float32 number 2 of the eight at 76
    data = bytearray((tmp_path / "a.nii").read_bytes())
    data[84:88] = np.float32(step).tobytes()
    (tmp_path / "a.nii").write_bytes(data)
    assert "voxel spacing" in refusal(tmp_path / "a.nii").message
    sitk.WriteImage(oblique_image(head()), str(tmp_path / "a.mha"))
    text = (tmp_path / "a.mha").read_bytes().replace(b"ElementSpacing = 4 4.5 ", b"ElementSpacing = 4 0 ")
    (tmp_path / "a.mha").write_bytes(text)
    assert "voxel spacing" in refusal(tmp_path / "a.mha").message


def test_spacing_that_contradicts_the_sform(tmp_path):
    path = write_with_sform(tmp_path / "a.nii", np.diag([4, 4.5, 6.6, 1]), qform=False)
    data = bytearray(path.read_bytes())
    data[80:84] = np.float32(3).tobytes()
    path.write_bytes(data)
    assert "3 x 4.5 x 6.6 mm in one place and 4 x 4.5 x 6.6 mm in its sform" in refusal(path).message


def test_an_infinite_sform_is_a_sentence_without_a_warning(tmp_path, recwarn):
    path = write_with_sform(tmp_path / "a.nii", np.diag([4, 4.5, 6.6, 1]), qform=False)
    data = bytearray(path.read_bytes())
    data[280:284] = np.float32(np.inf).tobytes()
    path.write_bytes(data)
    assert "inf x 4.5 x 6.6 mm in its sform" in refusal(path).message
    assert not recwarn.list


def sheared(amount: float) -> np.ndarray:
    affine = np.diag([4.0, 4.5, 6.6, 1.0])
    affine[0, 1] = amount * 4.5
    return affine


@pytest.mark.parametrize("row", [[-1e30, 0, np.inf, 0], [0, 0, 1e30, 0], [0, 0, 6.6, np.nan]])
def test_an_sform_of_no_finite_distance_is_refused_at_once_though_there_is_a_qform(tmp_path, row):
    path = write_with_sform(tmp_path / "a.nii", np.diag([4, 4.5, 6.6, 1]), qform=True)
    content = bytearray(path.read_bytes())
    content[312:328] = np.array(row, "<f4").tobytes()
    path.write_bytes(content)
    assert refusal(path).message == f"{path} is damaged: its sform places voxels at no finite distance."


def write_with_sform(path: Path, affine: np.ndarray, *, qform: bool) -> Path:
    picture = nib.Nifti1Image(head().T, np.diag([4, 4.5, 6.6, 1]))
    picture.set_sform(affine, 1)
    picture.set_qform(np.diag([4, 4.5, 6.6, 1]) if qform else None, 1 if qform else 0)
    picture.to_filename(path)
    return path


@pytest.mark.parametrize("amount", [1e-6, 1e-5, 1e-4, 5e-4, 9e-4])
def test_axes_off_by_rounding_are_accepted(tmp_path, amount):
    image = read_image(write_with_sform(tmp_path / "a.nii.gz", sheared(amount), qform=False))
    np.testing.assert_allclose(image.GetDirection(), (-1, 0, 0, 0, -1, 0, 0, 0, 1), atol=1.1 * amount)
    np.testing.assert_allclose(image.GetSpacing(), (4, 4.5, 6.6), atol=1e-5)
    assert "ITK_NIFTI_SFORM_PERMISSIVE" not in os.environ


@pytest.mark.parametrize("amount", [2e-3, 0.1])
def test_sheared_axes_are_refused_unless_the_qform_is_straight(tmp_path, amount):
    error = refusal(write_with_sform(tmp_path / "a.nii.gz", sheared(amount), qform=False))
    assert "not at right angles" in error.message
    image = read_image(write_with_sform(tmp_path / "b.nii.gz", sheared(amount), qform=True))
    assert image.GetDirection() == (-1, 0, 0, 0, -1, 0, 0, 0, 1)


def test_sheared_and_singular_axes_in_text_headers(tmp_path):
    for name in ("a.mha", "a.nrrd"):
        image = oblique_image(head())
        image.SetDirection((1, 0.1, 0, 0, 1, 0, 0, 0, 1))
        sitk.WriteImage(image, str(tmp_path / name))
        assert "not at right angles" in refusal(tmp_path / name).message
    straight = sitk.GetImageFromArray(head())
    sitk.WriteImage(straight, str(tmp_path / "s.nrrd"))
    text = (tmp_path / "s.nrrd").read_bytes().replace(b"(1,0,0)", b"(0,1,0)")
    (tmp_path / "s.nrrd").write_bytes(text)
    assert "not at right angles" in refusal(tmp_path / "s.nrrd").message


def test_sha256_is_of_the_bytes(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(nib.Nifti1Image(head().T, np.eye(4)).to_bytes()))
    assert input_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    sitk.WriteImage(oblique_image(head()), str(tmp_path / "b.mhd"))
    both = (tmp_path / "b.mhd").read_bytes() + (tmp_path / "b.raw").read_bytes()
    assert input_sha256(tmp_path / "b.mhd") == hashlib.sha256(both).hexdigest()
    folder = write_dicom(tmp_path / "d", head())
    slices = b"".join((folder / f"a{(index * 7) % 24:03d}.dcm").read_bytes() for index in range(24))
    assert input_sha256(folder) == hashlib.sha256(slices).hexdigest()


def test_nothing_reaches_the_terminal(tmp_path):
    """MetaIO and niftilib print past Python, so a process of its own is watched."""
    sitk.WriteImage(oblique_image(head()), str(tmp_path / "a.mha"))
    whole = (tmp_path / "a.mha").read_bytes()
    (tmp_path / "a.mha").write_bytes(whole[: len(whole) // 2])
    write_with_sform(tmp_path / "b.nii.gz", sheared(0.1), qform=False)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "d.dcm").write_bytes(bytes(128) + b"DICM" + bytes(range(200)))
    code = (
        "import sys, pathlib\n"
        "from MSLesionSegLib.errors import StudyError\n"
        "from MSLesionSegLib.images import read_image\n"
        "for name in ('a.mha', 'b.nii.gz', 'c', 'c/d.dcm'):\n"
        "    try:\n"
        "        read_image(pathlib.Path(sys.argv[1], name))\n"
        "    except StudyError:\n"
        "        print('refused', file=sys.stderr)\n"
    )
    engine = Path(sys.modules["MSLesionSegLib"].__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(engine)},
        check=True,
    )
    assert done.stdout == ""
    assert done.stderr == "refused\n" * 4
