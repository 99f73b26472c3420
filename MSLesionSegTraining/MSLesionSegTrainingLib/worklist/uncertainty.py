"""How much of a case the model is unsure of, so that the cases that teach most come first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.annotated_case import read_json, write_json
from MSLesionSegLib.finish import PROBABILITY_FILE
from MSLesionSegLib.nifti import read_nifti
from MSLesionSegLib.provenance import read_provenance

UNCERTAINTY_FILE = "uncertainty.json"


def uncertain_ml(probability: np.ndarray, spacing_xyz: tuple[float, float, float]) -> float:
    """The volume of which the model is unsure: the binary entropy of each voxel, summed, in mL.

    H(p) = -p log2 p - (1 - p) log2 (1 - p), so that a voxel of p = 0.5 counts whole and a sure one not at all. Summing
    the entropy over all parts of an example is "total token entropy" of Settles and Craven, "An analysis of active
    learning strategies for sequence labeling tasks", EMNLP 2008; unlike a mean it does not hide few unsure lesions in
    a large sure brain.

    Args:
        probability: (z, y, x), 0 to 1.
        spacing_xyz: voxel spacing in mm.
    """
    p = probability[(probability > 0) & (probability < 1)].astype(np.float64)
    entropy = -(p * np.log2(p) + (1 - p) * np.log2(1 - p)).sum()
    return float(entropy * np.prod(spacing_xyz) / 1000.0)


def case_uncertainty(result: Path, kept: Path) -> float | None:
    """The uncertain volume of a result of ``segment`` in mL; kept in a file, and computed anew for another map.

    Args:
        result: folder of the result.
        kept: folder of the case in the work list, which exists.

    Returns:
        None where there is no result with a probability map that can be read.
    """
    digest, known = _digest(result), kept_uncertainty(result, kept)
    if digest is None or known is not None:
        return known
    image = read_nifti(result / PROBABILITY_FILE)
    value = round(uncertain_ml(sitk.GetArrayViewFromImage(image), image.GetSpacing()), 3)
    write_json(kept / UNCERTAINTY_FILE, {"sha256": digest, "uncertain_ml": value})
    return value


def kept_uncertainty(result: Path, kept: Path) -> float | None:
    """The uncertain volume that was computed of this result before, in mL; None where that was not done yet."""
    known = read_json(kept / UNCERTAINTY_FILE)
    digest = _digest(result)
    return float(known["uncertain_ml"]) if digest is not None and known.get("sha256") == digest else None


def _digest(result: Path) -> str | None:
    """By which the probability map of a result is known."""
    return (read_provenance(result) or {}).get("outputs", {}).get(PROBABILITY_FILE)
