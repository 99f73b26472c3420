"""Read one MR image from NIfTI, NRRD, MetaImage or DICOM, with its geometry kept, and say plainly what is wrong.

An image leaves here as a 3D scalar float32 SimpleITK image with finite voxels, a positive spacing and orthonormal axes.
Whether it can be a study of a head is judged in ``study``.
"""

import hashlib
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from . import nifti_check
from .dicom_series import MIN_SLICES, DicomSeries, group_into_series, is_dicom, list_dicom_series, read_series
from .errors import ResourceError, StudyError
from .itk_quiet import itk_quiet
from .text_headers import check_metaimage_axes, check_packed_metaimage, detached_file

__all__ = ["DicomSeries", "ImageSource", "input_sha256", "list_dicom_series", "locate", "read_image", "read_source"]

DIRECTION_TOLERANCE = 1e-3
ITK_SHEAR_LIMIT = 5e-5  # below it ITK takes a NIfTI sform as it is; it refuses one somewhere above 1e-4
MAX_VOXELS = 1 << 30
HASH_CHUNK_BYTES = 1 << 20

FORMAT_BY_ENDING = {
    ".nii.gz": "NIfTI",
    ".nii": "NIfTI",
    ".nrrd": "NRRD",
    ".nhdr": "NRRD",
    ".mha": "MetaImage",
    ".mhd": "MetaImage",
    ".dcm": "DICOM",
}
USUAL_ENDING = {"NIfTI": ".nii", "NRRD": ".nrrd", "MetaImage": ".mha", "DICOM": ".dcm"}
ITK_READER = {"NIfTI": "NiftiImageIO", "NRRD": "NrrdImageIO", "MetaImage": "MetaImageIO"}
READABLE = "NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd), a DICOM folder or a DICOM file"


@dataclass(frozen=True)
class ImageSource:
    """Where one image comes from, found and named but not yet read.

    Attributes:
        path: what the user gave.
        format: ``NIfTI``, ``NRRD``, ``MetaImage`` or ``DICOM``.
        files: the files that hold it: one, a header and its voxels, or the slices in order.
        series: the stack chosen, for DICOM.
    """

    path: Path
    format: str
    files: tuple[Path, ...]
    series: DicomSeries | None = None


def read_image(path: str | Path, *, series: int | None = None) -> sitk.Image:
    """Read a 3D image as float32, with size, spacing, origin and direction as stored (LPS, mm).

    Args:
        path: image file, DICOM folder, or one DICOM file standing for its series.
        series: number of the series in a DICOM folder, as ``list_dicom_series`` counts them.

    Raises:
        StudyError: the file is missing, damaged, of an unknown format, not 3D, not scalar, not finite, or its geometry
            cannot be used.
        ResourceError: the image does not fit into memory.
    """
    return read_source(locate(path, series=series))


def input_sha256(path: str | Path, *, series: int | None = None) -> str:
    """SHA-256 (hex) of an image's bytes: of the file, of a header and its voxels, or of DICOM slices in order."""
    return hash_source(locate(path, series=series))


def locate(path: str | Path, *, series: int | None = None, option: str = "--flair-series") -> ImageSource:
    """Find the files behind a path and their format, by name and content, without reading voxels.

    Args:
        path: as for ``read_image``.
        series: as for ``read_image``.
        option: command-line option that chooses the series, for the message.

    Raises:
        StudyError: nothing is there, the format is unknown, name and content differ, or the series is not determined.
    """
    path = Path(path)
    if path.is_dir():
        chosen = _choose_series(list_dicom_series(path), path, series, option)
        return ImageSource(path, "DICOM", chosen.files, chosen)
    if not path.exists():
        raise StudyError(f"{path} does not exist.", "Check the name and the folder.")
    if not path.is_file():
        raise StudyError(f"{path} is not a file.", f"Give one of: {READABLE}.")
    found = _format_of(path)
    if found == "DICOM":
        chosen = _series_of_file(path)
        return ImageSource(path, found, chosen.files, chosen)
    if series is not None:
        raise StudyError(f"{path} is a single file and holds no numbered series.", f"Leave out {option}.")
    detached = detached_file(path) if path.suffix.lower() in (".nhdr", ".mhd") else None
    return ImageSource(path, found, (path, detached) if detached else (path,))


def read_source(source: ImageSource) -> sitk.Image:
    """Read an image that ``locate`` found; see ``read_image``."""
    if source.series is not None:
        image = read_series(source.series, source.path)
    else:
        image = _read_file(source.path, source.format)
    image = _without_metadata(image)
    _check_direction(image, source.path)
    voxels = sitk.GetArrayViewFromImage(image)
    if not (np.isfinite(voxels.min()) and np.isfinite(voxels.max())):
        raise nifti_check.not_finite(source.path)
    return image


def _without_metadata(image: sitk.Image) -> sitk.Image:
    """The image without the texts of its header, which may name the patient."""
    try:
        for key in image.GetMetaDataKeys():
            image.EraseMetaData(key)
    except TypeError:  # SimpleITK cannot name a key that is not UTF-8
        bare = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(image))
        bare.CopyInformation(image)
        return bare
    return image


def hash_source(source: ImageSource) -> str:
    """SHA-256 (hex) of the bytes of the source's files, one after the other."""
    digest = hashlib.sha256()
    for file in source.files:
        with open(file, "rb") as stream:
            while piece := stream.read(HASH_CHUNK_BYTES):
                digest.update(piece)
    return digest.hexdigest()


def _format_of(path: Path) -> str:
    """Format of a file by its ending, confirmed by its content."""
    by_name = next((kind for ending, kind in FORMAT_BY_ENDING.items() if path.name.lower().endswith(ending)), "")
    by_content, packed = _content_of(path)
    if not by_name and by_content == "DICOM":
        return "DICOM"
    if not by_name:
        raise StudyError(f"{path} has no known image format.", f"Readable are {READABLE}.")
    if not by_content:
        raise StudyError(
            f"{path} cannot be read as {by_name}: it is damaged or of another kind.", nifti_check.DAMAGED_HINT
        )
    if by_name != by_content:
        raise StudyError(
            f"{path} is named like {by_name} and holds {by_content}.",
            f"Rename it to end in {USUAL_ENDING[by_content]}{'.gz' if packed else ''}.",
        )
    if packed and not path.name.lower().endswith(".gz"):
        hint = "Rename it to end in .nii.gz." if by_name == "NIfTI" else "Unpack it with gunzip."
        raise StudyError(f"{path} holds {by_name} packed with gzip, which its name does not say.", hint)
    return by_name


def _content_of(path: Path) -> tuple[str, bool]:
    """Format that the first bytes show (empty if none), and whether they are gzip-compressed."""
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with nifti_check.open_plain(path) as stream:
            head = stream.read(540)
    except PermissionError as error:
        raise StudyError(f"{path} may not be read.", "Ask for the right to read it.") from error
    except nifti_check.DAMAGE as error:
        raise StudyError(
            f"{path} is damaged: its compressed data are truncated or altered.", nifti_check.DAMAGED_HINT
        ) from error
    except OSError as error:
        raise StudyError(f"{path} cannot be read from its drive ({error.strerror}).", "Copy it again.") from error
    if not head:
        raise StudyError(f"{path} is empty.", nifti_check.DAMAGED_HINT)
    if nifti_check.nifti_version(head)[0]:
        return "NIfTI", packed
    if head.startswith(b"NRRD"):
        return "NRRD", packed
    if head[128:132] == b"DICM":
        return "DICOM", packed
    keys = {line.partition(b"=")[0].strip() for line in head.splitlines() if b"=" in line}
    return ("MetaImage" if keys & {b"ObjectType", b"NDims", b"DimSize"} else ""), packed


def _choose_series(found: list[DicomSeries], folder: Path, number: int | None, option: str) -> DicomSeries:
    listing = "; ".join(f"{one.number}: {one.description}, {one.image_count} images" for one in found)
    if number is not None:
        if not 1 <= number <= len(found):
            raise StudyError(
                f"{folder} has no DICOM series {number}; it holds {listing}.", f"Pass {option} 1 to {len(found)}."
            )
        return found[number - 1]
    candidates = [one for one in found if one.image_count >= MIN_SLICES] or found
    if len(candidates) > 1:
        raise StudyError(
            f"{folder} holds {len(found)} DICOM image series, and which one to use is not said ({listing}).",
            f"Choose one by its number, e.g. {option} {candidates[0].number}.",
        )
    return candidates[0]


def _series_of_file(path: Path) -> DicomSeries:
    """The stack that a DICOM file belongs to, out of the files beside it."""
    group_into_series([path], path)  # says what is wrong with this file before the others are looked at
    beside = sorted(file for file in path.parent.iterdir() if file.is_file() and is_dicom(file))
    files = [path, *(file for file in beside if file != path)]  # first, so that a copy beside it does not replace it
    return next(one for one in group_into_series(files, path) if path in one.files)


def _read_file(path: Path, kind: str) -> sitk.Image:
    header = nifti_check.read_header(path) if kind == "NIfTI" else None
    if kind == "MetaImage":
        check_metaimage_axes(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(os.fspath(path))
    reader.SetImageIO(ITK_READER[kind])
    rounded = header is not None and ITK_SHEAR_LIMIT < header.shear <= DIRECTION_TOLERANCE
    with _loose_sform(rounded), itk_quiet():
        try:
            reader.ReadImageInformation()
            _check_shape(reader, path)
            if header is not None:
                nifti_check.check_voxels(path, header)
            elif kind == "MetaImage":
                check_packed_metaimage(path)
            reader.SetOutputPixelType(sitk.sitkFloat32)
            reader.SetExtractSize([*reader.GetSize()[:3], *(0 for _ in reader.GetSize()[3:])])
            return reader.Execute()
        except RuntimeError as error:
            failure = str(error)
    raise _explain(failure, path, kind)


@contextmanager
def _loose_sform(loose: bool) -> Iterator[None]:
    """Have ITK take the nearest orthonormal axes of a NIfTI sform that is rounded, or (False) refuse a sheared one."""
    name = "ITK_NIFTI_SFORM_PERMISSIVE"
    before = os.environ.get(name)
    os.environ[name] = "YES" if loose else "NO"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _check_shape(reader: sitk.ImageFileReader, path: Path) -> None:
    size = reader.GetSize()
    if reader.GetNumberOfComponents() != 1 or "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelID()):
        raise StudyError(
            f"{path} holds colours, vectors or complex numbers instead of one grey value for each voxel.",
            "Give the magnitude image of the series.",
        )
    if len(size) < 3 or size[2] == 1:
        raise StudyError(f"{path} is a 2D image.", "Give the whole 3D series.")
    volumes = math.prod(size[3:])
    if volumes != 1:
        raise StudyError(f"{path} is 4D and holds {volumes} volumes.", "Save the one volume to use as a 3D image.")
    if math.prod(size) > MAX_VOXELS:
        shown = " x ".join(map(str, size[:3]))
        raise StudyError(f"{path} has {shown} voxels, too many for a head.", "Check that it is the right file.")


def _explain(failure: str, path: Path, kind: str) -> StudyError | ResourceError:
    """Our sentence for what ITK said."""
    text = failure.lower()
    if "orthonormal" in text or "bad direction" in text:
        return _bad_direction(path)
    if "spacing" in text:
        return StudyError(
            f"{path} gives a voxel spacing that is not above zero along every axis.",
            "Convert the series again from the scanner's DICOM files.",
        )
    if "bad_alloc" in text or "allocate" in text:
        return ResourceError(f"{path} does not fit into memory.", "Close other programs, or use a larger machine.")
    return StudyError(f"{path} cannot be read as {kind}: it is damaged or incomplete.", nifti_check.DAMAGED_HINT)


def _check_direction(image: sitk.Image, path: Path) -> None:
    axes = np.array(image.GetDirection()).reshape(3, 3)
    if not np.abs(axes.T @ axes - np.eye(3)).max() <= DIRECTION_TOLERANCE:
        raise _bad_direction(path)


def _bad_direction(path: Path) -> StudyError:
    return StudyError(
        f"{path} has axes that are not at right angles (sheared or singular geometry).",
        "Convert the series again from the scanner's DICOM files, or resample it to a straight grid.",
    )
