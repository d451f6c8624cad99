"""Pace: how long a step of a camera's parts takes just now, whatever a few hitches of the machine do."""

from __future__ import annotations

from collections import deque

__all__ = ["Pace"]

_KEPT = 15  # of the last ones: a second or less of a line that has more triggers than it can decide on
_SLOW = 2  # of them are hitches


class Pace:
    """The times of the last 15 parts in a step: its median, and what nearly all of them kept to.

    Before there are so many, the rest counts as 0: a first part that hangs says nothing of those after it.
    One thread adds; any reads.

    Attributes:
        usual: seconds that a part usually takes.
        slow: seconds that all but the two slowest took.
    """

    def __init__(self) -> None:
        self.usual = self.slow = 0.0
        self._last = deque([0.0] * _KEPT, _KEPT)

    def add(self, seconds: float) -> None:
        """Take the time of the next part."""
        self._last.append(seconds)
        ordered = sorted(self._last)
        self.usual, self.slow = ordered[_KEPT // 2], ordered[_KEPT - 1 - _SLOW]
