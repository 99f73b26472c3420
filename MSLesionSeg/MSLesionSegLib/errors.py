"""What can go wrong for a user, as one tree of exceptions.

Each error is one plain sentence (what is wrong, in which file) and a hint (what to do). The command line prints both
and leaves with the exit code of the class; with ``--progress json`` they travel as ``{"error": {...}}``.
An exception outside this tree is a defect of the program: kind ``internal``, exit code 1.
"""

from typing import ClassVar


class MSLesionSegError(Exception):
    """Base of all errors that a user can act on.

    Args:
        message: what is wrong and in which file, one sentence.
        hint: what to do about it, one sentence, may be empty.
    """

    kind: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(MSLesionSegError):
    """An option has a value that cannot be used."""

    kind = "usage"
    exit_code = 2


class StudyError(MSLesionSegError):
    """An input image cannot be read, or is not what a study needs."""

    kind = "study"
    exit_code = 3


class ModelError(MSLesionSegError):
    """A model bundle is damaged, unknown or of the wrong kind."""

    kind = "model"
    exit_code = 4


class OutputError(MSLesionSegError):
    """The result cannot be written where it was asked for."""

    kind = "output"
    exit_code = 5


class ResourceError(MSLesionSegError):
    """The machine lacks memory, disk or the device asked for."""

    kind = "resource"
    exit_code = 6


class DependencyError(MSLesionSegError):
    """A package that this command needs is not installed."""

    kind = "dependency"
    exit_code = 7


class Cancelled(MSLesionSegError):
    """The user or a signal asked the run to stop."""

    kind = "cancelled"
    exit_code = 130

    def __init__(self, message: str = "Cancelled; nothing was written.", hint: str = "") -> None:
        super().__init__(message, hint)
