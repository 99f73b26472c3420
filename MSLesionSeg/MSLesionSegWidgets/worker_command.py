"""The command that runs the engine: which Python, which words, which environment. Plain Python, no Qt.

Never a shell: program and words are handed over one by one, so spaces and quotes in a path need no care.
"""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from MSLesionSegLib.errors import DependencyError

ENGINE = "MSLesionSegLib"
#: What Slicer sets for its own Python and another one must not see.
_OF_SLICERS_PYTHON = ("PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE", "PYTHONSTARTUP")
_OTHER = "Give the path of a Python 3.11 or later, or leave the setting empty for Slicer's own."


@dataclass(frozen=True)
class WorkerCommand:
    """What to start.

    Attributes:
        program: path of the Python interpreter.
        arguments: the words after it.
        environment: the whole environment of the process.
        out: folder into which the command writes its result, or None; a killed run's leftovers beside it are removed.
    """

    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    out: Path | None = None


def segment_words(
    flair: Path,
    out: Path,
    *,
    t1: Path | None = None,
    t2: Path | None = None,
    model: str | None = None,
    device: str = "auto",
    threshold: float | None = None,
    min_volume_mm3: float | None = None,
    brain_mask: Path | None = None,
    registered: bool = False,
) -> tuple[str, ...]:
    """The words of ``segment``; see ``MSLesionSegLib.segment.SegmentRequest`` for their meaning.

    A None is left out, so that the command's own default holds.
    """
    words = ["segment", "--flair", os.path.abspath(flair), "--out", os.path.abspath(out), "--device", device]
    for option, path in (("--t1", t1), ("--t2", t2), ("--brain-mask", brain_mask)):
        words += [] if path is None else [option, os.path.abspath(path)]
    for option, value in (("--model", model), ("--threshold", threshold), ("--min-volume", min_volume_mm3)):
        words += [] if value is None else [option, str(value)]
    return (*words, *(["--registered"] if registered else []), "--progress", "json")


def worker_command(
    words: tuple[str, ...],
    *,
    interpreter: str,
    environment: Mapping[str, str],
    outside: bool,
    folders: tuple[Path, ...] = (),
    module: str = ENGINE,
    out: Path | None = None,
) -> WorkerCommand:
    """The command that runs ``python -m MODULE WORDS``.

    Args:
        words: the command's own words, such as those of ``segment_words``.
        interpreter: path of the Python interpreter, see ``find_interpreter``.
        environment: of this process, or the one in which Slicer was started where ``outside``.
        outside: whether the interpreter is another than Slicer's own.
        folders: where the packages lie; by default the folder that holds ``MSLesionSegLib``.
        module: the package to run.
        out: see ``WorkerCommand``.
    """
    return WorkerCommand(
        program=interpreter,
        arguments=("-m", module, *words),
        environment=worker_environment(environment, folders or (package_folder(),), outside),
        out=out,
    )


def worker_environment(environment: Mapping[str, str], folders: tuple[Path, ...], outside: bool) -> dict[str, str]:
    """The environment of the process: the packages can be found, and text is UTF-8 whatever the system's code page."""
    values = {name: text for name, text in environment.items() if not outside or name not in _OF_SLICERS_PYTHON}
    path = [str(folder) for folder in folders] + [values.get("PYTHONPATH", "")]
    values["PYTHONPATH"] = os.pathsep.join(part for part in path if part)
    values["PYTHONUTF8"] = "1"
    values["PYTHONSAFEPATH"] = "1"  # a file torch.py in the working folder is not imported
    values["PYTHONFAULTHANDLER"] = "1"  # a crash leaves its place in the log
    return values


def package_folder() -> Path:
    """The folder that holds the engine's package, in an installed extension as in a clone."""
    import MSLesionSegLib

    return Path(MSLesionSegLib.__file__).resolve().parents[1]


def find_interpreter(
    setting: str,
    slicer_home: str = "",
    *,
    which: Callable[[str], str | None] = shutil.which,
    platform: str = sys.platform,
) -> str:
    """Path of the Python that runs the engine.

    Args:
        setting: what the user chose, a Python or the folder of an environment that holds one; empty: Slicer's own.
        slicer_home: Slicer's folder, where its own is not on PATH.

    Raises:
        DependencyError: there is none, or it cannot be run.
    """
    setting = setting.strip().strip('"')
    if setting:
        return _chosen(Path(setting).expanduser(), platform)
    name = "PythonSlicer.exe" if platform == "win32" else "PythonSlicer"
    beside = Path(slicer_home) / "bin" / name
    found = which("PythonSlicer") or (str(beside) if slicer_home and beside.is_file() else None)
    if found is None:
        raise DependencyError(
            "Slicer's own Python (PythonSlicer) was not found.", "Install Slicer again, or choose another Python."
        )
    return found


def _chosen(path: Path, platform: str) -> str:
    if path.is_dir():
        inside = ("Scripts/python.exe", "python.exe") if platform == "win32" else ("bin/python", "bin/python3")
        found = [path / name for name in inside if (path / name).is_file()]
        if not found:
            raise DependencyError(f"There is no Python in the folder {path}.", _OTHER)
        return str(found[0])
    if not path.is_file():
        raise DependencyError(f"There is no Python at {path}.", _OTHER)
    if not os.access(path, os.X_OK):
        raise DependencyError(f"{path} is not a program that can be run.", _OTHER)
    return str(path)
