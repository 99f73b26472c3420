"""Files that a user may give by mistake: each function makes them in a folder and returns the options that name it."""

import gzip
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage, generate_uid

from MSLesionSegLib.bundle_files import SUMS, sums_text
from MSLesionSegLib.model_store import default_model

SHAPE_XYZ = (44, 52, 30)
SPACING = (4.0, 4.0, 5.0)


def head(seed: int = 0) -> np.ndarray:
    """A noisy ball in air, (x, y, z) int16."""
    x, y, z = np.indices(SHAPE_XYZ)
    inside = ((x - 22) / 19) ** 2 + ((y - 26) / 23) ** 2 + ((z - 15) / 13) ** 2 < 1
    noise = np.random.default_rng(seed).normal(0, 12, SHAPE_XYZ)
    return np.clip(400 * inside + noise + 30, 0, None).astype(np.int16)


def nifti(path: Path, array: np.ndarray | None = None, affine: np.ndarray | None = None, **header) -> Path:
    image = nib.Nifti1Image(head() if array is None else array, np.diag([*SPACING, 1]) if affine is None else affine)
    for field, value in header.items():
        image.header[field] = value
    nib.save(image, path)
    return path


def flair(folder: Path, array: np.ndarray | None = None, **more) -> list[str]:
    return ["--flair", str(nifti(folder / "f.nii.gz", array, **more))]


def as_file(name: str, content: bytes) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        (folder / name).write_bytes(content)
        return ["--flair", str(folder / name)]

    return make


def cut(name: str, share: float) -> Callable[[Path], list[str]]:
    """An image in the format of the name's ending, of which only the first part was copied."""

    def make(folder: Path) -> list[str]:
        image = sitk.GetImageFromArray(head().T)
        image.SetSpacing(SPACING)
        sitk.WriteImage(image, str(folder / name))
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[: int(len(whole) * share)])
        return ["--flair", str(folder / name)]

    return make


def renamed(written: str, named: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        image = sitk.GetImageFromArray(head().T)
        image.SetSpacing(SPACING)
        sitk.WriteImage(image, str(folder / written))
        (folder / written).rename(folder / named)
        return ["--flair", str(folder / named)]

    return make


def changed(value: float) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        array = head().astype(np.float32)
        array[20, 20, 15] = value
        return flair(folder, array)

    return make


def scaled(*spacing: float) -> Callable[[Path], list[str]]:
    return lambda folder: flair(folder, affine=np.diag([*spacing, 1.0]))


def nrrd(directions: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        text = "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 44 52 30\n"
        text += f"space directions: {directions}\nkinds: domain domain domain\nendian: little\nencoding: raw\n"
        text += "space origin: (0,0,0)\n\n"
        (folder / "f.nrrd").write_bytes(text.encode() + head().tobytes(order="F"))
        return ["--flair", str(folder / "f.nrrd")]

    return make


def second(option: str, make: Callable[[Path], Path]) -> Callable[[Path], list[str]]:
    """A good FLAIR, and another file for an option."""
    return lambda folder: [*flair(folder), option, str(make(folder))]


def mask(array: np.ndarray | None = None, spacing: float = 4.0) -> Callable[[Path], Path]:
    if array is None:
        array = (head() > 200).astype(np.uint8)
    return lambda folder: nifti(folder / "m.nii.gz", array, np.diag([spacing, spacing, 5.0, 1.0]))


def dicom(folder: Path, name: str = "a", *, number: int = 1, skip: tuple[int, ...] = (), sop=MRImageStorage, **tags):
    """Slices (30 of 52 x 44 pixels of 4 mm, 5 mm apart) in ``folder``; the options for a FLAIR in it."""
    folder.mkdir(parents=True, exist_ok=True)
    array = head(number)
    for index in range(array.shape[2]):
        if index in skip:
            continue
        data = Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = sop
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid(entropy_srcs=[name, str(index)])
        data.SeriesInstanceUID = generate_uid(entropy_srcs=[name])
        data.StudyInstanceUID = data.FrameOfReferenceUID = generate_uid(entropy_srcs=["study"])
        data.Modality, data.PatientName, data.SeriesDescription = "MR", "Doe^Jane", f"series {name}"
        data.SeriesNumber, data.InstanceNumber = number, index + 1
        data.ImageOrientationPatient, data.PixelSpacing = [1, 0, 0, 0, 1, 0], [4.0, 4.0]
        data.ImagePositionPatient = [0.0, 0.0, 5.0 * index]
        data.Rows, data.Columns = array.shape[1], array.shape[0]
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelData = np.ascontiguousarray(array[:, :, index].T).astype("<u2").tobytes()
        for tag, value in tags.items():
            setattr(data, tag, value)
        data.save_as(folder / f"{name}{index:03d}.dcm", enforce_file_format=True)
    return ["--flair", str(folder)]


def two_series(*more: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        dicom(folder / "d", "a", number=1)
        return [*dicom(folder / "d", "b", number=2), *more]

    return make


def compressed(folder: Path) -> list[str]:
    """Slices whose header promises JPEG 2000 and whose frames hold something else."""
    words = dicom(folder / "d")
    for path in (folder / "d").iterdir():
        data = pydicom.dcmread(path)
        data.file_meta.TransferSyntaxUID = JPEG2000Lossless
        data.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51not a code stream"])
        data["PixelData"].VR = "OB"
        data.save_as(path)
    return words


def damaged_slice(folder: Path) -> list[str]:
    words = dicom(folder / "d")
    path = folder / "d" / "a015.dcm"
    path.write_bytes(path.read_bytes()[:-3000])
    return words


def copied_model(change: Callable[[Path], object]) -> Callable[[Path], list[str]]:
    """A good FLAIR, and a copy of the shipped model that something was done to."""

    def make(folder: Path) -> list[str]:
        shutil.copytree(default_model("lesion"), folder / "model")
        change(folder / "model")
        return [*flair(folder), "--model", str(folder / "model")]

    return make


def flip_a_byte(model: Path) -> None:
    content = bytearray((model / "weights.safetensors").read_bytes())
    content[-100] ^= 255
    (model / "weights.safetensors").write_bytes(content)


def newer(model: Path) -> None:
    text = json.loads((model / "model.json").read_text("utf-8"))
    (model / "model.json").write_text(json.dumps({**text, "format_version": 99}), "utf-8")


def pickled(model: Path) -> None:
    (model / "weights.safetensors").write_bytes(b"\x80\x04\x95" + bytes(500))
    (model / SUMS).write_text(sums_text(model), newline="\n")


def zipped(*members: tuple[str, bytes]) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        with zipfile.ZipFile(folder / "model.zip", "w") as archive:
            for name, content in members:
                archive.writestr(name, content)
        return [*flair(folder), "--model", str(folder / "model.zip")]

    return make


def zero_spacing(folder: Path) -> list[str]:
    words = flair(folder)
    path = Path(words[1])
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[80:84] = bytes(4)
    path.write_bytes(gzip.compress(bytes(content)))
    return words
