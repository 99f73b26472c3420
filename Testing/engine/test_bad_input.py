"""Every mistake with a study, a model or a place: one exact sentence, its exit code, and nothing written."""

import gzip
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage, generate_uid

from MSLesionSegLib.bundle_files import SUMS, sums_text
from MSLesionSegLib.cli import build_app
from MSLesionSegLib.cli_runner import run
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


@dataclass(frozen=True)
class Mistake:
    """What is wrong, the exit code, the sentence and the hint; FOLDER stands for the folder of the inputs."""

    name: str
    make: Callable[[Path], list[str]]
    code: int
    sentence: str
    hint: str


MISTAKES = [
    Mistake(
        "missing",
        lambda f: ["--flair", str(f / "gone.nii.gz")],
        3,
        "FOLDER/gone.nii.gz does not exist.",
        "Check the name and the folder.",
    ),
    Mistake(
        "missing T1w",
        second("--t1", lambda f: f / "gone.nii.gz"),
        3,
        "FOLDER/gone.nii.gz does not exist.",
        "Check the name and the folder.",
    ),
    Mistake(
        "empty folder",
        lambda f: ["--flair", str(f)],
        3,
        "FOLDER holds no DICOM images with a position in space.",
        "Give the folder with the DICOM files of the series, or the image file itself if it is not DICOM.",
    ),
    Mistake(
        "folder of notes",
        lambda f: (f / "d").mkdir() or (f / "d" / "notes.txt").write_text("x") and ["--flair", str(f / "d")],
        3,
        "FOLDER/d holds no DICOM images with a position in space.",
        "Give the folder with the DICOM files of the series, or the image file itself if it is not DICOM.",
    ),
    Mistake(
        "no bytes",
        as_file("f.nii.gz", b""),
        3,
        "FOLDER/f.nii.gz is empty.",
        "Copy or export it again; the copy here is not the whole file.",
    ),
    Mistake(
        "text named NIfTI",
        as_file("f.nii", b"this is a letter, not an image\n" * 40),
        3,
        "FOLDER/f.nii cannot be read as NIfTI: it is damaged or of another kind.",
        "Copy or export it again; the copy here is not the whole file.",
    ),
    Mistake(
        "text named packed NIfTI",
        as_file("f.nii.gz", gzip.compress(b"a letter\n" * 200, mtime=0)),
        3,
        "FOLDER/f.nii.gz cannot be read as NIfTI: it is damaged or of another kind.",
        "Copy or export it again; the copy here is not the whole file.",
    ),
    Mistake(
        "picture named NIfTI",
        as_file("f.nii.gz", b"\x89PNG\r\n\x1a\n" + bytes(500)),
        3,
        "FOLDER/f.nii.gz cannot be read as NIfTI: it is damaged or of another kind.",
        "Copy or export it again; the copy here is not the whole file.",
    ),
    Mistake(
        "unknown ending",
        as_file("f.xyz", bytes(2000)),
        3,
        "FOLDER/f.xyz has no known image format.",
        "Readable are NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd), a DICOM "
        "folder or a DICOM file.",
    ),
    Mistake(
        "truncated packed NIfTI",
        cut("f.nii.gz", 0.5),
        3,
        "FOLDER/f.nii.gz is damaged: its voxels are truncated or altered.",
        "Copy or export it again; the copy here is not the whole file.",
    ),
    Mistake(
        "truncated NIfTI",
        cut("f.nii", 0.5),
        3,
        "FOLDER/f.nii is damaged: its voxels are truncated.",
        "Copy or export it again; the copy here is not the whole file.",
    ),
    Mistake(
        "NIfTI header alone",
        cut("f.nii", 0.002),
        3,
        "FOLDER/f.nii cannot be read as NIfTI: it is damaged or of another kind.",
        "Copy or export it again; the copy here is not the whole file.",
    ),
    Mistake(
        "truncated NRRD",
        cut("f.nrrd", 0.5),
        3,
        "FOLDER/f.nrrd cannot be read as NRRD: it is damaged or incomplete.",
        "Copy or export it again; the copy here is not the whole file.",
    ),
    Mistake(
        "truncated MetaImage",
        cut("f.mha", 0.5),
        3,
        "FOLDER/f.mha cannot be read as MetaImage: it is damaged or incomplete.",
        "Copy or export it again; the copy here is not the whole file.",
    ),
    Mistake(
        "NRRD named NIfTI",
        renamed("a.nrrd", "f.nii"),
        3,
        "FOLDER/f.nii is named like NIfTI and holds NRRD.",
        "Rename it to end in .nrrd.",
    ),
    Mistake(
        "NIfTI named NRRD",
        renamed("a.nii", "f.nrrd"),
        3,
        "FOLDER/f.nrrd is named like NRRD and holds NIfTI.",
        "Rename it to end in .nii.",
    ),
    Mistake(
        "two dimensions",
        lambda f: flair(f, head()[:, :, 15]),
        3,
        "FOLDER/f.nii.gz is a 2D image.",
        "Give the whole 3D series.",
    ),
    Mistake(
        "four dimensions",
        lambda f: flair(f, np.stack([head()] * 3, -1)),
        3,
        "FOLDER/f.nii.gz is 4D and holds 3 volumes.",
        "Save the one volume to use as a 3D image.",
    ),
    Mistake(
        "colour",
        lambda f: flair(f, np.zeros(SHAPE_XYZ, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))),
        3,
        "FOLDER/f.nii.gz holds colours, vectors or complex numbers instead of one grey value for each voxel.",
        "Give the magnitude image of the series.",
    ),
    Mistake(
        "complex numbers",
        lambda f: flair(f, head().astype(np.complex64)),
        3,
        "FOLDER/f.nii.gz holds colours, vectors or complex numbers instead of one grey value for each voxel.",
        "Give the magnitude image of the series.",
    ),
    Mistake(
        "all zero",
        lambda f: flair(f, np.zeros(SHAPE_XYZ, np.int16)),
        3,
        "The FLAIR FOLDER/f.nii.gz is empty: its intensities are all zero.",
        "Export the series again.",
    ),
    Mistake(
        "one value",
        lambda f: flair(f, np.full(SHAPE_XYZ, 700, np.int16)),
        3,
        "The FLAIR FOLDER/f.nii.gz is empty: its intensities are the same everywhere (700).",
        "Export the series again.",
    ),
    Mistake(
        "mask given as FLAIR",
        lambda f: flair(f, (head() > 200).astype(np.uint8)),
        3,
        "The FLAIR FOLDER/f.nii.gz has only 2 different intensities, as a mask has.",
        "Give the MR series, not a mask.",
    ),
    Mistake(
        "not a number",
        changed(np.nan),
        3,
        "FOLDER/f.nii.gz holds intensities that are not finite numbers (NaN, infinite or too large).",
        "Replace them by 0, or export the series again.",
    ),
    Mistake(
        "infinite",
        changed(np.inf),
        3,
        "FOLDER/f.nii.gz holds intensities that are not finite numbers (NaN, infinite or too large).",
        "Replace them by 0, or export the series again.",
    ),
    Mistake(
        "zero spacing",
        zero_spacing,
        3,
        "FOLDER/f.nii.gz gives a voxel spacing of 0 x 4 x 5 mm, which must be above zero along every axis.",
        "",
    ),
    Mistake(
        "absurd spacing",
        scaled(4e6, 4e6, 5e6),
        3,
        "The FLAIR FOLDER/f.nii.gz has a voxel spacing of 4e+06 x 4e+06 x 5e+06 mm, outside 0.2 to 10 mm.",
        "Check the header; convert the series again from the scanner's DICOM files.",
    ),
    Mistake(
        "mouse",
        scaled(0.4, 0.4, 0.5),
        3,
        "The FLAIR FOLDER/f.nii.gz covers 18 x 21 x 15 mm, and a head needs 100 to 350 mm along every axis.",
        "Give a series of the whole head, and check the voxel spacing in its header.",
    ),
    Mistake(
        "whole body",
        scaled(12.0, 12.0, 20.0),
        3,
        "The FLAIR FOLDER/f.nii.gz has a voxel spacing of 12 x 12 x 20 mm, outside 0.2 to 10 mm.",
        "Check the header; convert the series again from the scanner's DICOM files.",
    ),
    Mistake(
        "thick slab",
        lambda f: flair(f, head()[:, :, 10:14]),
        3,
        "The FLAIR FOLDER/f.nii.gz has only 44 x 52 x 4 voxels, fewer than 8 slices of 16 x 16.",
        "Give the whole 3D series, not a localizer or a single slice.",
    ),
    Mistake(
        "singular NRRD",
        nrrd("(4,0,0) (4,0,0) (0,0,5)"),
        3,
        "FOLDER/f.nrrd has axes that are not at right angles (sheared or singular geometry).",
        "Convert the series again from the scanner's DICOM files, or resample it to a straight grid.",
    ),
    Mistake(
        "sheared NRRD",
        nrrd("(4,0,0) (2,4,0) (0,0,5)"),
        3,
        "FOLDER/f.nrrd has axes that are not at right angles (sheared or singular geometry).",
        "Convert the series again from the scanner's DICOM files, or resample it to a straight grid.",
    ),
    Mistake(
        "NRRD without directions",
        nrrd("none none none"),
        3,
        "The FLAIR FOLDER/f.nrrd covers 44 x 52 x 30 mm, and a head needs 100 to 350 mm along every axis.",
        "Give a series of the whole head, and check the voxel spacing in its header.",
    ),
    Mistake(
        "T1w is the FLAIR",
        lambda f: [*flair(f), "--t1", str(f / "f.nii.gz")],
        3,
        "The FLAIR FOLDER/f.nii.gz and the T1w FOLDER/f.nii.gz are the same image.",
        "Give another series as T1w, or leave it out.",
    ),
    Mistake(
        "T1w constant",
        second("--t1", lambda f: nifti(f / "t.nii.gz", np.full(SHAPE_XYZ, 5, np.int16))),
        3,
        "The T1w FOLDER/t.nii.gz is empty: its intensities are the same everywhere (5).",
        "Export the series again.",
    ),
    Mistake(
        "T2w four dimensions",
        second("--t2", lambda f: nifti(f / "t.nii.gz", np.stack([head()] * 3, -1))),
        3,
        "FOLDER/t.nii.gz is 4D and holds 3 volumes.",
        "Save the one volume to use as a 3D image.",
    ),
    Mistake(
        "T2w not a number",
        second("--t2", lambda f: nifti(f / "t.nii.gz", np.where(head() > 430, np.nan, head()).astype(np.float32))),
        3,
        "FOLDER/t.nii.gz holds intensities that are not finite numbers (NaN, infinite or too large).",
        "Replace them by 0, or export the series again.",
    ),
    Mistake(
        "brain mask missing",
        second("--brain-mask", lambda f: f / "gone.nii.gz"),
        3,
        "FOLDER/gone.nii.gz does not exist.",
        "Check the name and the folder.",
    ),
    Mistake(
        "brain mask empty",
        second("--brain-mask", mask(np.zeros(SHAPE_XYZ, np.uint8))),
        3,
        "The brain mask FOLDER/m.nii.gz holds 0 mL, and a brain has 400 to 2200 mL.",
        "Check that this is an MR of a whole head, or give a brain mask of your own with --brain-mask.",
    ),
    Mistake(
        "brain mask too small",
        second("--brain-mask", mask((np.indices(SHAPE_XYZ)[0] < 3).astype(np.uint8))),
        3,
        "The brain mask FOLDER/m.nii.gz holds 374 mL, and a brain has 400 to 2200 mL.",
        "Check that this is an MR of a whole head, or give a brain mask of your own with --brain-mask.",
    ),
    Mistake(
        "brain mask everywhere",
        second("--brain-mask", mask(np.ones(SHAPE_XYZ, np.uint8))),
        3,
        "The brain mask FOLDER/m.nii.gz holds 5491 mL, and a brain has 400 to 2200 mL.",
        "Check that this is an MR of a whole head, or give a brain mask of your own with --brain-mask.",
    ),
    Mistake(
        "two series",
        two_series(),
        3,
        "FOLDER/d holds 2 DICOM image series, and which one to use is not said (1: series a, 30 "
        "images; 2: series b, 30 images).",
        "Choose one by its number, e.g. --flair-series 1.",
    ),
    Mistake(
        "no such series",
        two_series("--flair-series", "9"),
        3,
        "FOLDER/d has no DICOM series 9; it holds 1: series a, 30 images; 2: series b, 30 images.",
        "Pass --flair-series 1 to 2.",
    ),
    Mistake(
        "series of a file",
        lambda f: [*flair(f), "--flair-series", "1"],
        3,
        "FOLDER/f.nii.gz is a single file and holds no numbered series.",
        "Leave out --flair-series.",
    ),
    Mistake(
        "missing slice",
        lambda f: dicom(f / "d", skip=(12,)),
        3,
        "Series 1 (series a) in FOLDER/d has unevenly spaced slices: 10.00 mm after slice 12 of "
        "29, 5.00 mm usually, so a slice is missing.",
        "Export the series again with all its slices.",
    ),
    Mistake(
        "compressed frames",
        compressed,
        3,
        "Series 1 (series a) in FOLDER/d has voxels that cannot be decoded.",
        "Export it again, uncompressed, or as NIfTI.",
    ),
    Mistake(
        "damaged slice",
        damaged_slice,
        3,
        "FOLDER/d/a015.dcm is a damaged DICOM image.",
        "Copy or export the series again.",
    ),
    Mistake(
        "CT",
        lambda f: dicom(f / "d", sop=CTImageStorage, Modality="CT"),
        3,
        "Series 1 (series a) in FOLDER/d has modality CT, not MR.",
        "Choose an MR series.",
    ),
    Mistake(
        "colour slices",
        lambda f: dicom(f / "d", SamplesPerPixel=3, PhotometricInterpretation="RGB"),
        3,
        "FOLDER/d holds no DICOM images with a position in space.",
        "Give the folder with the DICOM files of the series, or the image file itself if it is not DICOM.",
    ),
    Mistake(
        "no positions",
        lambda f: dicom(f / "d", ImagePositionPatient=None),
        3,
        "FOLDER/d holds no DICOM images with a position in space.",
        "Give the folder with the DICOM files of the series, or the image file itself if it is not DICOM.",
    ),
    Mistake(
        "threshold too high",
        lambda f: [*flair(f), "--threshold", "1.5"],
        2,
        "The threshold must be above 0 and at most 1, not 1.5.",
        "A usual value lies between 0.3 and 0.7.",
    ),
    Mistake(
        "threshold zero",
        lambda f: [*flair(f), "--threshold", "0"],
        2,
        "The threshold must be above 0 and at most 1, not 0.",
        "A usual value lies between 0.3 and 0.7.",
    ),
    Mistake(
        "threshold not a number",
        lambda f: [*flair(f), "--threshold", "nan"],
        2,
        "The threshold must be above 0 and at most 1, not nan.",
        "A usual value lies between 0.3 and 0.7.",
    ),
    Mistake(
        "threshold a word",
        lambda f: [*flair(f), "--threshold", "high"],
        2,
        "Invalid value for '--threshold': Input should be a valid number, unable to parse string as a number.",
        "'mslesionseg segment --help' lists what can be given.",
    ),
    Mistake(
        "negative size",
        lambda f: [*flair(f), "--min-volume", "-1"],
        2,
        "The minimum lesion size must be 0 mm3 or more, not -1.",
        "The usual value is 3.",
    ),
    Mistake(
        "size infinite",
        lambda f: [*flair(f), "--min-volume", "inf"],
        2,
        "The minimum lesion size must be 0 mm3 or more, not inf.",
        "The usual value is 3.",
    ),
    Mistake(
        "unknown device",
        lambda f: [*flair(f), "--device", "tpu"],
        2,
        "Invalid value for '--device': 'tpu' is not one of 'auto', 'cpu', 'cuda'.",
        "'mslesionseg segment --help' lists what can be given.",
    ),
    Mistake(
        "unknown option",
        lambda f: [*flair(f), "--t3", "x"],
        2,
        "No such option: --t3 (Possible options: --out, --t1, --t2).",
        "'mslesionseg segment --help' lists what can be given.",
    ),
    Mistake(
        "no FLAIR",
        lambda f: [],
        2,
        "Missing option '--flair'.",
        "'mslesionseg segment --help' lists what can be given.",
    ),
    Mistake(
        "model unknown",
        lambda f: [*flair(f), "--model", "no-such"],
        4,
        "There is no lesion model 'no-such'.",
        "Known models: ",
    ),
    Mistake(
        "model is a checkpoint",
        lambda f: [*flair(f), "--model", str(as_file("w.pt", b"PK" + bytes(90))(f)[1])],
        4,
        "FOLDER/w.pt is neither a bundle folder nor a zip of one.",
        "Name a bundle folder or a zip of one.",
    ),
    Mistake(
        "model is an empty folder",
        lambda f: (f / "m").mkdir() or [*flair(f), "--model", str(f / "m")],
        4,
        "The model FOLDER/m cannot be used: model.json is missing (and 3 more).",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model damaged",
        copied_model(flip_a_byte),
        4,
        "The model FOLDER/model cannot be used: weights.safetensors is damaged: its SHA-256 is not "
        "the one in SHA256SUMS.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model without card",
        copied_model(lambda m: (m / "MODEL_CARD.md").unlink()),
        4,
        "The model FOLDER/model cannot be used: MODEL_CARD.md is missing.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model without sums",
        copied_model(lambda m: (m / SUMS).unlink()),
        4,
        "The model FOLDER/model cannot be used: SHA256SUMS is missing.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model with a stranger's sums",
        copied_model(lambda m: (m / SUMS).write_text("0" * 64 + "  model.json\n")),
        4,
        "The model FOLDER/model cannot be used: MODEL_CARD.md is not listed in SHA256SUMS (and 3 more).",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model with a pickle",
        copied_model(lambda m: (m / "extra.pkl").write_bytes(b"x")),
        4,
        "The model FOLDER/model cannot be used: extra.pkl may hold pickled objects, which are "
        "never opened; weights are safetensors.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model pickled",
        copied_model(pickled),
        4,
        "The weights of the model FOLDER/model are not safetensors: they are pickled, which is never opened.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model newer",
        copied_model(newer),
        4,
        "The model FOLDER/model cannot be used: it has format 99, newer than this program's 1; update MSLesionSeg.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model for brains",
        lambda f: [*flair(f), "--model", str(default_model("brain"))],
        4,
        "The model BRAIN_MODEL is a brain model; a lesion model is needed.",
        "Name another model.",
    ),
    Mistake(
        "zip that climbs out",
        zipped(("../model.json", b"{}")),
        4,
        "The model FOLDER/model.zip is not safe to unpack: it holds the path '../model.json'.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "zip with an absolute path",
        zipped(("/etc/model.json", b"{}")),
        4,
        "The model FOLDER/model.zip is not safe to unpack: it holds the path '/etc/model.json'.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "zip without a model",
        zipped(("readme.txt", b"hello")),
        4,
        "The model FOLDER/model.zip cannot be used: readme.txt does not belong into a bundle "
        "(model.json, weights.safetensors, MODEL_CARD.md, network.onnx, SHA256SUMS).",
        "Fetch or export the model again.",
    ),
    Mistake(
        "zip that is none",
        lambda f: [*flair(f), "--model", str(as_file("m.zip", b"no zip" * 50)(f)[1])],
        4,
        "The model FOLDER/m.zip is not a readable zip file: File is not a zip file.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "result is a file",
        lambda f: [*flair(f), "--out", str(f / "f.nii.gz")],
        5,
        "FOLDER/f.nii.gz is a file, not a folder.",
        "Name a new or an empty folder.",
    ),
    Mistake(
        "result is the study",
        lambda f: [*flair(f), "--out", str(f)],
        5,
        "FOLDER holds files that are not a result of this program, such as f.nii.gz.",
        "Name a new or an empty folder.",
    ),
    Mistake(
        "result under a file",
        lambda f: [*flair(f), "--out", str(f / "f.nii.gz" / "result")],
        5,
        "The result cannot be written to FOLDER/f.nii.gz/result: not a directory.",
        "Free some room, or name a folder that you may write to.",
    ),
]


def everything(folder: Path) -> dict[str, bytes | None]:
    """Each path below a folder, with the bytes of a file."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_gets_one_sentence_its_exit_code_and_changes_nothing(mistake, tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    folder = tmp_path / "study"
    folder.mkdir()
    words = ["segment", *mistake.make(folder)]
    words += [] if "--out" in words else ["--out", str(tmp_path / "result")]
    before = everything(tmp_path)
    capfd.readouterr()
    code = run(build_app(), [*words, "--progress", "none"])
    stdout, stderr = capfd.readouterr()
    said = stderr.replace(str(folder), "FOLDER").replace(str(default_model("brain")), "BRAIN_MODEL").splitlines()
    assert said[0] == f"Error: {mistake.sentence}"
    assert len(said) <= 2 and said[-1].startswith(mistake.hint)
    assert (code, stdout) == (mistake.code, "")
    assert everything(tmp_path) == before


def test_the_table_is_long_and_names_the_file_in_every_sentence_about_one():
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) >= 60
    nameless = [m.name for m in MISTAKES if m.code in (3, 5) and "FOLDER" not in m.sentence]
    assert nameless == []
