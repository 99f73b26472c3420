"""Pictures of panel and views. Those of the documentation are made here, of the phantom:

MSLESIONSEG_PICTURES=Resources/Screenshots python -m pytest -m acceptance Testing/slicer/test_pictures.py
"""

import os
from pathlib import Path

import numpy as np
import pytest
from Testing.slicer.scene_results import reviewed_result

VIEW = (400, 400)
LARGEST_KB = 400


def differing(first: np.ndarray, second: np.ndarray) -> int:
    """Number of pixels that differ."""
    return int((first != second).any(axis=-1).sum())


def test_a_view_shows_the_image_and_the_readers_lesions_without_the_rejected(scene, qt_host, tmp_path):
    from Testing.host.pictures import picture_of_views

    from MSLesionSegScene import layouts

    state, review = reviewed_result(scene, tmp_path)
    layouts.show_side_by_side(scene, state)
    review.centre_views("2")
    with_lesion = picture_of_views(qt_host.logics, ("Red",), VIEW)
    assert len(np.unique(with_lesion)) > 20
    review.decide("2", "rejected")
    without = picture_of_views(qt_host.logics, ("Red",), VIEW)
    assert 100 < differing(with_lesion, without) < 4000


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where the pictures go."""
    chosen = Path(os.environ.get("MSLESIONSEG_PICTURES") or tmp_path / "pictures")
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


@pytest.mark.acceptance
def test_the_pictures_of_the_documentation_are_made_of_the_phantom(opened, qt_host, phantom_study, folder, tmp_path):
    import slicer
    from Testing.host.pictures import picture_of_views

    person, ui, qt = opened, opened.ui, qt_host.qt
    person.widget.parent.resize(400, 1100)

    def keep(name: str, widget: object) -> None:
        qt_host.app.processEvents()
        assert widget.grab().save(str(folder / f"{name}.png"))

    qt_host.file_answers.append(str(phantom_study))
    person.menu("loadButton", "Folder...")
    keep("inputs", ui.inputsSection)
    person.press("applyButton")
    person.wait(lambda: ui.progressBar.value > 600 or not person.panel.segment.run.running, 900)
    keep("segment", ui.segmentSection)
    person.wait(lambda: not person.panel.segment.run.running, 900)

    person.click_row(0)
    for button in ("accept", "accept", "reject", "accept"):
        person.press(f"{button}Button")
    person.click_row(0)
    keep("review", ui.reviewSection)

    names = slicer.app.layoutManager().sliceViewNames()
    views = picture_of_views(qt_host.logics, names, VIEW)
    assert len(np.unique(views)) > 100
    picture = qt.QImage(views.tobytes(), views.shape[1], views.shape[0], views.shape[1] * 3, qt.QImage.Format_RGB888)
    panel = ui.reviewSection.grab().toImage()
    both = qt.QImage(panel.width() + picture.width(), panel.height(), qt.QImage.Format_RGB32)
    both.fill(qt.QColor(0, 0, 0))
    painter = qt.QPainter(both)
    painter.drawImage(0, 0, panel)
    painter.drawImage(panel.width(), (panel.height() - picture.height()) // 2, picture)
    painter.end()
    assert both.save(str(folder / "module.png"))

    ui.exportSection.collapsed = False
    ui.annotatorEdit.setText("reader 7")
    qt_host.file_answers.append(str(tmp_path / "data"))
    person.press("dataSetButton")
    ui.exportMessage.setText(ui.exportMessage.text.replace(str(tmp_path), "..."))
    keep("export", ui.exportSection)
    for file in folder.glob("*.png"):
        assert 2 < file.stat().st_size / 1024 < LARGEST_KB, file
