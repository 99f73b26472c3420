"""Progress of a part of a longer task, as a task of its own sees it."""

from __future__ import annotations

import time

from MSLesionSegLib.protocol import Progress


class PartProgress(Progress):
    """Hands the fractions of a part on as fractions of the outer stage; stages of the part do not count.

    Args:
        outer: in the stage that the part belongs to.
        start, end: fractions of that stage between which the part lies.
        name: put before each message.
        clock: tells how long the whole stage will take; None tells nothing.
    """

    def __init__(self, outer: Progress, start: float, end: float, name: str, clock: StageClock | None = None) -> None:
        super().__init__()
        self._outer, self._begin, self._end = outer, start, end
        self._name, self._clock = name, clock

    def plan(self, stages: object) -> None:
        """Stages of the part are not told."""

    def stage(self, name: str, message: str = "") -> None:
        self.check()

    def update(self, fraction_of_stage: float, message: str = "") -> None:
        done = self._begin + (self._end - self._begin) * min(max(fraction_of_stage, 0.0), 1.0)
        left = self._clock.left(done) if self._clock else ""
        self._outer.update(done, ", ".join(part for part in (f"{self._name}: {message}", left) if part))

    def check(self) -> None:
        self._outer.check()

    def warn(self, message: str) -> None:
        self._outer.warn(f"{self._name}: {message}")

    def part(self, start: float, end: float) -> PartProgress:
        """A part of this part."""
        width = self._end - self._begin
        return PartProgress(
            self._outer, self._begin + start * width, self._begin + end * width, self._name, self._clock
        )


class StageClock:
    """Estimates the time that a stage still takes from what was done since now.

    Args:
        done: fraction of the stage that was done before.
    """

    def __init__(self, done: float) -> None:
        self._first, self._began = done, time.monotonic()

    def left(self, done: float) -> str:
        """A few words; empty as long as nothing can be said."""
        gained = done - self._first
        if gained < 0.005:
            return ""
        minutes = (time.monotonic() - self._began) / gained * (1 - done) / 60
        return f"about {max(1, round(minutes))} min left for the whole study"
