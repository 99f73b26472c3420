"""From the stored probability map to the finished result: the one way, for a first run and for another threshold.

Everything is computed from the images as they lie in the result folder, not from what was in memory when they were
written, so that ``rethreshold`` gives exactly what ``segment`` with the same settings would have given.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

from .lesion_confidence import rate_lesions
from .lesion_table import Lesion, lesion_table, write_lesion_csv
from .lesions import label_lesions, lesion_mask, quantise_probability
from .location import located
from .location_table import write_location_csv
from .nifti import read_nifti
from .overview import write_overview
from .provenance import PROVENANCE_FILE, close_run, file_sha256, small_rule, write_provenance
from .results import ResultFolder

FLAIR_FILE = "FLAIR.nii.gz"
PROBABILITY_FILE = "lesion_probability.nii.gz"
SECOND_FILE = "second_probability.nii.gz"
BRAIN_FILE = "brain_mask.nii.gz"
MASK_FILE = "lesion_mask.nii.gz"
TABLE_FILE = "lesions.csv"
ZONES_FILE = "location_zones.nii.gz"
LOCATION_FILE = "location.csv"
OVERVIEW_FILE = "overview.png"
FINISHED_FILES = (MASK_FILE, TABLE_FILE, LOCATION_FILE, OVERVIEW_FILE, PROVENANCE_FILE)
"""What :func:`finish` writes; all other files of a result do not depend on threshold and minimum size."""

_NO_OVERVIEW = f"{OVERVIEW_FILE} was left out, because matplotlib is not installed."


def write_probability(
    result: ResultFolder, probability: np.ndarray, flair: sitk.Image, name: str = PROBABILITY_FILE
) -> None:
    """Write a probability map of a result, rounded to the steps in which it is kept.

    Args:
        result: the open result folder.
        probability: (z, y, x), 0 to 1, on the grid of ``flair``.
        flair: gives origin, spacing and direction.
        name: ``PROBABILITY_FILE``, or ``SECOND_FILE`` for that of the second pass.
    """
    image = sitk.GetImageFromArray(quantise_probability(probability))
    image.CopyInformation(flair)
    result.write_image(name, image)


def finish(result: ResultFolder, provenance: dict[str, Any]) -> dict[str, Any]:
    """Write mask, table, overview and provenance from the FLAIR, probability map and brain mask already in ``result``.

    Args:
        result: the open result folder; holds ``FLAIR.nii.gz``, ``lesion_probability.nii.gz`` and ``brain_mask.nii.gz``,
            all on the FLAIR's grid. With ``location_zones.nii.gz`` there, lesions get their locations; with
            ``second_probability.nii.gz``, their confidence.
        provenance: from :func:`~.provenance.build_provenance`; its settings give ``threshold`` and ``min_lesion_mm3``.

    Returns:
        The provenance as written: with ``summary`` (lesion_count, lesion_volume_ml, brain_volume_ml), ``outputs`` (name
        -> SHA-256) and the ``run`` block completed.

    Raises:
        StudyError: one of the images cannot be read back.
        UsageError: threshold or minimum size out of range.
        OSError: a file cannot be written (``ResultFolder`` turns it into an OutputError).
    """
    threshold, min_mm3 = provenance["settings"]["threshold"], provenance["settings"]["min_lesion_mm3"]
    probability = read_nifti(result.file(PROBABILITY_FILE))
    flair = read_nifti(result.file(FLAIR_FILE))
    brain = read_nifti(result.file(BRAIN_FILE))

    values = sitk.GetArrayViewFromImage(probability)
    mask = lesion_mask(values, threshold, min_mm3, probability.GetSpacing())
    numbers = label_lesions(mask)
    labels = _on_grid(numbers, probability)
    lesions = lesion_table(labels, probability)
    if result.file(ZONES_FILE).exists():
        zones = read_nifti(result.file(ZONES_FILE))  # kept, since the view below has no voxels of its own
        lesions, locations = located(lesions, numbers, sitk.GetArrayViewFromImage(zones))
        write_location_csv(result.file(LOCATION_FILE), locations)
    if result.file(SECOND_FILE).exists():
        second = read_nifti(result.file(SECOND_FILE))
        lesions = rate_lesions(lesions, labels, probability, second, brain, provenance["confidence"], threshold)

    model = _model_text(provenance)
    result.write_image(MASK_FILE, _on_grid(mask, probability))
    write_lesion_csv(result.file(TABLE_FILE), lesions, threshold=threshold, min_mm3=min_mm3, model=model)
    finished = dict(provenance)
    finished["notes"] = [note for note in provenance["notes"] if note != _NO_OVERVIEW]
    try:
        write_overview(
            result.file(OVERVIEW_FILE),
            flair,
            labels,
            brain,
            lesions,
            threshold=threshold,
            min_mm3=min_mm3,
            small=small_rule(provenance),
            model=model,
            contrasts=provenance["contrasts"],
        )
    except ModuleNotFoundError:
        finished["notes"].append(_NO_OVERVIEW)
    finished["summary"] = _summary(lesions, brain)
    staged = sorted(path for path in result.staging.iterdir() if path.name != PROVENANCE_FILE)
    finished["outputs"] = {path.name: file_sha256(path) for path in staged}
    finished["run"] = dict(provenance["run"])
    close_run(finished, result.path)
    write_provenance(result.file(PROVENANCE_FILE), finished)
    return finished


def _on_grid(array: np.ndarray, reference: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(reference)
    return image


def _model_text(provenance: dict[str, Any]) -> str:
    model = provenance["models"].get("lesion", {})
    return f"{model.get('name', '')} {model.get('version', '')}".strip()


def _summary(lesions: Sequence[Lesion], brain: sitk.Image) -> dict[str, float]:
    brain_voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(brain)))
    return {
        "lesion_count": len(lesions),
        "lesion_volume_ml": round(sum(lesion.volume_ml for lesion in lesions), 4),
        "brain_volume_ml": round(brain_voxels * float(np.prod(brain.GetSpacing())) / 1000.0, 1),
    }
