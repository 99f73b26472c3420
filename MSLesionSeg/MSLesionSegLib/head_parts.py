"""Parts of a synthetic head that are balls and tubes: how one is described and painted into the label map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .head_shape import Frame, Label
from .implicit import ellipsoid, tube

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Ball:
    """An ellipsoid in head coordinates (x right, y anterior, z superior, mm); with its mirror image where ``paired``.

    Attributes:
        label: what it is made of.
        centre, radii: mm.
        lean: its axis along y turns by this many mm in x per mm.
        paired: painted on both sides.
        onto: only voxels of these labels change; empty means all.
        septum: half width of a wall left standing in the midline, mm; negative means none.
        holes: (a, b): only where a + b * noise is positive, to make it spongy; None means solid.
    """

    label: Label
    centre: Point
    radii: Point
    lean: float = 0.0
    paired: bool = True
    onto: tuple[Label, ...] = ()
    septum: float = -1.0
    holes: tuple[float, float] | None = None

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest (x, y, z) of the ball."""
        reach = (self.radii[0] + abs(self.lean) * self.radii[1], *self.radii[1:])
        low = tuple(c - r for c, r in zip(self.centre, reach, strict=True))
        return low, tuple(c + r for c, r in zip(self.centre, reach, strict=True))

    def field(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Approximate signed distance in mm, positive inside."""
        shifted = x + np.float32(self.lean) * (y - np.float32(self.centre[1])) if self.lean else x
        value = ellipsoid(shifted, y, z, self.centre, self.radii)
        return np.minimum(value, np.abs(x) - self.septum) if self.septum >= 0 else value


@dataclass(frozen=True)
class Tube:
    """A tube along a polyline, otherwise as `Ball`; ``stretch`` widens its cross-section along x, y, z."""

    label: Label
    points: tuple[Point, ...]
    radii: tuple[float, ...]
    stretch: Point = (1.0, 1.0, 1.0)
    paired: bool = True
    onto: tuple[Label, ...] = ()
    holes: None = None

    def bounds(self) -> tuple[Point, Point]:
        """Lowest and highest (x, y, z) of the tube."""
        reach = max(self.radii) * np.array(self.stretch)
        corners = np.array(self.points)
        return tuple(corners.min(0) - reach), tuple(corners.max(0) + reach)

    def field(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Approximate signed distance in mm, positive inside."""
        return tube(x, y, z, list(self.points), list(self.radii), self.stretch)


def paint(
    labels: np.ndarray,
    frame: Frame,
    parts: Sequence[Ball | Tube],
    noise: np.ndarray | None = None,
    within: np.ndarray | None = None,
) -> None:
    """Paint parts into a label map in their order, each only inside its own box.

    Args:
        labels: (z, y, x) uint8, changed.
        frame: head coordinates of the grid.
        parts: what to paint.
        noise: (z, y, x) random field for parts with ``holes``.
        within: (z, y, x) bool, the only voxels that may change; all where None.
    """
    for part in parts:
        low, high = part.bounds()
        for side in (1, -1) if part.paired else (1,):
            left, right = sorted((side * low[0], side * high[0]))
            box = frame.box((left, *low[1:]), (right, *high[1:]))
            view = labels[box]
            if not view.size:
                continue
            hit = part.field(side * frame.x[box], frame.y[box], frame.z[box]) > 0
            if part.holes:
                hit &= part.holes[0] + part.holes[1] * noise[box] > 0
            if part.onto:
                hit &= np.isin(view, part.onto)
            if within is not None:
                hit &= within[box]
            view[hit] = part.label
