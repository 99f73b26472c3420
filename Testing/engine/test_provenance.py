"""The provenance record: what it says, and that only its ``run`` block differs between two runs."""

import json
import sys
import time

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib import __version__
from MSLesionSegLib.errors import OutputError
from MSLesionSegLib.provenance import file_sha256, read_provenance, software_versions


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_small_result):
    out = tmp_path_factory.mktemp("provenance") / "out"
    write_small_result(out)
    return out


def test_record_says_what_made_the_result(folder):
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    assert record["tool"] == "MSLesionSeg"
    assert record["tool_version"] == __version__
    assert record["format_version"] == 1
    assert record["models"] == {"lesion": {"name": "small", "version": "1.0", "sha256": "a" * 64}}
    assert record["settings"] == {"threshold": 0.5, "min_lesion_mm3": 3.0}
    assert record["contrasts"] == ["FLAIR"]
    assert record["inputs"] == {
        "FLAIR": {"sha256": "f" * 64, "size_xyz": [50, 60, 24], "spacing_xyz_mm": [3.0, 2.9, 6.0]}
    }
    assert record["device"] == "cpu"
    assert record["notes"] == ["T1w was not given."]
    assert record["history"] == [
        {"command": "segment", "tool_version": __version__, "threshold": 0.5, "min_lesion_mm3": 3.0}
    ]
    assert record["software"]["numpy"] == np.__version__
    assert record["software"]["SimpleITK"] == sitk.__version__


def test_summary_agrees_with_the_images(folder):
    record = read_provenance(folder)
    mask = sitk.ReadImage(str(folder / "lesion_mask.nii.gz"))
    brain = sitk.ReadImage(str(folder / "brain_mask.nii.gz"))
    voxel_ml = 3.0 * 2.9 * 6.0 / 1000
    assert record["summary"]["lesion_count"] == 3
    assert record["summary"]["lesion_volume_ml"] == pytest.approx(
        sitk.GetArrayFromImage(mask).sum() * voxel_ml, abs=2e-4
    )
    assert record["summary"]["brain_volume_ml"] == pytest.approx(
        sitk.GetArrayFromImage(brain).sum() * voxel_ml, abs=0.051
    )


def test_every_other_file_is_listed_with_its_hash(folder):
    outputs = read_provenance(folder)["outputs"]
    assert sorted(outputs) == [
        "FLAIR.nii.gz",
        "brain_mask.nii.gz",
        "lesion_mask.nii.gz",
        "lesion_probability.nii.gz",
        "lesions.csv",
        "location.csv",
        "location_zones.nii.gz",
        "overview.png",
    ]
    assert all(file_sha256(folder / name) == sha256 for name, sha256 in outputs.items())


def test_two_runs_give_the_same_bytes_but_for_the_run_block(folder, tmp_path, write_small_result):
    time.sleep(1.1)
    write_small_result(tmp_path / "elsewhere")
    for name in read_provenance(folder)["outputs"]:
        assert (folder / name).read_bytes() == (tmp_path / "elsewhere" / name).read_bytes(), name
    first, second = read_provenance(folder), read_provenance(tmp_path / "elsewhere")
    assert first.pop("run") != second.pop("run")
    assert first == second


def test_paths_are_in_the_run_block_only(folder):
    record = read_provenance(folder)
    run = record.pop("run")
    assert run["inputs"] == {"FLAIR": "/somewhere/Jane Doe/flair.nii.gz"}
    assert run["output"] == str(folder)
    assert run["python"] == sys.executable
    assert run["duration_s"] >= 0
    assert run["started_utc"].endswith("+00:00")
    assert "Jane" not in json.dumps(record)
    assert str(folder.parent) not in json.dumps(record)


def test_json_is_sorted_and_indented(folder):
    text = (folder / "provenance.json").read_bytes().decode("utf-8")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_only_loaded_libraries_are_named():
    versions = software_versions()
    assert {"python", "system", "numpy", "scipy", "SimpleITK"} <= set(versions)
    assert ("torch" in versions) == ("torch" in sys.modules)


def test_a_result_of_another_format_is_refused(tmp_path):
    record = {"tool": "MSLesionSeg", "format_version": 2, "settings": {}, "run": {}, "outputs": {}}
    (tmp_path / "provenance.json").write_text(json.dumps(record))
    with pytest.raises(OutputError, match="another version"):
        read_provenance(tmp_path)
