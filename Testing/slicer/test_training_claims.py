"""Several annotators on one folder, in the panel: claims, taking over, second readings."""

import numpy as np
from Testing.slicer.scene_results import BLOCKS, block
from Testing.slicer.worklist_person import (
    DONE,
    age,
    by_name,
    cells,
    decide,
    open_case,
    opened_name,
    paint,
    reader_mask,
    voxels,
)
from Testing.slicer.worklist_studies import model_mask

from MSLesionSegLib.nifti import read_nifti
from MSLesionSegTrainingLib.worklist.claims import see_claim, take_case
from MSLesionSegTrainingLib.worklist.drafts import DRAFT_FILE
from MSLesionSegTrainingLib.worklist.saving import finish_case
from MSLesionSegTrainingLib.worklist.work_list import work_folder


def test_a_claim_of_ones_own_from_a_window_that_is_gone_is_taken_over_with_a_word(anna, root):
    take_case(work_folder(root, "sub-03"), "Anna")
    open_case(anna, "sub-03")
    assert "If that window is gone, take the case over with a word." in anna.ui.workMessage.text
    anna.ui.wordEdit.setText("Slicer crashed")
    anna.press("wordButton")
    assert opened_name(anna) == "sub-03"


def test_a_case_of_somebody_else_is_not_opened_and_what_is_open_stays_so(anna, root):
    open_case(anna, "sub-01")
    take_case(work_folder(root, "sub-03"), "Ben")
    open_case(anna, "sub-03")
    assert "sub-03 is being corrected by Ben" in anna.ui.workMessage.text
    assert opened_name(anna) == "sub-01"
    assert anna.ui.wordFrame.isHidden()
    assert cells(anna)[0][:4] == ("sub-03", "in progress", "12.53", "Ben")


def test_next_goes_round_what_others_have_and_what_is_done(anna, root):
    open_case(anna, "sub-03")
    take_case(work_folder(root, "sub-02"), "Ben")
    anna.press("nextCaseButton")
    assert opened_name(anna) == "sub-01"
    anna.press("nextCaseButton")
    assert anna.ui.workMessage.text == "No further case in this order is free."
    assert opened_name(anna) == "sub-01"


def test_a_silent_case_is_taken_over_with_a_word(anna, root):
    folder = work_folder(root, "sub-03")
    take_case(folder, "Ben")
    age(folder)
    anna.press("refreshButton")
    assert cells(anna)[0][1] == "in progress, silent"
    open_case(anna, "sub-03")
    assert opened_name(anna) is None
    assert "Why is sub-03 taken over from Ben?" in anna.ui.wordLabel.text
    assert not anna.ui.wordButton.enabled
    anna.ui.wordEdit.setText("Ben is on leave")
    anna.press("wordButton")
    assert opened_name(anna) == "sub-03"
    claim = see_claim(folder)
    assert (claim.who, claim.taken_from, claim.word) == ("Anna", "Ben", "Ben is on leave")


def test_who_was_taken_over_is_told_and_nothing_is_lost(anna, root):
    open_case(anna, "sub-03")
    mask = paint(anna, block((16, 4, 4), (2, 3, 3)))
    folder = work_folder(root, "sub-03")
    age(folder)
    take_case(folder, "Ben", take_over="Anna does not answer")
    anna.section.correct._beat_timer.setInterval(50)
    anna.wait(lambda: opened_name(anna) is None, 10)
    assert "Ben has taken over sub-03" in anna.ui.workMessage.text
    (kept,) = folder.glob("kept_*_mask.nii.gz")
    assert np.array_equal(voxels(kept), mask)
    assert not (folder / DRAFT_FILE).exists() and see_claim(folder).who == "Ben"


def test_another_person_reads_a_done_case_again_and_sees_the_agreement(anna, root):
    anna.ui.goOnCheck.setChecked(False)
    open_case(anna, "sub-03")
    decide(anna, 0, "reject")
    anna.press("doneButton")
    anna.ui.annotatorEdit.setText("Ben")
    open_case(anna, "sub-03")
    assert "Second reading" in anna.ui.caseLabel.text
    assert np.array_equal(reader_mask(anna), model_mask() > 0)
    anna.press("doneButton")
    assert anna.ui.workMessage.text.startswith("sub-03: Dice 0.43 with Anna; lesions added: 1, removed: 0")
    assert cells(anna)[0][1] == "done, Dice 0.43 with Ben"
    assert by_name(root)["sub-03"].annotator == "Anna"
    anna.ui.annotatorEdit.setText("Carla")
    open_case(anna, "sub-03")
    assert "was finished by Anna and read again by Ben" in anna.ui.workMessage.text


def test_who_finished_a_case_may_change_it(anna, root):
    anna.ui.goOnCheck.setChecked(False)
    open_case(anna, "sub-02")
    decide(anna, 0, "reject")
    anna.press("doneButton")
    open_case(anna, "sub-02")
    assert "Finished by you before" in anna.ui.caseLabel.text
    expected = model_mask()
    expected[block(*BLOCKS["large"][:2])] = 0
    assert np.array_equal(voxels(root / DONE.format("sub-02")), expected)
    decide(anna, 0, "undecided")
    anna.press("doneButton")
    assert np.array_equal(voxels(root / DONE.format("sub-02")), model_mask())


def test_the_list_follows_what_others_finish(anna, root):
    ben = take_case(work_folder(root, "sub-03"), "Ben")
    mask = read_nifti(root / "derivatives/presegmented/sub-03/lesion_mask.nii.gz")
    finish_case(root, ben, mask, 20.0)
    open_case(anna, "sub-03")
    assert "sub-03 was changed since the list was read" in anna.ui.workMessage.text
    assert cells(anna)[0][:4] == ("sub-03", "done", "12.53", "Ben")
