"""The FLAIR, T1w and T2w of an examination are found, and what is not certain is said."""

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

from MSLesionSegLib.contrast_guess import Series, dicom_tags, guess_contrasts, sidecar_tags

#: Protocols of clinical scanners: description, ScanningSequence, TR, TE, TI.
FLAIR_2D = ("t2_tirm_tra_dark-fluid", "SE\\IR", 9000, 89, 2500)
FLAIR_3D = ("3D Brain VIEW", "SE\\IR", 4800, 340, 1650)
T1_MPRAGE = ("sag iso", "GR\\IR", 2300, 2.3, 900)
T1_SE = ("ax spin echo", "SE", 550, 9, None)
T1_SPGR = ("Sag Bravo", "GR", 8.2, 3.2, 450)
T2_TSE = ("ax tse", "SE", 4500, 95, None)
STIR = ("cor inversion", "SE\\IR", 5000, 60, 160)
DWI = ("ep2d_b1000", "EP", 6000, 90, None)
SWI = ("ax susceptibility", "GR", 28, 20, None)
PD = ("ax first echo", "SE", 3000, 14, None)


def write(path: Path, protocol: tuple, **tags) -> Path:
    """One MR slice with the tags of a protocol."""
    description, sequence, tr, te, ti = protocol
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = MRImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=[description])
    data.Modality, data.PatientName, data.PatientID = "MR", "Doe^Jane", "4711"
    data.SeriesDescription, data.ScanningSequence = description, sequence
    data.RepetitionTime, data.EchoTime, data.InversionTime = tr, te, ti
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness = [1, 1], 3
    data.Rows = data.Columns = 16
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation = 15, 0
    data.PixelData = np.arange(256, dtype=np.uint16).tobytes()
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def dicom(tmp_path):
    """``dicom(protocol, ...)``: series as they are found from a DICOM file of each protocol."""

    def make(*protocols, **tags):
        series = []
        for number, protocol in enumerate(protocols):
            read = dicom_tags(write(tmp_path / f"{number}.dcm", protocol, **tags))
            series.append(Series(read["SeriesDescription"], read))
        return series

    return make


def found(series) -> tuple:
    guesses = guess_contrasts(series)
    return tuple(guesses[name].index for name in ("FLAIR", "T1w", "T2w"))


def named(*names: str) -> list[Series]:
    return [Series(name) for name in names]


@pytest.mark.parametrize("flair", [FLAIR_2D, FLAIR_3D], ids=["2D", "3D"])
@pytest.mark.parametrize("t1", [T1_MPRAGE, T1_SE, T1_SPGR], ids=["mprage", "spin echo", "spoiled"])
def test_an_examination_is_sorted_by_its_dicom_tags(dicom, flair, t1):
    series = dicom(DWI, t1, STIR, T2_TSE, SWI, flair, PD)
    assert found(series) == (5, 1, 3)
    guesses = guess_contrasts(series)
    assert guesses["T2w"].reason == "ax tse is taken as T2w: TE 95 ms, TR 4500 ms."
    assert guesses["FLAIR"].sure and guesses["T2w"].sure


def test_tags_of_a_dicom_file_hold_nothing_of_the_patient(tmp_path):
    tags = dicom_tags(write(tmp_path / "a.dcm", FLAIR_2D))
    assert float(tags["InversionTime"]) == 2500 and tags["Modality"] == "MR"
    assert "Jane" not in str(tags) and "4711" not in str(tags)


def test_a_t1_after_contrast_agent_is_not_taken_where_there_is_one_without(tmp_path):
    before = Series("T1 a", dicom_tags(write(tmp_path / "a.dcm", T1_SE)))
    after = Series("T1 b", dicom_tags(write(tmp_path / "b.dcm", T1_SE, ContrastBolusAgent="Gadovist")))
    for series, index in (([after, before], 1), ([before, after], 0)):
        guess = guess_contrasts(series)["T1w"]
        assert (guess.index, guess.sure) == (index, True)


def test_the_only_t1_after_contrast_agent_is_taken_and_said(tmp_path):
    series = [Series("T1 a", dicom_tags(write(tmp_path / "a.dcm", T1_SE, ContrastBolusAgent="Gadovist")))]
    guess = guess_contrasts(series)["T1w"]
    assert (guess.index, guess.sure) == (0, False)
    assert "after contrast agent (contrast agent Gadovist)" in guess.reason


def test_a_flair_after_contrast_agent_is_used_and_said(tmp_path):
    series = [Series("x", dicom_tags(write(tmp_path / "a.dcm", FLAIR_2D, ContrastBolusAgent="Dotarem")))]
    guess = guess_contrasts(series)["FLAIR"]
    assert (guess.index, guess.sure) == (0, True)
    assert "This one is after contrast agent (contrast agent Dotarem)." in guess.reason


@pytest.mark.parametrize(
    ("name", "contrast"),
    [
        ("sub-12_ses-1_FLAIR", "FLAIR"),
        ("sub-12_ses-1_T1w", "T1w"),
        ("sub-12_acq-tse_T2w", "T2w"),
        ("Ax T2 FLAIR FS", "FLAIR"),
        ("t2_space_dark-fluid_sag", "FLAIR"),
        ("t1_mprage_sag_p2_iso", "T1w"),
        ("Sag T1 FLAIR", "T1w"),
        ("t2_tse_tra_448", "T2w"),
        ("T2W_TSE", "T2w"),
        ("t2*_gre", None),
        ("T2 star", None),
        ("ep2d_diff_b1000_ADC", None),
        ("localizer_t1", None),
        ("t2_tse_sag_cspine", None),
        ("FLAIR_lesion_mask", None),
        ("series 4", None),
    ],
)
def test_names_tell_the_contrast(name, contrast):
    guesses = guess_contrasts(named(name))
    assert [kind for kind, guess in guesses.items() if guess.index == 0] == ([contrast] if contrast else [])


@pytest.mark.parametrize("name", ["T1 post", "t1_mprage_gd", "T1_SE_+C", "Ax T1 c+", "t1w_KM", "T1 postGd", "T1_GADO"])
def test_names_tell_of_contrast_agent(name):
    guess = guess_contrasts(named(name))["T1w"]
    assert (guess.index, guess.sure) == (0, False)
    assert f"after contrast agent (named '{name}')" in guess.reason


@pytest.mark.parametrize("name", ["T1 pre contrast", "T1 nativ", "t1 without contrast", "T1 non-contrast", "T1w"])
def test_names_without_contrast_agent_are_native(name):
    assert guess_contrasts(named(name))["T1w"].sure


def test_several_that_fit_are_told(dicom):
    guess = guess_contrasts(named("FLAIR ax", "FLAIR sag"))["FLAIR"]
    assert (guess.index, guess.sure) == (0, False)
    assert guess.reason == "FLAIR ax is taken as FLAIR: named 'FLAIR ax'. FLAIR sag fits as well; please check."


def test_an_original_is_preferred_to_a_reformat(tmp_path):
    reformat = dicom_tags(write(tmp_path / "a.dcm", FLAIR_3D, ImageType=["DERIVED", "SECONDARY", "MPR"]))
    original = dicom_tags(write(tmp_path / "b.dcm", FLAIR_3D, ImageType=["ORIGINAL", "PRIMARY"]))
    guess = guess_contrasts([Series("a", reformat), Series("b", original)])["FLAIR"]
    assert (guess.index, guess.sure) == (1, True)


def test_tags_against_the_name_are_told(dicom):
    tags = dicom(T2_TSE)[0].tags
    guess = guess_contrasts([Series("FLAIR", {**tags, "SeriesDescription": ""})])["T2w"]
    assert (guess.index, guess.sure) == (0, False)
    assert "named 'FLAIR' would be a FLAIR" in guess.reason and "Please check." in guess.reason


def test_what_is_missing_is_told():
    guesses = guess_contrasts(named("FLAIR", "series 4"))
    assert (guesses["T1w"].index, guesses["T1w"].sure) == (None, False)
    assert guesses["T1w"].reason == "No series looks like a T1w. What series 4 may be, is not known."
    assert guess_contrasts(named("FLAIR"))["T1w"].sure
    assert not guess_contrasts([])["FLAIR"].sure


def test_the_sidecar_of_a_converter_gives_the_tags_in_milliseconds(tmp_path):
    values = {
        "EchoTime": 0.089,
        "RepetitionTime": 9,
        "InversionTime": 2.5,
        "PatientName": "Jane",
        "ScanningSequence": "SE",
    }
    (tmp_path / "4.json").write_text(json.dumps(values), "utf-8")
    tags = sidecar_tags(tmp_path / "4.nii.gz")
    assert tags == {"EchoTime": "89", "RepetitionTime": "9000", "InversionTime": "2500", "ScanningSequence": "SE"}
    assert found([Series("4", tags)]) == (0, None, None)
    (tmp_path / "5.json").write_text("[", "utf-8")
    assert sidecar_tags(tmp_path / "5.nii") == {} == sidecar_tags(tmp_path / "6.nii")


def test_voxels_tell_where_nothing_else_does_and_are_never_sure(phantom_study):
    order = ("T2w", "FLAIR", "T1w")
    series = [
        Series(f"series {n}", image=lambda name=name: sitk.ReadImage(str(phantom_study / f"{name}.nii.gz")))
        for n, name in enumerate(order)
    ]
    assert found(series) == (1, 2, 0)
    guesses = guess_contrasts(series)
    assert not any(guess.sure for guess in guesses.values())
    assert guesses["T2w"].reason == "series 0 is taken as T2w: its voxels (bright fluid). Please check."


def test_voxels_are_not_read_where_tags_or_names_tell():
    def read():
        raise AssertionError("read")

    assert found([Series("FLAIR", image=read)]) == (0, None, None)


def test_noise_and_a_constant_image_tell_nothing():
    noise = sitk.GetImageFromArray(np.random.default_rng(0).normal(100, 5, (40, 64, 64)).astype(np.float32))
    noise.SetSpacing((3, 3, 4))
    flat = sitk.Image([64, 64, 40], sitk.sitkInt16)
    assert found([Series("a", image=lambda: noise), Series("b", image=lambda: flat)]) == (None, None, None)


def test_real_series_without_a_name_are_told_by_their_voxels(data_dir):
    order = ("T1w", "T2w", "FLAIR")
    stem = data_dir / "longitudinal/sub-12/ses-1/anat/sub-12_ses-1"
    series = [
        Series(f"{n}", image=lambda name=name: sitk.ReadImage(f"{stem}_{name}.nii.gz")) for n, name in enumerate(order)
    ]
    assert found(series) == (2, 0, 1)
