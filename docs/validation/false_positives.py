"""``python docs/validation/false_positives.py OUT RESULT RESULT``: sheets on which to judge what two models list.

The results are of one scan, by two models. Of the lesions of each a sample is drawn, the two are mixed, and each lesion
is shown on the FLAIR in an axial and a coronal plane, without and with its outline; ``OUT/key.csv`` says which model
listed it and is not looked at before the judgement. ``OUT`` lies outside the repository: the sheets show a patient.
"""

import csv
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import SimpleITK as sitk

from MSLesionSegLib.finish import FLAIR_FILE, MASK_FILE
from MSLesionSegLib.lesions import label_lesions
from MSLesionSegLib.nifti import read_nifti
from MSLesionSegLib.provenance import read_provenance

SAMPLE, ROWS, COLUMNS = 15, 5, 2
STEP_MM, REACH = 0.8, 32
"""Pixels of the pictures, and how many of them lie on either side of a lesion's middle."""


def on_pictures(image: sitk.Image, interpolator: int) -> np.ndarray:
    """The image (z, y, x) on isotropic voxels along left, posterior and superior."""
    corners = np.array(
        [
            image.TransformContinuousIndexToPhysicalPoint(
                [c * (n - 1) for c, n in zip(at, image.GetSize(), strict=True)]
            )
            for at in np.ndindex(2, 2, 2)
        ]
    )
    low, high = corners.min(0), corners.max(0)
    size = [int(n) for n in np.ceil((high - low) / STEP_MM) + 1]
    target = sitk.Resample(
        image, size, sitk.Transform(), interpolator, low.tolist(), [STEP_MM] * 3, np.eye(3).ravel().tolist(), 0.0
    )
    return sitk.GetArrayFromImage(target)


def sampled(folder: Path, rng: np.random.Generator) -> list[tuple[str, int, np.ndarray]]:
    """Model, number and voxels (z, y, x of the pictures) of some lesions of a result."""
    mask = read_nifti(folder / MASK_FILE)
    labels = label_lesions(sitk.GetArrayFromImage(mask))
    image = sitk.GetImageFromArray(labels.astype(np.int32))
    image.CopyInformation(mask)
    shown = on_pictures(image, sitk.sitkNearestNeighbor)
    there = np.unique(shown)[1:]
    model = read_provenance(folder)["models"]["lesion"]["version"]
    print(f"{folder.name}: model {model}, {labels.max()} lesions")
    return [(model, int(n), shown == n) for n in rng.permutation(there)[:SAMPLE]]


def cut(volume: np.ndarray, at: np.ndarray, plane: int) -> np.ndarray:
    """The axial (0) or coronal (1) picture about a voxel, the patient's right on the left, head up."""
    padded = np.pad(np.take(volume, at[plane], axis=plane), REACH)
    i, j = (int(at[axis]) for axis in range(3) if axis != plane)
    part = padded[i : i + 2 * REACH + 1, j : j + 2 * REACH + 1]
    return part[::-1] if plane == 1 else part


def main(out: Path, folders: list[Path]) -> None:
    """Draw the sheets and write the key."""
    rng = np.random.default_rng(0)
    flair = on_pictures(sitk.Cast(read_nifti(folders[0] / FLAIR_FILE), sitk.sitkFloat32), sitk.sitkLinear)
    window = {"cmap": "gray", "vmin": 0.0, "vmax": float(np.percentile(flair[flair > 0], 99.5))}
    lesions = [one for folder in folders for one in sampled(folder, rng)]
    lesions = [lesions[number] for number in rng.permutation(len(lesions))]
    out.mkdir(parents=True, exist_ok=True)
    with (out / "key.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("picture", "model", "lesion", "mm3"))
        for picture, (model, number, voxels) in enumerate(lesions, start=1):
            writer.writerow((picture, model, number, round(np.count_nonzero(voxels) * STEP_MM**3)))
    for first in range(0, len(lesions), ROWS * COLUMNS):
        figure, axes = plt.subplots(ROWS, 4 * COLUMNS, figsize=(2 * 4 * COLUMNS, 2.1 * ROWS), dpi=90)
        for axis in axes.flat:
            axis.axis("off")
        for place, (_, _, voxels) in enumerate(lesions[first : first + ROWS * COLUMNS]):
            index = np.argwhere(voxels)
            at = index[np.square(index - index.mean(0)).sum(1).argmin()]
            for number, (plane, outlined) in enumerate(((0, False), (0, True), (1, False), (1, True))):
                axis = axes[place // COLUMNS, 4 * (place % COLUMNS) + number]
                axis.imshow(cut(flair, at, plane), **window)
                if outlined:
                    axis.contour(cut(voxels, at, plane).astype(float), [0.5], colors="red", linewidths=0.7)
            axes[place // COLUMNS, 4 * (place % COLUMNS)].set_title(str(first + place + 1), fontsize=11, loc="left")
        figure.subplots_adjust(0, 0, 1, 0.97, 0.02, 0.08)
        figure.savefig(out / f"sheet_{first // (ROWS * COLUMNS) + 1}.png")
        plt.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
