"""The DICOM files of a result read back by dcmqi, which shares no code with what wrote them."""

import json
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MSLesionSegLib.lesion_table import read_lesion_csv

pytest.importorskip("dcmqi", reason="dcmqi is not installed")


def dcmqi(program: str, *words: object) -> None:
    """Run one of dcmqi's programs."""
    path = Path(sysconfig.get_path("scripts"), program)
    done = subprocess.run([str(path), *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_segmentation_comes_back_on_the_flairs_grid_with_the_volume_of_each_lesion(
    dicom_result, dicom_export, tmp_path
):
    dcmqi("segimage2itkimage", "--inputDICOM", dicom_export / "lesions.seg.dcm", "--outputDirectory", tmp_path)
    mask = sitk.ReadImage(str(dicom_result / "lesion_mask.nii.gz"))
    together = np.zeros(mask.GetSize()[::-1], np.uint8)
    for number, lesion in enumerate(read_lesion_csv(dicom_result / "lesions.csv"), start=1):
        segment = sitk.ReadImage(str(tmp_path / f"{number}.nrrd"))
        found = sitk.GetArrayFromImage(segment) > 0
        assert found.sum() * np.prod(segment.GetSpacing()) / 1000.0 == pytest.approx(lesion.volume_ml, rel=1e-3)
        on_flair = sitk.Resample(segment, mask, sitk.Transform(), sitk.sitkNearestNeighbor)
        together += sitk.GetArrayFromImage(on_flair) > 0
    assert np.array_equal(together, sitk.GetArrayFromImage(mask))


def measured(group: dict) -> dict[str, float]:
    """Meaning -> value of a group of measurements."""
    return {one["quantity"]["CodeMeaning"]: float(one["value"]) for one in group["measurementItems"]}


def test_the_report_comes_back_with_the_numbers_of_the_table(dicom_result, dicom_export, tmp_path):
    dcmqi(
        "tid1500reader", "--inputDICOM", dicom_export / "lesions.sr.dcm", "--outputMetadata", tmp_path / "report.json"
    )
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    lesions = read_lesion_csv(dicom_result / "lesions.csv")
    whole, *groups = report["Measurements"]
    assert measured(whole)["Volume"] == pytest.approx(sum(one.volume_ml for one in lesions), rel=1e-3)
    assert [group["ReferencedSegment"] for group in groups] == [lesion.id for lesion in lesions] == [1, 2, 3, 4]
    for group, lesion in zip(groups, lesions, strict=True):
        values = measured(group)
        assert values["Volume"] == pytest.approx(lesion.volume_ml, rel=1e-3)
        assert values["Diameter"] == pytest.approx(lesion.longest_diameter_mm, rel=1e-3)
        assert group["qualitativeEvaluations"][0]["conceptValue"]["CodeMeaning"] == lesion.location
