"""Images and series of a head for tests of reading, and how a refusal must look."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from MSLesionSegLib.errors import StudyError
from MSLesionSegLib.images import read_image

OBLIQUE = tuple(
    np.linalg.qr(np.array([[0.98, 0.15, -0.05], [-0.14, 0.96, 0.2], [0.08, -0.19, 0.97]]))[0].round(12).ravel().tolist()
)
ROW, COLUMN = (0.0, 0.96, 0.28), (0.8, -0.168, 0.576)  # an oblique slice: unit vectors at right angles
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"


def head(seed: int = 0, shape: tuple[int, ...] = (24, 40, 36)) -> np.ndarray:
    """A varied (z, y, x) int16 image with one marked voxel: [3, 5, 7] is 4000."""
    image = np.random.default_rng(seed).integers(1, 900, shape).astype(np.int16)
    image[3, 5, 7] = 4000
    return image


def oblique_image(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((4.0, 4.5, 6.6))
    image.SetOrigin((-70.25, 33.5, -12.125))
    image.SetDirection(OBLIQUE)
    return image


def write_dicom(folder: Path, array: np.ndarray, *, skip: tuple[int, ...] = (), name: str = "a", **tags) -> Path:
    """Write slices (z, y, x) as MR files in scrambled name order, 3.3 mm apart, pixels 4.0 (column step) x 4.5 mm."""
    folder.mkdir(parents=True, exist_ok=True)
    row, column = tags.pop("orientation", (ROW, COLUMN))
    normal = np.cross(row, column)
    for index in range(len(array)):
        if index in skip:
            continue
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = MR_IMAGE
        unique = generate_uid(entropy_srcs=[name, str(index)])
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = unique
        data.SeriesInstanceUID = generate_uid(entropy_srcs=[str(tags.get("SeriesNumber", 1))])
        data.Modality, data.SeriesNumber, data.SeriesDescription = "MR", 1, "t2_flair"
        data.PatientName = "Doe^Jane"
        data.Rows, data.Columns = array.shape[1:]
        data.PixelSpacing, data.SliceThickness = [4.5, 4.0], 3.0
        data.ImageOrientationPatient = [*row, *column]
        data.ImagePositionPatient = [round(v, 9) for v in np.array([10.0, -20.5, 30.25]) + index * 3.3 * normal]
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
        for tag, value in tags.items():
            setattr(data, tag, value)
        data.PixelData = array[index].astype("<i2").tobytes()
        data.save_as(folder / f"{name}{(index * 7) % len(array):03d}.dcm", enforce_file_format=True)
    return folder


def refusal(path: Path, **options) -> StudyError:
    """The error of reading a file; its message names the file and holds nothing of ITK's."""
    with pytest.raises(StudyError) as caught:
        read_image(path, **options)
    error = caught.value
    assert str(path) in error.message
    assert error.hint
    assert "\n" not in error.message
    for foreign in ("itk", "0x", "exception", ".cxx", ".hxx"):
        assert foreign not in error.message.replace(str(path), "").lower()
    return error
