"""Which of several series is the FLAIR, the T1w and the T2w: by DICOM tags, then names, then voxels.

Plain Python: SimpleITK and numpy, no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import SimpleITK as sitk


@dataclass(frozen=True)
class Series:
    """What is known of one series.

    Attributes:
        name: of the series, file or node.
        tags: DICOM keyword -> value, of those in ``KEYWORDS``; times in ms.
        image: the voxels, used only where tags and name do not tell; may be None.
    """

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    image: sitk.Image | None = None


@dataclass(frozen=True)
class Guess:
    """Which series is taken as one contrast.

    Attributes:
        index: position in the list of series, or None where none fits.
        confidence: 0 to 1.
        sure: whether it may be used without asking the reader.
        reason: one sentence in words, to be shown.
    """

    index: int | None
    confidence: float
    sure: bool
    reason: str


def guess_contrasts(series: Sequence[Series]) -> dict[str, Guess]:
    """Find the FLAIR, T1w and T2w among series of one examination.

    Returns:
        "FLAIR", "T1w", "T2w" -> the guess; no series is taken twice.
    """
    raise NotImplementedError
