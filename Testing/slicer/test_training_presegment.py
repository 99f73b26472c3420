"""The model's lesions of all cases, found in the background from the panel; and what the data set holds."""

import pytest
from Testing.slicer.training_person import training_panel
from Testing.slicer.worklist_studies import make_studies
from Testing.training.cohort import make_cohort, tiny_model

from MSLesionSegLib.nifti import read_nifti
from MSLesionSegTrainingLib.worklist.claims import take_case
from MSLesionSegTrainingLib.worklist.saving import finish_case
from MSLesionSegTrainingLib.worklist.work_list import work_folder, work_list


@pytest.fixture
def cohort(qt_host, tmp_path):
    """Anna before three studies without results and one that cannot be used, with a small model to choose."""
    root = make_cohort(tmp_path / "studies", 3, broken=False)
    (root / "sub-04" / "anat").mkdir(parents=True)
    (root / "sub-04" / "anat" / "sub-04_FLAIR.nii.gz").write_bytes(b"no image")
    with training_panel(qt_host, root, "worklist") as anna:
        anna.root = root
        anna.ui.annotatorEdit.setText("Anna")
        anna.ui.presegmentModelCombo.addItem("tiny", str(tiny_model(tmp_path / "tiny-1.0")))
        anna.ui.presegmentModelCombo.setCurrentIndex(anna.ui.presegmentModelCombo.count - 1)
        yield anna


def states(anna):
    return {case.name: case.state for case in work_list(anna.root, measure=False)}


def finished(anna):
    return [name for name, state in states(anna).items() if state == "pre-segmented"]


@pytest.mark.acceptance
def test_lesions_are_found_in_all_cases_after_a_cancel_the_rest_and_the_least_sure_comes_first(cohort):
    anna, job = cohort, cohort.section.presegment.job
    anna.ui.presegmentSection.collapsed = False
    anna.press("presegmentButton")
    assert anna.ui.presegmentButton.text == "Cancel" and not anna.ui.presegmentModelCombo.enabled
    anna.wait(lambda: finished(anna) or not job.running, 200)
    anna.press("presegmentButton")
    anna.wait(lambda: not job.running, 100)
    assert "Cancelled" in anna.ui.workMessage.text
    before = finished(anna)
    assert before and anna.ui.presegmentButton.text == "Find lesions in all cases"

    anna.press("presegmentButton")
    anna.wait(lambda: not job.running, 200)
    assert f"Lesions found in {3 - len(before)} cases; {len(before)} were finished before." in anna.ui.workMessage.text
    assert "sub-04: " in anna.ui.workMessage.text
    assert states(anna) == {
        "sub-01": "pre-segmented",
        "sub-02": "pre-segmented",
        "sub-03": "pre-segmented",
        "sub-04": "new",
    }
    anna.wait(lambda: not anna.section.data_set.job.running, 100)
    unsure = [case.uncertain_ml for case in anna.section.table.cases]
    assert unsure[3] is None and unsure[:3] == sorted(unsure[:3], reverse=True)
    anna.press("nextCaseButton") if anna.section.correct.case else anna.section.correct.step(1)
    assert anna.section.correct.case.name == anna.section.table.cases[0].name
    assert anna.panel.context.study.state.provenance["models"]["lesion"]["name"] == "tiny"


def test_the_summary_says_what_is_finished_and_opens_its_page(qt_host, tmp_path):
    root = make_studies(tmp_path / "studies")
    mask = read_nifti(root / "derivatives/presegmented/sub-01/lesion_mask.nii.gz")
    finish_case(root, take_case(work_folder(root, "sub-01"), "Anna"), mask, 90.0)
    opened = []
    with training_panel(qt_host, root, "worklist") as anna:
        anna.wait(lambda: not anna.section.data_set.job.running, 60)
        anna.panel.context.open_path = opened.append
        anna.ui.dataSetSection.collapsed = False
        anna.press("summaryButton")
        anna.wait(lambda: not anna.section.data_set.job.running, 60)
        lines = anna.ui.summaryLabel.text.splitlines()
    assert lines == [
        "Finished cases: 1, load 0.30 mL (0.30 to 0.30)",
        "Lesions: 0 of <10 mm3, 2 of 10-100 mm3, 1 of 100-1000 mm3, 0 of >=1000 mm3",
        "Annotators: Anna 1 (2 min)",
    ]
    (page,) = opened
    assert page == root / "derivatives/worklist/summary.html" and page.is_file()
