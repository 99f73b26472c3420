"""Follow-up of a synthetic head: what was planted is listed, what was not is not, and the dates may be swapped."""

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from MSLesionSegLib.cli import build_app
from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.errors import OutputError, StudyError, UsageError
from MSLesionSegLib.finish import BRAIN_FILE, FLAIR_FILE, finish, write_probability
from MSLesionSegLib.followup.change_table import read_changes_csv
from MSLesionSegLib.followup.comparison import write_followup
from MSLesionSegLib.followup.dates import read_date
from MSLesionSegLib.followup.evidence import changed_regions
from MSLesionSegLib.followup.files import STABLE
from MSLesionSegLib.followup.lesion_contrast import lesion_contrast
from MSLesionSegLib.followup.noise_volume import noise_volume_mm3
from MSLesionSegLib.followup.notes import date_notes
from MSLesionSegLib.provenance import build_provenance
from MSLesionSegLib.results import ResultFolder
from MSLesionSegLib.study import SeriesSource, Study

MIRRORED = {"new": "resolved", "resolved": "new", "enlarging": "shrinking", "shrinking": "enlarging"}


def write_date(folder, flair, lesions, brain, threshold=0.5, model="a", t1w=None):
    """A result as `segment` leaves it, of a network that sees every lesion."""
    probability = 0.97 * ndimage.gaussian_filter(sitk.GetArrayFromImage(lesions).astype(np.float32), (0.2, 0.6, 0.6))
    sources = {name: SeriesSource(Path(f"/somewhere/{name}.nii.gz"), "f" * 64) for name in ("FLAIR", "T1w")}
    study = Study(flair=flair, t1w=t1w, sources=sources)
    with ResultFolder(folder) as result:
        result.write_image(FLAIR_FILE, flair)
        result.write_image(BRAIN_FILE, brain)
        write_probability(result, probability, flair)
        provenance = build_provenance(
            study,
            models={"lesion": {"name": "made-up", "version": "1.0", "sha256": model * 64}},
            settings={"threshold": threshold, "min_lesion_mm3": 3.0},
            device="cpu",
            runtime="torch",
        )
        finish(result, provenance)


def moved(image, interpolator=sitk.sitkLanczosWindowedSinc):
    """The image after the patient moved by 5 mm and turned by 5 degrees, as sharp as it was."""
    motion = sitk.Euler3DTransform(image.TransformContinuousIndexToPhysicalPoint([n / 2 for n in image.GetSize()]))
    motion.SetRotation(0.0, 0.0, math.radians(5.0))
    motion.SetTranslation((3.0, 4.0, 0.0))
    return sitk.Resample(image, image, motion, interpolator), motion


def noisy(flair, seed):
    noise = np.random.default_rng(seed).normal(0.0, 4.0, flair.GetSize()[::-1])
    image = sitk.GetImageFromArray((sitk.GetArrayFromImage(flair) + noise).astype(np.float32))
    image.CopyInformation(flair)
    return image


@pytest.fixture(scope="module")
def head(phantom_study):
    """FLAIR (float32), lesions and brain (uint8) of the phantom."""
    names = ("FLAIR", "lesions_truth", "brain_truth")
    flair, lesions, brain = (sitk.ReadImage(str(phantom_study / f"{name}.nii.gz")) for name in names)
    return sitk.Cast(flair, sitk.sitkFloat32), lesions, brain


@pytest.fixture(scope="module")
def dates(head, tmp_path_factory):
    """Two dates: between them a ball of 5 mm radius appears in the white matter and the head moves."""
    root = tmp_path_factory.mktemp("dates")
    flair, lesions, brain = head
    values, mask = sitk.GetArrayFromImage(flair), sitk.GetArrayFromImage(lesions)
    inside = sitk.GetArrayFromImage(brain) > 0
    level = np.median(values[mask > 0])
    spacing = flair.GetSpacing()[::-1]
    smooth = ndimage.gaussian_filter(values, [3.0 / step for step in spacing])
    rough = ndimage.generic_gradient_magnitude(smooth, ndimage.sobel)
    far = ndimage.distance_transform_edt(inside & (mask == 0), sampling=spacing) > 14.0
    normal = np.abs(smooth - np.median(values[inside])) < 0.1 * np.median(values[inside])
    at = np.unravel_index(np.where(far & normal, rough, np.inf).argmin(), values.shape)
    axes = np.ogrid[tuple(slice(0, n) for n in values.shape)]
    ball = sum(((axis - centre) * step) ** 2 for axis, centre, step in zip(axes, at, spacing, strict=True)) <= 25.0
    grown, grown_mask = values.copy(), mask.copy()
    grown[ball], grown_mask[ball] = level, 1
    later, later_lesions = (sitk.GetImageFromArray(array) for array in (grown, grown_mask))
    for image in (later, later_lesions):
        image.CopyInformation(flair)
    write_date(root / "first", noisy(flair, 1), lesions, brain)
    turned, motion = moved(later)
    write_date(
        root / "second",
        noisy(turned, 2),
        moved(later_lesions, sitk.sitkNearestNeighbor)[0],
        moved(brain, sitk.sitkNearestNeighbor)[0],
    )
    still = moved(flair)[0]
    write_date(
        root / "unchanged",
        noisy(still, 3),
        moved(lesions, sitk.sitkNearestNeighbor)[0],
        moved(brain, sitk.sitkNearestNeighbor)[0],
    )
    point = flair.TransformContinuousIndexToPhysicalPoint([float(v) for v in at[::-1]])
    return root, point, float(ball.sum() * np.prod(spacing) / 1000.0), motion


@pytest.fixture(scope="module")
def grown(dates):
    """Folder of the comparison of the two dates."""
    out = dates[0] / "grown"
    write_followup(dates[0] / "first", dates[0] / "second", out)
    return out


def test_a_lesion_that_appears_is_listed_where_and_as_large_as_it_is(dates, grown):
    _, point, volume, motion = dates
    rows = read_changes_csv(grown / "changes.csv")
    (new,) = (row for row in rows if row.kind != STABLE)
    assert (new.kind, new.id) == ("new", 1)
    assert new.change_ml == pytest.approx(volume, rel=0.2)
    assert 0 < new.noise_ml < new.change_ml and new.z > 5 and new.baseline_ml == 0.0 < new.followup_ml
    here = np.array([-new.baseline_r_mm, -new.baseline_a_mm, new.baseline_s_mm])
    assert np.linalg.norm(here - point) < 2.0
    there = motion.GetInverse().TransformPoint(point)
    assert np.linalg.norm(np.array([-new.followup_r_mm, -new.followup_a_mm, new.followup_s_mm]) - there) < 2.0
    assert sum(row.kind == STABLE for row in rows) >= 10


def test_the_images_lie_on_the_later_flair_and_mark_the_change_by_its_kind(dates, grown):
    flair = sitk.ReadImage(str(dates[0] / "second" / FLAIR_FILE))
    mask, subtraction = (sitk.ReadImage(str(grown / f"{name}.nii.gz")) for name in ("change_mask", "subtraction"))
    for image in (mask, subtraction):
        assert image.GetSize() == flair.GetSize() and np.allclose(image.GetDirection(), flair.GetDirection())
    marked, bright = sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(subtraction)
    assert np.unique(marked).tolist() == [0, 1]
    assert ndimage.label(marked, np.ones((3, 3, 3)))[1] == 1
    assert bright[marked == 1].mean() > 2.0
    transform = sitk.ReadTransform(str(grown / "followup_to_baseline.tfm"))
    point = dates[3].TransformPoint((10.0, 20.0, 30.0))
    assert np.linalg.norm(np.subtract(transform.TransformPoint((10.0, 20.0, 30.0)), point)) < 1.0


def test_page_and_json_say_what_the_table_says(grown):
    data = json.loads((grown / "followup.json").read_text("utf-8"))
    page = (grown / "followup.html").read_text("utf-8")
    rows = list(csv.DictReader(line for line in (grown / "changes.csv").open(encoding="utf-8") if line[0] != "#"))
    assert [float(row["change_ml"]) for row in rows] == [row["change_ml"] for row in data["changes"]]
    assert data["counts"]["new"] == 1 and "<b>1</b>new" in page
    assert "For research use only" in page and page.count("data:image/png;base64,") == 1
    assert f"{data['changes'][0]['change_ml']:+.3f}" in page


def test_swapped_dates_give_the_mirrored_table_to_the_last_digit(dates, grown):
    out = dates[0] / "swapped"
    write_followup(dates[0] / "second", dates[0] / "first", out)
    there, back = read_changes_csv(grown / "changes.csv"), read_changes_csv(out / "changes.csv")
    assert len(there) == len(back)
    for one, other in zip(there, back, strict=True):
        assert other.kind == MIRRORED.get(one.kind, one.kind)
        assert (other.change_ml, other.noise_ml, other.z) == (-one.change_ml, one.noise_ml, -one.z)
        assert (other.baseline_ml, other.followup_ml) == (one.followup_ml, one.baseline_ml)
        for axis in "ras":
            assert getattr(other, f"baseline_{axis}_mm") == getattr(one, f"followup_{axis}_mm")


def test_nothing_is_listed_where_the_head_only_moved(dates, tmp_path):
    data = write_followup(dates[0] / "first", dates[0] / "unchanged", tmp_path / "out")
    assert data["counts"] == {
        "new": 0,
        "enlarging": 0,
        "stable": data["counts"]["stable"],
        "shrinking": 0,
        "resolved": 0,
    }
    assert data["counts"]["stable"] >= 10
    assert not sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "out/change_mask.nii.gz"))).any()


def test_a_lesion_that_grows_is_listed_with_what_grew_and_not_with_its_blurred_rim(dates, head, tmp_path):
    flair, lesions, brain = head
    values, mask = sitk.GetArrayFromImage(flair), sitk.GetArrayFromImage(lesions)
    spacing = flair.GetSpacing()[::-1]
    labels, _ = ndimage.label(mask)
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    tissue = (sitk.GetArrayFromImage(brain) > 0) & (mask == 0) & (values > np.percentile(values[mask > 0], 1) / 2.0)
    rim = tissue & (ndimage.distance_transform_edt(~largest, sampling=spacing) <= 1.5)
    grown, grown_mask = values.copy(), np.where(rim, 1, mask).astype(np.uint8)
    grown[rim] = np.median(values[largest])
    later, later_lesions = (sitk.GetImageFromArray(array) for array in (grown, grown_mask))
    for image in (later, later_lesions):
        image.CopyInformation(flair)
    write_date(
        tmp_path / "second",
        noisy(moved(later)[0], 5),
        moved(later_lesions, sitk.sitkNearestNeighbor)[0],
        moved(brain, sitk.sitkNearestNeighbor)[0],
    )
    write_followup(dates[0] / "first", tmp_path / "second", tmp_path / "out")
    changes = [row for row in read_changes_csv(tmp_path / "out/changes.csv") if row.kind != STABLE]
    assert {row.kind for row in changes} == {"enlarging"}
    volume = float(rim.sum() * np.prod(spacing) / 1000.0)
    assert volume > 0.3
    assert sum(row.change_ml for row in changes) == pytest.approx(volume, rel=0.25)


def test_slices_that_lie_half_a_slice_higher_change_no_lesion(dates, head, tmp_path):
    flair, lesions, brain = head
    up = np.array(flair.GetDirection()).reshape(3, 3)[:, 2] * flair.GetSpacing()[2] / 2.0
    shift = sitk.TranslationTransform(3, up.tolist())
    again = sitk.Resample(flair, flair, shift, sitk.sitkLanczosWindowedSinc)
    masks = (sitk.Resample(image, image, shift, sitk.sitkNearestNeighbor) for image in (lesions, brain))
    write_date(tmp_path / "higher", noisy(again, 4), *masks)
    data = write_followup(dates[0] / "first", tmp_path / "higher", tmp_path / "out")
    assert {kind: count for kind, count in data["counts"].items() if count} == {"stable": 20}


@pytest.fixture(scope="module")
def weighted(dates, head):
    """The second date with every lesion brighter by 0.6 spreads of normal tissue: another contrast of the FLAIR."""
    folder = dates[0] / "second"
    flair, probability, brain = (
        sitk.ReadImage(str(folder / f"{name}.nii.gz")) for name in ("FLAIR", "lesion_probability", "brain_mask")
    )
    values, lesion = sitk.GetArrayFromImage(flair), sitk.GetArrayFromImage(probability)
    normal = values[(sitk.GetArrayFromImage(brain) > 0) & (lesion < 0.01)]
    step = 0.6 * 1.4826 * np.median(np.abs(normal - np.median(normal)))
    brighter = sitk.GetImageFromArray((values + step * np.minimum(lesion / 0.9, 1.0)).astype(np.float32))
    brighter.CopyInformation(flair)
    lesions = sitk.Cast(probability > 0.5, sitk.sitkUInt8)
    write_date(dates[0] / "weighted", brighter, lesions, brain)
    return dates[0] / "weighted"


def test_another_contrast_of_the_lesions_is_said_and_is_no_change(dates, weighted, tmp_path):
    _, point, volume, _ = dates
    data = write_followup(dates[0] / "first", weighted, tmp_path / "out")
    (new,) = (row for row in read_changes_csv(tmp_path / "out/changes.csv") if row.kind != STABLE)
    assert new.kind == "new" and 0.7 < new.change_ml / volume < 1.2
    assert np.linalg.norm(np.array([-new.baseline_r_mm, -new.baseline_a_mm, new.baseline_s_mm]) - point) < 2.0
    (note,) = data["notes"]
    assert note.startswith("Lesions that both dates show are brighter at follow-up than at baseline by ")
    assert note in (tmp_path / "out/followup.html").read_text("utf-8")
    assert data["registration"]["lesion_difference"] == pytest.approx(0.75, abs=0.15)
    back = write_followup(weighted, dates[0] / "first", tmp_path / "back")
    assert back["registration"]["lesion_difference"] == -data["registration"]["lesion_difference"]
    assert back["notes"][0].startswith("Lesions that both dates show are brighter at baseline than at follow-up")
    assert (back["counts"]["resolved"], back["counts"]["new"], back["counts"]["enlarging"]) == (1, 0, 0)


def test_lesions_that_few_or_hardly_brighten_are_no_contrast():
    labels = np.zeros((12, 12, 60), bool)
    for number in range(4):
        labels[4:7, 4:7, 4 + 14 * number : 8 + 14 * number] = True
    brain = np.ones(labels.shape, bool)
    sure, dark, bright = np.where(labels, 0.95, 0.0), np.zeros(labels.shape), np.where(labels, 0.8, 0.0)
    four = lesion_contrast((dark, bright), (sure, sure), brain)
    assert four.difference == 0.0 and not four.expected.any()
    sure[8:12, 8:12, 8:12], bright[8:12, 8:12, 8:12] = 0.95, 0.8
    five = lesion_contrast((dark, bright), (sure, sure), brain)
    assert five.difference == pytest.approx(0.8)
    assert five.expected[10, 10, 10] == pytest.approx(0.8, abs=0.05) and five.expected[0, 0, 0] == 0.0
    assert five.doubt[10, 10, 10] < 0.1 < 0.3 < five.doubt[8, 10, 10]  # less in the middle than at the edge
    back = lesion_contrast((bright, dark), (sure, sure), brain)
    assert back.difference == -five.difference
    assert np.array_equal(back.expected, -five.expected) and np.array_equal(back.doubt, five.doubt)
    little = lesion_contrast((dark, 0.3 * bright), (sure, sure), brain)
    assert little.difference == pytest.approx(0.24) and not little.expected.any()
    assert lesion_contrast((dark, bright), (sure, np.zeros_like(sure)), brain).difference == 0.0  # new: says nothing


def test_another_threshold_and_another_model_are_said_and_widen_the_limits(dates, grown, head, tmp_path):
    flair, lesions, brain = head
    write_date(tmp_path / "first", noisy(flair, 1), lesions, brain, threshold=0.4, model="b")
    data = write_followup(tmp_path / "first", dates[0] / "second", tmp_path / "out")
    assert any("different models" in note for note in data["notes"])
    assert any("0.4 at baseline, 0.5 at follow-up" in note for note in data["notes"])
    usual = json.loads((grown / "followup.json").read_text("utf-8"))
    assert usual["notes"] == []
    assert data["changes"][0]["noise_ml"] == pytest.approx(1.5 * usual["changes"][0]["noise_ml"], rel=0.02)


def test_another_head_is_refused_and_nothing_is_written(dates, head, tmp_path):
    flair, lesions, brain = head
    flip = [False, True, False]  # front to back: a head of the same size that fits nowhere inside
    other = [sitk.Flip(image, flip) for image in (flair, lesions, brain)]
    for image in other:
        image.CopyInformation(flair)
    write_date(tmp_path / "other", *other)
    with pytest.raises(StudyError, match="do not seem to show one head"):
        write_followup(dates[0] / "first", tmp_path / "other", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_that_cannot_be_compared_are_named(dates, tmp_path, capsys):
    first = dates[0] / "first"
    with pytest.raises(UsageError, match="same folder"):
        write_followup(first, first, tmp_path / "out")
    with pytest.raises(UsageError, match="holds no result of `segment`"):
        write_followup(first, tmp_path, tmp_path / "out")
    with pytest.raises(OutputError, match="holds another result"):
        write_followup(first, dates[0] / "second", first)
    shutil.copytree(first, tmp_path / "changed")
    with (tmp_path / "changed" / "lesion_mask.nii.gz").open("ab") as file:
        file.write(b"x")
    words = [
        "followup",
        "--baseline",
        str(first),
        "--followup",
        str(tmp_path / "changed"),
        "--out",
        str(tmp_path / "o"),
    ]
    assert run(build_app(), [*words, "--progress", "none"]) == 3
    assert "lesion_mask.nii.gz was changed after it was written" in capsys.readouterr().err


def test_dates_of_different_contrasts_are_told_with_what_to_do(tmp_path):
    flair, brain = sitk.Image(20, 20, 20, sitk.sitkFloat32) + 5.0, sitk.Image(20, 20, 20, sitk.sitkUInt8) + 1
    lesions = sitk.Image(20, 20, 20, sitk.sitkUInt8)
    lesions[8:12, 8:12, 8:12] = 1
    write_date(tmp_path / "first", flair, lesions, brain)
    write_date(tmp_path / "second", flair, lesions, brain, t1w=flair)
    first, second = (read_date(tmp_path / name) for name in ("first", "second"))
    assert date_notes(first, second) == (
        [
            "The dates were segmented from different contrasts (FLAIR; FLAIR + T1w), so volumes of whole lesions "
            "cannot be compared; segment both from FLAIR.",
            "Limits of noise on volumes were therefore taken 1.5 times as wide.",
        ],
        1.5,
    )
    assert date_notes(second, second) == ([], 1.0)


def test_a_change_does_not_spread_where_neither_date_shows_a_lesion():
    axes = np.ogrid[-25:26, -25:26, -25:26]
    radius = np.sqrt(sum(axis**2.0 for axis in axes))
    z = 12.0 * np.exp(-radius / 9.0)  # a difference of contrast that fades slowly: above 1 as far as 22 mm
    probability = np.where(radius <= 5.0, 0.9, 0.0)
    bright, dark = np.full(z.shape, 2.0), np.zeros(z.shape)
    ((box, region),) = changed_regions(z, bright, dark, probability, probability > 0.6)
    assert radius[box][region].max() < 7.0
    assert np.count_nonzero(region) >= np.count_nonzero(probability)


def test_a_change_is_drawn_no_larger_than_the_lesion_with_its_rim():
    axes = np.ogrid[-20:21, -20:21, -20:21]
    radius = np.sqrt(sum(axis**2.0 for axis in axes))
    z = np.where(radius <= 12.0, 6.0, 0.5)
    probability = np.where(radius <= 12.0, 0.2, 0.0)  # haze that the network does not quite take for lesion
    bright, dark, lesion = np.full(z.shape, 2.0), np.zeros(z.shape), radius <= 5.0
    ((box, region),) = changed_regions(z, bright, dark, np.where(lesion, 0.9, probability), lesion)
    assert radius[box][region].max() < 7.0
    ((box, region),) = changed_regions(z, bright, dark, np.where(lesion, 0.9, probability), np.zeros_like(lesion))
    assert radius[box][region].max() == 12.0  # below the threshold of the mask: as the images say


def test_noise_of_a_ball_is_that_of_its_doubt_and_of_its_swept_edge():
    axes = np.ogrid[-14:15, -14:15, -14:15]
    ball = sum(axis**2 for axis in axes) <= 100
    sure = ball.astype(float)
    swept = 0.5 * math.pi * 10.0**2  # r times the area of its shadow
    assert noise_volume_mm3(ball, sure, sure, 1.5, 0.5) == pytest.approx(1.96 * swept, rel=0.05)
    doubtful = np.where(ball, 0.5, 0.0)
    unsure = 1.5 * 2 * 0.25 * ball.sum()
    expected = 1.96 * math.sqrt(unsure)
    assert noise_volume_mm3(ball, doubtful, doubtful, 1.5, 0.0) == pytest.approx(expected, rel=1e-6)
    half = 0.5 * ball  # a change of half of each voxel: half of everything
    assert noise_volume_mm3(half, doubtful, doubtful, 1.5, 0.0) == pytest.approx(expected / 2.0, rel=1e-6)
    assert noise_volume_mm3(half, sure, sure, 1.5, 0.5) == pytest.approx(1.96 * swept / 2.0, rel=0.05)
