"""The command line on real studies, as a user runs it. Needs the data of ``MSLESIONSEG_DATA`` and some minutes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytestmark = pytest.mark.acceptance

RAW = "longitudinal/sub-12/ses-1/anat/sub-12_ses-1"


def segment(out: Path, *words: str | Path) -> dict:
    """Run the command in a process of its own and return what `--progress json` gave as result."""
    command = [sys.executable, "-m", "MSLesionSegTrainingLib", "segment", *map(str, words), "--out", str(out)]
    done = subprocess.run([*command, "--progress", "json"], capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])["result"]


@pytest.fixture(scope="module")
def raw_result(data_dir, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("raw") / "result"
    stem = data_dir / RAW
    segment(out, "--flair", f"{stem}_FLAIR.nii.gz", "--t1", f"{stem}_T1w.nii.gz", "--t2", f"{stem}_T2w.nii.gz")
    return out


def reference(data_dir: Path, patient: str, session: str, flair: sitk.Image) -> np.ndarray:
    """The reference brain mask, brought from the common space to the FLAIR's grid."""
    root = data_dir / "longitudinal/derivatives"
    name = f"{patient}_{session}_from-FLAIR_to-common.txt"
    to_common = sitk.ReadTransform(str(root / "transforms" / patient / session / name)).GetInverse()
    mask = sitk.ReadImage(str(root / "common" / patient / f"{patient}_space-common_desc-brain_mask.nii.gz"))
    return sitk.GetArrayFromImage(sitk.Resample(mask, flair, to_common, sitk.sitkNearestNeighbor)) > 0


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


@pytest.mark.parametrize("name", ["lesion_mask", "lesion_probability", "brain_mask", "FLAIR"])
def test_what_is_written_lies_on_the_flair_as_it_came(data_dir, raw_result, name):
    flair = sitk.ReadImage(f"{data_dir / RAW}_FLAIR.nii.gz")
    image = sitk.ReadImage(str(raw_result / f"{name}.nii.gz"))
    assert image.GetSize() == flair.GetSize() == (320, 320, 48)
    for read in ("GetSpacing", "GetOrigin", "GetDirection"):
        assert np.allclose(getattr(image, read)(), getattr(flair, read)(), rtol=0, atol=1e-5)


def test_a_raw_head_has_lesions_and_nearly_all_lie_in_the_reference_brain(data_dir, raw_result):
    lesions = sitk.ReadImage(str(raw_result / "lesion_mask.nii.gz"))
    found = sitk.GetArrayFromImage(lesions) > 0
    brain = reference(data_dir, "sub-12", "ses-1", lesions)
    assert 1.0 < found.sum() * np.prod(lesions.GetSpacing()) / 1000 < 60.0
    assert (found & ~brain).sum() < 0.02 * found.sum()


@pytest.mark.parametrize(("patient", "session"), [("sub-12", "ses-1"), ("sub-12", "ses-2"), ("sub-09", "ses-2")])
def test_the_brain_mask_agrees_with_the_reference(data_dir, patient, session):
    """Only of two patients does the reference follow the brain: see the brain model's card."""
    from MSLesionSegLib.brain_mask import find_brain
    from MSLesionSegLib.images import read_image

    flair = read_image(data_dir / f"longitudinal/{patient}/{session}/anat/{patient}_{session}_FLAIR.nii.gz")
    assert dice(sitk.GetArrayFromImage(find_brain(flair)) > 0, reference(data_dir, patient, session, flair)) >= 0.95


@pytest.mark.parametrize("contrast", ["T1w", "T2w"])
def test_series_are_registered_within_1_2_mm_of_the_reference(data_dir, raw_result, contrast):
    flair = sitk.ReadImage(str(raw_result / "FLAIR.nii.gz"))
    ours = sitk.ReadTransform(str(raw_result / f"{contrast}_to_FLAIR.tfm"))
    name = f"sub-12_ses-1_from-{contrast}_to-FLAIR.txt"
    theirs = sitk.ReadTransform(str(data_dir / "longitudinal/derivatives/transforms/sub-12/ses-1" / name))
    places = np.argwhere(reference(data_dir, "sub-12", "ses-1", flair))[::997]
    points = [flair.TransformIndexToPhysicalPoint(place[::-1].tolist()) for place in places]
    apart = [np.subtract(ours.TransformPoint(p), theirs.TransformPoint(p)) for p in points]
    assert np.linalg.norm(apart, axis=1).mean() <= 1.2


@pytest.mark.parametrize("contrasts", [("FLAIR",), ("FLAIR", "T1w")])
def test_fewer_contrasts_work_and_are_named(data_dir, tmp_path, contrasts):
    stem = data_dir / RAW
    words = ["--flair", f"{stem}_FLAIR.nii.gz", *(["--t1", f"{stem}_T1w.nii.gz"] if "T1w" in contrasts else [])]
    result = segment(tmp_path / "result", *words)
    assert result["lesion_count"] > 0
    provenance = json.loads((tmp_path / "result" / "provenance.json").read_text(encoding="utf-8"))
    assert tuple(provenance["contrasts"]) == contrasts


def test_five_processes_in_five_folders_write_the_same_bytes(data_dir, tmp_path):
    stem = data_dir / RAW
    contents = []
    for number in range(5):
        out = tmp_path / f"folder {number}" / "result"
        segment(out, "--flair", f"{stem}_FLAIR.nii.gz", "--t1", f"{stem}_T1w.nii.gz", "--t2", f"{stem}_T2w.nii.gz")
        files = {path.name: path.read_bytes() for path in out.iterdir()}
        provenance = json.loads(files.pop("provenance.json"))
        provenance.pop("run")
        contents.append((files, provenance))
    assert len(contents[0][0]) == 13
    assert all(content == contents[0] for content in contents[1:])


def test_a_labelled_study_reaches_its_dice(data_dir, tmp_path):
    """The shipped model was trained on this patient: this holds the pipeline together and says nothing of quality."""
    stem = data_dir / "cross-sectional/sub-19/anat/sub-19_space-MNI"
    segment(
        tmp_path / "out", "--flair", f"{stem}_FLAIR.nii.gz", "--t1", f"{stem}_T1w.nii.gz", "--t2", f"{stem}_T2w.nii.gz"
    )
    found = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out/lesion_mask.nii.gz"))) > 0
    truth = data_dir / "cross-sectional/derivatives/consensus/sub-19/anat/sub-19_space-MNI_label-lesion_mask.nii.gz"
    assert dice(found, sitk.GetArrayFromImage(sitk.ReadImage(str(truth))) > 0) >= 0.75
