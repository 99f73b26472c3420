"""Sort the files of a DICOM folder into series of parallel slices, check them, and read one as a volume.

Files are read through SimpleITK (GDCM). A series of the scanner that mixes orientations, matrix sizes or echo times
(a three-plane localizer, a double-echo PD/T2) is split, so that every entry here is one stack of parallel slices.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import StudyError
from .itk_quiet import itk_quiet

MAX_FILES = 20_000
MIN_SLICES = 8  # a stack with fewer cannot be a study; it is listed, and never chosen unasked
SAME_DIRECTION = 1e-3
SAME_ECHO_MS = 0.05
GAP_TOLERANCE = 0.1  # of the usual distance of two slices
SIDEWAYS_MM = 0.2

TAG_SOP_INSTANCE = "0008|0018"
TAG_MODALITY = "0008|0060"
TAG_DESCRIPTION = "0008|103e"
TAG_ECHO_TIME = "0018|0081"
TAG_SERIES_UID = "0020|000e"
TAG_SERIES_NUMBER = "0020|0011"
TAG_POSITION = "0020|0032"
TAG_ORIENTATION = "0020|0037"
MR_IMAGE_CLASS = b"1.2.840.10008.5.1.4.1.1.4"


@dataclass(frozen=True)
class DicomSeries:
    """One stack of parallel slices of a DICOM folder.

    Attributes:
        number: number to choose it by, from 1, in the order of the scanner's series numbers.
        uid: DICOM series instance UID (the stacks of a split series share it).
        description: the scanner's name of the series, with the echo time where a series was split by it.
        image_count: slices, copies of the same image counted once.
        modality: DICOM modality, such as ``MR``.
        files: the files, ordered along the slice normal.
    """

    number: int
    uid: str
    description: str
    image_count: int
    modality: str
    files: tuple[Path, ...]
    positions: tuple[tuple[float, ...], ...] = field(repr=False)
    orientation: tuple[float, ...] = field(repr=False)

    @property
    def normal(self) -> np.ndarray:
        """Unit vector from slice to slice (LPS)."""
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return normal / np.linalg.norm(normal)


@dataclass(frozen=True)
class _Slice:
    """The tags of one file that sorting needs."""

    path: Path
    instance: str
    uid: str
    series_number: int
    description: str
    modality: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    size: tuple[int, ...]
    echo_ms: float

    def lies_in_stack_of(self, other: "_Slice") -> bool:
        return (
            self.uid == other.uid
            and self.size == other.size
            and abs(self.echo_ms - other.echo_ms) <= SAME_ECHO_MS
            and np.abs(np.subtract(self.orientation, other.orientation)).max() <= SAME_DIRECTION
        )


def is_dicom(path: Path) -> bool:
    """Whether a file carries the DICOM mark after its preamble."""
    try:
        with open(path, "rb") as stream:
            return stream.read(132)[128:] == b"DICM"
    except OSError:
        return False


def list_dicom_series(folder: str | Path) -> list[DicomSeries]:
    """All image stacks in a folder and its subfolders, in a stable order.

    Raises:
        StudyError: no such folder, no DICOM slices in it, a damaged or multi-frame MR image among them.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise StudyError(f"{folder} is not a folder.", "Give the folder that holds the DICOM files.")
    return group_into_series(_dicom_files(folder), folder)


def group_into_series(files: Iterable[Path], origin: Path) -> list[DicomSeries]:
    """Read the tags of DICOM files and sort them into stacks; ``origin`` is what the user gave, for the messages."""
    stacks: list[list[_Slice]] = []
    seen: set[str] = set()
    with itk_quiet():
        for path in files:
            image = _read_tags(path)
            if image is None or image.instance in seen:
                continue
            seen.add(image.instance)
            home = next((stack for stack in stacks if image.lies_in_stack_of(stack[0])), None)
            if home is None:
                stacks.append([image])
            else:
                home.append(image)
    if not stacks:
        raise StudyError(
            f"{origin} holds no DICOM images with a position in space.",
            "Give the folder with the DICOM files of the series, or the image file itself if it is not DICOM.",
        )
    stacks.sort(key=lambda stack: (stack[0].series_number, stack[0].uid, stack[0].echo_ms, stack[0].orientation))
    echoes = {(image.uid, image.echo_ms) for stack in stacks for image in stack[:1]}
    several_echoes = {uid for uid, _ in echoes if sum(uid == other for other, _ in echoes) > 1}
    return [
        _to_series(number, stack, name_echo=stack[0].uid in several_echoes)
        for number, stack in enumerate(stacks, start=1)
    ]


def _to_series(number: int, stack: list[_Slice], *, name_echo: bool) -> DicomSeries:
    first = stack[0]
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    ordered = sorted(stack, key=lambda image: (float(np.dot(image.position, normal)), image.instance))
    description = first.description + (f" (echo time {first.echo_ms:g} ms)" if name_echo else "")
    return DicomSeries(
        number=number,
        uid=first.uid,
        description=description,
        image_count=len(ordered),
        modality=first.modality,
        files=tuple(image.path for image in ordered),
        positions=tuple(image.position for image in ordered),
        orientation=first.orientation,
    )


def check_slices(series: DicomSeries, origin: Path) -> None:
    """Check that all slices of a stack are there, once, evenly spaced and straight above each other.

    Raises:
        StudyError: several images at one position, a missing slice, slices shifted sideways.
    """
    name = f"Series {series.number} ({series.description}) in {origin}"
    if series.image_count < 2:
        raise StudyError(f"{name} is a single 2D image.", "Give the folder with all slices of the series.")
    positions = np.array(series.positions)
    along = positions @ series.normal
    gaps = np.diff(along)
    usual = float(np.median(gaps))
    if usual <= 0 or gaps.min() < GAP_TOLERANCE * usual:
        raise StudyError(
            f"{name} holds several images at the same slice position (echoes, phases or time points).",
            "Export the one image stack to use as a series of its own.",
        )
    worst = int(np.abs(gaps - usual).argmax())
    if abs(gaps[worst] - usual) > GAP_TOLERANCE * usual:
        raise StudyError(
            f"{name} has unevenly spaced slices: {gaps[worst]:.2f} mm after slice {worst + 1} of {series.image_count}, "
            f"{usual:.2f} mm usually, so a slice is missing.",
            "Export the series again with all its slices.",
        )
    drift = positions - positions[0] - np.outer(along - along[0], series.normal)
    if np.linalg.norm(drift, axis=1).max() > SIDEWAYS_MM:
        raise StudyError(
            f"{name} has slices shifted sideways against each other (a tilted stack).",
            "Resample it to a straight stack first, for instance with dcm2niix.",
        )


def read_series(series: DicomSeries, origin: Path) -> sitk.Image:
    """Read a stack as a 3D float32 image with the geometry of its tags, slices in the direction of their normal.

    Raises:
        StudyError: not MR, not plain grey values, slices missing or doubled, voxels that cannot be decoded.
    """
    name = f"Series {series.number} ({series.description}) in {origin}"
    if series.modality != "MR":
        raise StudyError(f"{name} has modality {series.modality or 'unknown'}, not MR.", "Choose an MR series.")
    check_slices(series, origin)
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames([os.fspath(path) for path in series.files])
    reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        with itk_quiet():
            return reader.Execute()
    except RuntimeError:
        raise StudyError(
            f"{name} has voxels that cannot be decoded.", "Export it again, uncompressed, or as NIfTI."
        ) from None


def _dicom_files(folder: Path) -> list[Path]:
    files: list[Path] = []
    visited = 0
    for root, folders, names in os.walk(folder):
        folders.sort()
        visited += len(names)
        if visited > MAX_FILES:
            raise StudyError(
                f"{folder} holds more than {MAX_FILES:,} files.", "Give the DICOM folder of one examination."
            )
        files += [path for path in (Path(root, name) for name in sorted(names)) if is_dicom(path)]
    return files


def _read_tags(path: Path) -> _Slice | None:
    """Tags of one DICOM file; None if it is no image or has no position in space."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileName(os.fspath(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        with open(path, "rb") as stream:
            if MR_IMAGE_CLASS in stream.read(1024):
                raise StudyError(f"{path} is a damaged DICOM image.", "Copy or export the series again.") from None
        return None
    size = reader.GetSize()
    if len(size) > 2 and size[2] > 1:
        if _tag(reader, TAG_MODALITY) != "MR":
            return None
        raise StudyError(
            f"{path} is a multi-frame (enhanced) DICOM image, which cannot be read with certainty here.",
            "Convert it to NIfTI first, for instance with dcm2niix, and give that file.",
        )
    position, orientation = _numbers(reader, TAG_POSITION), _numbers(reader, TAG_ORIENTATION)
    if len(position) != 3 or len(orientation) != 6 or reader.GetNumberOfComponents() != 1:
        return None
    lengths = np.linalg.norm(orientation[:3]), np.linalg.norm(orientation[3:])
    if max(abs(length - 1) for length in lengths) > SAME_DIRECTION:
        raise StudyError(
            f"{path} gives a slice orientation that is not a pair of unit vectors.", "Export the series again."
        )
    return _Slice(
        path=path,
        instance=_tag(reader, TAG_SOP_INSTANCE) or os.fspath(path),
        uid=_tag(reader, TAG_SERIES_UID),
        series_number=int((_numbers(reader, TAG_SERIES_NUMBER) or (0,))[0]),
        description=_tag(reader, TAG_DESCRIPTION) or "no description",
        modality=_tag(reader, TAG_MODALITY),
        position=position,
        orientation=orientation,
        size=tuple(size[:2]),
        echo_ms=(_numbers(reader, TAG_ECHO_TIME) or (0.0,))[0],
    )


def _tag(reader: sitk.ImageFileReader, key: str) -> str:
    """Text of a tag without padding, empty if absent. Bytes that are not UTF-8 are taken as Latin-1."""
    if not reader.HasMetaDataKey(key):
        return ""
    text = reader.GetMetaData(key)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "surrogateescape").decode("latin-1")
    return text.strip(" \0")


def _numbers(reader: sitk.ImageFileReader, key: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in _tag(reader, key).split("\\"))
    except ValueError:
        return ()
