"""Check a NIfTI file before ITK reads it, because ITK forgives too much.

ITK fills the missing voxels of a truncated file with zeros, turns NaN into 0 and a spacing of 0 into 1 mm, all without
a word. So the header is looked at here and the voxels are streamed once, in pieces, before ITK is asked.
Layout of the header: NIfTI-1 standard, https://nifti.nimh.nih.gov. SimpleITK does not read NIfTI-2.
"""

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import StudyError

CHUNK_BYTES = 1 << 22
DAMAGED_HINT = "Copy or export it again; the copy here is not the whole file."
SCALE_TOLERANCE = 0.01
MOST_MM = 1e12
"""No number of an sform is larger; ITK takes hours over some that are."""
DAMAGE = (EOFError, gzip.BadGzipFile, zlib.error)

# NIfTI data type code -> numpy type. RGB, complex and bit types are left out: they are refused by their own sentence.
VOXEL_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
# name -> (offset, struct format)
FIELDS = {
    "dim": (40, "8h"),
    "datatype": (70, "h"),
    "pixdim": (76, "8f"),
    "vox_offset": (108, "f"),
    "qform_code": (252, "h"),
    "sform_code": (254, "h"),
    "srow": (280, "12f"),
}


@dataclass(frozen=True)
class NiftiHeader:
    """What the checks need of a NIfTI header.

    Attributes:
        shape: voxels along each axis, trailing axes of one voxel past the third left out.
        datatype: NIfTI data type code.
        byte_order: ``"<"`` or ``">"``.
        voxel_offset: bytes before the first voxel.
        shear: largest deviation of the sform's axes from right angles (0 where there is no sform).
    """

    shape: tuple[int, ...]
    datatype: int
    byte_order: str
    voxel_offset: int
    shear: float


@contextmanager
def open_plain(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, through gzip where its first two bytes say so, whatever its name."""
    with open(path, "rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if packed:
            with gzip.open(raw, "rb") as plain:
                yield plain
        else:
            yield raw


def nifti_version(head: bytes) -> tuple[int, str]:
    """Version (1 or 2) and byte order (``"<"`` or ``">"``) of a single-file NIfTI header; (0, "") if it is none."""
    for order in "<>":
        if len(head) < 348:
            break
        (size,) = struct.unpack_from(order + "i", head)
        if size == 348 and head[344:347] == b"n+1":
            return 1, order
        if size == 540 and head[4:7] == b"n+2":
            return 2, order
    return 0, ""


def read_header(path: Path) -> NiftiHeader:
    """Read and check the header of a .nii or .nii.gz file.

    Raises:
        StudyError: truncated or damaged header, NIfTI-2, no voxels, a spacing that is not positive or
            contradicts the only other statement of it.
    """
    try:
        with open_plain(path) as stream:
            head = stream.read(348)
    except DAMAGE as error:
        raise StudyError(f"{path} is damaged: it ends inside its header.", DAMAGED_HINT) from error
    version, order = nifti_version(head)
    if version == 2:
        raise StudyError(f"{path} is a NIfTI-2 file, which cannot be read.", "Save it as NIfTI-1, NRRD or MHA.")
    if version == 0:
        raise StudyError(f"{path} is damaged: its NIfTI header is not complete.", DAMAGED_HINT)
    values = {name: struct.unpack_from(order + code, head, offset) for name, (offset, code) in FIELDS.items()}
    dim, pixdim, offset = values["dim"], values["pixdim"], values["vox_offset"][0]
    if not 1 <= dim[0] <= 7 or any(size < 1 for size in dim[1 : dim[0] + 1]) or not 0 <= offset < 1 << 40:
        raise StudyError(f"{path} is damaged: its NIfTI header gives an impossible matrix size.", DAMAGED_HINT)
    shape = list(dim[1 : dim[0] + 1])
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    spacing = pixdim[1 : 1 + min(3, len(shape))]
    if not all(math.isfinite(step) and step > 0 for step in spacing):
        shown = " x ".join(f"{step:g}" for step in spacing)
        raise StudyError(
            f"{path} gives a voxel spacing of {shown} mm, which must be above zero along every axis.",
            "Convert the series again from the scanner's DICOM files.",
        )
    lengths, shear = _sform_axes(values["srow"])
    has_sform, has_qform = values["sform_code"][0] > 0, values["qform_code"][0] > 0
    only_sform = has_sform and not has_qform and len(spacing) == 3 and np.all(lengths > 0)
    if only_sform and np.abs(lengths / spacing - 1).max() > SCALE_TOLERANCE:
        stored, meant = (" x ".join(f"{step:g}" for step in steps) for steps in (spacing, lengths))
        raise StudyError(
            f"{path} contradicts itself: its voxel spacing is {stored} mm in one place and {meant} mm in its sform.",
            "Convert the series again from the scanner's DICOM files.",
        )
    if has_sform and not all(abs(number) <= MOST_MM for number in values["srow"]):
        raise StudyError(
            f"{path} is damaged: its sform places voxels at no finite distance.",
            "Convert the series again from the scanner's DICOM files.",
        )
    return NiftiHeader(
        shape=tuple(shape),
        datatype=values["datatype"][0],
        byte_order=order,
        voxel_offset=int(offset),
        shear=shear if has_sform else 0.0,
    )


def check_voxels(path: Path, header: NiftiHeader) -> None:
    """Stream the voxels once: all there, checksum right, finite. Memory: one piece of ``CHUNK_BYTES``.

    Raises:
        StudyError: truncated or damaged voxels, NaN or infinite values, an unknown voxel type.
    """
    if header.datatype not in VOXEL_TYPES:
        raise StudyError(
            f"{path} has voxels of NIfTI type {header.datatype}, which is not a plain number type.",
            "Save it as 16-bit integers or 32-bit floats.",
        )
    kind = np.dtype(header.byte_order + VOXEL_TYPES[header.datatype])
    missing = math.prod(header.shape) * kind.itemsize
    try:
        with open_plain(path) as stream:
            stream.seek(header.voxel_offset)
            while missing > 0:
                piece = stream.read(min(CHUNK_BYTES, missing))
                if not piece:
                    break
                missing -= len(piece)
                if kind.kind == "f" and len(piece) % kind.itemsize == 0:
                    _check_finite(np.frombuffer(piece, kind), path)
            stream.read(1)  # the end of a gzip stream holds its checksum
    except DAMAGE as error:
        raise StudyError(f"{path} is damaged: its voxels are truncated or altered.", DAMAGED_HINT) from error
    if missing > 0:
        raise StudyError(f"{path} is damaged: its voxels are truncated.", DAMAGED_HINT)


def _check_finite(values: np.ndarray, path: Path) -> None:
    if not (np.isfinite(values.min()) and np.isfinite(values.max())):
        raise not_finite(path)


def not_finite(path: Path | str) -> StudyError:
    """The error for an image with NaN or infinite intensities."""
    return StudyError(
        f"{path} holds intensities that are not finite numbers (NaN, infinite or too large).",
        "Replace them by 0, or export the series again.",
    )


def _sform_axes(srow: tuple[float, ...]) -> tuple[np.ndarray, float]:
    """Lengths of the sform's axes in mm, and deviation from right angles (infinite if a length is 0 or infinite)."""
    axes = np.array(srow, dtype=np.float64).reshape(3, 4)[:, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if not np.all(lengths > 0):
        return np.zeros(3), math.inf
    if not np.all(np.isfinite(lengths)):
        return lengths, math.inf
    axes = axes / lengths
    return lengths, float(np.abs(axes.T @ axes - np.eye(3)).max())
