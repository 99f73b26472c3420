"""The largest changes as one picture: baseline, follow-up and subtraction side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..overview import grey_window
from ..overview_slices import planes_at
from .change_table import ChangeRow
from .files import ENLARGING, NEW, STABLE

MOST_ROWS = 8
FIELD_MM = 80.0
_PIXELS = 256
_TITLES = ("baseline", "follow-up", "follow-up minus baseline")
_SUBTRACTION_RANGE = 4.0
_COLOURS = {True: "#ff4a2e", False: "#4696ff"}


def write_followup_overview(
    path: Path,
    baseline: sitk.Image,
    followup: sitk.Image,
    subtraction: sitk.Image,
    changes: sitk.Image,
    brain: sitk.Image,
    rows: Sequence[ChangeRow],
) -> None:
    """Draw up to eight changes, largest first, in radiological convention; red grew, blue shrank.

    Args:
        path: the PNG to write.
        baseline, followup, subtraction: on the follow-up FLAIR's grid.
        changes: ``change_mask`` on the same grid.
        brain: on the same grid; gives the grey windows.
        rows: of ``changes.csv``.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [row for row in rows if row.kind != STABLE][:MOST_ROWS]
    points = np.array([[-r.followup_r_mm, -r.followup_a_mm, r.followup_s_mm] for r in shown]).reshape(-1, 3)
    planes = planes_at(followup, points, FIELD_MM)
    windows = [grey_window(baseline, brain), grey_window(followup, brain), (-_SUBTRACTION_RANGE, _SUBTRACTION_RANGE)]
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = Figure(figsize=(9, 0.8 + 3 * max(len(shown), 1)), dpi=80, facecolor="black")
        FigureCanvasAgg(figure)
        if not shown:
            figure.text(0.5, 0.5, "No change is listed", color="white", ha="center", va="center", fontsize=16)
        axes = figure.subplots(max(len(shown), 1), 3, squeeze=False)
        for axis in axes.flat:
            axis.axis("off")
        size = (_PIXELS, _PIXELS)
        for number, row in enumerate(shown):
            colour = _COLOURS[row.kind in (NEW, ENLARGING)]
            marked = planes.sample(changes, number, size, sitk.sitkNearestNeighbor) > 0
            for column, (image, (low, high)) in enumerate(zip((baseline, followup, subtraction), windows, strict=True)):
                axis = axes[number, column]
                picture = planes.sample(image, number, size, sitk.sitkLinear)
                axis.imshow(picture, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
                if marked.any():
                    axis.contour(marked, levels=[0.5], colors=[colour], linewidths=0.8)
                title = f"{row.id}: {row.kind}, {row.change_ml:+.3f} mL" if column == 0 else _TITLES[column]
                axis.set_title(title, color="white", fontsize=10)
        figure.subplots_adjust(left=0.01, right=0.99, bottom=0.04, top=0.96, wspace=0.02, hspace=0.12)
        figure.text(
            0.01, 0.005, "Left column: baseline. Research use only. R is on the left.", color="white", fontsize=9
        )
        figure.savefig(path, format="png", metadata={"Software": None})
