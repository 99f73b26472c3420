"""Changes of three real pairs against the reference change masks, and scans in which nothing changed.

Needs the data of ``MSLESIONSEG_DATA``. ``MSLESIONSEG_FOLLOWUP_RESULTS`` names a folder in which results of ``segment``
are kept and found again (``s12-1``: patient 12, first date); without it all is segmented anew, some minutes.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from MSLesionSegLib.followup.change_table import read_changes_csv
from MSLesionSegLib.followup.comparison import write_followup
from MSLesionSegLib.followup.files import STABLE

pytestmark = pytest.mark.acceptance

PAIRS = ("12", "03", "19")
LEAST_MM3 = 10.0
CORNERS = np.ones((3, 3, 3))


@dataclass(frozen=True)
class Score:
    """Reference changes of 10 mm3 or more, those that a listed change overlaps, listed changes, and those that overlap
    no reference change of any size; how many references the listed changes overlap by chance, on average when they are
    shifted by 12 to 15 mm along each axis."""

    references: int
    matched: int
    listed: int
    unmatched: int
    by_chance: float


@pytest.fixture(scope="session")
def results(data_dir, tmp_path_factory):
    """``results(patient, session)`` is the folder of a result of ``segment`` with all contrasts."""
    kept = os.environ.get("MSLESIONSEG_FOLLOWUP_RESULTS")
    root = Path(kept) if kept else tmp_path_factory.mktemp("dates")

    def result(patient: str, session: int) -> Path:
        out = root / f"s{patient}-{session}"
        if not (out / "provenance.json").exists():
            stem = data_dir / f"longitudinal/sub-{patient}/ses-{session}/anat/sub-{patient}_ses-{session}"
            segment(out, stem)
        return out

    return result


def segment(out: Path, stem: Path) -> None:
    words = []
    for option, contrast in (("--flair", "FLAIR"), ("--t1", "T1w"), ("--t2", "T2w")):
        if Path(f"{stem}_{contrast}.nii.gz").exists():
            words += [option, f"{stem}_{contrast}.nii.gz"]
    command = [sys.executable, "-m", "MSLesionSegTrainingLib", "segment", *words, "--out", str(out)]
    done = subprocess.run([*command, "--progress", "none"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def score(out: Path, data_dir: Path, patient: str) -> Score:
    """Listed changes, brought from the follow-up FLAIR to the common space, against the reference."""
    root = data_dir / "longitudinal/derivatives"
    reference = sitk.ReadImage(
        str(root / f"common/sub-{patient}/sub-{patient}_space-common_label-lesionchange_mask.nii.gz")
    )
    transform = sitk.ReadTransform(
        str(root / f"transforms/sub-{patient}/ses-2/sub-{patient}_ses-2_from-FLAIR_to-common.txt")
    )
    kinds = sitk.ReadImage(str(out / "change_mask.nii.gz"))
    values = sitk.GetArrayFromImage(kinds)
    numbers, listed = np.zeros(values.shape, np.int32), 0
    for kind in range(1, 5):
        labels, count = ndimage.label(values == kind, CORNERS)
        numbers[labels > 0] = labels[labels > 0] + listed
        listed += count
    image = sitk.GetImageFromArray(numbers)
    image.CopyInformation(kinds)
    found = sitk.GetArrayFromImage(sitk.Resample(image, reference, transform, sitk.sitkNearestNeighbor))
    truth, count = ndimage.label(sitk.GetArrayFromImage(reference) > 0, CORNERS)
    volumes = np.bincount(truth.ravel(), minlength=count + 1) * np.prod(reference.GetSpacing())
    large = set((np.flatnonzero(volumes[1:] >= LEAST_MM3) + 1).tolist())
    matched = large & set(np.unique(truth[found > 0]).tolist())
    overlapping = set(np.unique(found[truth > 0]).tolist()) - {0}
    shifts = [(z, y, x) for z in (-12, 12) for y in (-15, 15) for x in (-15, 15)]
    chance = [len(large & set(np.unique(truth[np.roll(found > 0, shift, (0, 1, 2))]).tolist())) for shift in shifts]
    return Score(len(large), len(matched), listed, listed - len(overlapping), float(np.mean(chance)))


def test_half_of_the_reference_changes_are_listed_with_few_others(data_dir, results, tmp_path):
    scores = {}
    for patient in PAIRS:
        out = tmp_path / patient
        data = write_followup(results(patient, 1), results(patient, 2), out)
        scores[patient] = score(out, data_dir, patient)
        largest = max(abs(row["change_ml"]) for row in data["changes"] if row["kind"] != STABLE)
        assert largest < max(data["lesion_ml"].values()), "a change is larger than all lesions of a date together"
        one = scores[patient]
        print(
            f"{patient}: {one.matched} of {one.references} reference changes matched "
            f"({100 * one.matched / one.references:.0f} %), {one.by_chance:.0f} by chance, {one.listed} listed, "
            f"{one.unmatched} unmatched, largest {largest:.1f} mL"
        )
    total = sum(one.matched for one in scores.values()) / sum(one.references for one in scores.values())
    print(f"all: {100 * total:.0f} %")
    assert total >= 0.5
    assert all(one.unmatched <= 10 for one in scores.values())


def test_swapping_the_dates_mirrors_the_table_exactly(results, tmp_path):
    write_followup(results("12", 1), results("12", 2), tmp_path / "there")
    write_followup(results("12", 2), results("12", 1), tmp_path / "back")
    there, back = (read_changes_csv(tmp_path / name / "changes.csv") for name in ("there", "back"))
    mirrored = {"new": "resolved", "resolved": "new", "enlarging": "shrinking", "shrinking": "enlarging"}
    assert len(there) == len(back) > 0
    for one, other in zip(there, back, strict=True):
        assert mirrored.get(one.kind, one.kind) == other.kind
        assert (one.change_ml, one.noise_ml, one.z) == (-other.change_ml, other.noise_ml, -other.z)
        assert (one.baseline_ml, one.followup_ml) == (other.followup_ml, other.baseline_ml)
        assert (one.baseline_r_mm, one.baseline_a_mm, one.baseline_s_mm) == (
            other.followup_r_mm,
            other.followup_a_mm,
            other.followup_s_mm,
        )
