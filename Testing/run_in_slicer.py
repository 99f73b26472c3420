"""Run the tests of ``Testing/slicer`` inside a desktop 3D Slicer.

    Slicer --testing --no-splash --additional-module-paths MSLesionSeg MSLesionSegTraining \\
        --python-script Testing/run_in_slicer.py

from the repository's folder. Words after ``--`` go to pytest; without any, all tests run but those of the test host
itself and of the install step. Slicer's Python needs what the module's button Install brings, and pytest and nibabel
(``PythonSlicer -m pip install pytest nibabel``). Slicer leaves with pytest's exit code.
"""

import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

TESTING = Path(__file__).resolve().parent
REPOSITORY = TESTING.parent
NEEDED = ("pytest", "nibabel", "torch", "typer")
#: They test what stands in for Slicer, start processes with it, or change Slicer's Python.
LEFT_OUT = (
    "test_host.py",
    "test_stand_ins.py",
    "test_install.py",
    "test_run_in_slicer.py",
    "test_training_two_annotators.py",
)


def main(words: Sequence[str]) -> int:
    """Run pytest in this process; its exit code, or 2 where a package is missing."""
    lacking = [name for name in NEEDED if find_spec(name) is None]
    if lacking:
        print(f"Slicer's Python lacks {', '.join(lacking)}; see the first lines of {__file__}.", file=sys.stderr)
        return 2
    # The folder of this script holds a folder "slicer", which must not be taken for Slicer's package.
    sys.path[:] = [str(REPOSITORY), *(path for path in sys.path if Path(path or ".").resolve() != TESTING)]
    import pytest
    from Testing.desktop_host import stand_in_for_the_test_host

    stand_in_for_the_test_host()
    python = shutil.which("PythonSlicer")
    if python:
        sys.executable = python  # tests start processes of "this" Python; in Slicer it is the application
    files = [str(path) for path in sorted((TESTING / "slicer").glob("test_*.py")) if path.name not in LEFT_OUT]
    options = ["--rootdir", str(REPOSITORY), "-c", str(REPOSITORY / "pyproject.toml"), "-p", "no:cacheprovider"]
    return int(pytest.main([*options, *(words or files)]))


def words_after_dashes(words: Sequence[str]) -> list[str]:
    """The words after the first ``--``; none where there is no such word."""
    return list(words[words.index("--") + 1 :]) if "--" in words else []


if __name__ == "__main__":
    import slicer

    slicer.util.exit(main(words_after_dashes(sys.argv)))
