"""Writing and reading the images of a result: ``.nii.gz`` with the same bytes for the same image, whatever the time.

SimpleITK writes the header (qform and sform both set). The compression is done here, because ITK does not report a
full disk, and because one level is right for all: measured on 512 x 512 x 192 voxels, zlib level 1 takes 0.4 s for a
probability map (6.9 MB) and 1.2 s for a noisy int16 series (61 MB); level 6 would take three times as long for a third
less, and ITK's own compression 8 s for the series as float32.
"""

import errno
import gzip
import os
import shutil
from pathlib import Path
from typing import BinaryIO

import numpy as np
import SimpleITK as sitk

from .errors import StudyError

_COMPRESSION_LEVEL = 1
_BLOCK = 1 << 22
_HEADER_BYTES = 352
_WHOLE_NUMBER_TYPES = (np.int16, np.uint16)


def write_nifti(path: Path, image: sitk.Image) -> None:
    """Write ``image`` to ``path`` (``.nii.gz``), its pixel type unchanged.

    The gzip header holds neither name nor time. NIfTI keeps geometry as float32: origin, spacing and direction read
    back within 1e-5 for any origin within 250 mm.

    Raises:
        OSError: the file cannot be written in full (no space, no permission).
    """
    plain = path.with_name(path.name.removesuffix(".gz").removesuffix(".nii") + ".writing.nii")
    try:
        with plain.open("wb"):
            pass
        sitk.WriteImage(image, str(plain))
        expected = _HEADER_BYTES + image.GetNumberOfPixels() * image.GetSizeOfPixelComponent()
        if plain.stat().st_size < expected:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        with plain.open("rb") as source, path.open("wb") as target, _gzip(target) as packed:
            shutil.copyfileobj(source, packed, _BLOCK)
    except RuntimeError as error:
        raise OSError(errno.EIO, "ITK could not write the image", str(path)) from error
    finally:
        plain.unlink(missing_ok=True)


def read_nifti(path: Path) -> sitk.Image:
    """Read an image of a result, its pixel type unchanged.

    Raises:
        StudyError: the file is missing or damaged.
    """
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise StudyError(f"{path} is missing or cannot be read.", "Segment the study again.") from error


def compact(image: sitk.Image) -> sitk.Image:
    """The same values in the smallest pixel type that keeps them exactly: int16 or uint16 for whole numbers.

    A series read as float32 from a scanner's whole numbers takes a fifth of the time and two thirds of the room.
    Any other image comes back unchanged.
    """
    values = sitk.GetArrayViewFromImage(image)
    if values.dtype.kind != "f" or values.size == 0:
        return image
    low, high = float(values.min()), float(values.max())
    for kind in _WHOLE_NUMBER_TYPES:
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max and np.array_equal(values, np.rint(values)):
            return sitk.Cast(image, sitk.sitkInt16 if kind is np.int16 else sitk.sitkUInt16)
    return image


def _gzip(target: BinaryIO) -> gzip.GzipFile:
    return gzip.GzipFile(filename="", mode="wb", compresslevel=_COMPRESSION_LEVEL, fileobj=target, mtime=0)
