"""A result as DICOM Segmentation and Structured Report: the same voxels and volumes, and dciodvfy finds no error."""

import shutil
import subprocess

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid
from Testing.engine.dicom_files import write_series

from MSLesionSegLib.dicom_export import write_dicom
from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegLib.lesion_table import read_lesion_csv
from MSLesionSegLib.provenance import read_provenance, write_provenance


@pytest.fixture(scope="module")
def written(dicom_export) -> tuple[pydicom.Dataset, pydicom.Dataset]:
    return tuple(pydicom.dcmread(dicom_export / name) for name in ("lesions.seg.dcm", "lesions.sr.dcm"))


def test_the_segmentation_holds_the_lesions_voxel_by_voxel(dicom_result, written):
    seg, _ = written
    image = sitk.ReadImage(str(dicom_result / "lesion_mask.nii.gz"))
    got = np.zeros(image.GetSize()[::-1], dtype=np.uint8)
    for frame, group in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        position = [float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient]
        index = image.TransformPhysicalPointToIndex(position)
        assert index[:2] == (0, 0)
        got[index[2]] += frame
    assert np.array_equal(got, sitk.GetArrayFromImage(image))
    assert len(seg.SegmentSequence) == 4


def test_segments_carry_the_codes_and_refer_to_the_flair(written):
    seg, _ = written
    segment = seg.SegmentSequence[0]
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "52988006"
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert segment.AnatomicRegionSequence[0].CodeValue == "12738006"
    assert (seg.PatientID, seg.StudyInstanceUID) == ("p1", generate_uid(entropy_srcs=["study"]))
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == generate_uid(entropy_srcs=["series"])


def numbers(item: pydicom.Dataset) -> dict[str, float]:
    """Meaning -> value of the measurements directly below a content item."""
    return {
        one.ConceptNameCodeSequence[0].CodeMeaning: float(one.MeasuredValueSequence[0].NumericValue)
        for one in item.ContentSequence
        if one.ValueType == "NUM"
    }


def test_the_report_holds_the_volumes_of_the_table(dicom_result, written):
    seg, sr = written
    measured = next(
        item for item in sr.ContentSequence if item.ConceptNameCodeSequence[0].CodeMeaning == "Imaging Measurements"
    )
    whole, *groups = measured.ContentSequence
    lesions = read_lesion_csv(dicom_result / "lesions.csv")
    voxel_ml = float(np.prod(sitk.ReadImage(str(dicom_result / "lesion_mask.nii.gz")).GetSpacing())) / 1000
    assert numbers(whole)["Volume"] == pytest.approx(seg.pixel_array.sum() * voxel_ml, rel=1e-3)
    assert numbers(whole)["Number of lesions"] == len(groups) == 4
    for lesion, group in zip(lesions, groups, strict=True):
        assert numbers(group)["Volume"] == lesion.volume_ml
        assert numbers(group)["Diameter"] == lesion.longest_diameter_mm
        values = [one.ConceptCodeSequence[0].CodeMeaning for one in group.ContentSequence if one.ValueType == "CODE"]
        assert lesion.location in values
        referenced = [one for one in group.ContentSequence if one.ValueType == "IMAGE"]
        assert referenced[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == seg.SOPInstanceUID


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian's dicom3tools) is not installed")
@pytest.mark.parametrize("name", ["lesions.seg.dcm", "lesions.sr.dcm"])
def test_dciodvfy_finds_no_error(dicom_export, name):
    done = subprocess.run(["dciodvfy", str(dicom_export / name)], capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if line.startswith("Error")] == []


def test_a_result_of_nifti_says_why_there_is_none(tmp_path, write_small_result):
    write_small_result(tmp_path / "result")
    record = read_provenance(tmp_path / "result")
    record["run"]["inputs"]["FLAIR"] = str(tmp_path / "result" / "FLAIR.nii.gz")
    write_provenance(tmp_path / "result" / "provenance.json", record)
    with pytest.raises(UsageError, match="which is not DICOM, so there is no series"):
        write_dicom(tmp_path / "result", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_another_series_is_not_taken_for_the_one_that_was_segmented(dicom_result, small_images, tmp_path):
    other = write_series(tmp_path / "other", small_images[0] + 1)
    with pytest.raises(StudyError, match="does not hold the FLAIR that was segmented"):
        write_dicom(dicom_result, tmp_path / "out", source=other)


def test_moved_files_are_asked_for(dicom_result, tmp_path):
    with pytest.raises(StudyError, match="no longer lies at .*gone"):
        write_dicom(dicom_result, tmp_path / "out", source=tmp_path / "gone")


def test_a_converted_flair_is_known_by_its_voxels_and_lesions_keep_their_numbers(dicom_result, small_images, tmp_path):
    """The FLAIR as NIfTI with its slices in the other order, as a converter may leave it, and two numbered lesions."""
    shutil.copytree(dicom_result, tmp_path / "result")
    for name in ("FLAIR", "lesion_probability", "brain_mask", "location_zones"):
        file = str(tmp_path / "result" / f"{name}.nii.gz")
        sitk.WriteImage(sitk.ReadImage(file)[:, :, ::-1], file)
    record = read_provenance(tmp_path / "result")
    record["inputs"]["FLAIR"]["sha256"] = "0" * 64
    write_provenance(tmp_path / "result" / "provenance.json", record)
    flair = sitk.ReadImage(str(tmp_path / "result" / "FLAIR.nii.gz"))
    numbers = np.zeros(flair.GetSize()[::-1], np.uint16)
    numbers[3, 20:24, 10:15], numbers[8:10, 5:9, 20] = 7, 3
    lesions = sitk.GetImageFromArray(numbers)
    lesions.CopyInformation(flair)
    sitk.WriteImage(lesions, str(tmp_path / "lesions.nrrd"))
    source = dicom_result.with_name("series")
    write_dicom(tmp_path / "result", tmp_path / "out", source=source, lesions=tmp_path / "lesions.nrrd")
    seg = pydicom.dcmread(tmp_path / "out" / "lesions.seg.dcm")
    assert [one.SegmentLabel for one in seg.SegmentSequence] == ["Lesion 3", "Lesion 7"]
    assert [one.SegmentAlgorithmType for one in seg.SegmentSequence] == ["SEMIAUTOMATIC"] * 2
    for frame, group in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        z = flair.TransformPhysicalPointToIndex([*map(float, group.PlanePositionSequence[0].ImagePositionPatient)])[2]
        number = {1: 3, 2: 7}[int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)]
        assert np.array_equal(frame, numbers[z] == number)
