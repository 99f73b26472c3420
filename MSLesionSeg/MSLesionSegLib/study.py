"""One study: a FLAIR, and a T1w and a T2w where there are any, read and checked to be MR images of a head."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import StudyError
from .images import ImageSource, hash_source, locate, read_source

CONTRASTS = ("FLAIR", "T1w", "T2w")
SERIES_OPTION = {"FLAIR": "--flair-series", "T1w": "--t1-series", "T2w": "--t2-series"}

FIELD_OF_VIEW_MM = (100.0, 350.0)
SPACING_MM = (0.2, 10.0)
MIN_VOXELS_IN_PLANE = 16
MIN_SLICES = 8
MIN_DISTINCT_INTENSITIES = 50
BRAIN_ML = (400.0, 2200.0)
EDGE_TOLERANCE = 1e-6  # a field of view of 350 mm may come out as 350.0000001


@dataclass(frozen=True)
class SeriesSource:
    """What was read as one contrast.

    Attributes:
        path: as the user gave it.
        sha256: of the bytes.
        first_file: the image file, or the first slice of a DICOM series; None where nothing was read from a file.
    """

    path: Path
    sha256: str
    first_file: Path | None = None


@dataclass(frozen=True)
class Study:
    """The images of one patient at one date, each on its own grid (3D float32, LPS, mm).

    Attributes:
        flair: the FLAIR, on whose grid all results lie.
        t1w: the T1-weighted image, if there is one.
        t2w: the T2-weighted image, if there is one.
        sources: ``FLAIR``, ``T1w``, ``T2w`` -> where it came from, for those present.
    """

    flair: sitk.Image
    t1w: sitk.Image | None = None
    t2w: sitk.Image | None = None
    sources: dict[str, SeriesSource] = field(default_factory=dict)

    @property
    def contrasts(self) -> tuple[str, ...]:
        """Names of the contrasts present, in the order FLAIR, T1w, T2w."""
        images = (self.flair, self.t1w, self.t2w)
        return tuple(name for name, image in zip(CONTRASTS, images, strict=True) if image is not None)

    def image(self, name: str) -> sitk.Image:
        """The image of a contrast. Raises ``KeyError`` where the study has none of that name."""
        image = {"FLAIR": self.flair, "T1w": self.t1w, "T2w": self.t2w}[name]
        if image is None:
            raise KeyError(name)
        return image


def read_study(
    flair: str | Path,
    t1w: str | Path | None = None,
    t2w: str | Path | None = None,
    *,
    flair_series: int | None = None,
    t1_series: int | None = None,
    t2_series: int | None = None,
) -> Study:
    """Find, read and check the images of a study. All files are looked for before the first voxel is read.

    Args:
        flair, t1w, t2w: image file, DICOM folder or a DICOM file of the series.
        flair_series, t1_series, t2_series: number of the series where a DICOM folder holds several.

    Raises:
        StudyError: an image cannot be read, cannot be an MR of a head, or was given for two contrasts.
        ResourceError: an image does not fit into memory.
    """
    given = {"FLAIR": (flair, flair_series), "T1w": (t1w, t1_series), "T2w": (t2w, t2_series)}
    found = {
        name: locate(path, series=number, option=SERIES_OPTION[name])
        for name, (path, number) in given.items()
        if path is not None
    }
    sources = {name: SeriesSource(source.path, hash_source(source), source.files[0]) for name, source in found.items()}
    _check_all_differ(sources)
    images = {name: _read_checked(name, source) for name, source in found.items()}
    return Study(images["FLAIR"], images.get("T1w"), images.get("T2w"), sources)


def check_plausible(image: sitk.Image, path: str | Path, contrast: str = "FLAIR") -> None:
    """Check that a finite 3D image can be an MR of a head, by the rules at the top of this module.

    Args:
        image: 3D scalar image (mm).
        path: the file it came from, for the message.
        contrast: the contrast it was given as, for the message.

    Raises:
        StudyError: matrix, spacing or field of view out of range, or intensities that are no picture.
    """
    size, spacing = image.GetSize(), image.GetSpacing()
    name = f"The {contrast} {path}"
    if min(size) < MIN_SLICES or sorted(size)[1] < MIN_VOXELS_IN_PLANE:
        raise StudyError(
            f"{name} has only {_by(size)} voxels, fewer than {MIN_SLICES} slices of "
            f"{MIN_VOXELS_IN_PLANE} x {MIN_VOXELS_IN_PLANE}.",
            "Give the whole 3D series, not a localizer or a single slice.",
        )
    if not all(SPACING_MM[0] - EDGE_TOLERANCE <= step <= SPACING_MM[1] + EDGE_TOLERANCE for step in spacing):
        raise StudyError(
            f"{name} has a voxel spacing of {_by(spacing)} mm, outside {SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm.",
            "Check the header; convert the series again from the scanner's DICOM files.",
        )
    extent = [count * step for count, step in zip(size, spacing, strict=True)]
    low, high = FIELD_OF_VIEW_MM
    if min(extent) < low - EDGE_TOLERANCE or max(extent) > high + EDGE_TOLERANCE:
        raise StudyError(
            f"{name} covers {' x '.join(f'{mm:.0f}' for mm in extent)} mm, and a head needs {low:g} to {high:g} mm "
            "along every axis.",
            "Give a series of the whole head, and check the voxel spacing in its header.",
        )
    _check_intensities(image, name)


def check_brain_volume(mask: sitk.Image, which: str | Path) -> float:
    """Volume of a brain mask in mL, checked to be a brain's.

    Args:
        mask: 3D mask, brain where not 0 (mm).
        which: "for the FLAIR", or the mask's own file, for the message.

    Raises:
        StudyError: the volume is outside ``BRAIN_ML``.
    """
    voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask)))
    volume_ml = voxels * math.prod(mask.GetSpacing()) / 1000.0
    low, high = BRAIN_ML
    if not low <= volume_ml <= high:
        raise StudyError(
            f"The brain mask {which} holds {volume_ml:.0f} mL, and a brain has {low:g} to {high:g} mL.",
            "Check that this is an MR of a whole head, or give a brain mask of your own with --brain-mask.",
        )
    return volume_ml


def _read_checked(contrast: str, source: ImageSource) -> sitk.Image:
    image = read_source(source)
    check_plausible(image, source.path, contrast)
    return image


def _check_all_differ(sources: dict[str, SeriesSource]) -> None:
    first_with: dict[str, str] = {}
    for name, source in sources.items():
        other = first_with.setdefault(source.sha256, name)
        if other != name:
            raise StudyError(
                f"The {other} {sources[other].path} and the {name} {source.path} are the same image.",
                f"Give another series as {name}, or leave it out.",
            )


def _check_intensities(image: sitk.Image, name: str) -> None:
    voxels = sitk.GetArrayViewFromImage(image)
    low, high = float(voxels.min()), float(voxels.max())
    if low == high:
        state = "all zero" if low == 0 else f"the same everywhere ({low:g})"
        raise StudyError(f"{name} is empty: its intensities are {state}.", "Export the series again.")
    distinct = _distinct(voxels)
    if distinct < MIN_DISTINCT_INTENSITIES:
        raise StudyError(
            f"{name} has only {distinct} different intensities, as a mask has.", "Give the MR series, not a mask."
        )


def _distinct(voxels: np.ndarray) -> int:
    """Number of different values, counted slice by slice only until there are enough."""
    values = np.unique(voxels[::4, ::4, ::4])
    for plane in voxels:
        if len(values) >= MIN_DISTINCT_INTENSITIES:
            break
        values = np.union1d(values, plane)
    return len(values)


def _by(numbers: tuple[float, ...]) -> str:
    return " x ".join(f"{number:g}" for number in numbers)
