"""Preparation: one path for stripped and raw studies, with the user's own steps put in where there are any."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import MSLesionSegLib
from MSLesionSegLib.bias import correct_bias
from MSLesionSegLib.errors import Cancelled, StudyError
from MSLesionSegLib.grid import Grid, resample, same_grid
from MSLesionSegLib.prepare import prepare
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegLib.study import SeriesSource, Study

ENGINE = Path(MSLesionSegLib.__file__).resolve().parent.parent


def read(path: Path) -> sitk.Image:
    return sitk.ReadImage(str(path), sitk.sitkFloat32)


@pytest.fixture(scope="module")
def raw(phantom_study) -> Study:
    series = [read(phantom_study / f"{name}.nii.gz") for name in ("FLAIR", "T1w", "T2w")]
    names = zip(("FLAIR", "T1w", "T2w"), ("f.nii.gz", "t1.nii.gz", "t2.nii.gz"), strict=True)
    return Study(*series, sources={name: SeriesSource(Path(path), "0" * 64) for name, path in names})


@pytest.fixture(scope="module")
def brain(phantom_study) -> sitk.Image:
    return sitk.ReadImage(str(phantom_study / "brain_truth.nii.gz"))


@pytest.fixture(scope="module")
def prepared(raw, brain):
    return prepare(raw, brain_mask=brain)


def test_a_raw_study_comes_out_on_the_model_grid(raw, prepared, brain):
    assert prepared.grid.spacing == (1.0, 1.0, 1.0)
    assert prepared.channels.shape == (3, *prepared.grid.shape) and prepared.channels.dtype == np.float32
    assert prepared.present == ("FLAIR", "T1w", "T2w")
    assert np.all(prepared.channels[:, ~prepared.brain] == 0.0)
    assert same_grid(prepared.brain_on_flair, raw.flair)
    assert prepared.brain_on_flair.GetPixelID() == sitk.sitkUInt8
    volume = float(np.prod(brain.GetSpacing())) * np.count_nonzero(sitk.GetArrayViewFromImage(brain))
    assert prepared.brain.sum() == pytest.approx(volume, rel=0.02)


def test_all_contrasts_show_the_same_anatomy(prepared, phantom_study):
    """Lesions are bright on FLAIR and T2; what is brightest on T1 (white matter) is dark on T2."""
    truth = sitk.ReadImage(str(phantom_study / "lesions_truth.nii.gz"))
    lesion = sitk.GetArrayFromImage(resample(truth, prepared.grid, interpolator="nearest")) > 0
    flair, t1, t2 = prepared.channels
    white = prepared.brain & (t1 > np.percentile(t1[prepared.brain], 70))
    assert np.median(flair[lesion & prepared.brain]) > 1.5
    assert np.median(t2[lesion & prepared.brain]) > np.median(t2[white]) + 0.5
    assert np.median(t2[white]) < -0.2


def test_the_report_says_what_was_done(prepared):
    text = "\n".join(prepared.notes)
    assert "T1w: registered to the FLAIR (moved " in text
    assert "Brain: the given mask." in text


def test_a_missing_contrast_is_zero(raw, brain, prepared):
    alone = prepare(Study(raw.flair), brain_mask=brain)
    assert alone.present == ("FLAIR",)
    assert np.array_equal(alone.channels[0], prepared.channels[0])
    assert not alone.channels[1:].any()
    assert set(alone.transforms) == {"FLAIR"}


def test_registered_takes_the_series_as_they_lie(raw, brain, prepared):
    t2 = resample(raw.t2w, raw.flair, prepared.transforms["T2w"])
    taken = prepare(Study(raw.flair, t2w=t2), brain_mask=brain, registered=True)
    assert taken.transforms["T2w"].GetParameters() == (0.0,) * 6
    assert "T2w: taken as registered to the FLAIR." in taken.notes
    inside = prepared.brain
    assert np.corrcoef(taken.channels[2][inside], prepared.channels[2][inside])[0, 1] > 0.97


def test_registered_but_elsewhere_is_refused_and_names_the_file(raw, brain):
    t1 = sitk.Image(raw.t1w)
    t1.SetOrigin([c + 150.0 for c in t1.GetOrigin()])
    study = Study(raw.flair, t1w=t1, sources=raw.sources)
    with pytest.raises(StudyError, match=r"T1w \(t1.nii.gz\) shows only \d+ % of the brain"):
        prepare(study, brain_mask=brain, registered=True)


def test_a_mask_of_another_place_is_refused(raw, brain):
    elsewhere = sitk.Image(brain)
    elsewhere.SetOrigin([c + 90.0 for c in brain.GetOrigin()])
    with pytest.raises(StudyError, match="does not lie on the brain"):
        prepare(Study(raw.flair), brain_mask=elsewhere)


def test_a_mask_on_another_grid_is_brought_over(raw, brain, prepared):
    finer = resample(brain, prepared.grid, interpolator="nearest")
    seen = prepare(Study(raw.flair), brain_mask=finer)
    a, b = (sitk.GetArrayViewFromImage(m) > 0 for m in (seen.brain_on_flair, brain))
    assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.98


def test_the_brain_is_looked_for_on_the_flair(raw, brain):
    asked = []

    def find(flair):
        asked.append(flair)
        return brain

    prepared = prepare(Study(raw.flair), find_brain=find)
    assert asked == [raw.flair]
    assert prepared.brain_on_flair is brain


class Listener(SilentProgress):
    """Keeps the warnings."""

    def __init__(self):
        super().__init__()
        self.warnings = []

    def warn(self, message):
        self.warnings.append(message)


def test_a_series_of_another_patient_is_told_with_a_warning_and_in_the_notes(data_dir):
    stems = {"FLAIR": "sub-12/ses-1/anat/sub-12_ses-1_FLAIR", "T1w": "sub-19/ses-2/anat/sub-19_ses-2_T1w"}
    paths = {name: data_dir / "longitudinal" / f"{stem}.nii.gz" for name, stem in stems.items()}
    study = Study(*map(read, paths.values()), sources={name: SeriesSource(path, "") for name, path in paths.items()})
    grid = Grid.of(study.flair)
    places = np.indices(study.flair.GetSize()[::-1])[::-1].reshape(3, -1).T @ grid.steps.T + grid.origin
    ball = np.linalg.norm(places - grid.centre, axis=1).reshape(study.flair.GetSize()[::-1]) < 65
    mask = sitk.GetImageFromArray(ball.astype(np.uint8))
    mask.CopyInformation(study.flair)
    listener = Listener()
    notes = prepare(study, brain_mask=mask, progress=listener).notes
    assert len(listener.warnings) == 1 and listener.warnings[0] in notes
    assert re.fullmatch(
        r"The T1w fits the FLAIR poorly even after registration \(mutual information 0\.2\d nats\); "
        r"check that both are of one patient and one examination\.",
        listener.warnings[0],
    )


def test_series_of_one_head_raise_no_doubt(raw, brain):
    listener = Listener()
    prepare(raw, brain_mask=brain, progress=listener)
    assert listener.warnings == []


def test_cancelling_while_series_are_registered_stops(raw, brain):
    class Impatient(SilentProgress):
        def update(self, fraction_of_stage, message=""):
            self.cancelled = True
            super().update(fraction_of_stage, message)

    with pytest.raises(Cancelled):
        prepare(raw, brain_mask=brain, progress=Impatient())


def test_bias_is_taken_out_of_an_image_that_has_it_and_no_other(raw, brain):
    field = sitk.GetArrayFromImage(raw.flair) * 0.0 + np.linspace(0.7, 1.3, raw.flair.GetSize()[0], dtype=np.float32)
    inside = sitk.GetArrayViewFromImage(brain) > 0
    plain = Grid.of(raw.flair).image(np.where(inside, 100.0 + sitk.GetArrayFromImage(raw.flair) * 0.05, 0.0))
    biased = plain * sitk.Cast(Grid.of(raw.flair).image(field), plain.GetPixelID())

    def spread(image):
        values = sitk.GetArrayFromImage(image)[inside]
        return values.std() / values.mean()

    corrected = correct_bias(biased, brain)
    assert spread(corrected) < 0.5 * spread(biased)
    assert correct_bias(plain, brain) is plain


def test_a_stripped_study_needs_no_torch(data_dir):
    """In a fresh process in which torch cannot be imported."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np; from pathlib import Path\n"
        "from MSLesionSegLib.prepare import prepare; from MSLesionSegLib.study import read_study\n"
        "study = read_study(*(Path(sys.argv[1]) / f'sub-19_space-MNI_{n}.nii.gz' for n in ('FLAIR', 'T1w')))\n"
        "p = prepare(study)\n"
        "print(p.grid.size_xyz, round(p.brain.sum() / 1e6, 2), p.channels[2].any(), len(p.notes))\n"
        "print(p.notes[0])"
    )
    folder = data_dir / "cross-sectional/sub-19/anat"
    done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, cwd=ENGINE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "(182, 218, 182) 1.09 False 1",
        "T1w: already aligned with the FLAIR, used as it is.",
    ]
