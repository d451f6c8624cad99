"""Shift: the number of parts with each decision since midnight, or since a later start."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, deque
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel
from softcore_runtime import Decision

from softcore_edge_app.decisions.published_decision import PublishedDecision

__all__ = ["CameraShift", "ShiftCounter", "ShiftReport"]

_MINUTE = 60
_DAY = 24 * 3600 * 10**9  # nanoseconds
_SHORTEST = 5  # seconds over which a rate is computed at least


class CameraShift(BaseModel):
    """A camera's counts, and its parts in the last minute."""

    counts: dict[Decision, int]
    per_minute: float


class ShiftReport(BaseModel):
    """The counts of a shift.

    `since` is in nanoseconds of UTC since 1970. `seq` is the number of the last decision that was counted,
    from 1 at the start: an event with a larger one is not in the counts yet. `run` differs after each start.
    """

    since: int
    run: str
    seq: int
    counts: dict[Decision, int]
    per_minute: float
    cameras: dict[str, CameraShift]


class ShiftCounter:
    """Counts the decisions of a shift, which begins at midnight in this machine's time zone."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(4)
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._seq = 0
        self._since = time.time_ns()
        self._ends = _find_midnight(self._since)
        self._counts: dict[str, Counter[Decision]] = {}
        self._recent: dict[str, deque[list[int]]] = {}  # [second, parts] for the last minute

    @property
    def since(self) -> int:
        """When it began, in nanoseconds of UTC since 1970."""
        with self._lock:
            self._begin_when_due()
            return self._since

    def count(self, published: PublishedDecision) -> int:
        """Count a decision, and return its number, from 1."""
        record, second = published.record, int(time.monotonic())
        with self._lock:
            self._begin_when_due()
            self._seq += 1
            self._counts.setdefault(record.camera, Counter())[record.decision] += 1
            recent = self._recent.setdefault(record.camera, deque(maxlen=_MINUTE + 1))
            if recent and recent[-1][0] == second:
                recent[-1][1] += 1
            else:
                recent.append([second, 1])
            return self._seq

    def describe(self) -> dict[str, Any]:
        """Return the fields of a `ShiftReport`."""
        now = time.monotonic()
        minutes = min(max(now - self._started, _SHORTEST), _MINUTE) / _MINUTE
        with self._lock:
            self._begin_when_due()
            cameras = {
                name: {
                    "counts": _fill(self._counts.get(name, Counter())),
                    "per_minute": sum(n for second, n in recent if second > now - _MINUTE) / minutes,
                }
                for name, recent in self._recent.items()
            }
            return {
                "since": self._since,
                "run": self._run,
                "seq": self._seq,
                "counts": _fill(sum(self._counts.values(), Counter())),
                "per_minute": sum(camera["per_minute"] for camera in cameras.values()),
                "cameras": cameras,
            }

    def _begin_when_due(self) -> None:
        """Begin a new shift after midnight; follow a clock that was set."""
        now = time.time_ns()
        if now >= self._ends:
            # The last midnight: the clock may have been set by several days.
            self._since = max(self._ends, min(_find_midnight(now - _DAY), now))
            self._counts.clear()
        elif now < self._since:  # it was set back: the counts stay
            self._since = now
        else:
            return
        self._ends = _find_midnight(now)


def _fill(counts: Counter[Decision]) -> dict[str, int]:
    return {str(decision): counts[decision] for decision in Decision}


def _find_midnight(now: int) -> int:
    """Return this machine's next midnight, in nanoseconds of UTC since 1970."""
    tomorrow = datetime.fromtimestamp(now / 10**9).astimezone().date() + timedelta(days=1)
    return int(datetime(tomorrow.year, tomorrow.month, tomorrow.day).timestamp()) * 10**9
