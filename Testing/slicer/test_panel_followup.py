"""Section Follow-up: two dates of the scene, compared by the real engine, shown as nodes that a row leads to."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from Testing.slicer.followup_dates import HEAD, LESIONS, add_date


@pytest.fixture
def person(opened, scene, tmp_path):
    """A person before two dates: one lesion stays, another comes."""
    add_date(scene, tmp_path, "first", ("stays",), 1)
    add_date(scene, tmp_path, "second", ("stays", "comes"), 2)
    opened.panel.context.tell()
    opened.ui.followupSection.collapsed = False
    opened.panel.followup.pages = []
    opened.panel.followup._show_page = opened.panel.followup.pages.append
    return opened


def choose(person, baseline: str, followup: str) -> None:
    for combo, name in ((person.ui.baselineCombo, baseline), (person.ui.followupCombo, followup)):
        combo.setCurrentIndex(combo.findText(name))


def compare(person, folder: Path) -> str:
    person.host.file_answers.append(str(folder))
    person.press("compareButton")
    person.wait(lambda: not person.panel.followup.run.running)
    return person.ui.followupMessage.text


def rows(person) -> list[list[str]]:
    table = person.ui.followupTable
    return [[table.item(row, column).text() for column in range(table.columnCount)] for row in range(table.rowCount)]


def centre_of(scene, name: str) -> np.ndarray:
    node = scene.GetFirstNodeByName(name)
    from MSLesionSegScene.volumes import node_matrix

    return (node_matrix(node, to_world=True) @ [*LESIONS["comes"][::-1], 1.0])[:3]


def test_a_lesion_that_came_is_listed_and_a_click_goes_to_it_in_both_dates(person, scene, tmp_path):
    from MSLesionSegScene.followup_state import BASELINE, CHANGES, SUBTRACTION, FollowupState

    choose(person, "first", "second")
    assert not person.ui.followupResult.visible
    assert compare(person, tmp_path) == ""
    assert (tmp_path / "lesion_followup" / "followup.html").is_file()
    assert person.ui.followupSummary.text == "1 new, 0 enlarging, 1 stable, 0 shrinking, 0 resolved."
    ((kind, volume, *_),) = rows(person)
    assert kind == "new" and 0.3 < float(volume) < 1.2

    state = FollowupState(scene)
    changes = state.image(CHANGES)
    assert list(changes.GetSegmentation().GetSegmentIDs()) == ["new"]
    volumes = [state.image(role) for role in (BASELINE, SUBTRACTION)]
    assert [node.GetName() for node in volumes] == ["first on second", "second minus first"]
    for node in volumes:
        assert node.GetImageData().GetDimensions() == HEAD[::-1]
    shown = [
        scene.GetNodeByID(composite.GetBackgroundVolumeID()).GetName()
        for composite in map(scene.GetNodesByClass("vtkMRMLSliceCompositeNode").GetItemAsObject, range(3))
    ]
    assert sorted(shown) == ["first on second", "second", "second minus first"]
    assert changes.GetDisplayNode().GetVisibility() == 1
    lesions = person.panel.context.state.segmentation.GetDisplayNode()
    assert lesions.GetVisibility() == 0

    person.ui.followupTable.selectRow(0)
    person.host.app.processEvents()
    views = scene.GetNodesByClass("vtkMRMLSliceNode")
    for number in range(views.GetNumberOfItems()):
        matrix = views.GetItemAsObject(number).GetSliceToRAS()
        centre = np.array([matrix.GetElement(row, 3) for row in range(3)])
        assert np.linalg.norm(centre - centre_of(scene, "second")) < 3.0

    person.press("reviewViewsButton")
    assert (changes.GetDisplayNode().GetVisibility(), lesions.GetVisibility()) == (0, 1)
    person.press("followupViewsButton")
    assert (changes.GetDisplayNode().GetVisibility(), lesions.GetVisibility()) == (1, 0)
    person.press("sideBySideButton")
    assert (changes.GetDisplayNode().GetVisibility(), lesions.GetVisibility()) == (0, 1)
    person.press("followupPageButton")
    assert person.panel.followup.pages == [tmp_path / "lesion_followup" / "followup.html"]


def test_what_the_reader_rejected_is_no_lesion_of_the_comparison(person, tmp_path):
    for row in range(person.ui.lesionTable.rowCount):
        person.click_row(row)
        person.press("rejectButton")
    choose(person, "first", "second")
    compare(person, tmp_path)
    assert [(row[0], row[-1]) for row in rows(person)] == [("new", "0.000")]


def test_the_comparison_comes_back_with_the_scene_and_a_second_one_replaces_it(person, scene, qt_host, tmp_path):
    choose(person, "first", "second")
    compare(person, tmp_path)
    choose(person, "second", "first")
    compare(person, tmp_path)
    assert [row[0] for row in rows(person)] == ["resolved"]
    assert (tmp_path / "lesion_followup_2").is_dir()
    nodes = scene.GetNodesByClass("vtkMRMLScalarVolumeNode")
    names = [nodes.GetItemAsObject(number).GetName() for number in range(nodes.GetNumberOfItems())]
    assert [name for name in names if " on " in name or " minus " in name] == ["second on first", "first minus second"]
    import slicer

    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    qt_host.app.processEvents()
    assert not person.ui.followupResult.visible
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    qt_host.app.processEvents()
    assert [row[0] for row in rows(person)] == ["resolved"]
    shutil.rmtree(tmp_path / "lesion_followup_2")
    person.press("followupPageButton")
    assert person.ui.followupMessage.text.startswith("<b>The page no longer lies at ")


def test_a_result_on_the_disk_is_a_baseline_and_another_folder_is_none(person, tmp_path):
    from MSLesionSegScene.result_folder import write_result_folder

    (earlier,) = (one for one in person.panel.context.state.with_results() if one.flair.GetName() == "first")
    write_result_folder(earlier, tmp_path / "last year")
    (tmp_path / "other").mkdir()
    person.host.file_answers += [str(tmp_path / "other"), str(tmp_path / "last year")]
    person.press("baselineFolderButton")
    assert person.ui.followupMessage.text == (
        f"<b>{tmp_path / 'other'} holds no result.</b> Take a folder that `segment` has written."
    )
    person.press("baselineFolderButton")
    assert person.ui.baselineCombo.currentText == str(tmp_path / "last year")
    person.ui.followupCombo.setCurrentIndex(person.ui.followupCombo.findText("second"))
    assert compare(person, tmp_path) == ""
    assert [row[0] for row in rows(person)] == ["new"]


def test_one_study_twice_is_a_sentence(person):
    choose(person, "second", "second")
    person.press("compareButton")
    assert person.ui.followupMessage.text == (
        "<b>Baseline and follow-up are the same study.</b> Choose the earlier and the later date."
    )


def test_a_comparison_that_is_cancelled_leaves_nothing(person, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    choose(person, "first", "second")
    person.host.file_answers.append(str(out))
    person.press("compareButton")
    person.press("followupCancelButton")
    person.wait(lambda: not person.panel.followup.run.running)
    assert person.ui.followupMessage.text == "Cancelled; nothing was written."
    assert list(out.iterdir()) == []
    assert not person.ui.followupResult.visible
