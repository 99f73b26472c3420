"""A run is followed by what it wrote: whether it works, how it ended, and whether it can go on."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from MSLesionSegLib.errors import Cancelled, DependencyError, ResourceError
from MSLesionSegLib.protocol import SilentProgress
from MSLesionSegTrainingLib.checkpoint import CHECKPOINT_FILE
from MSLesionSegTrainingLib.followed import followed
from MSLesionSegTrainingLib.run_following import FollowedRun, RunState
from MSLesionSegTrainingLib.run_process import RunProcess, beginning_of, process_of
from MSLesionSegTrainingLib.run_start import let_go, log_lines, start_run

HERE = process_of(os.getpid())
GONE = RunProcess(HERE.number, f"{HERE.began}0", HERE.computer)  # the number, given to another process since


def write(run: Path, *lines: dict) -> FollowedRun:
    run.mkdir(exist_ok=True)
    with (run / "progress.jsonl").open("a") as stream:
        stream.writelines(json.dumps({"time": "2025-11-25T04:00:00Z", **line}) + "\n" for line in lines)
    return read(run)


def read(run: Path) -> FollowedRun:
    told = FollowedRun(run)
    told.read()
    return told


def process(one: RunProcess) -> dict:
    return {"process": one.as_line(), "version": "0.1"}


def epoch(number: int, score: float, best: int) -> dict:
    figures = {"loss": 0.5, "seconds": 9.0, "dice": score, "lesion_f1": score, "threshold": 0.4, "score": score}
    return {"epoch": {"epoch": number, "step": 10 * number, "learning_rate": 1e-3, **figures, "best_epoch": best}}


def wait(condition, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_folder_without_a_run_tells_nothing(tmp_path):
    told = read(tmp_path / "none")
    assert (told.state, told.epochs, told.best, told.can_resume) == (RunState.none, [], None, False)


def test_a_run_is_followed_while_it_grows_and_half_a_line_waits_for_its_rest(tmp_path):
    told = write(tmp_path, process(HERE), {"stage": "train", "fraction": 0.25, "message": "step 5"}, epoch(1, 0.4, 1))
    assert (told.state, told.stage, told.fraction, told.message) == (RunState.running, "train", 0.25, "step 5")
    assert told.read() is False
    with (tmp_path / "progress.jsonl").open("a") as stream:
        text = json.dumps(epoch(2, 0.6, 2))
        stream.write(text[:20])
        stream.flush()
        assert told.read() is False and told.best.epoch == 1
        stream.write(text[20:] + "\n")
    assert told.read() is True
    assert (told.best.epoch, told.best.dice, told.best.threshold) == (2, 0.6, 0.4)
    assert [one.epoch for one in told.epochs] == [1, 2]


@pytest.mark.parametrize(
    ("last", "state"),
    [
        ({"result": {"message": "Dice 0.5"}}, RunState.done),
        ({"error": {"kind": "cancelled", "message": "Cancelled at step 3", "hint": ""}}, RunState.cancelled),
        ({"error": {"kind": "resource", "message": "The disk is full", "hint": ""}}, RunState.failed),
    ],
)
def test_the_last_line_says_how_a_run_ended(tmp_path, last, state):
    told = write(tmp_path, process(GONE), last)
    assert told.state is state
    assert told.can_resume is False
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"x")
    assert told.can_resume is (state is not RunState.done)


def test_a_run_whose_number_belongs_to_another_process_now_has_died(tmp_path):
    told = write(tmp_path, process(GONE), {"stage": "train", "fraction": 0.5, "message": ""})
    assert told.state is RunState.died
    assert process_of(os.getpid()).lives and not GONE.lives


def test_a_run_of_another_computer_is_said_to_be_elsewhere(tmp_path):
    assert write(tmp_path, process(RunProcess(1, "x", "another computer"))).state is RunState.elsewhere


def test_a_resumed_run_forgets_how_the_first_attempt_ended_and_counts_its_epochs_once(tmp_path):
    error = {"error": {"kind": "cancelled", "message": "Cancelled", "hint": ""}}
    write(tmp_path, process(GONE), epoch(1, 0.4, 1), epoch(2, 0.6, 2), {"warning": "old"}, error)
    told = write(tmp_path, process(HERE), epoch(2, 0.5, 2))
    assert (told.state, told.error, told.warnings) == (RunState.running, None, [])
    assert [(one.epoch, one.score) for one in told.epochs] == [(1, 0.4), (2, 0.5)]


def test_another_run_under_the_same_name_is_read_from_its_beginning(tmp_path):
    told = write(tmp_path, process(GONE), epoch(1, 0.4, 1), epoch(2, 0.6, 2))
    (tmp_path / "progress.jsonl").unlink()
    assert told.read() is True and told.state is RunState.none
    write(tmp_path, process(HERE))
    told.read()
    assert (told.state, told.epochs) == (RunState.running, [])


def test_lines_of_no_known_form_are_passed_over(tmp_path):
    (tmp_path / "progress.jsonl").write_bytes(b'\xff\xfe\n[1]\n{"epoch": {"epoch": 1}}\n{"process": 7}\n{"new": 1}\n')
    assert read(tmp_path).state is RunState.none


def test_the_program_names_its_process_and_its_version_first(tmp_path):
    with pytest.raises(Cancelled), followed(SilentProgress(), tmp_path):
        told = read(tmp_path)
        assert told.process == HERE and told.state is RunState.running and told.version
        raise Cancelled("Cancelled at step 3.")
    told.read()
    assert told.state is RunState.cancelled and told.error["message"] == "Cancelled at step 3."


def test_the_beginning_of_a_process_tells_it_from_another_of_the_same_number():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = beginning_of(child.pid)
    assert began and began == beginning_of(child.pid) != beginning_of(os.getpid())
    if sys.platform == "linux":
        assert beginning_of(child.pid, "darwin")  # what `ps` says
    child.kill()
    wait(lambda: beginning_of(child.pid) == "")  # it waits to be counted, and does not live
    child.wait()
    assert beginning_of(child.pid) == ""


def test_a_started_run_outlives_the_program_that_started_it(tmp_path):
    run = tmp_path / "run"
    text = (
        "import os, sys\nfrom pathlib import Path\nfrom MSLesionSegTrainingLib.run_start import start_run\n"
        "start_run(sys.executable, ['-c', 'print(\"begun\", flush=True); import time; time.sleep(60)'], os.environ, "
        "Path(sys.argv[1]))"
    )
    folders = os.pathsep.join(path for path in sys.path if path.endswith(("MSLesionSeg", "MSLesionSegTraining")))
    environment = {**os.environ, "PYTHONPATH": folders}
    subprocess.run([sys.executable, "-c", text, str(run)], env=environment, check=True, timeout=60)
    told = read(run)
    assert told.state is RunState.running
    wait(lambda: log_lines(run) == ["begun"])
    with pytest.raises(ResourceError, match="is going on"):
        start_run(sys.executable, ["-c", "pass"], os.environ, run)
    os.kill(told.process.number, 9)
    wait(lambda: told.state is RunState.died)


def test_a_started_run_that_ended_is_let_go_and_its_words_are_kept(tmp_path):
    started = start_run(sys.executable, ["-c", "raise SystemExit('no such thing')"], os.environ, tmp_path / "run")
    wait(lambda: not started.lives)
    assert log_lines(tmp_path / "run") == ["no such thing"]
    let_go()
    with pytest.raises(DependencyError, match="could not be started"):
        start_run(str(tmp_path / "nothing"), [], os.environ, tmp_path / "other")
