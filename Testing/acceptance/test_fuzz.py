"""Headers that no program wrote: whatever the bytes, a study is read, or refused with a sentence.

``MSLESIONSEG_FUZZ_MINUTES`` sets how long it looks (2 by default), ``MSLESIONSEG_FUZZ_SEED`` where it begins.
"""

import contextlib
import gzip
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from MSLesionSegLib.errors import MSLesionSegError
from MSLesionSegLib.study import read_study

pytestmark = pytest.mark.acceptance

SHAPE = (12, 28, 24)
SPACING = (8.0, 7.0, 10.0)
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
LONGEST_S = 120
WORDS = (b"nan", b"-nan", b"inf", b"1e400", b"-1", b"0", b"99999999999999999999", b"(1,0,0)", b"none", b"", b"\xff\xfe")
FORMATS = ("nii", "nii.gz", "nrrd", "mha", "dicom")


def head() -> sitk.Image:
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(1, 900, SHAPE).astype(np.int16))
    image.SetSpacing(SPACING)
    return image


@pytest.fixture(scope="module")
def seeds(tmp_path_factory) -> dict[str, list[bytes]]:
    """Well-formed files of each format; the voxels of NIfTI, NRRD and MetaImage unpacked, so that headers are hit."""
    folder = tmp_path_factory.mktemp("seeds")
    for name in ("f.nii", "f.nrrd", "f.mha"):
        sitk.WriteImage(head(), str(folder / name), useCompression=False)
    files = {ending: [(folder / f"f.{ending}").read_bytes()] for ending in ("nii", "nrrd", "mha")}
    files["nii.gz"] = files["nii"]
    files["dicom"] = [path.read_bytes() for path in dicom(folder / "d")]
    return files


def dicom(folder: Path) -> list[Path]:
    folder.mkdir()
    for index, pixels in enumerate(sitk.GetArrayFromImage(head())):
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = MR_IMAGE
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid(entropy_srcs=[str(index)])
        data.SeriesInstanceUID = data.StudyInstanceUID = data.FrameOfReferenceUID = generate_uid(entropy_srcs=["s"])
        data.Modality, data.SeriesNumber, data.InstanceNumber = "MR", 1, index + 1
        data.ImageOrientationPatient, data.PixelSpacing = [1, 0, 0, 0, 1, 0], [7.0, 8.0]
        data.ImagePositionPatient = [0.0, 0.0, 10.0 * index]
        data.Rows, data.Columns = pixels.shape
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 1
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelData = pixels.tobytes()
        pydicom.dcmwrite(folder / f"{index:02d}.dcm", data, enforce_file_format=True)
    return sorted(folder.iterdir())


def altered(chance: np.random.Generator, content: bytes) -> bytes:
    """Bytes, numbers or words of the header changed, or the end cut off."""
    changed = bytearray(content)
    for _ in range(int(chance.integers(1, 5))):
        header = min(len(changed), 420)
        if header < 16:
            break
        kind = chance.integers(4)
        if kind == 0:
            changed[int(chance.integers(header))] = int(chance.integers(256))
        elif kind == 1:
            place = int(chance.integers(header - 8)) // 2 * 2
            number = float(chance.choice([0, -1, np.nan, np.inf, 1e30, -1e30, 1e-30, 3e9]))
            changed[place : place + 4] = np.float32(number).tobytes()
        elif kind == 2:
            numbers = list(re.finditer(rb"-?\d+(\.\d+)?", bytes(changed[:header])))
            if numbers:
                found = numbers[int(chance.integers(len(numbers)))]
                changed[found.start() : found.end()] = WORDS[int(chance.integers(len(WORDS)))]
        elif chance.random() < 0.3:
            del changed[int(chance.integers(len(changed))) :]
    return bytes(changed)


@contextlib.contextmanager
def written(kind: str, files: list[bytes]) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mslesionseg-fuzz-"))
    try:
        if kind == "dicom":
            for index, content in enumerate(files):
                (folder / f"{index:02d}.dcm").write_bytes(content)
            yield folder
        else:
            path = folder / f"f.{kind}"
            path.write_bytes(gzip.compress(files[0], 1, mtime=0) if kind == "nii.gz" else files[0])
            yield path
    finally:
        shutil.rmtree(folder)


def test_any_header_is_read_or_refused_with_a_sentence(seeds):
    until = time.monotonic() + 60 * float(os.environ.get("MSLESIONSEG_FUZZ_MINUTES", "2"))
    seed = int(os.environ.get("MSLESIONSEG_FUZZ_SEED", "0"))
    outcomes = {"read": 0, "refused": 0}
    # Another process reads: it may crash, what ITK leaks goes with it, and a read that does not end ends it.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=200) as readers:
        while time.monotonic() < until:
            chance = np.random.default_rng(seed)
            kind = FORMATS[seed % len(FORMATS)]
            files = list(seeds[kind])
            which = int(chance.integers(len(files)))
            files[which] = altered(chance, files[which])
            with written(kind, files) as path:
                readers.submit(signal.alarm, LONGEST_S)
                try:
                    study = readers.submit(read_study, path).result()
                except MSLesionSegError as error:
                    assert error.message.endswith(".") and "\n" not in error.message, (seed, error.message)
                    assert str(path) in error.message, (seed, error.message)
                    outcomes["refused"] += 1
                except Exception as error:
                    pytest.fail(f"seed {seed} ({kind}): {type(error).__name__}: {error}")
                else:
                    values = sitk.GetArrayViewFromImage(study.flair)
                    assert values.ndim == 3 and np.isfinite(values).all(), seed
                    outcomes["read"] += 1
            seed += 1
    print(f"{sum(outcomes.values())} studies: {outcomes}")
    assert min(outcomes.values()) > 20
