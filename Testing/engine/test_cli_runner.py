"""What a user meets when a command fails: one sentence, a hint, an exit code; a traceback only when asked for."""

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ENGINE = Path(__file__).resolve().parents[2] / "MSLesionSeg"


def run_failing(body: str, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """Run an application with one command, ``work``, that has this body."""
    program = f"""
import sys, typer
from MSLesionSegLib.cli_runner import leave, run
from MSLesionSegLib.errors import *
app = typer.Typer(rich_markup_mode=None)
@app.callback()
def program(): pass
@app.command()
def work(context: typer.Context, number: int = 0, progress: str = "bar"):
{textwrap.indent(textwrap.dedent(body), "    ")}
leave(run(app))
"""
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ENGINE), **environment},
        timeout=60,
    )


@pytest.mark.parametrize(
    ("raised", "code", "sentence", "hint"),
    [
        ("StudyError('t1.nii is empty.', 'Export it again.')", 3, "t1.nii is empty.", "Export it again."),
        ("ModelError('There is no model x.', 'Add it.')", 4, "There is no model x.", "Add it."),
        ("OutputError('out is a file.', 'Name a folder.')", 5, "out is a file.", "Name a folder."),
        ("Cancelled()", 130, "Cancelled; nothing was written.", None),
        ("KeyboardInterrupt()", 130, "Cancelled; nothing was written.", None),
        (
            "MemoryError()",
            6,
            "There is not enough memory for this study.",
            "Close other programs and try again.",
        ),
        (
            "RuntimeError('DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes')",
            6,
            "There is not enough memory for this study.",
            "Close other programs and try again.",
        ),
        (
            "OSError(28, 'No space left on device', 'out/x.nii')",
            6,
            "The disk is full (writing out/x.nii).",
            "Make room, or choose another folder.",
        ),
        (
            "ModuleNotFoundError('gone', name='torch')",
            7,
            "The Python package 'torch', which this command needs, is not installed.",
            'Try: pip install "torch"',
        ),
        (
            "ModuleNotFoundError('gone', name='monai.networks')",
            7,
            "The Python package 'monai', which this command needs, is not installed.",
            'Try: pip install "mslesionseg[train]"',
        ),
    ],
)
def test_an_error_is_a_sentence_a_hint_and_an_exit_code(raised, code, sentence, hint):
    done = run_failing(f"raise {raised}", "work")
    assert done.stderr.splitlines() == [f"Error: {sentence}", *([hint] if hint else [])]
    assert (done.returncode, done.stdout) == (code, "")


def test_with_json_the_error_is_the_only_line_on_stdout():
    done = run_failing(
        "print('noise'); raise StudyError('t1.nii is empty.', 'Export it again.')", "work", "--progress=json"
    )
    assert json.loads(done.stdout) == {
        "error": {"kind": "study", "message": "t1.nii is empty.", "hint": "Export it again."}
    }
    assert (done.returncode, done.stderr) == (3, "noise\n")


def test_a_wrong_word_is_told_as_json_too():
    done = run_failing("pass", "work", "--progress", "json", "--number", "two")
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 2
    assert error["kind"] == "usage"
    assert error["message"].startswith("Invalid value for '--number': ")
    assert error["hint"] == "'mslesionseg work --help' lists what can be given."


def test_a_defect_is_said_to_be_one_and_leaves_its_details_in_a_file(tmp_path):
    done = run_failing("context.obj.stage('no such stage')", "work", TMPDIR=str(tmp_path), TEMP=str(tmp_path))
    first, second = done.stderr.splitlines()
    assert done.returncode == 1
    assert first.startswith("Error: This is a defect of mslesionseg: KeyError: 'no such stage' (protocol.py:")
    (log,) = tmp_path.glob("mslesionseg-*.log")
    assert second == f"The details lie in {log}; please report them."
    assert "Traceback (most recent call last)" in log.read_text("utf-8")


def test_debug_shows_the_traceback_wherever_it_stands():
    done = run_failing("raise StudyError('t1.nii is empty.')", "work", "--debug")
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.endswith("Error: t1.nii is empty.\n")
    assert done.returncode == 3


def test_names_come_through_in_utf8_whatever_the_locale():
    done = run_failing(
        r"raise StudyError('M\u00fcller \u2013 \u75c5\u4eba.nii is empty.')",
        "work",
        LC_ALL="C",
        PYTHONIOENCODING="ascii",
        PYTHONUTF8="0",
    )
    assert done.stderr == "Error: Müller – 病人.nii is empty.\n"


def test_threads_that_wait_leave_the_cores_to_others_unless_told_otherwise(monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    body = "import os, sys; print('torch' in sys.modules, os.environ['OMP_WAIT_POLICY'])"
    assert run_failing(body, "work").stdout == "False PASSIVE\n"
    assert run_failing(body, "work", OMP_WAIT_POLICY="ACTIVE").stdout == "False ACTIVE\n"


def test_a_command_that_ends_well_leaves_with_0():
    done = run_failing("context.obj.result({'message': 'done'})", "work")
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_cancelled_run_does_not_wait_for_work_in_other_threads():
    body = """
    import threading, time
    threading.Thread(target=time.sleep, args=(50,)).start()
    raise Cancelled()
    """
    started = time.monotonic()
    assert run_failing(body, "work").returncode == 130
    assert time.monotonic() - started < 40
