"""How long a run will still take, told so that the number does not jump about. Plain Python, no Qt."""

from collections import deque

#: Nothing is estimated before this much of the run, in seconds and as a share of it, is done.
LEAST_SECONDS = 2.0
LEAST_FRACTION = 0.03
#: The pace is that of this many of the last seconds, or of the whole run where it is shorter.
WINDOW_SECONDS = 20.0


class TimeLeft:
    """Seconds left from the fractions done so far.

    The stages' shares of the time are only their usual ones, so the estimate takes the mean of the pace of the whole
    run and the pace of late. Between two steps of the engine the estimate runs down with the clock.
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self._steps = deque([(started, 0.0)])
        self._end: float | None = None

    def step(self, now: float, fraction: float) -> None:
        """Note that ``fraction`` (0 to 1) is done at ``now``, in seconds of the clock that gave ``started``."""
        if fraction <= self._steps[-1][1]:
            return
        self._steps.append((now, fraction))
        while len(self._steps) > 2 and self._steps[1][0] <= now - WINDOW_SECONDS:
            self._steps.popleft()
        if now - self._started < LEAST_SECONDS or fraction < LEAST_FRACTION:
            return
        of_all = fraction / (now - self._started)
        then, before = self._steps[0]
        of_late = (fraction - before) / (now - then) if now > then else of_all
        self._end = now + 2.0 * (1.0 - fraction) / (of_all + of_late)

    def seconds(self, now: float) -> float | None:
        """Seconds left at the time ``now``; None while too little is done to tell."""
        return None if self._end is None else max(self._end - now, 0.0)


def time_words(seconds: float | None) -> str:
    """``about 40 s left``, ``about 3 min left``; empty where nothing can be told."""
    if seconds is None:
        return ""
    if seconds < 5:
        return "a few seconds left"
    if seconds < 55:
        return f"about {5 * round(seconds / 5)} s left"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {max(minutes, 1)} min left"
    return f"about {minutes / 60:.1f} h left"
