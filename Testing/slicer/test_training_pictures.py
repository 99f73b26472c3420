"""Pictures of the work list, made of synthetic studies that the shipped model has gone through:

MSLESIONSEG_PICTURES=Resources/Screenshots python -m pytest -m acceptance Testing/slicer/test_training_pictures.py
"""

import shutil

import pytest
from Testing.slicer.documentation_pictures import LARGEST_KB, save_beside_views
from Testing.slicer.training_person import training_panel

from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.cases import ANNOTATIONS
from MSLesionSegTrainingLib.example_set import make_example_set
from MSLesionSegTrainingLib.worklist.work_list import work_list

WAIT_S = 2400


@pytest.mark.acceptance
def test_a_folder_is_gone_through_from_the_models_lesions_to_a_second_reading_and_pictured(
    qt_host, picture_folder, tmp_path
):

    root = tmp_path / "studies"
    make_example_set(root, 3, SilentProgress())
    shutil.rmtree(root / ANNOTATIONS)
    with training_panel(qt_host, root, "worklist") as anna:
        ui, section = anna.ui, anna.section
        anna.widget.parent.resize(460, 1150)
        ui.annotatorEdit.setText("Anna")
        ui.presegmentSection.collapsed = False
        anna.press("presegmentButton")
        anna.wait(lambda: len(list(root.glob("derivatives/presegmented/sub-*"))) > 1, WAIT_S)
        anna.pause(1)
        anna.widget.parent.resize(460, 620)
        ui.folderEdit.setText("/data/studies")
        qt_host.app.processEvents()
        assert anna.widget.parent.grab().save(str(picture_folder / "worklist.png"))
        anna.wait(lambda: not section.presegment.job.running, WAIT_S)
        anna.wait(lambda: not section.data_set.job.running, WAIT_S)
        assert [case.state for case in section.table.cases] == ["pre-segmented"] * 3
        ui.presegmentSection.collapsed = True

        ui.goOnCheck.setChecked(False)
        section.correct.step(1)
        first = section.correct.case.name
        lesions = section.correct.widgets
        lesions.review.table.choose(lesions.review.table.keys[-1])
        lesions.ui.rejectButton.click()
        anna.press("doneButton")
        section.correct.step(1)
        for button in ("acceptButton", "acceptButton", "rejectButton", "acceptButton"):
            lesions.review.table.choose(lesions.review.table.current_key or lesions.review.table.keys[0])
            getattr(lesions.ui, button).click()
        anna.press("saveButton")
        ui.savedLabel.setText("Saved at 10:32:07.")
        lesions.review.table.choose(lesions.review.table.keys[0])
        ui.folderEdit.setText("/data/studies")
        anna.widget.parent.resize(460, 1150)
        anna.pause(0.3)
        save_beside_views(qt_host, anna.widget.parent, picture_folder / "correct.png")

        anna.press("closeCaseButton")
        ui.annotatorEdit.setText("Ben")
        section.table.choose(first)
        anna.press("openButton")
        anna.press("doneButton")
        assert f"{first}: Dice 0.9" in ui.workMessage.text or f"{first}: Dice 1" in ui.workMessage.text
        ui.dataSetSection.collapsed = False
        anna.panel.context.open_path = lambda _path: None
        anna.press("summaryButton")
        anna.wait(lambda: not section.data_set.job.running, WAIT_S)
        ui.folderEdit.setText("/data/studies")
        anna.widget.parent.resize(460, 700)
        anna.pause(0.3)
        assert anna.widget.parent.grab().save(str(picture_folder / "dataset.png"))
    states = {case.name: case.state for case in work_list(root, measure=False)}
    assert sorted(states.values()) == ["done", "in progress", "pre-segmented"]
    for name in ("worklist", "correct", "dataset"):
        assert 2 < (picture_folder / f"{name}.png").stat().st_size / 1024 < LARGEST_KB, name
