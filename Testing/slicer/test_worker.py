"""The worker with real processes: the engine on the phantom, and small scripts only for what the engine never does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

UNIX = pytest.mark.skipif(os.name == "nt", reason="signals are another matter on Windows")


class Watch:
    """A worker, and all that it told."""

    def __init__(self, host: Any) -> None:
        from MSLesionSegWidgets.worker import Worker

        self.host = host
        self.worker = Worker()
        self.steps, self.left, self.warnings, self.ends = [], [], [], []
        self.at_step = lambda: None
        self.worker.on_step = self._step
        self.worker.on_warning = self.warnings.append
        self.worker.on_end = self.ends.append

    def _step(self, step: Any, left: float | None) -> None:
        self.steps.append(step)
        self.left.append(left)
        self.at_step()

    def wait(self, seconds: float = 120) -> Any:
        """Turn the event loop until the run has ended; its end."""
        self.until(lambda: self.ends, seconds)
        return self.ends[-1]

    def until(self, condition: Any, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"nothing after {seconds} s; log: {list(self.worker.log)}"
            self.host.app.processEvents()
            time.sleep(0.01)


@pytest.fixture
def watch(qt_host):
    watch = Watch(qt_host)
    yield watch
    watch.worker.close()


@pytest.fixture
def flair(tmp_path) -> Path:
    """A stripped ball of a brain, segmented in seconds, in a folder with a blank, an umlaut and a quote in its name."""
    folder = tmp_path / "Käthe O'Neill 病人"
    folder.mkdir()
    z, y, x = np.indices((40, 48, 40))
    inside = ((z - 20) / 14) ** 2 + ((y - 24) / 18) ** 2 + ((x - 20) / 14) ** 2 < 1
    values = inside * (400 + np.random.default_rng(0).normal(0, 20, inside.shape))
    image = sitk.GetImageFromArray(np.clip(values, 0, None).astype(np.int16))
    image.SetSpacing((4.0, 4.0, 4.0))
    sitk.WriteImage(image, folder / "FLAIR 3D.nii.gz")
    return folder / "FLAIR 3D.nii.gz"


def engine_command(flair: Path, out: Path, interpreter: str = sys.executable):
    from MSLesionSegWidgets.worker_command import segment_words, worker_command

    words = segment_words(flair, out, device="cpu")
    return worker_command(words, interpreter=interpreter, environment=os.environ, outside=True, out=out)


def script_command(text: str, out: Path | None = None):
    from MSLesionSegWidgets.worker_command import WorkerCommand

    return WorkerCommand(sys.executable, ("-c", text), dict(os.environ), out)


def number_of(worker) -> int:
    return worker._number()


def engine_processes(out: Path) -> list[int]:
    """Processes that have the folder of the result among their words."""
    from MSLesionSegWidgets.process_tree import list_processes

    return [process.number for process in list_processes() if str(out) in process.words]


def test_the_engine_segments_a_study_while_the_event_loop_turns(watch, flair):
    out = flair.parent / "result"
    turns = []
    timer = watch.host.qt.QTimer()
    timer.connect("timeout()", lambda: turns.append(time.monotonic()))
    timer.start(50)
    started = time.monotonic()
    watch.worker.start(engine_command(flair, out))
    assert time.monotonic() - started < 2.0
    assert watch.worker.running
    end = watch.wait()
    timer.stop()
    assert (end.kind, end.result["folder"]) == ("done", str(out))
    assert end.message.endswith(f"on FLAIR. The result lies in {out}")
    assert not watch.worker.running
    assert (out / "lesion_mask.nii.gz").is_file()
    fractions = [step.fraction for step in watch.steps]
    assert fractions == sorted(fractions) and fractions[-1] > 0.9
    assert {"read", "bias", "network", "write"} <= {step.stage for step in watch.steps}
    assert watch.left[0] is None and watch.left[-1] is not None
    assert len(watch.ends) == 1
    assert max(b - a for a, b in zip(turns, turns[1:], strict=False)) < 2.0


@pytest.mark.parametrize("stage", ["read", "network"])
def test_a_cancel_leaves_no_process_and_no_file(watch, flair, stage):
    out = flair.parent / "result"
    watch.at_step = lambda: watch.steps[-1].stage == stage and watch.worker.cancel()
    watch.worker.start(engine_command(flair, out))
    end = watch.wait()
    assert (end.kind, end.message) == ("cancelled", "Cancelled; nothing was written.")
    assert watch.steps[-1].stage == stage
    assert [path.name for path in flair.parent.iterdir()] == [flair.name]
    assert engine_processes(out) == []


def test_a_cancel_before_the_engine_woke_up_is_a_cancel(watch, flair):
    watch.worker.start(engine_command(flair, flair.parent / "result"))
    watch.worker.cancel()
    watch.worker.cancel()
    assert watch.worker.cancelling
    assert watch.wait(20).kind == "cancelled"
    assert [path.name for path in flair.parent.iterdir()] == [flair.name]
    watch.worker.start(script_command('print(\'{"result": {"message": "again"}}\')'))
    watch.until(lambda: len(watch.ends) == 2)
    assert watch.ends[1].message == "again"


@UNIX
def test_a_cancel_reaches_the_engine_behind_a_launcher(watch, flair, tmp_path):
    launcher = tmp_path / "PythonSlicer"
    launcher.write_text(f'#!/bin/sh\n"{sys.executable}" "$@"\nexit $?\n')
    launcher.chmod(0o755)
    out = flair.parent / "result"
    watch.at_step = lambda: watch.steps[-1].stage == "network" and watch.worker.cancel()
    watch.worker.start(engine_command(flair, out, str(launcher)))
    assert watch.wait().kind == "cancelled"
    assert [path.name for path in flair.parent.iterdir()] == [flair.name]
    assert engine_processes(out) == []


@UNIX
def test_an_engine_that_does_not_heed_a_cancel_is_ended_with_its_children(watch, tmp_path, monkeypatch):
    monkeypatch.setattr("MSLesionSegWidgets.worker.GRACE_MS", 300)
    text = f"""
import signal, subprocess, sys, time
from MSLesionSegLib.results import ResultFolder
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with ResultFolder({str(tmp_path / "result")!r}) as result:
    result.write_text("a.txt", "half")
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", {str(tmp_path)!r}])
    print('{{"stage": "read", "fraction": 0.1}}', flush=True)
    time.sleep(60)
"""
    watch.at_step = watch.worker.cancel
    command = script_command(text, tmp_path / "result")
    command.environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2] / "MSLesionSeg")
    watch.worker.start(command)
    assert watch.wait(20).kind == "cancelled"
    assert list(tmp_path.iterdir()) == []
    assert engine_processes(tmp_path) == []


def test_a_second_run_is_refused_with_a_sentence_and_the_first_goes_on(watch):
    from MSLesionSegLib.errors import ResourceError

    watch.worker.start(script_command('import time; time.sleep(1); print(\'{"result": {"message": "first"}}\')'))
    with pytest.raises(ResourceError) as caught:
        watch.worker.start(script_command("print('second')"))
    assert caught.value.message == "A computation is still running."
    assert caught.value.hint == "Wait until it ends, or press Cancel."
    assert watch.wait().message == "first"


def test_closing_during_a_run_ends_it_and_tells_nobody(watch, flair):
    out = flair.parent / "result"
    watch.worker.start(engine_command(flair, out))
    watch.until(lambda: watch.steps and watch.steps[-1].stage == "network")
    started = time.monotonic()
    watch.worker.close()
    assert time.monotonic() - started < 7
    assert not watch.worker.running
    assert engine_processes(out) == []
    assert [path.name for path in flair.parent.iterdir()] == [flair.name]
    watch.host.app.processEvents()
    assert watch.ends == []


@UNIX
def test_an_engine_whose_slicer_is_gone_ends_by_itself(flair):
    """A Slicer that crashed has closed nothing; its end of the pipe is gone."""
    out = flair.parent / "result"
    command = engine_command(flair, out)
    with subprocess.Popen(
        [command.program, *command.arguments],
        env=command.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 130
    assert [path.name for path in flair.parent.iterdir()] == [flair.name]


@UNIX
@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (signal.SIGKILL, "The computation was ended from outside, as the system does when memory runs out"),
        (signal.SIGSEGV, "The computation crashed (segmentation fault); nothing was written."),
    ],
)
def test_a_killed_engine_is_a_sentence_and_leaves_nothing(watch, flair, number, sentence):
    out = flair.parent / "result"
    watch.at_step = lambda: watch.steps[-1].stage == "bias" and os.kill(number_of(watch.worker), number)
    watch.worker.start(engine_command(flair, out))
    end = watch.wait()
    assert end.kind == "crash"
    assert end.message.startswith(sentence)
    assert [path.name for path in flair.parent.iterdir()] == [flair.name]


def test_an_error_of_the_engine_comes_through_with_its_hint(watch, tmp_path):
    (tmp_path / "FLAIR.nii.gz").write_bytes(b"no image")
    watch.worker.start(engine_command(tmp_path / "FLAIR.nii.gz", tmp_path / "result"))
    end = watch.wait()
    assert end.kind == "study"
    assert str(tmp_path / "FLAIR.nii.gz") in end.message
    assert end.hint


@pytest.mark.skipif(sys.platform != "linux", reason="/sys and its rules are Linux's")
def test_a_folder_without_permission_is_a_sentence(watch, flair, tmp_path):
    locked = Path("/sys")
    if os.geteuid() != 0:
        locked = tmp_path / "locked"
        locked.mkdir(mode=0o555)
    watch.worker.start(engine_command(flair, locked / "result"))
    end = watch.wait()
    assert end.kind == "output"
    assert end.message == f"The result cannot be written to {locked / 'result'}: permission denied."


def test_a_program_that_is_none_is_a_sentence_that_comes_after_start(watch, flair, tmp_path):
    nothing = tmp_path / "no python"
    nothing.write_bytes(b"\0\1\2")
    nothing.chmod(0o755)
    watch.worker.start(engine_command(flair, tmp_path / "result", str(nothing)))
    assert watch.ends == [] and watch.worker.running
    end = watch.wait()
    assert end.kind == "dependency"
    assert end.message.startswith(f"{nothing} could not be started (")


def test_a_python_without_the_packages_is_a_sentence_that_points_to_install(watch, flair, tmp_path):
    bare = tmp_path / "bare python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    from MSLesionSegWidgets.worker_command import find_interpreter

    python = find_interpreter(str(bare))
    watch.worker.start(engine_command(flair, tmp_path / "result", python))
    end = watch.wait()
    assert end.kind == "dependency"
    assert end.message == f"The Python package 'typer' is not installed in {python}."
    assert end.hint.startswith("Install what is missing with the button Install")


def test_a_python_without_torch_is_a_sentence_that_points_to_install(watch, flair, tmp_path):
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "torch.py").write_text("raise ModuleNotFoundError('gone', name='torch')")
    command = engine_command(flair, tmp_path / "result")
    path = command.environment["PYTHONPATH"]
    command.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path / "blocked"), path])
    watch.worker.start(command)
    end = watch.wait()
    assert end.kind == "dependency"
    assert end.message == "The Python package 'torch', which this command needs, is not installed."
    assert end.hint.startswith("Install what is missing with the button Install")


def test_garbage_on_stdout_is_ignored_and_stderr_is_the_log(watch):
    text = """
import os, sys
os.write(1, b"\\xff\\xfe garbage\\n{\\n" + b"x" * 3_000_000 + b"\\n")
os.write(1, '{"stage": "read", "fraction": 0.5, "message": "M\\u00fc'.encode("utf-8")[:-1])
import time; time.sleep(0.2)
os.write(1, "\\u00fc".encode("utf-8")[1:] + b'ller"}\\n')
print("a line of the log\\nand another", file=sys.stderr, flush=True)
os.write(1, b'{"warning": "look"}\\n{"result": {"message": "done"}}')
"""
    watch.worker.start(script_command(text))
    end = watch.wait()
    assert (end.kind, end.message) == ("done", "done")
    assert [(step.stage, step.message) for step in watch.steps] == [("read", "Müller")]
    assert watch.warnings == ["look"]
    assert list(watch.worker.log) == ["a line of the log", "and another"]


def test_an_engine_that_ends_without_a_word_is_a_sentence_with_its_last_words(watch):
    watch.worker.start(script_command("import sys; print('out of cheese', file=sys.stderr); sys.exit(3)"))
    end = watch.wait()
    assert (end.kind, end.message) == ("crash", "The computation ended without a result (code 3): out of cheese")


def test_a_callback_that_fails_does_not_stop_the_worker(watch, qt_host):
    def fail(*_what):
        raise ValueError("a defect of the panel")

    watch.worker.on_step = fail
    watch.worker.start(
        script_command('print(\'{"stage": "read", "fraction": 0.5}\\n{"result": {"message": "done"}}\')')
    )
    assert watch.wait().kind == "done"
    (failure,) = qt_host.failures.take()
    assert "a defect of the panel" in failure


def test_the_command_of_the_settings_is_the_chosen_python_or_slicers_own(qt_host, tmp_path, monkeypatch):
    from MSLesionSegLib.errors import DependencyError
    from MSLesionSegWidgets.worker_settings import choose_interpreter, command_from_settings, interpreter_setting

    monkeypatch.setenv("PYTHONHOME", "/slicer")
    choose_interpreter(sys.executable)
    command = command_from_settings(("models", "list"))
    assert (command.program, command.arguments[-2:]) == (sys.executable, ("models", "list"))
    assert "PYTHONHOME" not in command.environment
    with pytest.raises(DependencyError, match="There is no Python at"):
        choose_interpreter(str(tmp_path / "nowhere"))
    assert interpreter_setting() == sys.executable

    choose_interpreter("")
    name = "PythonSlicer.exe" if os.name == "nt" else "PythonSlicer"
    (tmp_path / name).touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    command = command_from_settings(("models", "list"))
    assert Path(command.program) == tmp_path / name
    assert command.environment["PYTHONHOME"] == "/slicer"
