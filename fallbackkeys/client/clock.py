"""Moments on a wall clock that nobody can trust.

A wait is measured from the reading at its start. A clock that was set back since then shows a reading before
the start; from such readings alone no wait would ever end if the start had been read from a clock that was
years ahead. So a moment also keeps the lowest reading seen *behind* it, and while the clock is behind, the
wait is measured from there; once the clock is past the moment again, only the moment counts. A clock set back
can therefore make a wait longer, never shorter (FK-CLIENT-10).

All readings and durations are integers in milliseconds.
"""

from typing import Self

import attrs


@attrs.frozen
class Moment:
    """A reading of the clock from which a wait is measured."""

    at: int
    behind: int | None = None
    """The lowest later reading, while the clock is behind `at`."""

    def seen(self, now: int) -> Self:
        """The same moment after another reading. Every reading must be shown, or none counts from behind."""
        if now >= self.at:
            return self if self.behind is None else type(self)(self.at)
        if self.behind is None or now < self.behind:
            return type(self)(self.at, now)
        return self

    def elapsed(self, now: int) -> int:
        """Milliseconds that have surely passed, as far as the clock can tell. `now` has been `seen`."""
        if now >= self.at:
            return now - self.at
        return 0 if self.behind is None else now - self.behind

    def due(self, duration: int) -> int:
        """The reading at which so many milliseconds will have passed, if the clock runs on as it is."""
        if self.behind is not None and self.behind + duration < self.at:
            return self.behind + duration
        return self.at + duration
