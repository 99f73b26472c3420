"""One picture of the result: axial slices of the FLAIR with the lesions outlined."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .lesion_table import Lesion
from .overview_slices import Planes, choose_planes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS, _ROWS = 5, 4
_TILE_WIDTH = 320
_TILE_HEIGHTS = (240, 480)
_HEADER, _FOOTER = 84, 44
_DPI = 100
_SEAM = 0.15  # grey of the line between two slices
_OUTLINE = "#ff4a2e"
_TEXT, _QUIET = "#f2f2f2", "#a8adb3"
_NOTICE = "Research use only. Not for diagnosis."
_CONVENTION = "Radiological convention: R = patient's right. Lowest slice first; S = mm above the scanner's origin."


def write_overview(
    path: Path | str,
    flair: sitk.Image,
    labels: sitk.Image,
    brain: sitk.Image,
    lesions: Sequence[Lesion],
    *,
    threshold: float,
    min_mm3: float,
    small: tuple[float, float] | None = None,
    model: str = "",
    contrasts: Sequence[str] = ("FLAIR",),
) -> None:
    """Draw up to 20 axial slices, true in mm and in radiological convention, with the lesions outlined, as one PNG.

    Equal input gives equal bytes with one version of matplotlib.

    Args:
        path: the PNG to write.
        flair: 3D, any orientation and spacing.
        labels: numbered lesions on the grid of ``flair``, 0 background; a plain mask counts as one lesion.
        brain: brain mask on the grid of ``flair``; gives the part shown and the grey window.
        lesions: the lesion table, for count and volume.
        threshold, min_mm3, model, contrasts: named in the caption.
        small: volume in mm3 below which a lesion needs another probability, and that, named there as well.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    planes = choose_planes(labels, brain, _COLUMNS * _ROWS)
    tile = (_TILE_WIDTH, int(np.clip(round(_TILE_WIDTH * planes.height_mm / planes.width_mm), *_TILE_HEIGHTS)))
    rows = -(-len(planes.positions) // _COLUMNS)
    width, height = _COLUMNS * tile[0], rows * tile[1] + _HEADER + _FOOTER
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="black")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.axis("off")
        _draw_slices(axes, planes, flair, labels, brain, tile)
        _draw_marks(axes, planes, tile)
        _draw_caption(axes, width, height, lesions, planes.lesions_shown, threshold, min_mm3, small, model, contrasts)
        figure.savefig(path, format="png", metadata={"Software": None})


def grey_window(flair: sitk.Image, brain: sitk.Image) -> tuple[float, float]:
    """Black and white level for the FLAIR: 1st percentile and 1.25 x the 99th, measured inside the brain mask."""
    values = sitk.GetArrayViewFromImage(flair)
    inside = values[sitk.GetArrayViewFromImage(brain) != 0]
    if inside.size == 0:
        inside = values.ravel()
    low, high = np.percentile(inside[:: max(1, inside.size // 500_000)], (1.0, 99.0))
    return float(low), float(max(low + 1.25 * (high - low), low + 1e-6))


def _draw_slices(
    axes: "Axes", planes: Planes, flair: sitk.Image, labels: sitk.Image, brain: sitk.Image, tile: tuple[int, int]
) -> None:
    columns, rows = tile
    montage = np.zeros((-(-len(planes.positions) // _COLUMNS) * rows, _COLUMNS * columns), dtype=np.float32)
    outlines = np.zeros_like(montage)
    low, high = grey_window(flair, brain)
    for number in range(len(planes.positions)):
        top, left = number // _COLUMNS * rows, number % _COLUMNS * columns
        part = (slice(top, top + rows), slice(left, left + columns))
        montage[part] = (planes.sample(flair, number, tile, sitk.sitkLinear) - low) / (high - low)
        outlines[part] = planes.sample(labels, number, tile, sitk.sitkNearestNeighbor) > 0
    montage[rows::rows, :] = montage[:, columns::columns] = _SEAM
    extent = (0, montage.shape[1], _HEADER + montage.shape[0], _HEADER)
    axes.imshow(
        np.clip(montage, 0, 1), cmap="gray", vmin=0, vmax=1, extent=extent, aspect="auto", interpolation="nearest"
    )
    if outlines.max() > 0.5:
        x = np.arange(montage.shape[1]) + 0.5
        y = np.arange(montage.shape[0]) + 0.5 + _HEADER
        axes.contour(x, y, outlines, levels=[0.5], colors=[_OUTLINE], linewidths=1.0)


def _draw_marks(axes: "Axes", planes: Planes, tile: tuple[int, int]) -> None:
    from matplotlib.patheffects import withStroke

    edge = [withStroke(linewidth=2.5, foreground="black")]
    letters = {"color": _TEXT, "fontsize": 10, "weight": "bold", "va": "center", "path_effects": edge}
    for number, superior in enumerate(planes.superior_mm):
        left, top = number % _COLUMNS * tile[0], _HEADER + number // _COLUMNS * tile[1]
        middle = top + tile[1] / 2
        axes.text(left + 8, middle, "R", **letters)
        axes.text(left + tile[0] - 8, middle, "L", ha="right", **letters)
        position = f"S {round(float(superior), 1) + 0.0:+.1f} mm"
        axes.text(left + 8, top + tile[1] - 8, position, color=_QUIET, fontsize=9, va="bottom", path_effects=edge)


def _draw_caption(
    axes: "Axes",
    width: int,
    height: int,
    lesions: Sequence[Lesion],
    shown: int,
    threshold: float,
    min_mm3: float,
    small: tuple[float, float] | None,
    model: str,
    contrasts: Sequence[str],
) -> None:
    volume = sum(lesion.volume_ml for lesion in lesions)
    noun = "lesion" if len(lesions) == 1 else "lesions"
    title = f"{len(lesions)} {noun}, {volume:.2f} mL" if lesions else "No lesion found"
    probability = f"probability \u2265 {threshold:g}"
    if small is not None:
        probability += f" ({small[1]:g} below {small[0]:g} mm\u00b3)"
    parts = [probability, f"at least {min_mm3:g} mm\u00b3", f"from {' + '.join(contrasts)}"]
    if model:
        parts.append(f"model {model}")
    if lesions:
        parts.append(f"{min(shown, len(lesions))} of {len(lesions)} {noun} on the slices below")
    axes.text(16, 28, title, color=_TEXT, fontsize=17, weight="bold", va="center")
    axes.text(16, 60, "  \u00b7  ".join(parts), color=_QUIET, fontsize=11, va="center")
    axes.text(width - 16, 28, _NOTICE, color=_OUTLINE, fontsize=12, weight="bold", va="center", ha="right")
    axes.text(16, height - _FOOTER / 2, _CONVENTION, color=_QUIET, fontsize=10, va="center")
