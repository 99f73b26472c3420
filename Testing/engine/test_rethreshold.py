"""Another threshold gives what a first run with it would have given, all or nothing, without torch."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.errors import OutputError, StudyError, UsageError
from MSLesionSegLib.lesion_table import read_lesion_csv
from MSLesionSegLib.location_table import read_location_csv
from MSLesionSegLib.provenance import file_sha256, read_provenance, write_provenance
from MSLesionSegLib.rethreshold import rethreshold

ENGINE = Path(__file__).resolve().parents[2] / "MSLesionSeg"


@pytest.fixture(scope="module")
def original(tmp_path_factory, write_small_result):
    out = tmp_path_factory.mktemp("original") / "out"
    write_small_result(out)
    return out


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "out"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("threshold", "min_mm3", "count"), [(0.3, 3.0, 4), (0.5, 1000.0, 1), (0.9, 0.0, 1), (1.0, 3.0, 0)]
)
def test_equals_a_first_run_with_these_settings(folder, tmp_path, write_small_result, threshold, min_mm3, count):
    record = rethreshold(folder, threshold, min_mm3)
    write_small_result(tmp_path / "fresh", threshold, min_mm3)
    again, fresh = contents(folder), contents(tmp_path / "fresh")
    again_record, fresh_record = read_provenance(folder), read_provenance(tmp_path / "fresh")
    assert len(read_lesion_csv(folder / "lesions.csv")) == record["summary"]["lesion_count"] == count
    for block in ("run", "history"):
        again_record.pop(block)
        fresh_record.pop(block)
    assert again_record == fresh_record
    assert again.pop("provenance.json") != fresh.pop("provenance.json")
    assert again == fresh


def test_lesions_keep_their_locations_at_another_threshold(folder):
    rethreshold(folder, 0.3)
    lesions = read_lesion_csv(folder / "lesions.csv")
    locations = read_location_csv(folder / "location.csv")
    assert sorted(lesion.location for lesion in lesions) == [
        "deep white matter",
        "deep white matter",
        "infratentorial",
        "periventricular",
    ]
    assert [(lesion.id, lesion.location) for lesion in lesions] == [(one.id, one.main) for one in locations]


def test_mask_is_the_stored_probability_at_the_threshold(folder):
    rethreshold(folder, 0.35, 0.0)
    probability = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "lesion_probability.nii.gz")))
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "lesion_mask.nii.gz")))
    assert np.array_equal(mask, probability.astype(np.float64) >= 0.35)


def test_stored_probabilities_are_steps_that_every_program_reads_alike(folder):
    probability = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "lesion_probability.nii.gz")))
    assert probability.dtype == np.float32
    assert len(np.unique(probability)) > 100
    assert np.array_equal(probability * 4096, np.rint(probability * 4096))


def test_history_keeps_every_step_and_values_not_given_stay(folder):
    rethreshold(folder, 0.3)
    record = rethreshold(folder, min_mm3=100.0)
    assert [(s["command"], s["threshold"], s["min_lesion_mm3"]) for s in record["history"]] == [
        ("segment", 0.5, 3.0),
        ("rethreshold", 0.3, 3.0),
        ("rethreshold", 0.3, 100.0),
    ]
    assert record["settings"] == {"threshold": 0.3, "min_lesion_mm3": 100.0}
    assert record["run"]["inputs"] == {"FLAIR": "/somewhere/Jane Doe/flair.nii.gz"}


def test_there_and_back_is_where_it_began(folder, original):
    rethreshold(folder, 0.2, 50.0)
    rethreshold(folder, 0.5, 3.0)
    before, after = contents(original), contents(folder)
    assert before.pop("provenance.json") != after.pop("provenance.json")
    assert before == after


def test_a_mask_corrected_by_hand_is_not_lost(folder):
    (folder / "lesion_mask.nii.gz").write_bytes(b"an hour of work")
    with pytest.raises(OutputError, match=r"lesion_mask\.nii\.gz was changed"):
        rethreshold(folder, 0.3)
    assert (folder / "lesion_mask.nii.gz").read_bytes() == b"an hour of work"


@pytest.mark.parametrize(("threshold", "min_mm3"), [(0.0, 3.0), (1.1, 3.0), (0.5, -1.0)])
def test_impossible_settings_change_nothing(folder, threshold, min_mm3):
    before = contents(folder)
    with pytest.raises(UsageError):
        rethreshold(folder, threshold, min_mm3)
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_a_damaged_probability_map_is_an_error_and_changes_nothing(folder):
    damaged = folder / "lesion_probability.nii.gz"
    damaged.write_bytes(b"not an image")
    record = read_provenance(folder)
    record["outputs"][damaged.name] = file_sha256(damaged)
    write_provenance(folder / "provenance.json", record)
    before = contents(folder)
    with pytest.raises(StudyError, match=r"lesion_probability\.nii\.gz"):
        rethreshold(folder, 0.3)
    assert contents(folder) == before


def test_a_folder_without_a_result_is_an_error_and_is_not_made(tmp_path):
    with pytest.raises(UsageError, match="nowhere holds no result of `segment`"):
        rethreshold(tmp_path / "nowhere", 0.3)
    assert list(tmp_path.iterdir()) == []


def test_a_result_of_another_command_is_refused_and_left_as_it_is(folder):
    record = read_provenance(folder)
    (folder / "lesion_probability.nii.gz").unlink()
    del record["outputs"]["lesion_probability.nii.gz"]
    record["settings"] = {"connectivity": 26}
    write_provenance(folder / "provenance.json", record)
    before = contents(folder)
    with pytest.raises(UsageError, match="holds no result of `segment`"):
        rethreshold(folder, 0.3)
    assert contents(folder) == before


def test_works_without_torch_and_without_matplotlib(folder):
    code = (
        "import sys; sys.modules['matplotlib'] = sys.modules['torch'] = sys.modules['pydantic'] = None\n"
        "from MSLesionSegLib.rethreshold import rethreshold\n"
        "print(rethreshold(sys.argv[1], 0.3)['notes'])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(folder)], env={"PYTHONPATH": str(ENGINE)}, capture_output=True, text=True
    )
    assert said.stdout == "['T1w was not given.', 'overview.png was left out, because matplotlib is not installed.']\n"
    assert "overview.png" not in contents(folder)
    assert rethreshold(folder, 0.3)["notes"] == ["T1w was not given."]
    assert "overview.png" in contents(folder)
