"""Report and DICOM from the panel: written by the real engine, of the reader's lesions, read back from the files."""

import json
import os
import signal
from pathlib import Path

import pydicom
import pytest
from Testing.engine.dicom_files import write_series
from Testing.slicer.scene_results import flair_image, probability_map, reviewed_result, write_result


@pytest.fixture
def pages(opened):
    """The pages that were shown in the browser."""
    shown = []
    opened.panel.report._show_page = shown.append
    opened.ui.exportSection.collapsed = False
    return shown


@pytest.fixture
def person(opened, scene, tmp_path, pages):
    """A person before a small result of three lesions, the second of which was rejected."""
    reviewed_result(scene, tmp_path)
    opened.panel.context.tell()
    opened.click_row(1)
    opened.press("rejectButton")
    return opened


def wait_for_end(person) -> str:
    person.wait(lambda: not person.panel.report.run.running)
    assert not person.ui.reportProgress.visible
    return person.ui.reportMessage.text


def test_the_report_is_of_the_readers_lesions_and_opens(person, pages, tmp_path):
    person.ui.reportTitleEdit.setText("study 7")
    person.host.file_answers.append(str(tmp_path))
    person.press("reportButton")
    assert person.ui.reportProgress.visible and not person.ui.reportButton.enabled
    page = tmp_path / "lesion_report" / "report.html"
    assert wait_for_end(person) == f"The report lies in {page}."
    assert pages == [page]
    data = json.loads(page.with_name("report.json").read_text("utf-8"))
    shown = [row for row in person.table() if row[-1] != "rejected"]
    assert [(str(one["id"]), f"{one['volume_ml']:.3f}") for one in data["lesions"]] == [row[:2] for row in shown]
    assert data["title"] == "study 7"
    assert "study 7" in page.read_text("utf-8")
    person.host.file_answers.append(str(tmp_path))
    person.press("reportButton")
    assert "lesion_report_2" in wait_for_end(person)


def test_a_report_that_is_cancelled_leaves_nothing(person, pages, tmp_path):
    out = tmp_path / "reports"
    out.mkdir()
    person.host.file_answers.append(str(out))
    person.press("reportButton")
    person.press("reportCancelButton")
    assert wait_for_end(person) == "Cancelled; nothing was written."
    assert (list(out.iterdir()), pages) == ([], [])
    assert person.ui.reportButton.enabled


def test_a_report_whose_process_is_killed_is_a_sentence(person, pages, tmp_path):
    out = tmp_path / "reports"
    out.mkdir()
    person.host.file_answers.append(str(out))
    person.press("reportButton")
    person.wait(lambda: person.panel.report.run.worker._number())
    os.kill(person.panel.report.run.worker._number(), signal.SIGKILL)
    assert "was ended from outside" in wait_for_end(person)
    assert (list(out.iterdir()), pages) == ([], [])


def test_a_flair_that_is_no_dicom_says_why_there_is_none(person):
    person.press("dicomButton")
    assert person.ui.reportMessage.text == (
        "<b>The FLAIR FLAIR was not loaded from DICOM, so there is no series to refer to.</b> "
        "Load the DICOM series itself and find the lesions on it."
    )


def test_dicom_files_refer_to_the_series_that_was_loaded(opened, pages, scene, tmp_path):
    from MSLesionSegScene.result_nodes import load_result
    from MSLesionSegScene.volumes import node_to_image

    series = write_series(tmp_path / "series", flair_image())
    opened.host.file_answers.append(str(series))
    opened.menu("loadButton", "Folder...")
    state = opened.panel.context.state
    result = write_result(tmp_path / "result", node_to_image(state.flair), probability_map())
    load_result(scene, state, result)
    opened.panel.context.tell()
    opened.click_row(0)
    opened.press("rejectButton")
    opened.host.file_answers += [str(series), str(tmp_path)]
    opened.press("dicomButton")
    said = wait_for_end(opened)
    assert said == (f"Segmentation and Structured Report of 2 lesions, 0.08 mL, lie in {tmp_path / 'lesion_dicom'}.")
    seg = pydicom.dcmread(tmp_path / "lesion_dicom" / "lesions.seg.dcm")
    assert [one.SegmentLabel for one in seg.SegmentSequence] == ["Lesion 2", "Lesion 3"]
    assert seg.pixel_array.sum() == 32 + 8
    first = pydicom.dcmread(next(series.iterdir()))
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == first.SeriesInstanceUID


def test_the_files_of_slicers_dicom_database_are_found_without_asking(scene, tmp_path, monkeypatch):
    import slicer
    from Testing.slicer.scene_results import add_volume

    from MSLesionSegScene.dicom_source import dicom_folder, is_from_dicom

    series = write_series(tmp_path / "series", flair_image())
    known = {str(pydicom.dcmread(file).SOPInstanceUID): str(file) for file in series.iterdir()}

    class Database:
        def fileForInstance(self, instance):
            return known.get(instance, "")

    node = add_volume(scene, flair_image(), "FLAIR")
    assert (is_from_dicom(node), dicom_folder(node)) == (False, None)
    node.SetAttribute("DICOM.instanceUIDs", " ".join(known))
    assert is_from_dicom(node)
    monkeypatch.setattr(slicer, "dicomDatabase", Database(), raising=False)
    assert dicom_folder(node) == series
    (series / "000.dcm").unlink()
    assert dicom_folder(node) is None


def test_a_slicer_whose_pydicom_is_too_old_says_what_dicom_needs(qt_host, monkeypatch):
    from MSLesionSegLib.errors import DependencyError
    from MSLesionSegWidgets import install_dicom, worker_settings

    worker_settings.choose_interpreter("")
    versions = {"pydicom": "2.4.4"}
    monkeypatch.setattr(install_dicom, "installed_version", versions.get)
    lacking = install_dicom.missing
    monkeypatch.setattr(install_dicom, "missing", lambda texts: lacking(texts, versions.get))
    with pytest.raises(DependencyError, match=r"does not go with the pydicom 2\.4\.4") as caught:
        install_dicom.ensure_dicom()
    assert caught.value.hint.startswith("Use Slicer 5.12 or later")
    versions.update(pydicom="3.0.2", highdicom="0.27.0")
    install_dicom.ensure_dicom()


def test_closing_the_module_ends_the_report(opened, scene, tmp_path, qt_host):
    import slicer

    reviewed_result(scene, tmp_path)
    opened.panel.context.tell()
    opened.ui.exportSection.collapsed = False
    opened.host.file_answers.append(str(tmp_path))
    opened.press("reportButton")
    opened.panel.close()
    assert not (tmp_path / "lesion_report").exists()
    assert list(Path(slicer.app.temporaryPath).glob("MSLesionSeg-*")) == []
