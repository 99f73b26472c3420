"""One mistake of a user, and what must be said to it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mistake:
    """What is wrong, the exit code, the sentence and the hint; FOLDER stands for the folder of the inputs."""

    name: str
    make: Callable[[Path], list[str]]
    code: int
    sentence: str
    hint: str
