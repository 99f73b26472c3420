"""What a person does at the work list of the module MSLesionSegTraining, and what the folder holds then."""

import os
import time

import SimpleITK as sitk

from MSLesionSegLib.nifti import read_nifti
from MSLesionSegTrainingLib.worklist.claims import CLAIM_FILE
from MSLesionSegTrainingLib.worklist.work_list import work_list

DONE = "derivatives/annotations/{0}/anat/{0}_label-lesion_mask.nii.gz"
"""Where the mask of a finished case lies."""


def before_list(person, root, who):
    """A person who has named herself and chosen the folder."""
    person.section = person.panel.sections["worklist"]
    person.ui = person.section.ui
    person.ui.annotatorEdit.setText(who)
    person.host.file_answers.append(str(root))
    person.press("folderButton")
    person.wait(lambda: not person.section.data_set.job.running, 60)
    return person


def cells(person):
    """The texts of the table of cases."""
    table = person.ui.caseTable
    return [
        tuple(table.item(row, column).text() for column in range(table.columnCount)) for row in range(table.rowCount)
    ]


def open_case(person, name):
    person.section.table.choose(name)
    person.press("openButton")


def opened_name(person):
    return person.section.correct.case.name if person.section.correct.case else None


def study(person):
    return person.panel.context.study


def reader_mask(person):
    from MSLesionSegScene.segments import read_segment

    state = study(person).state
    return read_segment(state.segmentation, "reader", state.flair)


def paint(person, place, value=True):
    """Paint a box of voxels, as the editor does, and wait until the table has followed."""
    from MSLesionSegScene.segments import write_segment

    state = study(person).state
    mask = reader_mask(person)
    mask[place] = value
    write_segment(state.segmentation, "reader", state.flair, mask)
    person.pause(0.3)
    return mask


def decide(person, row, decision):
    """Decide on a lesion in the review table, 0 being the first row."""
    review = person.section.correct.widgets
    review.review.table.choose(review.review.table.keys[row])
    getattr(review.ui, f"{decision}Button").click()
    person.host.app.processEvents()


def states_of(person):
    return [(row.id, row.state, row.edited) for row in study(person).review.rows()]


def by_name(root):
    return {case.name: case for case in work_list(root, measure=False)}


def voxels(path):
    return sitk.GetArrayFromImage(read_nifti(path))


def age(folder, seconds=700):
    """Let the last sign of life of a claim lie so many seconds back."""
    past = time.time() - seconds
    os.utime(folder / CLAIM_FILE, (past, past))
