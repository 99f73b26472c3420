"""Lesions that a reference mask of changes shows, painted into the backgrounds of a data set.

    python docs/validation/changed_lesions.py DATA DATASET 03=sub-L03 19=sub-L19

Of two dates of a patient (``DATA/longitudinal``) people marked what changed, in either direction. A marked voxel that
is brighter on the FLAIR of one date than of the other is lesion at that date; one whose difference is below the noise
may be lesion at either. Both backgrounds of the patient in ``DATASET`` (``sub-L03_ses-1`` and ``sub-L03_ses-2``, made
by ``mslesionseg background``) get the first as lesion, and the rest, with 4 mm around all, as unsure.
"""

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from MSLesionSegLib.grid import Grid
from MSLesionSegTrainingLib.background_labels import SURE_LESION, UNSURE_PLACE
from MSLesionSegTrainingLib.backgrounds import WIDER_MM
from MSLesionSegTrainingLib.brain_heads import common_transform, reference_mask
from MSLesionSegTrainingLib.worklist.writing import put_image

SMOOTH_MM, BIAS_MM = 1.0, 12.0
"""Standard deviation of the blur of the difference, and of what is taken for a bias field."""
LEAST_Z = 1.0
"""Difference over the standard deviation of that of normal tissue, from which a marked voxel is lesion."""
DATES = (1, 2)


def changes(data: Path, patient: str) -> tuple[sitk.Image, np.ndarray]:
    """The mask of changes of a patient in the common space of the dates, and z of the second FLAIR minus the first."""
    folder = data / "longitudinal" / "derivatives" / "common" / f"sub-{patient}"
    marked = sitk.ReadImage(str(folder / f"sub-{patient}_space-common_label-lesionchange_mask.nii.gz"))
    brain = sitk.GetArrayFromImage(reference_mask(data, f"sub-{patient}"))
    images = []
    for date in DATES:
        path = flair(data, patient, date)
        to_flair = common_transform(data, path).GetInverse()
        image = sitk.ReadImage(str(path), sitk.sitkFloat32)
        images.append(sitk.GetArrayFromImage(sitk.Resample(image, marked, to_flair, sitk.sitkLinear)))
    changed = ndimage.binary_dilation(sitk.GetArrayViewFromImage(marked) > 0, iterations=3)
    normal = (brain > 0) & ~changed & (images[0] > 0) & (images[1] > 0)
    scaled = []
    for image in images:
        low, middle, high = np.percentile(image[normal], (25, 50, 75))
        scaled.append((image - middle) / (high - low))
    steps = np.array(marked.GetSpacing()[::-1])
    difference = ndimage.gaussian_filter(scaled[1] - scaled[0], SMOOTH_MM / steps)
    share = ndimage.gaussian_filter(normal.astype(float), BIAS_MM / steps)
    difference -= ndimage.gaussian_filter(np.where(normal, difference, 0), BIAS_MM / steps) / np.maximum(share, 0.05)
    return marked, difference / difference[normal].std()


def flair(data: Path, patient: str, date: int) -> Path:
    """The FLAIR of a date as the scanner gave it."""
    name = f"sub-{patient}_ses-{date}"
    return data / "longitudinal" / f"sub-{patient}" / f"ses-{date}" / "anat" / f"{name}_FLAIR.nii.gz"


def share(mask: np.ndarray, common: sitk.Image, image: sitk.Image, to_common: sitk.Transform) -> np.ndarray:
    """How much of each voxel of an image a mask of the common space fills, 0 to 1, (z, y, x)."""
    shares = Grid.of(common).image(mask.astype(np.float32))
    return sitk.GetArrayFromImage(sitk.Resample(shares, image, to_common, sitk.sitkLinear, 0.0))


def paint(data: Path, dataset: Path, patient: str, name: str) -> None:
    """Paint the changes of a patient into the backgrounds of both dates."""
    marked, z = changes(data, patient)
    mask = sitk.GetArrayFromImage(marked) > 0
    for date in DATES:
        stem = f"{name}_ses-{date}"
        folder = dataset / "derivatives" / "backgrounds" / name / f"ses-{date}" / "anat"
        path = folder / f"{stem}_label-background_dseg.nii.gz"
        image = sitk.ReadImage(str(path))
        to_common = common_transform(data, flair(data, patient, date))

        brighter = mask & ((z if date == DATES[1] else -z) > LEAST_Z)
        lesion = share(brighter, marked, image, to_common) >= 0.5
        unmarked = share(mask, marked, image, to_common) <= 0.05
        near = ndimage.distance_transform_edt(unmarked, sampling=image.GetSpacing()[::-1]) <= WIDER_MM
        labels = sitk.GetArrayFromImage(image)
        labels[near & (labels != SURE_LESION)] = UNSURE_PLACE
        labels[lesion] = SURE_LESION
        put_image(path, Grid.of(image).image(labels))
        pieces = ndimage.label(lesion, np.ones((3, 3, 3)))[1]
        print(f"{stem}: {lesion.sum() * np.prod(image.GetSpacing()) / 1000:.2f} mL in {pieces} pieces")


if __name__ == "__main__":
    for pair in sys.argv[3:]:
        paint(Path(sys.argv[1]), Path(sys.argv[2]), *pair.split("=", 1))
