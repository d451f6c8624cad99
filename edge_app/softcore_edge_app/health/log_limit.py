"""Log limit: passes a repeated line of the log once a minute, with the number of those left out."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

__all__ = ["LogLimit", "count_left_out"]

_MINUTE: Final = 60.0
_REMEMBERED: Final = 2000  # lines
_LONGEST: Final = 500  # characters of a line that are compared
_NUMBER: Final = re.compile(r"\d+")
_SAME: Final = 10, 1  # lines that differ in numbers alone: the number at once, and then each minute
_ALIKE: Final = 60, 10  # lines from one place in the code, whatever they name


@dataclass
class _Budget:
    """How many lines of one kind may still pass."""

    left: float
    at: float
    left_out: int = 0


class LogLimit(logging.Filter):
    """A filter for handlers: of lines that differ in numbers alone, ten pass at once, then one a minute.

    Lines from one place in the code that differ otherwise (in a camera's name, a part's id) are limited to
    60 at once and ten a minute together. A record that passes has the attribute `left_out`, the number of
    similar ones that were left out since the last.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._budgets: OrderedDict[Hashable, _Budget] = OrderedDict()
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record passes."""
        place = record.name, record.levelno, str(record.msg)
        try:
            text = record.getMessage()
        except Exception:  # the handler reports what is wrong with it
            text = place[-1]
        with self._lock:
            same = self._refill((*place, _NUMBER.sub("0", text[:_LONGEST])), *_SAME)
            alike = self._refill(place, *_ALIKE)
            if same.left < 1 or alike.left < 1:
                (same if same.left < 1 else alike).left_out += 1
                return False
            record.left_out = same.left_out + alike.left_out
            for budget in (same, alike):
                budget.left -= 1
                budget.left_out = 0
            return True

    def forget(self) -> None:
        """Forget all lines so far."""
        with self._lock:
            self._budgets.clear()

    def _refill(self, key: Hashable, most: int, a_minute: int) -> _Budget:
        now = self._clock()
        budget = self._budgets.setdefault(key, _Budget(most, now))
        self._budgets.move_to_end(key)
        if len(self._budgets) > _REMEMBERED:
            self._budgets.popitem(last=False)
        budget.left = min(budget.left + (now - budget.at) * a_minute / _MINUTE, most)
        budget.at = now
        return budget


def count_left_out(record: logging.LogRecord) -> int:
    """Return the number of similar records that were left out before one."""
    count: int = getattr(record, "left_out", 0)
    return count
