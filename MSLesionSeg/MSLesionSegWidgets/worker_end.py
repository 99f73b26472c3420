"""How a run ended, as one sentence and a hint, whatever happened to its process. Plain Python, no Qt."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from MSLesionSegLib.errors import Cancelled

from .worker_lines import Failed, Finished

DONE, CANCELLED, CRASH, DEPENDENCY = "done", "cancelled", "crash", "dependency"
INSTALL_HINT = "Install what is missing with the button Install, or choose another Python in the settings."
_LOG_HINT = "The log tells more; please report it together with this sentence."
_MEMORY_HINT = "Close other programs and try again, or use a computer with more memory."

#: Signals and Windows codes of a process that somebody or something ended, or that fell over memory.
_KILLED = {9, 137}
_SIGNALS = {4: "illegal instruction", 6: "abort", 7: "bus error", 8: "arithmetic error", 11: "segmentation fault"}
_WINDOWS = {
    0xC0000005: "access violation",
    0xC000001D: "illegal instruction",
    0xC0000409: "stack check",
    0xC00000FD: "stack overflow",
}
_WINDOWS_MEMORY = {0xC0000017, 0xC000012D}
_WINDOWS_LIBRARY = {0xC0000135, 0xC0000139, 0xC0000142}


@dataclass(frozen=True)
class End:
    """The end of a run.

    Attributes:
        kind: "done", "cancelled", "crash", or the kind of an error of ``MSLesionSegLib.errors``.
        message: one sentence for the user.
        hint: what to do about it, may be empty.
        result: what the command reported, where it is done.
    """

    kind: str
    message: str
    hint: str = ""
    result: dict[str, Any] = field(default_factory=dict)


def end_of_run(
    said: Finished | Failed | None, *, code: int, crashed: bool, cancelled: bool, log: Sequence[str], program: str
) -> End:
    """What the end of the process means.

    Args:
        said: the last result or error line of the run, if any came.
        code: the exit code, or the number of the signal that ended the process.
        crashed: whether the process ended in another way than by itself.
        cancelled: whether the user had asked for a cancel.
        log: the last lines of stderr.
        program: path of the interpreter, for the sentence.
    """
    if isinstance(said, Finished):
        return End(DONE, str(said.result.get("message", "")), result=said.result)
    if cancelled and not (isinstance(said, Failed) and said.kind != Cancelled.kind):
        return End(CANCELLED, Cancelled().message)
    if isinstance(said, Failed):
        return End(said.kind, said.message, INSTALL_HINT if said.kind == DEPENDENCY else said.hint)
    return _unsaid(code, crashed, log, program)


def not_started(program: str, reason: str) -> End:
    """The process could not be started at all."""
    return End(
        DEPENDENCY,
        f"{program} could not be started ({reason.rstrip('.')}).",
        "Check that it is a Python 3.11 or later, or leave the setting empty for Slicer's own.",
    )


def _unsaid(code: int, crashed: bool, log: Sequence[str], program: str) -> End:
    """The process ended without a word of the protocol."""
    missing = _missing_module(log)
    if missing.startswith("MSLesionSeg"):
        return End(CRASH, f"{program} does not find the package {missing}.", "Install the extension again.")
    if missing:
        return End(DEPENDENCY, f"The Python package '{missing}' is not installed in {program}.", INSTALL_HINT)
    last = next((line.strip() for line in reversed(log) if line.strip()), "")
    if not crashed and code == 1 and _looks_too_old(last):
        return End(DEPENDENCY, f"{program} is older than Python 3.11.", INSTALL_HINT)
    unsigned = code & 0xFFFFFFFF
    if unsigned in _WINDOWS_LIBRARY:
        return End(CRASH, "The computation did not start, because a library is missing or damaged.", INSTALL_HINT)
    if unsigned in _WINDOWS_MEMORY or "MemoryError" in last:
        return End("resource", "There is not enough memory for this study.", _MEMORY_HINT)
    if code in _KILLED:
        return End(
            CRASH,
            "The computation was ended from outside, as the system does when memory runs out; nothing was written.",
            _MEMORY_HINT,
        )
    number = code if crashed else code - 128
    name = _SIGNALS.get(number) or _WINDOWS.get(unsigned)
    if name:
        return End(CRASH, f"The computation crashed ({name}); nothing was written.", _LOG_HINT)
    words = f": {last}" if last else "."
    return End(CRASH, f"The computation ended without a result (code {code}){words}", _LOG_HINT)


def _missing_module(log: Sequence[str]) -> str:
    for line in reversed(log):
        if match := re.search(r"No module named '?([A-Za-z_]\w*)", line):
            return match.group(1)
    return ""


def _looks_too_old(last: str) -> bool:
    """The last line of a traceback of a Python that lacks what 3.11 brought."""
    return bool(re.match(r"SyntaxError: |ImportError: cannot import name '(StrEnum|UTC|Self)' ", last))
