"""How two masks of one case agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.grid import Grid

from ..evaluation.lesion_metrics import overlap_found, overlap_table
from ..evaluation.policy import Policy
from ..evaluation.voxel_metrics import voxel_scores


def agreement(first: sitk.Image, second: sitk.Image) -> dict[str, Any]:
    """Dice, and the lesions that the second mask has and the first has not, and the other way round.

    A lesion is a 26-connected component of at least 3 mm3; it is added or removed where no voxel of it is marked in a
    lesion of the other mask.

    Args:
        first, second: masks of 0 and 1 on one grid.

    Returns:
        ``Dice`` (1 for two empty masks), ``LesionsAdded``, ``LesionsRemoved``, ``VolumeMlFirst``, ``VolumeMlSecond``.
    """
    policy = Policy()
    masks = [sitk.GetArrayViewFromImage(image) > 0 for image in (first, second)]
    table = overlap_table(*masks, first.GetSpacing(), policy)
    voxel_ml = float(np.prod(Grid.of(first).spacing)) / 1000.0
    return {
        "Dice": round(voxel_scores(*masks, masks[0].size, policy)["dice"], 4),
        "LesionsAdded": int((~overlap_found(table.T)).sum()),
        "LesionsRemoved": int((~overlap_found(table)).sum()),
        "VolumeMlFirst": round(int(masks[0].sum()) * voxel_ml, 4),
        "VolumeMlSecond": round(int(masks[1].sum()) * voxel_ml, 4),
    }
