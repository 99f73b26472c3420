"""Progress, cancel and the end of a run, as a reader of the lines or of the terminal meets them."""

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from MSLesionSegLib.errors import Cancelled, StudyError, UsageError
from MSLesionSegLib.protocol import JsonProgress, Progress, SilentProgress, make_progress

ENGINE = Path(__file__).resolve().parents[2] / "MSLesionSeg"
STAGES = {"read": 1, "network": 8, "write": 1}


def run_python(text: str, **options) -> subprocess.CompletedProcess:
    """Run a few lines with the engine on the path; stdout and stderr as bytes."""
    environment = {**os.environ, "PYTHONPATH": str(ENGINE)}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)], capture_output=True, env=environment, timeout=60, **options
    )


def lines_of(stream: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_run_is_told_as_one_object_a_line():
    stream = io.StringIO()
    progress = JsonProgress(STAGES, stream)
    progress.stage("read")
    progress.stage("network", "on the CPU")
    progress.update(0.5, "window 3 of 6")
    progress.warn("The slices are 8 mm thick.")
    progress.stage("write")
    progress.result({"lesions": 3, "message": "Läsionen: 3"})
    assert lines_of(stream) == [
        {"stage": "read", "fraction": 0.0, "message": ""},
        {"stage": "network", "fraction": 0.1, "message": "on the CPU"},
        {"stage": "network", "fraction": 0.5, "message": "window 3 of 6"},
        {"warning": "The slices are 8 mm thick."},
        {"stage": "write", "fraction": 0.9, "message": ""},
        {"result": {"lesions": 3, "message": "Läsionen: 3"}},
    ]


def test_an_error_line_names_kind_sentence_and_hint():
    stream = io.StringIO()
    JsonProgress(STAGES, stream).error(StudyError("t1.nii is empty.", "Export it again."))
    assert lines_of(stream) == [{"error": {"kind": "study", "message": "t1.nii is empty.", "hint": "Export it again."}}]


def test_the_fraction_never_goes_back():
    progress = Progress(STAGES)
    seen = []
    for step in (lambda: progress.stage("network"), lambda: progress.update(1.0), lambda: progress.stage("read")):
        step()
        seen.append(progress.fraction)
    progress.update(float("nan"))
    progress.update(-3.0)
    seen.append(progress.fraction)
    assert seen == pytest.approx([0.1, 0.9, 0.9, 0.9])


def test_thousands_of_windows_do_not_make_thousands_of_lines():
    stream = io.StringIO()
    progress = JsonProgress(STAGES, stream)
    progress.stage("network")
    for window in range(100_000):
        progress.update(window / 100_000)
    assert 700 < len(lines_of(stream)) < 900


def test_a_cancel_is_met_at_the_next_step():
    progress = Progress(STAGES)
    progress.stage("read")
    progress.cancelled = True
    with pytest.raises(Cancelled):
        progress.update(0.5)
    with pytest.raises(Cancelled):
        progress.stage("network")


def test_a_reader_that_went_away_cancels_the_run():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    progress = JsonProgress(STAGES, Closed())
    progress.stage("read")
    with pytest.raises(Cancelled):
        progress.check()


def test_a_run_that_outlives_its_reader_goes_on_until_it_is_cancelled():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(32, "Broken pipe")

    progress = JsonProgress(STAGES, Closed())
    progress.outlives_reader = True
    progress.stage("read")
    progress.check()
    progress.cancelled = True
    with pytest.raises(Cancelled):
        progress.check()


def test_an_unknown_kind_of_progress_is_refused():
    with pytest.raises(UsageError, match="--progress is 'xml', which is not known"):
        make_progress("xml")


def test_silence_still_tells_warnings_and_errors(capsys):
    progress = SilentProgress(STAGES)
    progress.stage("read", "FLAIR.nii.gz")
    progress.warn("The slices are 8 mm thick.")
    progress.result({"message": "done"})
    progress.error(StudyError("t1.nii is empty.", "Export it again."))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "Warning: The slices are 8 mm thick.\nError: t1.nii is empty.\nExport it again.\n"


def test_without_a_terminal_a_line_is_printed_for_each_stage_and_the_result_goes_to_stdout():
    done = run_python(
        """
        from MSLesionSegLib.protocol import make_progress
        progress = make_progress("bar")
        progress.stage("read", "FLAIR.nii.gz")
        progress.stage("network", "on the CPU")
        for window in range(1000):
            progress.update(window / 1000, f"window {window}")
        progress.result({"message": "Result in out"})
        """
    )
    assert done.stdout.decode().splitlines() == ["Result in out"]
    assert done.stderr.decode().splitlines() == ["read: FLAIR.nii.gz", "network: on the CPU"]


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal needs POSIX")
def test_on_a_terminal_there_is_a_bar_with_the_share_done():
    import pty

    main, side = pty.openpty()
    run = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time; from MSLesionSegLib.protocol import make_progress; p = make_progress('bar')\n"
            "p.stage('network', 'on the CPU'); p.update(0.5); p.warn('thick'); time.sleep(0.3)\n"
            "p.result({'message': 'end'})",
        ],
        stdout=subprocess.PIPE,
        stderr=side,
        env={**os.environ, "PYTHONPATH": str(ENGINE), "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(side)
    shown = b""
    while True:
        try:
            part = os.read(main, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    assert run.communicate(timeout=30)[0] == b"end\n"
    assert b"network: on the CPU" in shown
    assert b"57%" in shown  # 37 of 100 are before the network, half of its 40 are done
    assert b"Warning: thick" in shown


def test_what_libraries_print_does_not_reach_the_reader():
    done = run_python(
        """
        import os
        from MSLesionSegLib.protocol import claim_stdout, make_progress
        progress = make_progress("json", stream=claim_stdout())
        print("from Python")
        os.write(1, b"from a C library\\n")
        progress.stage("read", "Müller")
        """
    )
    assert json.loads(done.stdout.decode("utf-8")) == {"stage": "read", "fraction": 0.0, "message": "Müller"}
    assert b"from a C library" in done.stderr and b"from Python" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_at_its_next_step(number):
    run = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import time; from MSLesionSegLib.protocol import *; p = make_progress('json');\n"
            "with cancel_on_signals(p):\n"
            "    p.stage('read')\n"
            "    try:\n"
            "        while True: time.sleep(0.01); p.update(0.5)\n"
            "    except Cancelled as stop: p.error(stop)\n",
        ],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ENGINE)},
    )
    assert json.loads(run.stdout.readline())["stage"] == "read"
    time.sleep(0.1)
    run.send_signal(number)
    rest = run.communicate(timeout=20)[0].decode().splitlines()
    assert json.loads(rest[-1])["error"]["kind"] == "cancelled"
    assert run.returncode == 0
