"""What the worker makes of bytes, exit codes, paths and clocks, without Qt and without a process of the engine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from MSLesionSegLib.errors import DependencyError
from MSLesionSegWidgets.process_tree import (
    Process,
    end_tree,
    engine_of,
    from_ps,
    kill_words,
    list_processes,
    tree_of,
)
from MSLesionSegWidgets.time_left import TimeLeft, time_words
from MSLesionSegWidgets.worker_cleanup import remove_leftovers
from MSLesionSegWidgets.worker_command import find_interpreter, segment_words, worker_command
from MSLesionSegWidgets.worker_end import end_of_run, not_started
from MSLesionSegWidgets.worker_lines import (
    LONGEST_LINE,
    Failed,
    Finished,
    LineSplitter,
    Step,
    Warned,
    understand,
)

ENGINE = Path(__file__).resolve().parents[2] / "MSLesionSeg"
UNIX = pytest.mark.skipif(os.name == "nt", reason="signals are another matter on Windows")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_come_out_whole_however_the_bytes_arrive(size):
    text = '{"stage": "read", "message": "Müller – 病人"}\r\n\nnoise\nrest'
    splitter, lines = LineSplitter(), []
    data = text.encode()
    for start in range(0, len(data), size):
        lines += splitter.feed(data[start : start + size])
    assert lines == ['{"stage": "read", "message": "Müller – 病人"}', "", "noise"]
    assert splitter.end() == ["rest"]
    assert splitter.end() == []


def test_bytes_that_are_no_text_and_lines_without_end_do_no_harm():
    splitter = LineSplitter()
    assert splitter.feed(b"\xff\xfe\x00\n") == ["\ufffd\ufffd\0"]
    for _ in range(3):
        assert splitter.feed(b"x" * LONGEST_LINE) == []
    assert splitter.feed(b"end\nnext\n") == ["next"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"stage": "network", "fraction": 0.5, "message": "window 3 of 9"}', Step("network", 0.5, "window 3 of 9")),
        ('{"stage": "read", "fraction": 7}', Step("read", 1.0, "")),
        ('{"warning": "T1w fits poorly."}', Warned("T1w fits poorly.")),
        ('{"result": {"folder": "/x", "message": "3 lesions."}}', Finished({"folder": "/x", "message": "3 lesions."})),
        (
            '{"error": {"kind": "study", "message": "t1.nii is empty.", "hint": "Export it again."}}',
            Failed("study", "t1.nii is empty.", "Export it again."),
        ),
        ('{"error": {"message": "No kind."}}', Failed("internal", "No kind.", "")),
    ],
)
def test_a_line_of_the_protocol_is_understood(line, said):
    assert understand(line) == said


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Loading plugin...",
        "{",
        "[1, 2]",
        "null",
        '{"stage": "read"}',
        '{"stage": 3, "fraction": 0.5}',
        '{"stage": "read", "fraction": NaN}',
        '{"stage": "read", "fraction": "half"}',
        '{"result": "done"}',
        '{"error": "bad"}',
        '{"something": "new"}',
        "[" * 100_000,
    ],
)
def test_any_other_line_is_ignored(line):
    assert understand(line) is None


def test_nothing_is_estimated_at_first_and_then_what_an_even_pace_gives():
    left = TimeLeft(100.0)
    left.step(101.0, 0.1)
    assert left.seconds(101.0) is None
    left.step(105.0, 0.25)
    assert left.seconds(105.0) == pytest.approx(15.0)
    assert left.seconds(108.0) == pytest.approx(12.0)
    assert left.seconds(200.0) == 0.0


def test_the_estimate_follows_a_run_that_slows_down():
    left = TimeLeft(0.0)
    for second in range(1, 21):
        left.step(float(second), 0.02 * second)
    assert left.seconds(20.0) == pytest.approx(30.0)
    for second in range(21, 61):
        left.step(float(second), 0.4 + 0.005 * (second - 20))
    assert 50.0 < left.seconds(60.0) < 80.0  # 80 s at the pace of late, 40 s at the pace of the whole


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0.0, "a few seconds left"),
        (12.4, "about 10 s left"),
        (52.0, "about 50 s left"),
        (58.0, "about 1 min left"),
        (170.0, "about 3 min left"),
        (5400.0, "about 1.5 h left"),
    ],
)
def test_the_estimate_in_words(seconds, words):
    assert time_words(seconds) == words


def test_the_words_of_a_run_are_handed_over_one_by_one_with_absolute_paths(tmp_path):
    words = segment_words(
        tmp_path / "J. Müller" / "FLAIR 3D.nii.gz",
        Path("result"),
        t1=tmp_path / 'a "quoted" T1.nii.gz',
        model="ms-lesion",
        device="cpu",
        threshold=0.4,
        min_volume_mm3=5.0,
        registered=True,
    )
    assert words == (
        "segment",
        "--flair",
        str(tmp_path / "J. Müller" / "FLAIR 3D.nii.gz"),
        "--out",
        os.path.join(os.getcwd(), "result"),
        "--device",
        "cpu",
        "--t1",
        str(tmp_path / 'a "quoted" T1.nii.gz'),
        "--model",
        "ms-lesion",
        "--threshold",
        "0.4",
        "--min-volume",
        "5.0",
        "--registered",
        "--progress",
        "json",
    )


def test_the_command_runs_the_engine_of_this_extension_as_a_module():
    command = worker_command(("models", "list"), interpreter="/p/PythonSlicer", environment={"A": "b"}, outside=False)
    assert (command.program, command.arguments) == ("/p/PythonSlicer", ("-m", "MSLesionSegLib", "models", "list"))
    (folder,) = command.environment["PYTHONPATH"].split(os.pathsep)
    assert (Path(folder) / "MSLesionSegLib" / "__main__.py").is_file()
    assert command.environment["A"] == "b"


def test_slicers_own_python_keeps_slicers_paths_and_another_one_does_not_see_them(tmp_path):
    slicers = {"PYTHONHOME": "/s/lib/Python", "PYTHONPATH": "/s/bin/Python", "PATH": "/s/bin"}
    own = worker_command((), interpreter="p", environment=slicers, outside=False, folders=(tmp_path,))
    assert own.environment["PYTHONHOME"] == "/s/lib/Python"
    assert own.environment["PYTHONPATH"] == os.pathsep.join([str(tmp_path), "/s/bin/Python"])
    other = worker_command((), interpreter="p", environment=slicers, outside=True, folders=(tmp_path,))
    assert "PYTHONHOME" not in other.environment
    assert other.environment["PYTHONPATH"] == str(tmp_path)
    assert other.environment["PATH"] == "/s/bin"


def test_slicers_own_python_is_found_on_the_path_or_in_slicers_folder(tmp_path):
    assert find_interpreter("", which={"PythonSlicer": "/s/bin/PythonSlicer"}.get) == "/s/bin/PythonSlicer"
    for platform, name in (("linux", "PythonSlicer"), ("win32", "PythonSlicer.exe")):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).touch()
        found = find_interpreter("", str(tmp_path), which=lambda _name: None, platform=platform)
        assert found == str(tmp_path / "bin" / name)
    with pytest.raises(DependencyError, match=r"PythonSlicer\) was not found"):
        find_interpreter("", str(tmp_path / "elsewhere"), which=lambda _name: None)


def test_a_chosen_python_may_be_the_program_or_the_folder_of_its_environment():
    environment = Path(sys.executable).parents[1]
    assert find_interpreter(sys.executable) == sys.executable
    assert find_interpreter(f' "{sys.executable}" ') == sys.executable
    assert Path(find_interpreter(str(environment))).name in ("python", "python.exe")


def test_on_windows_the_python_of_an_environment_lies_in_scripts(tmp_path):
    (tmp_path / "Scripts").mkdir()
    (tmp_path / "Scripts" / "python.exe").touch()
    assert find_interpreter(str(tmp_path), platform="win32") == str(tmp_path / "Scripts" / "python.exe")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "There is no Python at {}."),
        (lambda path: path.mkdir(), "There is no Python in the folder {}."),
        pytest.param(lambda path: path.touch(mode=0o644), "{} is not a program that can be run.", marks=UNIX),
    ],
)
def test_a_chosen_python_that_is_none_is_one_sentence(tmp_path, make, sentence):
    make(tmp_path / "my python")
    with pytest.raises(DependencyError) as caught:
        find_interpreter(str(tmp_path / "my python"))
    assert caught.value.message == sentence.format(tmp_path / "my python")
    assert "Python 3.11 or later" in caught.value.hint


def end(said=None, **known):
    facts = {"code": 0, "crashed": False, "cancelled": False, "log": [], "program": "/p/python"}
    return end_of_run(said, **{**facts, **known})


def test_the_end_of_a_run_that_went_well_carries_the_result():
    result = {"folder": "/x", "lesion_count": 3, "message": "3 lesions."}
    done = end(Finished(result), cancelled=True)  # the cancel came too late
    assert (done.kind, done.message, done.result) == ("done", "3 lesions.", result)


def test_a_cancel_is_a_cancel_however_the_process_ended():
    for said, code, crashed in ((Failed("cancelled", "x", ""), 130, False), (None, 9, True), (None, 1, False)):
        told = end(said, code=code, crashed=crashed, cancelled=True)
        assert (told.kind, told.message) == ("cancelled", "Cancelled; nothing was written.")
    assert end(Failed("study", "t1.nii is empty.", ""), code=3, cancelled=True).kind == "study"


def test_an_error_of_the_engine_keeps_its_sentence_and_a_missing_package_points_to_install():
    told = end(Failed("study", "t1.nii is empty.", "Export it again."), code=3)
    assert (told.kind, told.message, told.hint) == ("study", "t1.nii is empty.", "Export it again.")
    told = end(Failed("dependency", "PyTorch is not installed.", 'Try: pip install "torch"'), code=7)
    assert told.hint.startswith("Install what is missing with the button Install")


@pytest.mark.parametrize(
    ("code", "crashed", "log", "kind", "sentence"),
    [
        (9, True, [], "crash", "was ended from outside, as the system does when memory runs out"),
        (137, False, [], "crash", "was ended from outside"),
        (11, True, ["Fatal Python error: Segmentation fault"], "crash", "crashed (segmentation fault)"),
        (134, False, [], "crash", "crashed (abort)"),
        (-1073741819, True, [], "crash", "crashed (access violation)"),
        (0xC0000005, True, [], "crash", "crashed (access violation)"),
        (0xC0000135, False, [], "crash", "a library is missing or damaged"),
        (-1073741801, True, [], "resource", "not enough memory"),
        (1, False, ["MemoryError"], "resource", "not enough memory"),
        (0, False, [], "crash", "ended without a result (code 0)."),
        (5, False, ["  odd  ", ""], "crash", "ended without a result (code 5): odd"),
        (
            1,
            False,
            ["Traceback (most recent call last):", "ModuleNotFoundError: No module named 'typer'"],
            "dependency",
            "The Python package 'typer' is not installed in /p/python.",
        ),
        (1, False, ["/p/python: No module named MSLesionSegLib"], "crash", "does not find the package MSLesionSegLib"),
        (
            1,
            False,
            ["ImportError: cannot import name 'StrEnum' from 'enum' (/usr/lib/python3.10/enum.py)"],
            "dependency",
            "/p/python is older than Python 3.11.",
        ),
    ],
)
def test_an_end_without_a_word_is_one_sentence(code, crashed, log, kind, sentence):
    told = end(code=code, crashed=crashed, log=log)
    assert told.kind == kind
    assert sentence in told.message
    assert told.hint


def test_a_program_that_cannot_be_started_is_one_sentence():
    told = not_started("/p/python", "execve: Exec format error.")
    assert told.message == "/p/python could not be started (execve: Exec format error)."
    assert told.kind == "dependency"


OURS = ("-m", "MSLesionSegLib", "segment", "--flair", "/a b.nii")
LINE = " ".join(OURS)


def test_the_engine_behind_a_launcher_is_the_one_that_is_signalled():
    table = [
        Process(1, 0, "init"),
        Process(10, 1, f"PythonSlicer {LINE}"),
        Process(11, 10, f"python-real {LINE}"),
        Process(12, 11, f"python-real {LINE}"),  # a fork of the engine
        Process(13, 11, "python-real -c from multiprocessing.spawn import spawn_main"),
        Process(20, 1, f"python-real {LINE}"),  # another run
    ]
    assert engine_of(10, OURS, table) == 11
    assert engine_of(11, OURS, table) == 11
    assert engine_of(99, OURS, table) == 99
    assert tree_of(10, table) == [10, 11, 12, 13]


def test_what_ps_prints_is_read_with_spaces_in_the_words():
    listing = "    1     0 /sbin/launchd\n  501     1 /Applications/Slicer 5.app/python -m x\nodd line\n"
    assert from_ps(listing) == [
        Process(1, 0, "/sbin/launchd"),
        Process(501, 1, "/Applications/Slicer 5.app/python -m x"),
    ]


def test_windows_ends_the_tree_by_its_own_command():
    assert kill_words(4711) == ["taskkill", "/PID", "4711", "/T", "/F"]
    assert list_processes("win32") == []


@UNIX
def test_the_whole_tree_of_a_process_is_ended():
    grandchild = (
        f"import subprocess, sys, time; subprocess.Popen([{sys.executable!r}, '-c', 'import time; time.sleep(60)'])"
    )
    parent = subprocess.Popen([sys.executable, "-c", f"{grandchild}; time.sleep(60)"])
    deadline = time.monotonic() + 10
    while len(tree := tree_of(parent.pid, list_processes())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(tree) == 2
    end_tree(parent.pid)
    assert parent.wait(10) == -signal.SIGKILL
    while any(p.number == tree[1] and p.words for p in list_processes()) and time.monotonic() < deadline:
        time.sleep(0.05)  # a process that has ended has no words
    assert not any(process.number == tree[1] and process.words for process in list_processes())


@UNIX
def test_what_a_killed_run_leaves_is_removed_and_an_earlier_result_comes_back(tmp_path):
    out = tmp_path / "result"
    half = f"""
import os, signal, sys
from MSLesionSegLib.results import ResultFolder
with ResultFolder({str(out)!r}) as result:
    result.write_text("a.txt", "half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", half], env={**os.environ, "PYTHONPATH": str(ENGINE)}, check=False, timeout=60)
    assert len(list(tmp_path.iterdir())) == 2
    remove_leftovers(out)
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_a_run_that_is_going_on_or_of_others_is_removed(tmp_path):
    out = tmp_path / "result"
    (tmp_path / ".resulting.partial-1").mkdir()
    writing = f"""
from MSLesionSegLib.results import ResultFolder
with ResultFolder({str(out)!r}) as result:
    result.write_text("a.txt", "whole")
    print("writing", flush=True)
    input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", writing],
        env={**os.environ, "PYTHONPATH": str(ENGINE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "writing\n"
        remove_leftovers(out)
        other.communicate("\n", timeout=60)
    assert other.returncode == 0
    remove_leftovers(out)
    assert (out / "a.txt").read_text() == "whole"
    assert (tmp_path / ".resulting.partial-1").is_dir()
    remove_leftovers(tmp_path / "nowhere" / "result")
    assert not (tmp_path / "nowhere").exists()
