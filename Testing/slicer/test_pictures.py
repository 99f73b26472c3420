"""Pictures of panel and views. Those of the documentation are made here, of the phantom:

MSLESIONSEG_PICTURES=Resources/Screenshots python -m pytest -m acceptance Testing/slicer/test_pictures.py
"""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage
from Testing.slicer.documentation_pictures import LARGEST_KB, VIEW, save_beside_views
from Testing.slicer.scene_results import add_volume, on_image, reviewed_result, write_result


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


@pytest.mark.acceptance
def test_the_pictures_of_the_documentation_are_made_of_the_phantom(
    opened, qt_host, phantom_study, picture_folder, tmp_path
):
    person, ui = opened, opened.ui
    person.widget.parent.resize(400, 1100)

    def keep(name: str, widget: object) -> None:
        qt_host.app.processEvents()
        assert widget.grab().save(str(picture_folder / f"{name}.png"))

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
    keep("review", ui.reviewSection)
    person.click_row([row[0] for row in person.table()].index("1"))

    save_beside_views(qt_host, ui.reviewSection, picture_folder / "module.png")

    ui.exportSection.collapsed = False
    ui.annotatorEdit.setText("reader 7")
    qt_host.file_answers.append(str(tmp_path / "data"))
    person.press("dataSetButton")
    ui.exportMessage.setText(ui.exportMessage.text.replace(str(tmp_path), "..."))
    keep("export", ui.exportSection)
    for file in (picture_folder / f"{name}.png" for name in ("inputs", "segment", "review", "module", "export")):
        assert 2 < file.stat().st_size / 1024 < LARGEST_KB, file


@pytest.mark.acceptance
def test_two_dates_of_the_phantom_are_compared_and_pictured(
    opened, qt_host, scene, phantom_study, picture_folder, tmp_path
):
    """At the later date a lesion of 6 mm radius has come, and another has gone."""
    person, ui = opened, opened.ui
    person.widget.parent.resize(400, 1100)
    for name, later in (("FLAIR 2025", False), ("FLAIR 2026", True)):
        add_phantom_date(scene, phantom_study, tmp_path / name, name, later)
    person.panel.context.tell()
    for section in (ui.inputsSection, ui.segmentSection, ui.reviewSection, ui.exportSection):
        section.collapsed = True
    ui.followupSection.collapsed = False
    ui.baselineCombo.setCurrentIndex(ui.baselineCombo.findText("FLAIR 2025"))
    qt_host.file_answers.append(str(tmp_path))
    person.press("compareButton")
    person.wait(lambda: not person.panel.followup.run.running, 600)
    assert ui.followupSummary.text.startswith("1 new, 0 enlarging, ") and ui.followupSummary.text.endswith(
        "1 resolved."
    )
    ui.followupTable.selectRow(0)
    qt_host.app.processEvents()
    save_beside_views(qt_host, ui.followupSection, picture_folder / "followup.png")


def add_phantom_date(scene, study: Path, folder: Path, name: str, later: bool) -> None:
    """The phantom as study of the scene, its true lesions as result; later the largest has gone and another come."""
    from MSLesionSegScene.result_nodes import load_result
    from MSLesionSegScene.state import ModuleState

    flair, lesions, brain = (
        sitk.ReadImage(str(study / f"{file}.nii.gz")) for file in ("FLAIR", "lesions_truth", "brain_truth")
    )
    values, mask = sitk.GetArrayFromImage(flair).astype(np.float32), sitk.GetArrayFromImage(lesions) > 0
    inside = sitk.GetArrayFromImage(brain) > 0
    if later:
        labels, _ = ndimage.label(mask)
        gone = labels == np.bincount(labels[mask]).argmax()
        level, normal = np.median(values[mask]), np.median(values[inside])
        values[ndimage.binary_dilation(gone, iterations=2) & inside] = normal
        come = ball(flair, inside & (ndimage.distance_transform_edt(~mask, flair.GetSpacing()[::-1]) > 12), values)
        values[come] = level
        mask = (mask & ~gone) | come
    values += np.random.default_rng(int(later)).normal(0, 3, values.shape)
    image = on_image(values.astype(np.int16), flair)
    state = ModuleState(scene)
    state.flair = add_volume(scene, image, name)
    probability = 0.95 * mask.astype(np.float32)
    load_result(scene, state, write_result(folder, image, probability, brain=brain))


def ball(flair: sitk.Image, allowed: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(z, y, x) bool: a ball of 6 mm radius in the flattest tissue that is allowed."""
    spacing = flair.GetSpacing()[::-1]
    smooth = ndimage.gaussian_filter(values, [3.0 / step for step in spacing])
    deep = allowed & (np.abs(smooth - np.median(values[allowed])) < 0.1 * np.median(values[allowed]))
    rough = np.where(deep, ndimage.gaussian_gradient_magnitude(smooth, 1.0), np.inf)
    at = np.unravel_index(rough.argmin(), values.shape)
    axes = np.ogrid[tuple(slice(0, n) for n in values.shape)]
    return sum(((axis - centre) * step) ** 2 for axis, centre, step in zip(axes, at, spacing, strict=True)) <= 36.0
