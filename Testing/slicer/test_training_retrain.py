"""A person retrains through the panel: checks, starts, leaves, comes back, cancels, resumes; the trainer is killed."""

import json
import os
import signal
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from Testing.slicer.training_person import end_processes_of, processes_of, small_data_set, small_model, training_panel

from MSLesionSegTrainingLib.run_following import FollowedRun, RunState
from MSLesionSegTrainingLib.run_process import process_of

UNIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")


@pytest.fixture
def dataset(tmp_path, monkeypatch) -> Iterator[Path]:
    """A small data set, and a small model beside the shipped one; no process of the test outlives it."""
    monkeypatch.setenv("MSLESIONSEG_MODELS", str(tmp_path / "models"))
    small_model(tmp_path / "models")
    yield small_data_set(tmp_path / "set")
    end_processes_of(tmp_path)


@pytest.fixture
def run(tmp_path) -> Path:
    """The folder that the panel proposes for the first run."""
    return tmp_path / "set-runs" / "run-01"


def choose(combo, data: str) -> None:
    place = combo.findData(data)
    assert place >= 0, f"{data} cannot be chosen"
    combo.setCurrentIndex(place)


def plan(person, *, epochs: int, steps: int = 2) -> None:
    choose(person.ui.startModelCombo, "tiny-1.0")
    choose(person.ui.trainDeviceCombo, "cpu")
    person.ui.lengthSpin.setValue(epochs)
    person.ui.epochStepsSpin.setValue(steps)


def epochs(person) -> list[int]:
    return [one.epoch for one in person.section.follower.run.epochs]


def end_of(person, seconds: float = 400) -> RunState:
    """How the run ended, once it has."""
    follower = person.section.follower
    person.wait(lambda: follower.state not in (RunState.running, RunState.none), seconds)
    return follower.state


def state_of(run: Path) -> RunState:
    followed = FollowedRun(run)
    followed.read()
    return followed.state


def test_a_run_is_started_left_found_again_cancelled_and_resumed(qt_host, dataset, run):
    with training_panel(qt_host, dataset, "retrain") as person:
        assert person.ui.runFolderEdit.text == str(run)
        assert not person.ui.resumeButton.enabled and not person.ui.cancelButton.enabled
        plan(person, epochs=500)
        person.press("trainButton")
        person.wait(lambda: len(epochs(person)) >= 1, 400)
        assert person.ui.runStageLabel.text.startswith("Training, ")
        assert person.ui.validationCaseCombo.itemText(0) == "sub-03"
        person.press("curvesButton")
        chart = person.section.curves.chart
        assert "best epoch" in chart.GetTitle()
    assert state_of(run) is RunState.running  # the panel is gone, and the run goes on
    with training_panel(qt_host, dataset, "retrain") as person:
        seen = len(epochs(person))
        assert seen >= 1 and person.ui.cancelButton.enabled and not person.ui.trainButton.enabled
        person.wait(lambda: len(epochs(person)) > seen)
        points = chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable().GetNumberOfRows()
        assert points == len(epochs(person))
        person.press("cancelButton")
        assert person.ui.runStageLabel.text == "Cancelling..." and person.ui.cancelButton.text == "End at once"
        assert end_of(person) is RunState.cancelled
        person.wait(lambda: processes_of(run) == [], 60)
        assert person.ui.runMessage.text.startswith("Cancelled at step ")
        assert "Press Resume to go on" in person.ui.runMessage.text
        assert (run / "checkpoint.pt").is_file() and not list(run.glob("*.partial"))
        done = len(epochs(person))
        person.press("resumeButton")
        person.wait(lambda: len(epochs(person)) > done, 400)
        assert epochs(person) == list(range(1, len(epochs(person)) + 1))


@UNIX
def test_a_killed_trainer_is_told_and_its_run_goes_on(qt_host, dataset, run):
    with training_panel(qt_host, dataset, "retrain") as person:
        plan(person, epochs=500)
        person.press("trainButton")
        person.wait(lambda: len(epochs(person)) >= 1, 400)
        os.kill(person.section.follower.run.process.number, signal.SIGKILL)
        assert end_of(person) is RunState.died
        assert "The training ended without a word 0 min ago" in person.ui.runMessage.text
        assert "Press Resume to go on from the last checkpoint." in person.ui.runMessage.text
        person.wait(lambda: processes_of(run) == [], 60)
        done = epochs(person)
        person.press("resumeButton")
        person.wait(lambda: len(epochs(person)) > len(done), 400)
        assert epochs(person)[: len(done)] == done
        person.press("cancelButton")
        person.press("cancelButton")  # at once
        assert end_of(person, 20) in (RunState.died, RunState.cancelled)
        assert processes_of(run) == []


def test_the_check_tells_who_trains_and_validates_and_what_it_takes(qt_host, dataset, run):
    with training_panel(qt_host, dataset, "retrain") as person:
        plan(person, epochs=2)
        person.press("checkButton")
        assert person.ui.checkButton.text == "Cancel"
        person.wait(lambda: not person.section.check_job.running, 400)
        assert person.ui.checkLabel.text.startswith("2 cases to train on, 1 case to validate with. Never trained on")
        assert "GB of disk" in person.ui.checkLabel.text
        assert not run.exists()


def test_a_mistake_is_told_in_a_sentence_and_nothing_is_started(qt_host, dataset, run, tmp_path):
    with training_panel(qt_host, dataset, "retrain") as person:
        plan(person, epochs=2)
        person.ui.trainInterpreterEdit.setText(str(tmp_path / "nowhere"))
        person.section._interpreter_chosen()
        assert "There is no Python at" in person.ui.planMessage.text
        run.mkdir(parents=True)
        (run / "checkpoint.pt").write_bytes(b"another run")
        person.press("trainButton")
        assert "holds a run already" in person.ui.planMessage.text
        person.ui.runFolderEdit.setText("")
        person.press("trainButton")
        assert "No folder is named for the run." in person.ui.planMessage.text
        assert processes_of(run) == []


def test_a_run_that_is_refused_says_why(qt_host, dataset, run):
    with training_panel(qt_host, dataset, "retrain") as person:
        plan(person, epochs=2)
        person.ui.leaveOutEdit.setText("sub-09")
        person.press("trainButton")
        assert end_of(person) is RunState.failed
        assert "There is no patient sub-09" in person.ui.runMessage.text
        assert not person.ui.resumeButton.enabled


def test_the_packages_of_training_are_those_of_the_distribution(qt_host):
    from MSLesionSegTrainingWidgets.train_packages import TRAIN

    project = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text("utf-8"))
    assert [*TRAIN, "torch>=2.4"] == project["project"]["optional-dependencies"]["train"]


class Written:
    """A run that only its ``progress.jsonl`` knows."""

    def __init__(self, folder: Path, **changes) -> None:
        folder.mkdir(parents=True)
        line = {"process": {**process_of(os.getpid()).as_line(), **changes}, "version": "0.0.1"}
        (folder / "progress.jsonl").write_text(json.dumps({"time": "2025-11-25T04:00:00Z", **line}) + "\n")
        self.run = FollowedRun(folder)
        self.run.read()

    def told(self, *log: str):
        from MSLesionSegTrainingWidgets.run_words import told_of

        return told_of(self.run, self.run.state, log)


def test_a_run_of_another_version_and_one_of_another_computer_are_said_to_be(qt_host, run):
    assert Written(run / "a").told().message.startswith("This run belongs to version 0.0.1 of the program; this is ")
    told = Written(run / "b", computer="another").told()
    assert told.message.startswith("This run was started on another computer, another; its last word came ")


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (("Error: There is no model 'x'.", "Known models: y."), "There is no model 'x'."),
        (("Traceback", "ModuleNotFoundError: No module named 'torch'"), "The Python package 'torch' is not installed"),
        (("MemoryError",), "There is not enough memory"),
        ((), "The training ended without a word"),
    ],
)
def test_the_log_tells_why_a_run_ended_without_a_word(qt_host, run, log, message):
    told = Written(run, began="before the computer was started again").told(*log)
    assert told.wrong and told.message.startswith(message)


def test_a_full_disk_is_named(qt_host, run, monkeypatch):
    monkeypatch.setattr("MSLesionSegTrainingWidgets.run_words.free_disk", lambda folder: 4096)
    (run / "run").parent.mkdir(parents=True)
    told = Written(run / "run", began="gone").told()
    assert told.message == f"The training ended, and the disk that holds {run / 'run'} is full."
    assert told.hint.startswith("Make room first.")
