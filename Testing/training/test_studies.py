"""The studies of a folder: by BIDS names, and by a table that is guessed first and corrected by a person."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from MSLesionSegLib.errors import StudyError, UsageError
from MSLesionSegTrainingLib.studies import StudyFiles, bids_studies, read_table, write_table
from MSLesionSegTrainingLib.study_guess import guess_studies

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
FLAIR = {"SeriesDescription": "dark fluid", "EchoTime": 120, "RepetitionTime": 9000, "InversionTime": 2500}
T2 = {"SeriesDescription": "tse", "EchoTime": 100, "RepetitionTime": 4000}


def write_dicom(folder: Path, number: int, prefix: str, tags: dict) -> None:
    """A series of 20 slices of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(number).integers(0, 500, (20, 16, 16))
    for index, pixels in enumerate(voxels):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = MR_IMAGE
        unique = generate_uid(entropy_srcs=[str(folder), prefix, str(index)])
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = unique
        data.SeriesInstanceUID = generate_uid(entropy_srcs=[str(folder), prefix])
        data.Modality, data.SeriesNumber, data.PatientName = "MR", number, "Doe^Jane"
        data.ImageOrientationPatient, data.PixelSpacing = [1, 0, 0, 0, 1, 0], [10.0, 10.0]
        data.ImagePositionPatient = [0.0, 0.0, 7.0 * index]
        data.Rows, data.Columns = pixels.shape
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 1
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        for tag, value in tags.items():
            setattr(data, tag, value)
        data.PixelData = pixels.astype("<i2").tobytes()
        pydicom.dcmwrite(folder / f"{prefix}{index:02d}", data, enforce_file_format=True)


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.Image((4, 4, 4), sitk.sitkInt16), str(path))


def test_dicom_series_of_one_folder_and_of_folders_side_by_side_are_one_study_each(tmp_path):
    write_dicom(tmp_path / "Doe", 1, "a", FLAIR)
    write_dicom(tmp_path / "Doe", 2, "b", T2)
    write_dicom(tmp_path / "Roe" / "series 1", 1, "c", FLAIR)
    write_dicom(tmp_path / "Roe" / "series 2", 2, "d", T2)
    studies = guess_studies(tmp_path)
    assert [study.name for study in studies] == ["case-001", "case-002"]
    assert [
        {name: path.relative_to(tmp_path).as_posix() for name, path in study.images.items()} for study in studies
    ] == [
        {"FLAIR": "Doe/a00", "T2w": "Doe/b00"},
        {"FLAIR": "Roe/series 1/c00", "T2w": "Roe/series 2/d00"},
    ]


def test_files_of_one_folder_are_one_study_and_masks_and_hidden_files_are_no_images(tmp_path):
    for name in ("x/FLAIR.nii.gz", "x/t1.nrrd", "x/lesion_mask.nii.gz", "x/.FLAIR.nii.gz", "y/z/flair.mha"):
        write_image(tmp_path / name)
    first, second = guess_studies(tmp_path)
    assert first.images == {"FLAIR": tmp_path / "x/FLAIR.nii.gz", "T1w": tmp_path / "x/t1.nrrd"}
    assert second.images == {"FLAIR": tmp_path / "y/z/flair.mha"}
    with pytest.raises(StudyError, match="holds no MR images"):
        (tmp_path / "empty").mkdir()
        guess_studies(tmp_path / "empty")


def test_what_is_written_as_a_table_is_read_again(tmp_path):
    outside = tmp_path / "elsewhere" / "t1.nii"
    studies = [
        StudyFiles("case-001", {"FLAIR": tmp_path / "tree" / "a" / "f.nii", "T1w": outside}, note="check\tit"),
        StudyFiles("case-002", {"T2w": tmp_path / "tree" / "b.nii"}),
    ]
    write_table(tmp_path / "studies.tsv", tmp_path / "tree", studies)
    assert (tmp_path / "studies.tsv").read_text("utf-8").splitlines() == [
        "case\tFLAIR\tT1w\tT2w\tnote",
        f"case-001\ta/f.nii\t{outside}\t\tcheck it",
        "case-002\t\t\tb.nii\t",
    ]
    first, second = read_table(tmp_path / "studies.tsv", tmp_path / "tree")
    assert (first.images, first.problem) == (studies[0].images, "")
    assert second.problem == "The table names no FLAIR for case-002."
    assert second.hint == f"Enter it in line 3 of {tmp_path / 'studies.tsv'}."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name\tfile\na\tb\n", "its first line does not name the columns case and FLAIR"),
        ("case\tFLAIR\na\tx.nii\na\ty.nii\n", "names the case a twice"),
        ("case\tFLAIR\n../a\tx.nii\n", "'../a' in line 2 of .* cannot be the name of a folder"),
        ("case\tFLAIR\n\tx.nii\n", "'' in line 2 of .* cannot be the name of a folder"),
    ],
)
def test_a_table_that_cannot_be_used_is_told(tmp_path, text, told):
    (tmp_path / "studies.tsv").write_text(text, "utf-8")
    with pytest.raises(UsageError, match=told):
        read_table(tmp_path / "studies.tsv", tmp_path)


def test_bids_studies_are_found_by_name_with_what_is_wrong(tmp_path):
    for name in ("sub-01/anat/sub-01_FLAIR.nii.gz", "sub-02/ses-1/anat/sub-02_ses-1_T1w.nii.gz"):
        write_image(tmp_path / name)
    first, second = bids_studies(tmp_path)
    assert (first.name, first.problem) == ("sub-01", "")
    assert second.name == "sub-02_ses-1"
    assert second.problem == f"{tmp_path / 'sub-02' / 'ses-1' / 'anat'} holds no FLAIR."
    with pytest.raises(StudyError, match="There is no folder"):
        bids_studies(tmp_path / "none")
