"""Pace: how long a step of a camera's parts takes now, without a few outliers."""

from __future__ import annotations

from collections import deque

__all__ = ["Pace"]

_KEPT = 15  # times: a second or less of a line that has more triggers than it can decide on
_SLOW = 2  # of them are left out as outliers


class Pace:
    """The times of the last 15 parts in a step: their median, and the limit of all but two of them.

    As long as there are fewer, the missing ones count as 0: a first part that hangs says nothing of the next
    ones. One thread adds; any thread reads.

    Attributes:
        usual: median, in seconds.
        slow: seconds of the slowest part but two.
    """

    def __init__(self) -> None:
        self.usual = self.slow = 0.0
        self._last = deque([0.0] * _KEPT, _KEPT)

    def add(self, seconds: float) -> None:
        """Add the time of the next part."""
        self._last.append(seconds)
        ordered = sorted(self._last)
        self.usual, self.slow = ordered[_KEPT // 2], ordered[_KEPT - 1 - _SLOW]
