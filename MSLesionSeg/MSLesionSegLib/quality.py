"""Is the study fit to be read by this program? Each warning gives its reason; none stops a run.

The limits were set on 21 series of nine real studies and on made faults (``docs/validation/quality.md``). Not judged:
ghosts and blur (the real series have an empty background and nothing to set a limit on), and motion in series with
nearly cubic voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from .contrast_check import doubtful_contrast
from .contrast_guess import Series, contrast_agent, dicom_tags, sidecar_tags
from .grid import resample
from .prepare import NOTED_COVERAGE, PreparedStudy
from .slice_motion import slice_shift_mm
from .study import CONTRASTS, Study

THICK_MM = 3.5
"""MAGNIMS-CMSC-NAIMS 2021 (Wattjes et al., Lancet Neurology 20, 2021, 653-670) asks for 3 mm or less; the model was
trained on 1 mm, and the real series that it was tried on have up to 3.3 mm."""
CUT_MM2 = 2500.0
"""Brain on the outermost plane of the FLAIR: a cap of this area on a sphere of 70 mm radius is 5 to 6 mm high."""
SHIFT_MM = 0.6
ENHANCED, ENHANCED_SHARE = 3.0, 0.004
"""Normalised T1w above which a voxel is brighter than any tissue (white matter lies at 0.8), and the share of the brain
that may be."""
PERCENTILES = (1, 75, 95)
USUAL = {
    "FLAIR": ((None, -3.5), (0.3, 0.9), (1.0, 2.2)),
    "T1w": ((None, -1.5), (0.35, 0.9), (0.8, 1.6)),
    "T2w": ((None, -0.7), (0.5, 3.2), (1.8, 10.0)),
}
"""Range of these percentiles of the normalised brain (fluid, tissue, bright tissue), wider than any measured."""
_SIDES = (("right", "left"), ("front", "back"), ("bottom", "top"))


@dataclass(frozen=True)
class QualityWarning:
    """One thing about the images that a reader should know.

    Attributes:
        code: "thick slices", "brain cut", "coverage", "motion", "contrast", "contrast agent" or "unusual contrast".
        series: ``FLAIR``, ``T1w`` or ``T2w``.
        message: what is the matter and what it means, for a reader.
    """

    code: str
    series: str
    message: str


def check_quality(study: Study, prepared: PreparedStudy) -> list[QualityWarning]:
    """Look for what makes the result less reliable.

    Args:
        study: the series as read.
        prepared: the same study on the model's grid, with brain mask and transforms.
    """
    found = list(_cut(prepared.brain_on_flair))
    for name in study.contrasts:
        image = study.image(name)
        found += [*check_series(name, image), *_coverage(name, prepared)]
        wrong = list(_wrong_contrast(name, image, prepared))
        found += wrong or [*_agent(name, study, prepared), *_unusual(name, prepared)]
    return found


def check_series(name: str, image: sitk.Image) -> list[QualityWarning]:
    """What of :func:`check_quality` can be seen on one series before anything is computed: thick slices and motion.

    Args:
        name: ``FLAIR``, ``T1w`` or ``T2w``.
        image: 3D, mm.
    """
    return [*_thick(name, image), *_motion(name, image)]


def _thick(name: str, image: sitk.Image) -> list[QualityWarning]:
    thickness = max(image.GetSpacing())
    if thickness <= THICK_MM:
        return []
    return [
        QualityWarning(
            "thick slices",
            name,
            f"{name}: slices lie {thickness:.1f} mm apart (3 mm or less are recommended): small lesions may be missed, "
            "and volumes and counts are less certain.",
        )
    ]


def _cut(brain_on_flair: sitk.Image) -> list[QualityWarning]:
    """Sides of the field of view that cut through the brain."""
    brain = sitk.DICOMOrient(brain_on_flair, "LPS")
    array, spacing = sitk.GetArrayViewFromImage(brain) > 0, brain.GetSpacing()
    found = []
    for axis, sides in enumerate(_SIDES):
        voxel_mm2 = float(np.prod(np.delete(spacing, axis)))
        for index, side in zip((0, -1), sides, strict=True):
            area = float(np.count_nonzero(np.take(array, index, axis=2 - axis))) * voxel_mm2
            if area > CUT_MM2:
                found.append(
                    QualityWarning(
                        "brain cut",
                        "FLAIR",
                        f"FLAIR: the field of view cuts the brain at the {side} ({area / 100:.0f} cm² on the last "
                        "slice); lesions beyond it are not seen.",
                    )
                )
    return found


def _coverage(name: str, prepared: PreparedStudy) -> list[QualityWarning]:
    share = float(np.mean(prepared.channels[CONTRASTS.index(name)][prepared.brain] != 0.0))
    if share >= NOTED_COVERAGE:
        return []
    return [
        QualityWarning(
            "coverage",
            name,
            f"{name}: shows only {100 * share:.0f} % of the brain; elsewhere the result rests on the other contrasts.",
        )
    ]


def _motion(name: str, image: sitk.Image) -> list[QualityWarning]:
    shift = slice_shift_mm(image)
    if shift is None or shift <= SHIFT_MM:
        return []
    return [
        QualityWarning(
            "motion",
            name,
            f"{name}: neighbouring slices are shifted by {shift:.1f} mm against each other, as when the patient moves; "
            "lesions may be broken up or doubled.",
        )
    ]


def _wrong_contrast(name: str, image: sitk.Image, prepared: PreparedStudy) -> list[QualityWarning]:
    brain = sitk.Cast(prepared.brain_on_flair, sitk.sitkUInt8)
    own = resample(brain, image, prepared.transforms[name].GetInverse(), interpolator="nearest")
    seems = doubtful_contrast(image, own, name)
    if seems is None:
        return []
    return [
        QualityWarning("contrast", name, f"{name}: looks like {seems}; the result is of no use if it was mixed up.")
    ]


def _agent(name: str, study: Study, prepared: PreparedStudy) -> list[QualityWarning]:
    """A T1w after contrast agent, by its tags or name, or by very bright voxels in the brain."""
    if name != "T1w":
        return []
    source = study.sources.get(name)
    reason = ""
    if source is not None and source.first_file is not None:
        tags = dicom_tags(source.first_file) or sidecar_tags(source.first_file)
        reason = contrast_agent(Series(source.path.name, tags))
        reason = "by its name" if reason.startswith("named") else reason  # a name may be the patient's
    share = float(np.mean(prepared.channels[CONTRASTS.index(name)][prepared.brain] > ENHANCED))
    if not reason and share > ENHANCED_SHARE:
        reason = f"{100 * share:.1f} % of the brain is much brighter than white matter"
    if not reason:
        return []
    return [
        QualityWarning(
            "contrast agent",
            name,
            f"T1w: seems to be taken after contrast agent ({reason}); the model was trained without, and enhancing "
            "vessels and lesions look different.",
        )
    ]


def _unusual(name: str, prepared: PreparedStudy) -> list[QualityWarning]:
    """Intensities unlike those that the model was trained on."""
    values = prepared.channels[CONTRASTS.index(name)][prepared.brain]
    measured = np.percentile(values[values != 0.0], PERCENTILES)
    parts = ("fluid", "tissue", "bright tissue")
    outside = [
        part
        for part, value, (low, high) in zip(parts, measured, USUAL[name], strict=True)
        if (low is not None and value < low) or value > high
    ]
    if not outside:
        return []
    return [
        QualityWarning(
            "unusual contrast",
            name,
            f"{name}: its contrast ({' and '.join(outside)}) is outside what the model was trained on; check the "
            "result with care.",
        )
    ]
