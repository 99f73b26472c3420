"""``python docs/validation/followup_contrast.py DATA WORK [PATIENT ...]``: all lesions brighter; see followup.md.

The first date of each patient is moved and gets new noise as in ``followup_growth.py``, and all lesions that the model
finds in it get brighter by ``BRIGHTER`` spreads of normal-appearing tissue, as another contrast of the FLAIR makes
them; in a second copy they have grown by 100 % as well. Prints what is listed with the contrast taken into account and
without. Results are kept in WORK and found again.
"""

import math
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from followup_growth import BLUR_MM, PATIENTS, Grown, grow, judge, motion, moved, painted, segment, series
from scipy import ndimage

from MSLesionSegLib.followup import lesion_contrast

BRIGHTER = 0.8
GROWTHS = (0.0, 1.0)


def brighter(image: sitk.Image, first: Path, grown: Grown) -> sitk.Image:
    """The FLAIR with every lesion of the result, grown or not, brighter."""
    names = ("lesion_mask", "lesion_probability", "brain_mask")
    mask, probability, brain = (sitk.GetArrayFromImage(sitk.ReadImage(str(first / f"{n}.nii.gz"))) for n in names)
    values = sitk.GetArrayFromImage(image).astype(float)
    normal = values[(brain > 0) & (probability < 0.1)]
    spread = 1.4826 * np.median(np.abs(normal - np.median(normal)))
    lesions = ((mask > 0) | (grown.rims > 0)).astype(float)
    share = ndimage.gaussian_filter(lesions, [BLUR_MM / step for step in image.GetSpacing()[::-1]])
    out = sitk.GetImageFromArray((values + BRIGHTER * spread * share).astype(np.float32))
    out.CopyInformation(image)
    return out


def main(data: Path, work: Path, patients: tuple[str, ...]) -> None:
    work.mkdir(parents=True, exist_ok=True)
    least = lesion_contrast.LEAST_DIFFERENCE
    print(
        "| patient | grown by | contrast | grown lesions found | listed | elsewhere | mL | painted, mL |\n|"
        + " --- |" * 8
    )
    for patient in patients:
        images, first = series(data, patient), work / f"s{patient}-1"
        stem = data / f"longitudinal/sub-{patient}/ses-1/anat/sub-{patient}_ses-1"
        segment({name: Path(f"{stem}_{name}.nii.gz") for name in images}, first)
        move = motion(images["FLAIR"])
        for share in GROWTHS:
            grown = grow(first, share)
            copy = work / f"bright-{patient}-{round(100 * share):03d}"
            files = {name: work / f"{copy.name}_{name}.nii.gz" for name in images}
            if not (copy / "provenance.json").exists():
                for seed, (name, image) in enumerate(images.items()):
                    changed = painted(image, name, first, grown) if share else image
                    changed = brighter(changed, first, grown) if name == "FLAIR" else changed
                    sitk.WriteImage(moved(changed, move, seed), str(files[name]))
                segment(files, copy)
            for words, limit in (("taken into account", least), ("not", math.inf)):
                lesion_contrast.LEAST_DIFFERENCE = limit
                one = judge(first, copy, work / f"{copy.name}-compared", grown, move)
                found = f"{sum(one.found)} of {len(one.found)}" if share else "-"
                print(
                    f"| {patient} | {share:.0%} | {words} | {found} | {one.listed} | {one.elsewhere} "
                    f"| {one.listed_ml:.2f} | {one.painted_ml:.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), tuple(sys.argv[3:]) or PATIENTS)
