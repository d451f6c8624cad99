"""Shift: the number of parts with each decision in the running shift."""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from softcore_runtime import Decision

from softcore_edge_app.configuration.shift_calendar import ShiftCalendar
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.check import open_ledger
from softcore_edge_app.queries.production_figures import count_decisions

__all__ = ["CameraShift", "ShiftCounter", "ShiftReport"]

_MINUTE = 60
_SHORTEST = 5  # seconds over which a rate is computed at least


class CameraShift(BaseModel):
    """A camera's counts, and its parts in the last minute."""

    counts: dict[Decision, int]
    per_minute: float


class ShiftReport(BaseModel):
    """The counts of a shift.

    `since` and `until` are its begin and end in nanoseconds of UTC since 1970. `seq` is the number of the
    last decision, from 1 at the start: an event with a larger one is not in the counts yet. `run` differs
    after each start. `starts` are the times of the clock at which shifts begin; empty where none are
    configured.
    """

    since: int
    until: int
    starts: list[str]
    run: str
    seq: int
    counts: dict[Decision, int]
    per_minute: float
    cameras: dict[str, CameraShift]


class ShiftCounter:
    """Counts the decisions of the running shift.

    Args:
        calendar: when shifts begin. The running one is counted by what the ledger says and what is decided
            from now on. Without starts it begins now, or at midnight.
        ledger: the ledger's file, to which nothing was added yet; None if there is none.

    Raises:
        LedgerError: it can't be read.
    """

    def __init__(self, calendar: ShiftCalendar | None = None, ledger: Path | None = None) -> None:
        self.calendar = calendar or ShiftCalendar()
        self._by_clock = bool(self.calendar.starts)
        self._run = secrets.token_hex(4)
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._seq = 0
        self._counts: dict[str, Counter[Decision]] = {}
        self._recent: dict[str, deque[list[int]]] = {}  # [second, parts] for the last minute
        now = time.time_ns()
        shift = self.calendar.find(now)
        self._since, self._ends = shift.since if self._by_clock else now, shift.until
        if self._by_clock and ledger is not None:
            with open_ledger(ledger) as connection:
                self._counts = count_decisions(connection, shift.since, shift.until)

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
            # As a report counts it; a part may be decided just before a shift ends, and published after.
            if not self._by_clock or record.decided_at >= self._since:
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
                for name in sorted({*self._counts, *self._recent})
                for recent in [self._recent.get(name, ())]
            }
            return {
                "since": self._since,
                "until": self._ends,
                "starts": [start.isoformat("minutes") for start in self.calendar.starts],
                "run": self._run,
                "seq": self._seq,
                "counts": _fill(sum(self._counts.values(), Counter())),
                "per_minute": sum(camera["per_minute"] for camera in cameras.values()),
                "cameras": cameras,
            }

    def _begin_when_due(self) -> None:
        """Begin the next shift when the last one has ended; follow a clock that was set."""
        now = time.time_ns()
        if now >= self._ends:
            shift = self.calendar.find(now)
            self._since = shift.since  # the clock may have been set by several days
            self._counts.clear()
        elif now < self._since:  # it was set back: the counts stay
            shift = self.calendar.find(now)
            self._since = shift.since if self._by_clock else now
        else:
            return
        self._ends = shift.until


def _fill(counts: Counter[Decision]) -> dict[str, int]:
    return {str(decision): counts[decision] for decision in Decision}
