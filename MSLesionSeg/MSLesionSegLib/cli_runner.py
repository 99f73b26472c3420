"""Run a command line so that a user meets sentences and exit codes, never a traceback."""

import contextlib
import errno
import gc
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from .errors import Cancelled, DependencyError, MSLesionSegError, ResourceError, StudyError, UsageError
from .protocol import Progress, cancel_on_signals, claim_stdout, make_progress

PROGRAM = "mslesionseg"
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
OUT_OF_MEMORY_WORDS = (
    "not enough memory",
    "out of memory",
    "failed to allocate memory",
    "allocate memory: you tried",
    "bad_alloc",
    "bad allocation",
)
#: What to install for a missing import; the others come with ``mslesionseg`` itself.
PIP_NAMES = {
    "cryptography": "mslesionseg[batch]",
    "dask": "mslesionseg[batch]",
    "distributed": "mslesionseg[batch]",
    "torch": "torch",
    "monai": "mslesionseg[train]",
    "nibabel": "mslesionseg[train]",
    "pandas": "mslesionseg[train]",
    "highdicom": "mslesionseg[dicom]",
    "pydicom": "mslesionseg[dicom]",
}


def run(app: Any, arguments: Sequence[str] | None = None) -> int:
    """Run a typer application; the command finds its ``Progress`` in ``context.obj``.

    Args:
        app: a ``typer.Typer``.
        arguments: the words after the program's name, by default those of this process.

    Returns:
        the exit code: 0, the code of the error's class (see ``errors``), or 1 for a defect.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    _force_utf8()
    _wait_without_spinning()
    progress = _progress_of(words)
    try:
        with cancel_on_signals(progress):
            return _call(app, words, progress)
    except BaseException as exception:
        if debug:
            traceback.print_exc(file=sys.stderr)
        error = user_error(exception) or _defect(exception)
        progress.error(error)
        return error.exit_code
    finally:
        progress.close()


def leave(code: int) -> NoReturn:
    """End the process with this exit code.

    After a cancel at once: a registration may still compute in a thread that nobody can stop, and the interpreter would
    wait for it. What the run had open or written was released when the cancel unwound it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if code == Cancelled.exit_code:
        gc.collect()  # objects that remove their temporary folder
        os._exit(code)
    sys.exit(code)


def user_error(exception: BaseException) -> MSLesionSegError | None:
    """What a foreign exception means to the user; None where only a developer can act on it."""
    if isinstance(exception, MSLesionSegError):
        return exception
    if isinstance(exception, KeyboardInterrupt):
        return Cancelled()
    if hasattr(exception, "format_message"):  # typer's complaints about the words of the command line
        context = getattr(exception, "ctx", None)
        path = context.command_path if context else PROGRAM
        sentence = exception.format_message().replace("Value error, ", "").rstrip(".")
        return UsageError(f"{sentence}.", f"'{path} --help' lists what can be given.")
    text = str(exception).lower()
    no_memory = isinstance(exception, OSError) and exception.errno == errno.ENOMEM
    if no_memory or isinstance(exception, MemoryError) or any(words in text for words in OUT_OF_MEMORY_WORDS):
        return ResourceError("There is not enough memory for this study.", "Close other programs and try again.")
    if isinstance(exception, OSError) and exception.errno in DISK_FULL:
        return ResourceError(
            f"The disk is full (writing {exception.filename or 'a file'}).", "Make room, or choose another folder."
        )
    if isinstance(exception, PermissionError) and exception.filename:
        return StudyError(f"{exception.filename} may not be read.", "Check its permissions and those of its folder.")
    if isinstance(exception, ImportError) and exception.name and not exception.name.startswith("MSLesionSeg"):
        package = exception.name.partition(".")[0]
        reason = "is not installed" if isinstance(exception, ModuleNotFoundError) else f"cannot be loaded ({exception})"
        pip_name = PIP_NAMES.get(package, PROGRAM)
        return DependencyError(
            f"The Python package '{package}', which this command needs, {reason}.", f'Try: pip install "{pip_name}"'
        )
    return None


def _call(app: Any, words: list[str], progress: Progress) -> int:
    from typer.main import get_command

    outcome = get_command(app).main(words, prog_name=PROGRAM, standalone_mode=False, obj=progress)
    if outcome == Cancelled.exit_code:  # what typer makes of a KeyboardInterrupt
        raise Cancelled()
    return outcome if isinstance(outcome, int) else 0


def _progress_of(words: list[str]) -> Progress:
    """The progress asked for, known before the words are parsed, so that errors in them are told the same way."""
    kind = "bar"
    for number, word in enumerate(words):
        if word == "--progress" and number + 1 < len(words):
            kind = words[number + 1]
        elif word.startswith("--progress="):
            kind = word.partition("=")[2]
    if kind == "json":
        return make_progress(kind, stream=claim_stdout())
    return make_progress(kind if kind == "none" else "bar")


def _force_utf8() -> None:
    """Names of files come through in any script, whatever the console's code page."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def _wait_without_spinning() -> None:
    """Let PyTorch's threads sleep while they wait for each other, before PyTorch is imported.

    They spin otherwise, which takes the cores from whatever else runs, Slicer and the processes that make patches first
    of all. GNU's OpenMP reads the variable when it is loaded; one that is set already stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _defect(exception: BaseException) -> MSLesionSegError:
    """An exception nobody foresaw, as a sentence; the traceback goes to a file beside other temporary ones."""
    where = traceback.extract_tb(exception.__traceback__)
    place = f"{Path(where[-1].filename).name}:{where[-1].lineno}" if where else "unknown place"
    hint = "Run it again with --debug to see the details."
    with contextlib.suppress(OSError):
        number, path = tempfile.mkstemp(prefix="mslesionseg-", suffix=".log", text=True)
        with os.fdopen(number, "w", encoding="utf-8") as log:
            traceback.print_exception(exception, file=log)
        hint = f"The details lie in {path}; please report them."
    return MSLesionSegError(f"This is a defect of {PROGRAM}: {type(exception).__name__}: {exception} ({place}).", hint)
