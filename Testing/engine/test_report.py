"""The report of a result: its figures are those of the tables, and it stands on its own."""

import csv
import json
import re

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.cli import build_app
from MSLesionSegLib.cli_runner import run
from MSLesionSegLib.errors import OutputError, StudyError, UsageError
from MSLesionSegLib.lesion_table import read_lesion_csv
from MSLesionSegLib.location_table import read_location_csv
from MSLesionSegLib.report import write_report


@pytest.fixture(scope="module")
def result(tmp_path_factory, write_small_result):
    folder = tmp_path_factory.mktemp("report") / "result"
    write_small_result(folder, threshold=0.3)
    return folder


@pytest.fixture(scope="module")
def report(result):
    out = result.with_name("report")
    write_report(result, out, title="Case <7>")
    return out


def test_the_figures_are_those_of_the_tables(result, report):
    lesions, places = read_lesion_csv(result / "lesions.csv"), read_location_csv(result / "location.csv")
    data = json.loads((report / "report.json").read_text("utf-8"))
    rows = list(csv.DictReader((report / "report.csv").open(encoding="utf-8")))
    page = (report / "report.html").read_text("utf-8")
    assert len(lesions) == len(rows) == len(data["lesions"]) == data["summary"]["lesion_count"] == 4
    total = sum(lesion.volume_ml for lesion in lesions)
    assert data["summary"]["lesion_volume_ml"] == pytest.approx(total, abs=1e-4)
    assert f"<b>{total:.2f} mL</b>" in page
    for lesion, place, row, entry in zip(lesions, places, rows, data["lesions"], strict=True):
        assert float(row["volume_ml"]) == entry["volume_ml"] == lesion.volume_ml
        assert f"<b>{lesion.id}: {lesion.volume_ml:.4f} mL</b>" in page
        assert f"{lesion.longest_diameter_mm:.2f} mm long" in page
        assert (row["location"], entry["location"]) == (lesion.location, place.main)
        assert entry["shares"] == place.shares
        assert float(row["deep_white_matter_share"]) == place.shares["deep white matter"]
    by_location = {row["location"]: row for row in data["locations"]}
    assert sum(row["volume_ml"] for row in by_location.values()) == pytest.approx(total, abs=4e-4)
    assert (by_location["infratentorial"]["lesions"], by_location["deep white matter"]["lesions"]) == (1, 2)


def test_the_page_stands_on_its_own_and_says_what_it_is(report):
    page = (report / "report.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 4
    assert not re.search(r"(src|href)=\"(?!data:)", page) and "<script" not in page
    assert "For research use only" in page and "not a diagnosis" in page
    assert "Case &lt;7&gt;" in page and "Jane Doe" not in page
    assert "small 1.0, SHA-256 " + "a" * 64 in page
    assert "T1w was not given." in page


def test_the_same_result_gives_the_same_report(result, report, tmp_path):
    write_report(result, tmp_path / "again", title="Case <7>")
    for name in ("report.html", "report.json", "report.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (report / name).read_bytes()


def test_a_corrected_mask_is_measured_anew(result, tmp_path):
    mask = sitk.ReadImage(str(result / "lesion_mask.nii.gz"))
    array = sitk.GetArrayFromImage(mask)
    array[:9] = 0
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(mask)
    sitk.WriteImage(image, str(tmp_path / "mine.nrrd"))
    data = write_report(result, tmp_path / "report", mask=tmp_path / "mine.nrrd")
    voxel_ml = float(np.prod(mask.GetSpacing())) / 1000
    assert data["summary"]["lesion_count"] == 3
    assert data["summary"]["lesion_volume_ml"] == pytest.approx(array.sum() * voxel_ml, abs=3e-4)
    assert data["mask"]["source"] == "a reader's" and len(data["mask"]["sha256"]) == 64


def test_a_mask_on_another_grid_is_refused_and_nothing_is_written(result, tmp_path):
    sitk.WriteImage(sitk.Image(9, 9, 9, sitk.sitkUInt8) + 1, str(tmp_path / "other.nrrd"))
    with pytest.raises(StudyError, match=r"other\.nrrd does not lie on the FLAIR"):
        write_report(result, tmp_path / "report", mask=tmp_path / "other.nrrd")
    assert [path.name for path in tmp_path.iterdir()] == ["other.nrrd"]


def test_a_folder_without_a_result_and_a_result_as_target_are_refused(result, tmp_path):
    with pytest.raises(UsageError, match="holds no result of `segment`"):
        write_report(tmp_path, tmp_path / "report")
    before = sorted(path.name for path in result.iterdir())
    with pytest.raises(OutputError, match="holds another result"):
        write_report(result, result)
    assert sorted(path.name for path in result.iterdir()) == before


def test_an_empty_result_has_a_report(tmp_path, write_small_result):
    write_small_result(tmp_path / "result", threshold=1.0)
    data = write_report(tmp_path / "result", tmp_path / "report")
    assert data["summary"]["lesion_count"] == 0 and data["lesions"] == []
    assert "No lesion was found." in (tmp_path / "report" / "report.html").read_text("utf-8")


def test_the_command_writes_beside_the_result_and_says_where(tmp_path, write_small_result, capsys):
    write_small_result(tmp_path / "result")
    assert run(build_app(), ["report", str(tmp_path / "result"), "--progress", "none"]) == 0
    assert (tmp_path / "result_report" / "report.html").exists()
    assert capsys.readouterr().err == ""


def test_a_readers_numbered_lesions_keep_their_numbers_however_small(result, tmp_path):
    mask = sitk.ReadImage(str(result / "lesion_mask.nii.gz"))
    numbers = np.zeros(mask.GetSize()[::-1], np.uint16)
    numbers[6, 18:22, 13:17] = 2
    numbers[12, 30, 30] = 40
    image = sitk.GetImageFromArray(numbers)
    image.CopyInformation(mask)
    sitk.WriteImage(image, str(tmp_path / "mine.nrrd"))
    data = write_report(result, tmp_path / "report", lesions=tmp_path / "mine.nrrd")
    voxel_ml = float(np.prod(mask.GetSpacing())) / 1000
    assert [(row["id"], row["location"]) for row in data["lesions"]] == [(2, "infratentorial"), (40, "periventricular")]
    assert [row["volume_ml"] for row in data["lesions"]] == pytest.approx([16 * voxel_ml, voxel_ml], abs=1e-4)
    assert data["mask"]["source"] == "a reader's"
    assert data["dissemination_in_space"]["areas"][2]["lesions"] == [2]
    with pytest.raises(UsageError, match=r"mask and numbered lesions were given"):
        write_report(result, tmp_path / "both", mask=tmp_path / "mine.nrrd", lesions=tmp_path / "mine.nrrd")
