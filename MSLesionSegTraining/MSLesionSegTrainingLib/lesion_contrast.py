"""How lesions stand out on T1w and T2w, which differs between sequences more than on FLAIR."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from .painting import REACH, blur, box_around

VARIED = 0.5
"""Share of the patches in which the contrast of lesions is lowered, of T1w and T2w each."""
LEAST_T1, LEAST_T2 = 0.0, 0.4
"""Least share of it that stays. On normalised T1w the annotated lesions lie at -0.3 and -0.5, white matter at 0.6; on
the raw T1w of two other patients lesions lie at 0.7 and 0.8, as bright as white matter. On T2w they lie at 2.4 and 2.8,
on raw scans at 1.1 and 1.4."""
WHITE_T1, WHITE_T2 = 0.8, 0.3
"""White matter is brighter than this share of a patch's brain on T1w, and than that on T2w."""
EDGE_MM = 0.55
"""Standard deviation of a lesion's edge, see ``painting.SOFTNESS``."""
LOCAL_MM = 2.0
"""Over which a lesion's level is averaged; what is finer stays, since a lesion without noise would be known by that."""


def vary_lesion_contrast(rng: np.random.Generator, channels: Tensor, lesion: Tensor, brain: Tensor) -> Tensor:
    """Bring lesions nearer to white matter on T1w and T2w in some patches.

    Without it a network learns that what is bright on FLAIR and not dark on T1w is no lesion, or, from scans where
    lesions are not dark, that what is dark on T1w is none.

    Args:
        rng: source of all randomness.
        channels: (3, z, y, x) normalised FLAIR, T1w, T2w.
        lesion: (z, y, x), 0 or 1.
        brain: (z, y, x), 0 or 1.

    Returns:
        (3, z, y, x); the FLAIR and what lies beyond the lesions' edges as they were.
    """
    lowered = [
        (channel, 1 - rng.uniform(least, 1), white)
        for channel, least, white in ((1, LEAST_T1, WHITE_T1), (2, LEAST_T2, WHITE_T2))
        if rng.random() < VARIED
    ]
    box = box_around(lesion > 0, REACH)
    normal = (brain > 0) & (lesion == 0)
    if not lowered or box is None or not bool(normal.any()):
        return channels
    inside = lesion[box][None]
    edge, near = blur(inside, EDGE_MM)[0], blur(inside, LOCAL_MM).clamp(min=0.01)
    varied = channels.clone()
    for channel, share, white in lowered:
        level = float(np.quantile(channels[channel][normal].numpy()[::8], white))
        here = channels[channel][box]
        mean = (blur(here[None] * inside, LOCAL_MM) / near)[0]
        varied[channel][box] += edge * share * (level - mean)
    return varied
