"""NRRD and MetaImage headers that are plain text: where the voxels lie, and whether a packed MetaImage is whole.

ITK reads a damaged packed MetaImage as garbage without an error, names no file when detached voxels are missing, and
ends the process at a MetaImage of -1 or of more than a hundred axes.
"""

import re
import zlib
from pathlib import Path

from .errors import StudyError
from .nifti_check import CHUNK_BYTES, DAMAGED_HINT

HEADER_BYTES = 1 << 16


def detached_file(path: Path) -> Path | None:
    """The file with the voxels that a .nhdr or .mhd header names; None where the voxels follow in the same file.

    Raises:
        StudyError: the named file is not there, or the header spreads the voxels over several files.
    """
    fields, _ = _read_fields(path)
    name = fields.get("elementdatafile") or fields.get("data file") or fields.get("datafile") or "LOCAL"
    if name.upper() == "LOCAL":
        return None
    if name.upper().startswith("LIST") or "%" in name:
        raise StudyError(
            f"{path} spreads its voxels over several files, which is not supported.",
            "Save the series as one .nrrd, .mha or .nii.gz file.",
        )
    data = path.parent / name
    if not data.is_file():
        raise StudyError(
            f"{path} names {name} as the file with its voxels, and that file is not there.",
            "Put both files into one folder, or save the series as one .nrrd, .mha or .nii.gz file.",
        )
    return data


def check_metaimage_axes(path: Path) -> None:
    """Look at the number of axes of a .mha or .mhd before ITK does.

    Raises:
        StudyError: it is not 1 to 9.
    """
    with open(path, "rb") as stream:
        header = stream.read(HEADER_BYTES).partition(b"ElementDataFile")[0]
    for value in re.findall(rb"NDims\s*[=:]([^\r\n]*)", header):
        if not re.fullmatch(rb"\s*[1-9]\s*", value):
            raise StudyError(f"{path} is damaged: its header gives an impossible number of axes.", DAMAGED_HINT)


def check_packed_metaimage(path: Path) -> None:
    """Unpack the voxels of a compressed .mha or .mhd once, in pieces, so that its checksum is verified.

    Raises:
        StudyError: the packed voxels are truncated or altered.
    """
    fields, header_length = _read_fields(path)
    if fields.get("compresseddata", "").lower() not in ("true", "1", "t"):
        return
    detached = detached_file(path)
    unpacker = zlib.decompressobj(wbits=47)  # 47: zlib or gzip, told from the first bytes
    try:
        with open(detached or path, "rb") as stream:
            stream.seek(0 if detached else header_length)
            rest = b""
            while not unpacker.eof and (piece := rest or stream.read(CHUNK_BYTES)):
                unpacker.decompress(piece, CHUNK_BYTES)
                rest = unpacker.unconsumed_tail
    except zlib.error as error:
        raise StudyError(f"{path} is damaged: its packed voxels are altered.", DAMAGED_HINT) from error
    if not unpacker.eof:
        raise StudyError(f"{path} is damaged: its packed voxels are truncated.", DAMAGED_HINT)


def _read_fields(path: Path) -> tuple[dict[str, str], int]:
    """Key (lower case) -> value of a text header, and the header's length in bytes."""
    with open(path, "rb") as stream:
        head = stream.read(HEADER_BYTES)
    nrrd = head.startswith(b"NRRD")
    fields, position = {}, 0
    for line in head.splitlines(keepends=True):
        position += len(line)
        text = line.decode("utf-8", "replace").strip()
        if nrrd and not text:
            break
        key, found, value = text.partition(":" if nrrd else "=")
        if found and not text.startswith("#"):
            fields[key.strip().lower()] = value.strip()
        if key.strip().lower() == "elementdatafile":
            break
    return fields, position
