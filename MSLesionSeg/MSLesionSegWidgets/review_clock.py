"""How long a reader works on a study. Plain Python, no Qt."""

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

#: A longer time without a word of the reader is a pause and does not count.
PAUSE_SECONDS = 120.0


class ReviewClock:
    """Adds up the time between what the reader does, without pauses.

    Args:
        now: a clock in seconds that never goes back.
        kept: where the sum is kept, as ``seconds_spent``, such as the state in the scene; None keeps it here.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, kept: Any = None) -> None:
        self._now = now
        self._last: float | None = None
        self._kept = SimpleNamespace(seconds_spent=0.0) if kept is None else kept

    @property
    def seconds(self) -> float:
        """Worked so far."""
        return self._kept.seconds_spent

    def note(self) -> None:
        """The reader has done something."""
        now = self._now()
        if self._last is not None and now - self._last <= PAUSE_SECONDS:
            self._kept.seconds_spent += now - self._last
        self._last = now
