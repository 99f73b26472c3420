"""Which Python runs the engine, as Slicer's settings say."""

import os
from pathlib import Path

import slicer

from .worker_command import ENGINE, WorkerCommand, find_interpreter, worker_command

#: Path of the interpreter or of its environment; empty for Slicer's own.
INTERPRETER_KEY = "MSLesionSeg/Interpreter"


def interpreter_setting() -> str:
    """What the user chose, as typed; empty for Slicer's own Python."""
    return str(slicer.util.settingsValue(INTERPRETER_KEY, "") or "").strip()


def choose_interpreter(path: str) -> None:
    """Keep the user's choice; empty takes Slicer's own Python.

    Raises:
        DependencyError: there is no Python at that path; the setting stays as it was.
    """
    import qt

    if path.strip():
        find_interpreter(path)
    qt.QSettings().setValue(INTERPRETER_KEY, path.strip())


def command_from_settings(
    words: tuple[str, ...], *, out: Path | None = None, module: str = ENGINE, folders: tuple[Path, ...] = ()
) -> WorkerCommand:
    """The command that runs ``python -m MODULE WORDS`` with the chosen Python; see ``worker_command``.

    Another Python than Slicer's own starts in the environment in which Slicer was started, without Slicer's libraries.

    Raises:
        DependencyError: the Python is not there.
    """
    setting = interpreter_setting()
    interpreter = find_interpreter(setting, "" if setting else slicer.app.slicerHome)
    environment = slicer.util.startupEnvironment() if setting else dict(os.environ)
    return worker_command(
        words,
        interpreter=interpreter,
        environment=environment,
        outside=bool(setting),
        folders=folders,
        module=module,
        out=out,
    )
