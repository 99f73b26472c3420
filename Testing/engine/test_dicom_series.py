"""Reading a DICOM series: geometry, choice among series, and a plain sentence for what cannot be used."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from Testing.engine.image_files import COLUMN, ROW, head, oblique_image, refusal, write_dicom

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.images import list_dicom_series, read_image


def test_dicom_geometry_and_order(tmp_path):
    image = read_image(write_dicom(tmp_path / "d", head()))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), head())
    assert image.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_allclose(image.GetSpacing(), (4.0, 4.5, 3.3), atol=1e-9)
    np.testing.assert_allclose(image.GetOrigin(), (10.0, -20.5, 30.25), atol=1e-9)
    expected = np.stack([ROW, COLUMN, np.cross(ROW, COLUMN)], axis=1)
    np.testing.assert_allclose(np.reshape(image.GetDirection(), (3, 3)), expected, atol=1e-9)
    last = np.array([10.0, -20.5, 30.25]) + 23 * 3.3 * np.cross(ROW, COLUMN)
    np.testing.assert_allclose(image.TransformIndexToPhysicalPoint((0, 0, 23)), last, atol=1e-6)


def test_dicom_rescale_slope(tmp_path):
    folder = write_dicom(tmp_path / "d", head(), RescaleSlope="0.5", RescaleIntercept="-100")
    np.testing.assert_allclose(sitk.GetArrayFromImage(read_image(folder)), head() * 0.5 - 100)


def test_one_dicom_file_stands_for_its_series(tmp_path):
    folder = write_dicom(tmp_path, head(1), name="t1_", SeriesNumber=3)
    write_dicom(tmp_path, head(2), name="flair_", SeriesNumber=2)
    (folder / "t1_007.dcm").rename(folder / "IM0001")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(folder / "IM0001")), head(1))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(folder / "flair_000.dcm")), head(2))


def test_two_series_need_a_choice(tmp_path):
    write_dicom(tmp_path / "x", head(1), name="a", SeriesNumber=7, SeriesDescription="t1_mprage")
    write_dicom(tmp_path / "y", head(2), name="b", SeriesNumber=4, SeriesDescription="t2_fläir", EchoTime=90)
    listed = [
        (one.number, one.description, one.image_count, one.modality, len(one.files))
        for one in list_dicom_series(tmp_path)
    ]
    assert listed == [(1, "t2_fläir", 24, "MR", 24), (2, "t1_mprage", 24, "MR", 24)]
    error = refusal(tmp_path)
    assert "1: t2_fläir, 24 images; 2: t1_mprage, 24 images" in error.message
    assert "--flair-series 1" in error.hint
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(tmp_path, series=2)), head(1))
    for number in (0, 3, -1):
        assert f"no DICOM series {number}" in refusal(tmp_path, series=number).message
    sitk.WriteImage(oblique_image(head()), str(tmp_path / "a.nii"))
    assert "no numbered series" in refusal(tmp_path / "a.nii", series=1).message


def test_localizer_and_files_of_other_kinds_are_passed_over(tmp_path):
    write_dicom(tmp_path, head(1), name="flair", SeriesNumber=2)
    for name, axes in (("sag", ((0, 1, 0), (0, 0, -1))), ("cor", ((1, 0, 0), (0, 0, -1))), ("tra", (ROW, COLUMN))):
        write_dicom(tmp_path, head(2)[:3], name=name, SeriesNumber=1, SeriesDescription="localizer", orientation=axes)
    (tmp_path / "README.txt").write_text("from the scanner")
    report = pydicom.dcmread(tmp_path / "flair000.dcm")
    report.file_meta.MediaStorageSOPClassUID = report.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.22"
    report.SOPInstanceUID = "1.2.3.4"
    report.Modality = "SR"
    for keyword in ("PixelData", "Rows", "Columns", "ImagePositionPatient", "ImageOrientationPatient"):
        delattr(report, keyword)
    report.save_as(tmp_path / "report.dcm", enforce_file_format=True)
    assert [one.image_count for one in list_dicom_series(tmp_path)] == [3, 3, 3, 24]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(tmp_path)), head(1))


def test_double_echo_series_is_split(tmp_path):
    write_dicom(tmp_path, head(1), name="pd", EchoTime=14, SeriesDescription="dual")
    write_dicom(tmp_path, head(2), name="t2", EchoTime=90, SeriesDescription="dual")
    assert [one.description for one in list_dicom_series(tmp_path)] == [
        "dual (echo time 14 ms)",
        "dual (echo time 90 ms)",
    ]
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(tmp_path, series=2)), head(2))


def test_copies_of_a_slice_count_once(tmp_path):
    write_dicom(tmp_path, head(1))
    (tmp_path / "copy.dcm").write_bytes((tmp_path / "a007.dcm").read_bytes())
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(tmp_path)), head(1))


@pytest.mark.parametrize("missing", [1, 12, 22])
def test_missing_slice(tmp_path, missing):
    error = refusal(write_dicom(tmp_path / "d", head(), skip=(missing,)))
    assert f"6.60 mm after slice {missing} of 23, 3.30 mm usually, so a slice is missing" in error.message


def test_two_time_points_in_one_series(tmp_path):
    write_dicom(tmp_path / "d", head(1), name="first")
    write_dicom(tmp_path / "d", head(2), name="second")
    assert "several images at the same slice position" in refusal(tmp_path / "d").message


def tilt(folder: Path, amount: float) -> Path:
    """Shift each slice of ``write_dicom`` along its columns by ``amount`` of its height in the stack."""
    for file in folder.iterdir():
        data = pydicom.dcmread(file)
        position = np.array(data.ImagePositionPatient, float)
        height = np.dot(position - (10.0, -20.5, 30.25), np.cross(ROW, COLUMN))
        data.ImagePositionPatient = [round(value, 9) for value in position + amount * height * np.array(COLUMN)]
        data.save_as(file)
    return folder


def test_tilted_stack(tmp_path):
    assert "shifted sideways" in refusal(tilt(write_dicom(tmp_path / "d", head()), 0.2)).message


def test_positions_off_by_rounding_keep_the_axes_straight(tmp_path):
    image = read_image(tilt(write_dicom(tmp_path / "d", head()), 0.15 / (23 * 3.3)))
    expected = np.stack([ROW, COLUMN, np.cross(ROW, COLUMN)], axis=1)
    np.testing.assert_allclose(np.reshape(image.GetDirection(), (3, 3)), expected, atol=1e-9)
    np.testing.assert_allclose(image.GetSpacing(), (4.0, 4.5, 3.3), atol=1e-4)


def test_damaged_slice_at_the_end_is_not_left_out(tmp_path):
    folder = write_dicom(tmp_path / "d", head())
    last = folder / f"a{(23 * 7) % 24:03d}.dcm"
    last.write_bytes(last.read_bytes()[:1500])
    with pytest.raises(StudyError, match="damaged DICOM image") as caught:
        read_image(folder)
    assert str(last) in caught.value.message


def test_dicom_that_is_no_mr_stack(tmp_path):
    assert "modality CT, not MR" in refusal(write_dicom(tmp_path / "ct", head(), Modality="CT")).message
    assert "a single 2D image" in refusal(write_dicom(tmp_path / "one", head()[:1])).message
    frames = write_dicom(tmp_path / "frames", head()[:1])
    data = pydicom.dcmread(frames / "a000.dcm")
    data.NumberOfFrames, data.PixelData = 4, data.PixelData * 4
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    data.save_as(frames / "a000.dcm")
    with pytest.raises(StudyError, match="multi-frame"):
        read_image(frames)
    (tmp_path / "empty").mkdir()
    assert "holds no DICOM images" in refusal(tmp_path / "empty").message
    with pytest.raises(StudyError, match="is not a folder"):
        list_dicom_series(tmp_path / "nothing")
