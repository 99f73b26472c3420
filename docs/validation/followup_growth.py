"""``python docs/validation/followup_growth.py DATA WORK [PATIENT ...]``: lesions of real scans grown; see followup.md.

The first date of each patient is moved by 5 mm and 5 degrees, gets noise of its own level, and lesions that the model
finds in it grow by 0, 10, 30 or 100 % of their volume; each copy is segmented anew and compared with the scan itself.
Results of ``segment`` are kept in WORK and found again (``s12-1``: patient 12, first date). Prints the tables of that
page and draws ``followup_growth.png`` beside it: numbers only, no image of a patient.
"""

import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from MSLesionSegLib.followup.comparison import write_followup
from MSLesionSegLib.followup.files import MASK_VALUES, STABLE
from MSLesionSegLib.lesions import label_lesions

PATIENTS = ("19", "03", "12")
GROWTHS = (0.1, 0.3, 1.0)
EDGES_MM3 = (10.0, 50.0, 250.0, math.inf)
CLASSES = ("10-50", "50-250", "> 250")
PER_CLASS = 8
APART_MM, INSIDE_MM, MARGIN_MM = 10.0, 4.0, 8.0
SHIFT_MM, ANGLE = (3.0, 4.0, 0.0), math.radians(5.0)
CONTRASTS = ("FLAIR", "T1w", "T2w")
#: Blur of what is painted (standard deviation, mm), about that of the scans.
BLUR_MM = 0.6


@dataclass(frozen=True)
class Grown:
    """Lesions of one scan and where they grow.

    Attributes:
        lesions: (z, y, x) int32 on the FLAIR's grid, n where grown lesion n (from 1) was before.
        rims: (z, y, x) int32, n where it grows.
        classes: the size class of each.
    """

    lesions: np.ndarray
    rims: np.ndarray
    classes: list[int]


def series(data: Path, patient: str) -> dict[str, sitk.Image]:
    """The images of the first date that there are."""
    stem = data / f"longitudinal/sub-{patient}/ses-1/anat/sub-{patient}_ses-1"
    files = {name: Path(f"{stem}_{name}.nii.gz") for name in CONTRASTS}
    return {name: sitk.ReadImage(str(file), sitk.sitkFloat32) for name, file in files.items() if file.exists()}


def segment(files: dict[str, Path], out: Path) -> None:
    """``mslesionseg segment`` unless ``out`` holds its result."""
    if (out / "provenance.json").exists():
        return
    options = {"FLAIR": "--flair", "T1w": "--t1", "T2w": "--t2"}
    words = [word for name, file in files.items() for word in (options[name], str(file))]
    command = [sys.executable, "-m", "MSLesionSegTrainingLib", "segment", *words, "--out", str(out)]
    subprocess.run([*command, "--progress", "none"], check=True)


def noise_level(image: sitk.Image) -> float:
    """Standard deviation of noise in the head, from second differences within slices (Immerkaer, CVIU 64, 1996)."""
    values = sitk.GetArrayFromImage(image).astype(float)
    kernel = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])
    thin = int(np.argmax(image.GetSpacing()[::-1]))  # slices lie along the longest step
    values = np.take(values, np.arange(values.shape[thin] // 4, 3 * values.shape[thin] // 4, 4), axis=thin)
    rough = ndimage.convolve(values, np.expand_dims(kernel, thin))
    return float(1.4826 * np.median(np.abs(rough[values > np.percentile(values, 60)])) / 6.0)


def grow(folder: Path, share: float) -> Grown:
    """Choose lesions of a result of ``segment`` and the voxels nearest to each that make it larger by ``share``."""
    flair, mask, brain = (
        sitk.ReadImage(str(folder / f"{name}.nii.gz")) for name in ("FLAIR", "lesion_mask", "brain_mask")
    )
    step = flair.GetSpacing()[::-1]
    values = ndimage.gaussian_filter(sitk.GetArrayFromImage(flair).astype(float), [0.5 / s for s in step])
    labels, inside = label_lesions(sitk.GetArrayFromImage(mask)), sitk.GetArrayFromImage(brain) > 0
    depth = ndimage.distance_transform_edt(inside, sampling=step)
    normal = values[inside & (labels == 0)]
    tissue = inside & (values > np.percentile(normal, 15))  # does not grow into fluid
    volume = np.bincount(labels.ravel()) * np.prod(step)
    chosen, classes, middles = [], [], []
    for number in np.random.default_rng(0).permutation(np.arange(1, len(volume))):
        size = int(np.digitize(volume[number], EDGES_MM3)) - 1
        where = np.argwhere(labels == number)
        middle = where.mean(axis=0) * step
        crowded = any(np.linalg.norm(middle - other) < APART_MM for other in middles)
        if size < 0 or classes.count(size) == PER_CLASS or crowded or depth[tuple(where.T)].max() < INSIDE_MM:
            continue
        chosen.append(number)
        classes.append(size)
        middles.append(middle)
    lesions, rims = np.zeros(labels.shape, np.int32), np.zeros(labels.shape, np.int32)
    for index, number in enumerate(chosen, start=1):
        lesions[labels == number] = index
        box = around(labels == number, step)
        free = tissue[box] & (labels[box] == 0) & (rims[box] == 0)
        distance = ndimage.distance_transform_edt(labels[box] != number, sampling=step)
        count = round(share * int((labels == number).sum()))
        nearest = np.argsort(np.where(free, distance, np.inf), axis=None, kind="stable")[:count]
        rims[box][np.unravel_index(nearest, distance.shape)] = index
    return Grown(lesions, rims, classes)


def around(mask: np.ndarray, step: tuple[float, float, float]) -> tuple[slice, slice, slice]:
    """The box of a mask, with ``MARGIN_MM`` about it."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    margins = [math.ceil(MARGIN_MM / one) for one in step]
    return tuple(
        slice(max(part.start - margin, 0), part.stop + margin) for part, margin in zip(box, margins, strict=True)
    )


def painted(image: sitk.Image, name: str, folder: Path, grown: Grown) -> sitk.Image:
    """The series with each lesion's own contrast in its new rim, blurred as the scan is."""
    flair = sitk.ReadImage(str(folder / "FLAIR.nii.gz"))
    transform = sitk.Transform()
    if name != "FLAIR":
        transform = sitk.ReadTransform(str(folder / f"{name}_to_FLAIR.tfm")).GetInverse()
    lesions, rims = (on_grid(labels, flair, image, transform) for labels in (grown.lesions, grown.rims))
    values = sitk.GetArrayFromImage(image).astype(float)
    step = image.GetSpacing()[::-1]
    result = values.copy()
    for number in range(1, len(grown.classes) + 1):
        if not (rims == number).any():
            continue
        box = around((lesions == number) | (rims == number), step)
        old, new = lesions[box] == number, (lesions[box] == number) | (rims[box] == number)
        far = ndimage.distance_transform_edt(~new, sampling=step)
        shell = (far > 2.0) & (far < 6.0) & (lesions[box] == 0)
        if not old.any() or not shell.any():
            continue
        contrast = np.median(values[box][old]) - np.median(values[box][shell])
        sigma = [BLUR_MM / s for s in step]
        share = ndimage.gaussian_filter(new.astype(float), sigma) - ndimage.gaussian_filter(old.astype(float), sigma)
        result[box] += share * contrast
    out = sitk.GetImageFromArray(result.astype(np.float32))
    out.CopyInformation(image)
    return out


def on_grid(labels: np.ndarray, grid: sitk.Image, onto: sitk.Image, transform: sitk.Transform) -> np.ndarray:
    """Labels of one grid on another, nearest voxel."""
    image = sitk.GetImageFromArray(labels)
    image.CopyInformation(grid)
    return sitk.GetArrayFromImage(sitk.Resample(image, onto, transform, sitk.sitkNearestNeighbor))


def motion(flair: sitk.Image) -> sitk.Transform:
    """5 mm and 5 degrees about the middle of the FLAIR, as ``SimpleITK.Resample`` takes it."""
    middle = flair.TransformContinuousIndexToPhysicalPoint([n / 2 for n in flair.GetSize()])
    move = sitk.Euler3DTransform(middle)
    move.SetRotation(0.0, 0.0, ANGLE)
    move.SetTranslation(SHIFT_MM)
    return move


def moved(image: sitk.Image, move: sitk.Transform, seed: int) -> sitk.Image:
    """The image after the patient moved, with new noise of the level that it has."""
    turned = sitk.Resample(image, image, move, sitk.sitkLanczosWindowedSinc)
    values = sitk.GetArrayFromImage(turned)
    noise = np.random.default_rng(seed).normal(0.0, noise_level(image), values.shape)
    out = sitk.GetImageFromArray(np.maximum(values + np.where(values > 0, noise, 0.0), 0.0).astype(np.float32))
    out.CopyInformation(image)
    return out


@dataclass(frozen=True)
class Outcome:
    """What a comparison with a grown copy finds.

    Attributes:
        classes: size class of each grown lesion.
        found: whether its rim is listed.
        listed: number of listed changes.
        elsewhere: those of them that lie on no grown lesion.
        painted_ml: volume painted onto the lesions that are found.
        listed_ml: listed volume of all changes.
    """

    classes: list[int]
    found: list[bool]
    listed: int
    elsewhere: int
    painted_ml: float
    listed_ml: float


def compare(data: Path, work: Path, patient: str, share: float) -> Outcome:
    """Grow the lesions of a patient by ``share``, segment the copy and compare it with the scan itself."""
    images, first = series(data, patient), work / f"s{patient}-1"
    stem = data / f"longitudinal/sub-{patient}/ses-1/anat/sub-{patient}_ses-1"
    segment({name: Path(f"{stem}_{name}.nii.gz") for name in images}, first)
    move, grown = motion(images["FLAIR"]), grow(first, share)
    copy = work / f"grown-{patient}-{round(100 * share):03d}"
    files = {name: work / f"{copy.name}_{name}.nii.gz" for name in images}
    if not (copy / "provenance.json").exists():
        for seed, (name, image) in enumerate(images.items()):
            changed = painted(image, name, first, grown) if share else image
            sitk.WriteImage(moved(changed, move, seed), str(files[name]))
        segment(files, copy)
    return judge(first, copy, work / f"{copy.name}-compared", grown, move)


def judge(first: Path, copy: Path, out: Path, grown: Grown, move: sitk.Transform) -> Outcome:
    """Compare a scan with its moved copy, in which lesions may have grown, and say what of that is listed."""
    rows = write_followup(first, copy, out)["changes"]
    kinds = sitk.ReadImage(str(out / "change_mask.nii.gz"))
    listed, count = ndimage.label(sitk.GetArrayFromImage(kinds) > 0, np.ones((3, 3, 3)))
    flair = sitk.ReadImage(str(first / "FLAIR.nii.gz"))
    rims, lesions = (on_grid(labels, flair, kinds, move) for labels in (grown.rims, grown.lesions))
    larger = np.isin(sitk.GetArrayFromImage(kinds), (MASK_VALUES["new"], MASK_VALUES["enlarging"]))
    found = set(np.unique(rims[larger]).tolist())
    near = np.unique(listed[ndimage.binary_dilation((rims > 0) | (lesions > 0) & grown.rims.any())]).tolist()
    painted_ml = np.isin(rims, sorted(found - {0})).sum() * np.prod(flair.GetSpacing()) / 1000.0
    return Outcome(
        grown.classes,
        [n in found for n in range(1, len(grown.classes) + 1)],
        count,
        count - len(set(near) - {0}),
        float(painted_ml),
        sum(abs(row["change_ml"]) for row in rows if row["kind"] != STABLE),
    )


def main(data: Path, work: Path, patients: tuple[str, ...]) -> None:
    work.mkdir(parents=True, exist_ok=True)
    shares = np.zeros((len(CLASSES), len(GROWTHS), 2), int)
    print(
        "| patient | noise | grown by | lesions grown | found | listed | listed elsewhere "
        "| painted onto those found, mL | listed, mL |\n|" + " --- |" * 9
    )
    for patient in patients:
        level = noise_level(series(data, patient)["FLAIR"])
        for share in (0.0, *GROWTHS):
            one = compare(data, work, patient, share)
            if share:
                for size, hit in zip(one.classes, one.found, strict=True):
                    shares[size, GROWTHS.index(share)] += (int(hit), 1)
            grown = f"{sum(one.found)} | {one.listed}" if share else f"- | {one.listed}"
            number = len(one.classes) if share else 0
            volumes = f"{one.painted_ml:.2f} | {one.listed_ml:.2f}"
            print(
                f"| {patient} | {level:.1f} | {share:.0%} | {number} | {grown} | {one.elsewhere} | {volumes} |",
                flush=True,
            )
    print("\n| volume, mm3 | " + " | ".join(f"{share:.0%}" for share in GROWTHS) + " |\n|" + " --- |" * 4)
    for name, row in zip(CLASSES, shares, strict=True):
        print(f"| {name} | " + " | ".join(f"{hit} of {n}" for hit, n in row) + " |")
    draw(shares, Path(__file__).with_name("followup_growth.png"))


def draw(shares: np.ndarray, file: Path) -> None:
    """Share of grown lesions that are listed, by growth and size."""
    figure, axes = plt.subplots(figsize=(5.0, 3.2), layout="constrained")
    percent = [100 * share for share in GROWTHS]
    for name, row in zip(CLASSES, shares, strict=True):
        axes.plot(percent, 100 * row[:, 0] / np.maximum(row[:, 1], 1), "o-", label=f"{name} mm³ ({row[0, 1]})")
    axes.set(xlabel="growth, % of the lesion's volume", ylabel="listed, % of lesions", ylim=(-3, 103), xscale="log")
    axes.set_xticks(percent, [f"{value:.0f}" for value in percent], minor=False)
    axes.minorticks_off()
    axes.legend(frameon=False)
    partial = file.with_suffix(".partial.png")
    figure.savefig(partial, dpi=110)
    os.replace(partial, file)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), tuple(sys.argv[3:]) or PATIENTS)
