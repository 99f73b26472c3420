"""A DICOM series as a scanner sends it, for tests."""

from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid


def write_series(folder: Path, image: sitk.Image) -> Path:
    """The image as one MR series, from head to foot as some scanners send it."""
    folder.mkdir()
    study, series, frame = (generate_uid(entropy_srcs=[name]) for name in ("study", "series", "frame"))
    axes = np.array(image.GetDirection()).reshape(3, 3)
    x, y, z = image.GetSpacing()
    array = sitk.GetArrayFromImage(image)
    for number in reversed(range(len(array))):
        one = pydicom.Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID, one.SOPInstanceUID = MRImageStorage, generate_uid(entropy_srcs=[str(number)])
        one.StudyInstanceUID, one.SeriesInstanceUID, one.FrameOfReferenceUID = study, series, frame
        one.PatientName, one.PatientID, one.PatientBirthDate, one.PatientSex = "Phantom^Small", "p1", "19700101", "O"
        one.StudyID, one.AccessionNumber, one.ReferringPhysicianName = "1", "", ""
        one.StudyDate, one.StudyTime, one.SeriesDescription = "20260101", "120000", "FLAIR"
        one.Modality, one.SeriesNumber, one.InstanceNumber = "MR", 3, len(array) - number
        one.ImageOrientationPatient = [round(float(value), 10) for value in (*axes[:, 0], *axes[:, 1])]
        position = image.TransformIndexToPhysicalPoint((0, 0, number))
        one.ImagePositionPatient = [round(float(value), 6) for value in position]
        one.PixelSpacing, one.SliceThickness, one.SpacingBetweenSlices = [y, x], z, z
        one.Rows, one.Columns = array.shape[1:]
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 16, 16, 15, 1
        one.PixelData = np.rint(array[number]).astype("<i2").tobytes()
        one.save_as(folder / f"{number:03d}.dcm", enforce_file_format=True)
    return folder
