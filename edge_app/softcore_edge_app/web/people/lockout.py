"""Lock-out: who gives a wrong secret waits before the next try, and longer each time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["LONGEST", "Lockout"]

LONGEST = 900.0  # seconds
_FORGOTTEN = 3600.0  # seconds without a wrong try
_MOST = 10_000  # counters that are kept
# Wrong tries without a wait: of a person from one address, of an address whoever it names, and of a person
# from anywhere: many people share a screen, and nobody else should be able to lock a person out easily.
_FREE_PAIR, _FREE_ADDRESS, _FREE_PERSON = 3, 10, 20


class Lockout:
    """Counts wrong tries by person and address, in memory.

    Args:
        clock: returns the time in seconds.

    Example:
        >>> lockout = Lockout(lambda: 0.0)
        >>> [lockout.begin("anna", "10.0.0.7") for _ in range(6)]
        [0.0, 0.0, 0.0, 2.0, 2.0, 2.0]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counters: OrderedDict[tuple[str | None, str | None], tuple[int, float]] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, person: str | None, address: str) -> float:
        """Count a try as wrong until `succeed` takes it back, so that tries at the same time count, too.

        Args:
            person: the name, as it was given; None for a badge.
            address: where the try comes from.

        Returns:
            0, or the seconds to wait if the try may not be made now; then it isn't counted.
        """
        now = self._clock()
        with self._lock:
            wait = max(self._find_wait(key, free, now) for key, free in _list_keys(person, address))
            if wait <= 0:
                for key, _ in _list_keys(person, address):
                    self._add(key, 1, now)
        return max(0.0, wait)

    def succeed(self, person: str | None, address: str) -> None:
        """Take back the try that has just begun, and forget the person's and others' wrong ones there."""
        with self._lock:
            for key, _ in _list_keys(person, address):
                if key[1] is None:
                    self._add(key, -1, None)
                else:
                    self._counters.pop(key, None)

    def _find_wait(self, key: tuple[str | None, str | None], free: int, now: float) -> float:
        count, last = self._counters.get(key, (0, now))
        if now - last > _FORGOTTEN:
            del self._counters[key]
            return 0.0
        excess = count - free + 1
        return last + min(2.0**excess, LONGEST) - now if excess > 0 else 0.0

    def _add(self, key: tuple[str | None, str | None], change: int, now: float | None) -> None:
        count, last = self._counters.pop(key, (0, 0.0))
        if count + change > 0:
            self._counters[key] = count + change, last if now is None else now
        while len(self._counters) > _MOST:
            self._counters.popitem(last=False)


def _fold(person: str) -> str:
    return person.casefold()


def _list_keys(person: str | None, address: str) -> list[tuple[tuple[str | None, str | None], int]]:
    of_address: tuple[tuple[str | None, str | None], int] = ((None, address), _FREE_ADDRESS)
    if person is None:
        return [of_address]
    name = _fold(person)
    return [((name, address), _FREE_PAIR), of_address, ((name, None), _FREE_PERSON)]
