"""What a panel meets outside itself: odd folders, wrong Pythons, killed processes, lost nodes; one sentence each."""

import html
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from MSLesionSegWidgets.worker_command import find_interpreter

UNIX = pytest.mark.skipif(os.name == "nt", reason="signals are another matter on Windows")


@pytest.fixture
def temporary(qt_host, tmp_path, monkeypatch) -> Path:
    """Slicer's temporary folder: blanks, an umlaut, a quote and a percent sign in its name."""
    import slicer

    folder = tmp_path / "Käthe O'Neill 100% 病人"
    folder.mkdir()
    monkeypatch.setattr(type(slicer.app), "temporaryPath", str(folder))
    return folder


@pytest.fixture
def reader(opened, temporary):
    """A person before the panel with a small FLAIR, which is segmented in seconds."""
    import slicer

    z, y, x = np.indices((40, 48, 40))
    inside = ((z - 20) / 14) ** 2 + ((y - 24) / 18) ** 2 + ((x - 20) / 14) ** 2 < 1
    values = inside * (400 + np.random.default_rng(0).normal(0, 20, inside.shape))
    node = slicer.util.addVolumeFromArray(np.clip(values, 0, None).astype(np.int16))
    node.SetName("FLAIR of Käthe O'Neill")
    node.SetSpacing(4.0, 4.0, 4.0)
    opened.panel.context.state.flair = node
    opened.panel.context.tell()
    return opened


def wait_for_end(reader) -> str:
    """Wait until no run goes on; what the section says."""
    reader.wait(lambda: not reader.panel.segment.run.running)
    reader.host.app.processEvents()
    assert reader.ui.applyButton.text == "Find lesions"
    assert not reader.ui.progressBar.visible
    return reader.ui.segmentMessage.text


def at_stage(reader, stage: str) -> None:
    """Wait until the run is in a stage of the engine."""
    seen = []
    before = reader.panel.segment.run.worker.on_step

    def listen(step, left):
        seen.append(step.stage)
        before(step, left)

    reader.panel.segment.run.worker.on_step = listen
    reader.wait(lambda: stage in seen or not reader.panel.segment.run.running)
    assert reader.panel.segment.run.running


def test_a_run_goes_through_a_folder_with_an_odd_name_and_leaves_nothing_there(reader, temporary):
    reader.press("applyButton")
    said = wait_for_end(reader)
    assert "lesions" in said and "mL, on FLAIR" in said
    assert list(temporary.iterdir()) == []


def test_a_python_that_is_not_there_is_refused_as_it_is_typed(reader, tmp_path):
    reader.ui.interpreterEdit.setText(str(tmp_path / "python"))
    reader.ui.interpreterEdit.editingFinished.emit()
    assert f"There is no Python at {tmp_path / 'python'}." in reader.ui.segmentMessage.text


@UNIX
def test_a_python_that_went_away_is_a_sentence_at_the_next_run(reader, temporary, tmp_path):
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    reader.ui.interpreterEdit.setText(str(python))
    reader.ui.interpreterEdit.editingFinished.emit()
    python.unlink()
    reader.press("applyButton")
    assert f"There is no Python at {python}." in wait_for_end(reader)
    assert list(temporary.iterdir()) == []


def test_a_python_without_the_packages_is_a_sentence_that_points_to_install(reader, temporary, tmp_path):
    bare = tmp_path / "bare python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    reader.ui.interpreterEdit.setText(str(bare))
    reader.ui.interpreterEdit.editingFinished.emit()
    reader.press("applyButton")
    said = wait_for_end(reader)
    said = html.unescape(said)
    assert f"The Python package 'typer' is not installed in {find_interpreter(str(bare))}." in said
    assert "button Install" in said
    assert "ModuleNotFoundError" in reader.ui.logText.plainText
    assert list(temporary.iterdir()) == []


@UNIX
def test_a_killed_engine_is_a_sentence_and_the_next_run_goes_through(reader, temporary):
    reader.press("applyButton")
    at_stage(reader, "network")
    os.kill(reader.panel.segment.run.worker._number(), signal.SIGKILL)
    assert "was ended from outside" in wait_for_end(reader)
    assert list(temporary.iterdir()) == []
    reader.press("applyButton")
    assert "mL, on FLAIR" in wait_for_end(reader)


def test_pressing_the_button_again_and_again_ends_in_order(reader, temporary):
    for _ in range(2):
        reader.press("applyButton")
        reader.press("applyButton")
        assert not reader.ui.applyButton.enabled
        assert wait_for_end(reader) == "Cancelled; nothing was written."
    assert list(temporary.iterdir()) == []


def test_a_flair_that_is_removed_during_the_run_is_a_sentence(reader, scene, temporary):
    reader.press("applyButton")
    at_stage(reader, "read")
    scene.RemoveNode(reader.panel.context.state.flair)
    said = wait_for_end(reader)
    assert said and "defect" not in said
    assert list(temporary.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="/sys and its rules are Linux's")
def test_a_temporary_folder_without_permission_is_a_sentence(reader, monkeypatch, tmp_path):
    import slicer

    locked = Path("/sys")
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o555)
    monkeypatch.setattr(type(slicer.app), "temporaryPath", str(locked))
    reader.press("applyButton")
    said = wait_for_end(reader)
    assert str(locked) in said and "defect" not in said


def test_a_temporary_folder_that_is_gone_is_a_sentence(reader, temporary):
    shutil.rmtree(temporary)
    reader.press("applyButton")
    said = wait_for_end(reader)
    assert temporary.name.split()[0] in said and "defect" not in said
