"""The synthetic study: what a user finds in the folder, and whether it deserves to be called a head with MS lesions."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from MSLesionSegLib.errors import Cancelled, OutputError
from MSLesionSegLib.head_shape import Label, draw_parameters, head_labels
from MSLesionSegLib.phantom import acquire, make_phantom
from MSLesionSegLib.protocol import Progress
from MSLesionSegLib.signal_model import (
    SEQUENCES,
    TISSUES,
    Sequence,
    Tissue,
    draw_sequence,
    draw_tissues,
    inversion_recovery,
    lesion_signal,
    rician,
    signal,
    spin_echo,
    spoiled_gradient_echo,
    synthesise,
)

SERIES = ("FLAIR", "T1w", "T2w")
FILES = {
    "FLAIR.nii.gz",
    "T1w.nii.gz",
    "T2w.nii.gz",
    "T1w_to_FLAIR.tfm",
    "T2w_to_FLAIR.tfm",
    "lesions_truth.nii.gz",
    "brain_truth.nii.gz",
    "phantom.json",
}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("phantom") / "study"
    make_phantom(folder)
    return folder


@pytest.fixture(scope="module")
def record(study) -> dict:
    return json.loads((study / "phantom.json").read_text(encoding="utf-8"))


def read(folder: Path, name: str) -> sitk.Image:
    return sitk.ReadImage(str(folder / f"{name}.nii.gz"))


def voxels(folder: Path, name: str) -> np.ndarray:
    return sitk.GetArrayFromImage(read(folder, name))


def on_flair(folder: Path, name: str, transform: sitk.Transform | None = None) -> np.ndarray:
    transform = transform or sitk.ReadTransform(str(folder / f"{name}_to_FLAIR.tfm"))
    return sitk.GetArrayFromImage(sitk.Resample(read(folder, name), read(folder, "FLAIR"), transform)).astype(float)


class Listener(Progress):
    """Keeps the fractions; asks for a cancel once ``stop_at`` is passed."""

    def __init__(self, stop_at: float = 2.0) -> None:
        super().__init__()
        self.messages, self.done, self.stop_at = [], [], stop_at

    def update(self, fraction_of_stage: float, message: str = "") -> None:
        self.cancelled = fraction_of_stage > self.stop_at
        super().update(fraction_of_stage, message)
        self.done.append(fraction_of_stage)
        self.messages.append(message)


def test_the_folder_holds_these_files_and_no_other(study):
    assert {path.name for path in study.iterdir()} == FILES
    assert [path.name for path in study.parent.iterdir()] == ["study"]


def test_the_same_seed_gives_the_same_bytes(study, tmp_path):
    listener = Listener()
    make_phantom(tmp_path / "again", seed=0, progress=listener)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (study / name).read_bytes(), name
    assert listener.done == sorted(listener.done)
    assert listener.done[-1] == 1.0
    assert "scanning T1w" in listener.messages


def test_three_different_oblique_anisotropic_grids_of_a_plausible_size(study):
    grids = [read(study, name) for name in SERIES]
    assert [grid.GetSpacing() for grid in grids] == [
        pytest.approx((0.9, 0.9, 3.0)),
        pytest.approx((1.0, 1.0, 1.2)),
        pytest.approx((0.6, 0.6, 4.0)),
    ]
    for grid in grids:
        extent = np.array(grid.GetSize()) * grid.GetSpacing()
        assert extent.min() > 100
        assert extent.max() < 350
        largest = np.abs(np.array(grid.GetDirection()).reshape(3, 3)).max(axis=0)
        assert largest.min() < 0.9999, "no axis of the head's frame"
        assert largest.min() > 0.95
    assert np.argmax(np.abs(np.array(grids[1].GetDirection()).reshape(3, 3)[:, 2])) == 0, "the T1w is sagittal"


def test_truth_lies_on_the_flair_grid(study):
    flair = read(study, "FLAIR")
    for name in ("lesions_truth", "brain_truth"):
        truth = read(study, name)
        assert truth.GetSize() == flair.GetSize()
        for get in ("GetOrigin", "GetSpacing", "GetDirection"):
            assert getattr(truth, get)() == pytest.approx(getattr(flair, get)(), abs=1e-5)
        assert np.unique(sitk.GetArrayFromImage(truth)).tolist() == [0, 1]


def test_the_brain_has_the_size_of_a_brain(study, record):
    brain = voxels(study, "brain_truth")
    volume = brain.sum() * 0.9 * 0.9 * 3.0 / 1000
    assert 1250 < volume < 1650
    assert record["brain_ml"] == pytest.approx(volume, abs=0.1)
    z, y, x = (np.ptp(axis) for axis in np.nonzero(brain))
    assert 120 < x * 0.9 < 155
    assert 155 < y * 0.9 < 190
    assert 115 < z * 3.0 < 150
    assert ndimage.label(brain)[1] == 1


def test_every_lesion_of_the_list_is_one_component_of_the_truth(study, record):
    truth = read(study, "lesions_truth")
    labels, count = ndimage.label(sitk.GetArrayFromImage(truth), np.ones((3, 3, 3)))
    lesions = record["lesions"]
    assert count == len(lesions) == 20
    assert [lesion["id"] for lesion in lesions] == list(range(1, 21))
    sizes = [lesion["volume_mm3"] for lesion in lesions]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] >= 10
    assert sizes[0] <= 3000
    assert 8 < record["lesion_load_ml"] < 12
    found = {}
    for number in range(1, count + 1):
        index = np.argwhere(labels == number)
        left, back, up = truth.TransformContinuousIndexToPhysicalPoint(index.mean(0)[::-1].tolist())
        found[round(len(index) * 0.9 * 0.9 * 3.0, 2), round(-left, 1), round(-back, 1), round(up, 1)] = number
    listed = {(lesion["volume_mm3"], *(round(c, 1) for c in lesion["centre_ras_mm"])) for lesion in lesions}
    for volume, *centre in listed:
        assert any(v == pytest.approx(volume, abs=0.1) and c == pytest.approx(centre, abs=0.15) for v, *c in found)


def test_lesions_sit_where_ms_puts_them(study, record):
    places = [lesion["place"] for lesion in record["lesions"]]
    assert {place: places.count(place) for place in set(places)} == {
        "periventricular": 8,
        "deep white matter": 5,
        "juxtacortical": 4,
        "infratentorial": 3,
    }
    inside = voxels(study, "brain_truth")[voxels(study, "lesions_truth") > 0]
    assert inside.all()


@pytest.mark.parametrize(("name", "low", "high"), [("FLAIR", 1.25, 2.0), ("T1w", 0.70, 0.95), ("T2w", 1.2, 2.5)])
def test_lesions_differ_from_their_surroundings_as_in_ms(study, record, name, low, high):
    truth = voxels(study, "lesions_truth") > 0
    image = on_flair(study, name) if name != "FLAIR" else voxels(study, name).astype(float)
    labels, _ = ndimage.label(truth, np.ones((3, 3, 3)))
    largest = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])
    near = ndimage.binary_dilation(truth, iterations=2)
    ring = ndimage.binary_dilation(largest, np.ones((1, 3, 3)), iterations=5) & ~near
    assert low < np.median(image[largest]) / np.median(image[ring]) < high


def test_the_transforms_undo_the_motion(study, record):
    edges = ndimage.gaussian_gradient_magnitude(voxels(study, "FLAIR").astype(float), (0.7, 2, 2))
    brain = voxels(study, "brain_truth") > 0
    for name in ("T1w", "T2w"):
        transform = sitk.ReadTransform(str(study / f"{name}_to_FLAIR.tfm"))
        assert transform.GetName() == "Euler3DTransform"
        aligned, moved, twice_moved = (
            np.corrcoef(edges[brain], ndimage.gaussian_gradient_magnitude(image, (0.7, 2, 2))[brain])[0, 1]
            for image in (on_flair(study, name, t) for t in (transform, sitk.Transform(), transform.GetInverse()))
        )
        assert aligned > moved + 0.05
        assert aligned > twice_moved + 0.1
        shift = np.linalg.norm(np.array(transform.TransformPoint((0.0, 0.0, 0.0))))
        assert 2 <= shift <= 5
        assert record["motion"][name]["shift_lps_mm"] == pytest.approx(transform.TransformPoint((0, 0, 0)), abs=1e-3)


def test_the_same_phantom_is_left_alone_and_other_files_are_not_overwritten(study, tmp_path):
    before = {path.name: path.stat().st_mtime_ns for path in study.iterdir()}
    make_phantom(study)
    assert {path.name: path.stat().st_mtime_ns for path in study.iterdir()} == before
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError):
        make_phantom(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_cancel_leaves_nothing(tmp_path):
    with pytest.raises(Cancelled):
        make_phantom(tmp_path / "study", progress=Listener(stop_at=0.01))
    assert list(tmp_path.iterdir()) == []


def test_tissues_are_ordered_as_in_a_textbook():
    grey, white, csf = (TISSUES[label] for label in (Label.GREY, Label.WHITE, Label.VENTRICLE))
    flair, t1, t2 = (SEQUENCES[name] for name in SERIES)
    assert signal(csf, flair) < 30 < signal(white, flair) < signal(grey, flair) < lesion_signal(flair)
    assert signal(csf, t1) < lesion_signal(t1) < signal(white, t1)
    assert signal(csf, t1) < signal(grey, t1) < signal(white, t1)
    assert signal(white, t2) < signal(grey, t2) < lesion_signal(t2) < signal(csf, t2)
    for sequence in (flair, t1, t2):
        assert signal(white, sequence) == pytest.approx(100)


def test_signal_equations_by_hand():
    tissue = Tissue(t1=1000, t2=100, t2_star=50, density=0.8)
    assert spin_echo(tissue, Sequence("", "spin echo", tr=1000, te=100)) == pytest.approx(0.8 * 0.632121 * 0.367879)
    null = Sequence("", "inversion recovery", tr=1e9, te=0, ti=693.147)
    assert inversion_recovery(tissue, null) == pytest.approx(0.0, abs=1e-6)
    flash = Sequence("", "spoiled gradient echo", tr=1000, te=50, flip_deg=90)
    assert spoiled_gradient_echo(tissue, flash) == pytest.approx(0.8 * 0.632121 * 0.367879)


def test_noise_of_the_background_is_rayleigh():
    noise = rician(np.zeros((40, 40, 40), np.float32), 2.0, np.random.default_rng(0))
    assert noise.mean() == pytest.approx(2.0 * 1.2533, rel=0.02)


def test_a_thick_slice_averages_through_its_thickness():
    fine = np.zeros((40, 9, 9), np.float32)
    fine[20] = 1.0
    head = sitk.GetImageFromArray(fine)
    grid = sitk.Image((9, 9, 10), sitk.sitkUInt8)
    grid.SetSpacing((1.0, 1.0, 4.0))
    profile = acquire(head, grid)[:, 4, 4]
    assert np.argmax(profile) == 5
    assert profile[5] == pytest.approx(0.25)
    assert profile[[3, 7]].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("seed", range(4))
def test_random_heads_vary_and_stay_heads(seed):
    head = head_labels(np.random.default_rng(seed), spacing_mm=3.0)
    brain = head.brain()
    assert 900 < brain.sum() * 27 / 1000 < 2000
    assert ndimage.label(brain, np.ones((3, 3, 3)))[1] == 1
    missing = {Label(n).name for n in set(range(len(Label))) - set(np.unique(head.labels).tolist())}
    assert missing <= {"LENS", "VESSEL", "CHOROID_PLEXUS"}
    around = ndimage.binary_dilation(brain) & ~brain
    outside = np.isin(head.labels[around], (Label.AIR, Label.SKIN, Label.FAT, Label.MUSCLE))
    assert outside.mean() < 0.02, "CSF, dura and bone lie about the brain"


def test_random_contrasts_follow_their_generator():
    head = head_labels(np.random.default_rng(3), spacing_mm=4.0)
    other = head_labels(np.random.default_rng(4), spacing_mm=4.0)
    assert (head.labels != other.labels).mean() > 0.05

    def image(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return synthesise(head, draw_sequence("FLAIR", rng), rng, tissues=draw_tissues(rng))

    assert np.array_equal(image(1), image(1))
    assert not np.array_equal(image(1), image(2))
    assert image(1).shape == head.labels.shape
    assert np.isfinite(image(1)).all()
    average = draw_parameters(np.random.default_rng(0), variation=0.0)
    assert average.rotation_deg == (0.0, 0.0, 0.0)
    assert average == draw_parameters(np.random.default_rng(5), variation=0.0)
