"""``python docs/validation/sampling.py DATA``: what patches hold under the three samplers; see sampling.md.

Prints the tables of that page and draws ``sampling.png`` beside it: sizes and shares only, no image of a patient.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import SimpleITK as sitk

from MSLesionSegTrainingLib.case_index import CaseIndex, index_case
from MSLesionSegTrainingLib.samplers import SAMPLERS, make_sampler

PATCH = 64
DRAWS = 2000
EDGES = (0, 10, 100, 1000, np.inf)
CLASSES = ("< 10", "10-100", "100-1000", "> 1000")
COLOURS = {"lesion": "tab:blue", "uniform": "tab:gray", "posneg": "tab:orange"}


def common_brain(data: Path) -> np.ndarray:
    """The union of the stripped brains in the MNI grid, bool (z, y, x)."""
    files = sorted((data / "cross-sectional").glob("sub-*/anat/*_space-MNI_FLAIR.nii.gz"))
    return np.any([_array(file) > 0 for file in files], axis=0)


def read_cases(data: Path) -> dict[str, CaseIndex]:
    """An index of every consensus mask in the common brain, and how much of the lesions that brain leaves out."""
    brain = common_brain(data)
    cases, outside, total = {}, 0, 0
    for file in sorted((data / "cross-sectional/derivatives/consensus").glob("sub-*/anat/*_mask.nii.gz")):
        lesion = _array(file) > 0
        outside, total = outside + int((lesion & ~brain).sum()), total + int(lesion.sum())
        cases[file.name[:6]] = index_case(None, brain | lesion, lesion)
    print(f"{len(cases)} masks, brain of {brain.sum() / 1e6:.2f} L; {outside} of {total} lesion voxels outside it")
    return cases


def size_class(index: CaseIndex) -> np.ndarray:
    """The size class of each lesion, 0 to 3."""
    return np.digitize(index.lesions.sizes, EDGES[1:-1])


def seen(index: CaseIndex, centres: np.ndarray, edge: int) -> np.ndarray:
    """Whether a cube about each centre holds a voxel of a lesion of each class, bool (4, draws)."""
    owner = np.repeat(size_class(index), index.lesions.sizes)
    start = np.rint(centres).astype(int) - edge // 2
    low, high = (np.clip(start + shift, 0, index.shape) for shift in (0, edge))
    found = []
    for number in range(len(CLASSES)):
        volume = np.zeros(np.add(index.shape, 1), np.int32)
        volume[tuple(index.lesions.voxels[owner == number].T + 1)] = 1
        sums = volume.cumsum(0).cumsum(1).cumsum(2)
        count = np.zeros(len(centres), int)
        for corner in np.ndindex(2, 2, 2):
            places = np.where(corner, high, low)
            count += (-1) ** (3 - sum(corner)) * sums[tuple(places.T)]
        found.append(count > 0)
    return np.array(found)


def measure(cases: dict[str, CaseIndex]) -> dict[str, dict[str, np.ndarray]]:
    """Shares of draws by sampler: of the whole patch, of its middle, and of each lesion's own visits to the middle."""
    result = {}
    for name in SAMPLERS:
        sampler, patch, middle, visits = make_sampler(name, PATCH), [], [], [[] for _ in CLASSES]
        for number, index in enumerate(cases.values()):
            rng = np.random.default_rng((0, number))
            centres = np.array([sampler.draw(rng, index) for _ in range(DRAWS)])
            there = np.isin(np.arange(len(CLASSES)), size_class(index))[:, None]
            patch.append(np.where(there[:, 0], seen(index, centres, PATCH).mean(1), np.nan))
            middle.append(np.where(there[:, 0], seen(index, centres, PATCH // 2).mean(1), np.nan))
            bounds = zip(index.lesions.starts[:-1], index.lesions.starts[1:], strict=True)
            for (start, stop), group in zip(bounds, size_class(index), strict=True):
                place = index.lesions.voxels[start:stop].mean(0)
                visits[group].append((np.abs(centres - place).max(1) <= PATCH / 4).mean())
        result[name] = {
            "patch": np.nanmean(patch, 0),
            "middle": np.nanmean(middle, 0),
            "fifth": np.array([np.percentile(v, 5) for v in visits]),
        }
    return result


def aimed(cases: dict[str, CaseIndex]) -> dict[str, np.ndarray]:
    """Mean over cases of the share of each class: of the lesions, their volume, and draws that aim at a lesion."""
    exponent = SAMPLERS["lesion"](PATCH).size_exponent
    columns = {
        "of the lesions": 0.0,
        "of draws near a lesion, lesion sampler": exponent,
        "of draws on a lesion, posneg": 1.0,
    }
    return {
        what: np.mean(
            [np.bincount(size_class(i), i.lesions.shares(e), len(CLASSES)) for i in cases.values()],
            axis=0,
        )
        for what, e in columns.items()
    }


def draw(shares: dict[str, np.ndarray], result: dict[str, dict[str, np.ndarray]], file: Path) -> None:
    """Three groups of bars by size class."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), sharex=True)
    place = np.arange(len(CLASSES))
    for number, (what, share) in enumerate(shares.items()):
        colour = ("black", COLOURS["lesion"], COLOURS["posneg"])[number]
        axes[0].bar(place + 0.27 * (number - 1), 100 * share, 0.25, label=what, color=colour)
    axes[0].set_title("which lesions are aimed at")
    titles = {
        "middle": f"a lesion of the class in the middle {PATCH // 2} voxels",
        "fifth": "visits of the 5 % least visited lesions",
    }
    for axis, (key, title) in zip(axes[1:], titles.items(), strict=True):
        for number, name in enumerate(result):
            shift = 0.27 * (number - 1)
            axis.bar(place + shift, 100 * result[name][key], 0.25, label=name, color=COLOURS[name])
        axis.set_title(title)
    for axis, unit in zip(axes, ("% (mean over cases)", "% of draws", "% of draws of their case"), strict=True):
        axis.set_xticks(place, CLASSES)
        axis.set_xlabel("lesion size, mm³")
        axis.set_ylabel(unit)
        axis.legend(fontsize=8, loc="upper right")
        axis.set_ylim(top=1.3 * axis.get_ylim()[1])
    figure.tight_layout()
    figure.savefig(file, dpi=110)


def main(data: Path) -> None:
    """Measure, print, draw."""
    cases = read_cases(data)
    counts = sum(np.bincount(size_class(index), minlength=len(CLASSES)) for index in cases.values())
    holding = sum(np.bincount(size_class(index), minlength=len(CLASSES)) > 0 for index in cases.values())
    volume = sum(np.bincount(size_class(i), i.lesions.sizes, len(CLASSES)) for i in cases.values()) / 1000
    specks = sum(len(index.lesions.specks) for index in cases.values())
    print(f"{counts.sum()} lesions; {specks} voxels in smaller components")
    shares, result = aimed(cases), measure(cases)
    print(f"| size mm3 | {' | '.join(CLASSES)} |\n|{' --- |' * (len(CLASSES) + 1)}")
    print(f"| lesions | {' | '.join(map(str, counts))} |")
    print(f"| patients who have one | {' | '.join(map(str, holding))} |")
    print(f"| volume, mL | {' | '.join(f'{v:.1f}' for v in volume)} |")
    for what, share in shares.items():
        print(f"| {what} | {' | '.join(f'{100 * v:.1f} %' for v in share)} |")
    for exponent in (SAMPLERS["lesion"](PATCH).size_exponent, 1.0):
        least = [len(i.lesions) * i.lesions.shares(exponent).min() for i in cases.values()]
        print(
            f"least drawn lesion of a case, exponent {exponent}: {np.median(least):.3f} times its even share (median)"
        )
    for key in ("patch", "middle", "fifth"):
        for name, values in result.items():
            print(f"| {key}: {name} | {' | '.join(f'{100 * v:.1f} %' for v in values[key])} |")
    draw(shares, result, Path(__file__).with_suffix(".png"))


def _array(file: Path) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(file)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
