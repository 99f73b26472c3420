"""A folder that is not BIDS: its studies are shown, corrected, copied, and then are the work list."""

from pathlib import Path

import pytest
from Testing.slicer.training_person import training_panel
from Testing.training.cohort import write_flair

from MSLesionSegTrainingLib.studies import bids_studies


@pytest.fixture
def archive(tmp_path):
    """Two studies, one of them under a name that tells nothing."""
    write_flair(tmp_path / "archive" / "Ada" / "flair.nii.gz", 1)
    write_flair(tmp_path / "archive" / "Bob" / "t2_flair.nii.gz", 2)
    write_flair(tmp_path / "archive" / "Eve" / "flair.nii.gz", 3)
    return tmp_path / "archive"


def test_the_studies_of_a_tree_are_found_corrected_and_copied_into_a_work_list(qt_host, archive, tmp_path):
    with training_panel(qt_host, archive, "worklist") as anna:
        ui, mapping = anna.ui, anna.section.mapping
        assert not ui.mappingSection.isHidden() and ui.casesSection.isHidden()
        assert not ui.mappingCopyButton.enabled
        anna.press("mappingFindButton")
        anna.wait(lambda: not mapping.find_job.running, 120)
        table = ui.mappingTable
        assert [table.item(row, 1).text() for row in range(3)] == [
            "Ada/flair.nii.gz",
            "Bob/t2_flair.nii.gz",
            "Eve/flair.nii.gz",
        ]
        table.item(0, 0).setText("sub-02")
        table.selectRow(2)
        anna.press("mappingRemoveButton")
        qt_host.file_answers.append(str(tmp_path / "set"))
        anna.press("mappingFolderButton")
        anna.press("mappingCopyButton")
        assert "sub-02 twice" in ui.mappingMessage.text and not (tmp_path / "set").exists()

        table.item(0, 0).setText("sub-07")
        anna.press("mappingCopyButton")
        anna.wait(lambda: not mapping.copy_job.running, 120)
        assert ui.mappingSection.isHidden() and not ui.casesSection.isHidden()
        assert [case.name for case in anna.section.table.cases] == ["sub-02", "sub-07"]
        assert "2 studies lie in" in anna.panel.context.message._label.text
    assert [study.name for study in bids_studies(tmp_path / "set")] == ["sub-02", "sub-07"]
    assert "sub-07\tAda/flair.nii.gz" in (tmp_path / "set-studies.tsv").read_text("utf-8")


def test_the_closed_module_leaves_nothing_in_slicers_temporary_folder(qt_host):
    import slicer

    before = set(Path(slicer.app.temporaryPath).iterdir())
    widget = qt_host.open_module("MSLesionSegTraining")
    assert len(set(Path(slicer.app.temporaryPath).iterdir()) - before) == 1
    qt_host.close_module(widget)
    assert set(Path(slicer.app.temporaryPath).iterdir()) == before
