"""Every Slicer, Qt and CTK name that the modules use exists in Slicer, since the test host cannot know."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MODULES = ("MSLesionSeg", "MSLesionSegTraining")
OLDEST_SLICER = "5.10.0"


@pytest.fixture(scope="module")
def checker() -> Path:
    """The name checker (``SLICER_API_CHECK``, default ``../shared/slicer-api/check.py``); a skip where absent."""
    default = REPOSITORY.parent / "shared" / "slicer-api" / "check.py"
    path = Path(os.environ.get("SLICER_API_CHECK") or default)
    if not path.is_file():
        pytest.skip(f"no name checker in {path}; set SLICER_API_CHECK")
    return path


def check(checker: Path, *folders: Path) -> subprocess.CompletedProcess:
    words = [sys.executable, str(checker), "--slicer", OLDEST_SLICER, *map(str, folders)]
    return subprocess.run(words, capture_output=True, encoding="utf-8", timeout=300)


def test_every_name_exists_in_slicer(checker):
    done = check(checker, *(REPOSITORY / module for module in MODULES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("planted.py", "import qt\nqt.QLabel().setTxt('x')\n"),
        ("planted.py", "import slicer\nslicer.util.loadVolumes('x')\n"),
        (
            "planted.ui",
            '<ui version="4.0"><class>A</class><widget class="QWidget" name="A"><property name="tolTip">'
            "<string>x</string></property></widget></ui>",
        ),
    ],
)
def test_a_planted_name_is_found(checker, tmp_path, name, text):
    (tmp_path / name).write_text(text, "utf-8")
    done = check(checker, tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{name}:" in done.stdout
