"""How long a reader works on a study. Plain Python, no Qt."""

import time
from collections.abc import Callable

#: A longer time without a word of the reader is a pause and does not count.
PAUSE_SECONDS = 120.0


class ReviewClock:
    """Adds up the time between what the reader does, without pauses.

    Args:
        now: a clock in seconds that never goes back.

    Attributes:
        seconds: worked so far.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._last: float | None = None
        self.seconds = 0.0

    def note(self) -> None:
        """The reader has done something."""
        now = self._now()
        if self._last is not None and now - self._last <= PAUSE_SECONDS:
            self.seconds += now - self._last
        self._last = now
