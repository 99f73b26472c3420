"""What the engine's process says on stdout, from bytes to objects. Plain Python, no Qt.

The protocol is that of ``MSLesionSegLib.protocol``: one JSON object a line, UTF-8. A line that is not such an object is
ignored, and so is an object of a form that is not known here, so that a newer engine may say more.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

#: A line longer than this is no line of the protocol; it is dropped rather than kept in memory.
LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class Step:
    """How far the run is.

    Attributes:
        stage: name of the stage, see ``protocol.SEGMENT_STAGES``.
        fraction: share of the whole run that is done, 0 to 1.
        message: what is being done, may be empty.
    """

    stage: str
    fraction: float
    message: str


@dataclass(frozen=True)
class Warned:
    """Something the user should know that does not stop the run."""

    message: str


@dataclass(frozen=True)
class Finished:
    """The run ended well; ``result`` is what the command reports, with a sentence for a person under ``message``."""

    result: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """The run ended with an error of ``MSLesionSegLib.errors``."""

    kind: str
    message: str
    hint: str


Said = Step | Warned | Finished | Failed


class LineSplitter:
    """Whole lines from bytes that arrive in pieces of any size, also cut inside a character."""

    def __init__(self) -> None:
        self._rest = b""
        self._dropping = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that are complete now, without their ends; bytes that are not UTF-8 are replaced."""
        *lines, rest = (self._rest + data).split(b"\n")
        if self._dropping and lines:
            lines, self._dropping = lines[1:], False
        if self._dropping or len(rest) > LONGEST_LINE:
            rest, self._dropping = b"", True
        self._rest = rest
        return [_text(line) for line in lines if len(line) <= LONGEST_LINE]

    def end(self) -> list[str]:
        """What came after the last line end, as a line, if anything; for when no more can come."""
        rest, self._rest, self._dropping = self._rest, b"", False
        return [_text(rest)] if rest else []


def understand(line: str) -> Said | None:
    """What a line says; None where it is not a line of the protocol."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    if isinstance(said.get("error"), dict):
        error = said["error"]
        return Failed(_word(error, "kind") or "internal", _word(error, "message"), _word(error, "hint"))
    if isinstance(said.get("result"), dict):
        return Finished(said["result"])
    if isinstance(said.get("warning"), str):
        return Warned(said["warning"])
    fraction = said.get("fraction")
    if isinstance(said.get("stage"), str) and isinstance(fraction, int | float) and math.isfinite(fraction):
        return Step(said["stage"], min(max(float(fraction), 0.0), 1.0), _word(said, "message"))
    return None


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").rstrip("\r")


def _word(values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""
