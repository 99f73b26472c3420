"""The script that runs these tests in a desktop Slicer; the test host takes Slicer's place here."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

IN_SLICER = f"""
import sys
sys.path.append({str(REPOSITORY)!r})
from Testing.host.start import start_host
start_host()  # now there is a Slicer: its scene, its application, qt
sys.path[0] = {str(REPOSITORY / "Testing")!r}  # as Slicer does for a script
import run_in_slicer
code = run_in_slicer.main(sys.argv[1:])
from Testing.host.start import start_host
print("host:", type(start_host()).__name__)
sys.exit(code)
"""


def run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", IN_SLICER, *words], capture_output=True, encoding="utf-8", cwd=REPOSITORY, timeout=300
    )


def test_the_same_tests_run_against_the_slicer_that_is_there():
    done = run("Testing/slicer/test_worker.py", "-k", "garbage or second", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert "host: DesktopHost" in done.stdout


def test_a_failing_test_fails_slicer(tmp_path):
    (tmp_path / "test_x.py").write_text("def test_x():\n    assert False\n")
    assert run(str(tmp_path / "test_x.py"), "-q").returncode == 1


def test_clicks_and_keys_reach_widgets_without_qtest(qt_host):
    from Testing.desktop_host import _click, _press

    qt = qt_host.qt
    button, edit = qt.QPushButton(), qt.QLineEdit()
    pressed, typed = [], []
    button.connect("clicked()", lambda: pressed.append(1))
    edit.connect("returnPressed()", lambda: typed.append(1))
    for widget in (button, edit):
        widget.show()
    _click(button, qt.Qt.LeftButton)
    _press(edit, qt.Qt.Key_Return)
    assert (pressed, typed) == ([1], [1])


def test_the_words_for_pytest_come_after_two_dashes():
    sys.path.append(str(REPOSITORY))
    from Testing.run_in_slicer import words_after_dashes

    assert words_after_dashes(["Slicer", "--testing", "--", "-k", "worker"]) == ["-k", "worker"]
    assert words_after_dashes(["Slicer"]) == []
