"""The lesion table: one row a lesion, in mL, mm and RAS, and its CSV file."""

import contextlib
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from .errors import StudyError
from .lesions import CONNECTIVITY, bounding_box

COLUMNS = {
    "id": ("id", 0),
    "volume_ml": ("volume_ml", 4),
    "centroid_r": ("centroid_r_mm", 2),
    "centroid_a": ("centroid_a_mm", 2),
    "centroid_s": ("centroid_s_mm", 2),
    "longest_diameter_mm": ("longest_diameter_mm", 2),
    "mean_probability": ("mean_probability", 4),
    "max_probability": ("max_probability", 4),
    "location": ("location", None),
    "confidence": ("confidence", 2),
    "doubtful": ("doubtful", None),
}
"""Field of :class:`Lesion` -> name of its CSV column and number of decimals (None: text)."""

_PAIRWISE_LIMIT = 600
_CHUNK = 512


@dataclass(frozen=True)
class Lesion:
    """One lesion. Numbers carry the decimals of the CSV file, so that a table reads back equal.

    Attributes:
        id: label of the lesion, 1 = largest.
        volume_ml: number of voxels times voxel volume, mL.
        centroid_r, centroid_a, centroid_s: mean position of its voxels, mm, RAS of the image's physical space.
        longest_diameter_mm: largest distance between the centres of two of its voxels, mm (the Feret diameter of ITK);
            0 for a lesion of one voxel.
        mean_probability, max_probability: over its voxels, 0 to 1.
        location: one of ``location.LOCATIONS``; empty where none is determined.
        confidence: probability that the lesion is real (see ``lesion_confidence``); None where there is none.
        doubtful: why it is doubtful; empty where it is not.
    """

    id: int
    volume_ml: float
    centroid_r: float
    centroid_a: float
    centroid_s: float
    longest_diameter_mm: float
    mean_probability: float
    max_probability: float
    location: str = ""
    confidence: float | None = None
    doubtful: str = ""


def lesion_table(labels: sitk.Image, probability: sitk.Image) -> list[Lesion]:
    """Measure every lesion.

    Args:
        labels: 3D integer image, 0 background, n = lesion n.
        probability: 3D image of the same size.

    Returns:
        One :class:`Lesion` per label, ascending. Positions follow the origin, spacing and direction of ``labels``.

    Raises:
        StudyError: the two images differ in size.
    """
    if labels.GetSize() != probability.GetSize():
        raise StudyError(
            f"Labels of {labels.GetSize()} voxels do not fit a probability map of {probability.GetSize()}."
        )
    label_array = sitk.GetArrayViewFromImage(labels)
    probability_array = sitk.GetArrayViewFromImage(probability)
    box = bounding_box(label_array != 0)
    if box is None:
        return []
    corner = np.array([part.start for part in box])
    step = np.array(labels.GetDirection()).reshape(3, 3) * np.array(labels.GetSpacing())
    origin = np.array(labels.GetOrigin())
    voxel_ml = float(np.prod(labels.GetSpacing())) / 1000.0
    cropped, values = label_array[box], probability_array[box]
    lesions = []
    for number, part in enumerate(ndimage.find_objects(cropped), start=1):
        if part is None:
            continue
        inside = cropped[part] == number
        index_zyx = np.argwhere(inside) + [piece.start for piece in part] + corner
        inside_values = values[part][inside].astype(np.float64)
        left, posterior, superior = origin + step @ index_zyx.mean(axis=0)[::-1]
        lesions.append(
            _rounded(
                id=number,
                volume_ml=len(index_zyx) * voxel_ml,
                centroid_r=-left,
                centroid_a=-posterior,
                centroid_s=superior,
                longest_diameter_mm=longest_diameter(index_zyx[:, ::-1], step),
                mean_probability=inside_values.mean(),
                max_probability=inside_values.max(),
            )
        )
    return lesions


def longest_diameter(index_xyz: np.ndarray, step: np.ndarray) -> float:
    """Largest distance between two voxel centres in mm, exact.

    Both ends of it are corners of the convex hull, and a corner of the hull is the first or the last voxel of its row,
    column and pile; these are kept, then their hull, then all pairs are measured.

    Args:
        index_xyz: (n, 3) integer voxel indices (x, y, z).
        step: (3, 3) matrix from index to mm: direction times spacing.

    Returns:
        mm; 0 for one voxel.
    """
    for axis in range(3):
        index_xyz = index_xyz[_row_ends(index_xyz, axis)]
    points = index_xyz @ step.T
    if len(points) > _PAIRWISE_LIMIT:
        with contextlib.suppress(QhullError):  # flat: all pairs of the row ends are measured
            points = points[ConvexHull(points).vertices]
    longest = 0.0
    for start in range(0, len(points), _CHUNK):
        difference = points[start : start + _CHUNK, None, :] - points[None, start:, :]
        longest = max(longest, float(np.einsum("ijk,ijk->ij", difference, difference).max()))
    return float(np.sqrt(longest))


def _row_ends(index: np.ndarray, axis: int) -> np.ndarray:
    """Positions of the voxels that are first or last along ``axis`` among those that share the other two indices."""
    others = [other for other in range(3) if other != axis]
    order = np.lexsort((index[:, axis], index[:, others[0]], index[:, others[1]]))
    rows = index[order][:, others]
    new_row = np.any(rows[1:] != rows[:-1], axis=1)
    end = np.concatenate(([True], new_row)) | np.concatenate((new_row, [True]))
    return order[end]


def _rounded(**values: float) -> Lesion:
    """A lesion with the decimals of the CSV file (and no negative zero)."""
    return Lesion(
        **{
            name: value if name == "id" else round(float(value), COLUMNS[name][1]) + 0.0
            for name, value in values.items()
        }
    )


def write_lesion_csv(
    path: Path | str, lesions: Sequence[Lesion], *, threshold: float, min_mm3: float, model: str = ""
) -> None:
    """Write the table: ``#`` lines with the definitions, a header, one row a lesion; UTF-8, ``\\n`` line ends.

    The same table gives the same bytes. :func:`read_lesion_csv` returns equal rows.
    """
    text = io.StringIO()
    text.write(
        f"# lesion: {CONNECTIVITY}-connected component of probability >= {threshold:g}, at least {min_mm3:g} mm3\n"
    )
    if model:
        text.write(f"# model: {model}\n")
    text.write("# volumes in mL; centroids in mm, RAS; longest diameter in mm between voxel centres (0: one voxel)\n")
    if any(lesion.confidence is not None for lesion in lesions):
        text.write(
            "# confidence: probability that a lesion is real, fitted on a few patients; "
            "it need not hold at another site\n"
        )
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column for column, _ in COLUMNS.values())
    for lesion in lesions:
        writer.writerow(table_cell(getattr(lesion, name), decimals) for name, (_, decimals) in COLUMNS.items())
    Path(path).write_bytes(text.getvalue().encode("utf-8"))


def read_lesion_csv(path: Path | str) -> list[Lesion]:
    """Read a table that :func:`write_lesion_csv` wrote.

    Raises:
        StudyError: the file cannot be read, or is not such a table.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        reader = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
        if reader.fieldnames != [column for column, _ in COLUMNS.values()]:
            raise ValueError(reader.fieldnames)
        kinds = {field.name: field.type for field in fields(Lesion)} | {"confidence": _number_or_none}
        return [Lesion(**{name: kinds[name](row[column]) for name, (column, _) in COLUMNS.items()}) for row in reader]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise StudyError(f"{path} is not a lesion table that can be read.", "Segment the study again.") from error


def table_cell(value: int | float | str | None, decimals: int | None) -> str:
    """A value as it stands in the table: with its decimals, as text, or empty where there is none."""
    if value is None:
        return ""
    return str(value) if decimals is None else f"{value:.{decimals}f}"


def _number_or_none(text: str) -> float | None:
    return float(text) if text else None
