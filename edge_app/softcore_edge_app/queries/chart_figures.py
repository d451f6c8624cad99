# ruff: noqa: S608 - the SQL consists of texts of this file
"""Chart figures: what the charts of a time show, computed with bounded work."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import Decision

from softcore_edge_app.decisions.invalid_kinds import InvalidKind, find_kind
from softcore_edge_app.ledger.layout import HOLDS
from softcore_edge_app.queries.parts import find_range
from softcore_edge_app.queries.production_figures import GRID

__all__ = [
    "BINS",
    "BIN_WIDTH",
    "DAYS_CHARTED",
    "ROWS_CHARTED",
    "ChartFigures",
    "HourFigures",
    "Spread",
    "compute_charts",
    "compute_charts_by_camera",
]

ROWS_CHARTED = 300_000  # rows, counted back from the last: eight hours at ten parts a second
DAYS_CHARTED = 31
BIN_WIDTH = 0.05  # x threshold
_PER_THRESHOLD = round(1 / BIN_WIDTH)
BINS = 41  # of scores; the last one has all from twice the threshold on
_SECOND = 10**9
_HOUR = 3600 * _SECOND
_DAY = 24 * _HOUR

_CHARTED = """CREATE TEMP TABLE charted AS SELECT number, camera, decision, score / threshold AS share, x, y,
    decided_at / {hour} AS hour, decided_at - triggered_at AS taken, triggered_at,
    CASE decision WHEN 'INVALID' THEN coalesce(reason, '') END AS reason
    FROM rows WHERE rows.number >= ? AND rows.number < ? AND decided_at >= ? AND decided_at < ?
    AND (? IS NULL OR camera = ?) AND {holds}"""
# A few groups of many rows: to count each row in its group is quicker than to sort the rows by their groups.
_GROUPS = """CREATE TEMP TABLE groups (camera, hour, decision, place, parts,
    PRIMARY KEY (camera, hour, decision, place)) WITHOUT ROWID"""
_GROUP = f"""INSERT INTO groups SELECT camera, hour, decision,
    CASE WHEN share IS NULL THEN -1 ELSE min(max(place - (place = bins), 0), {BINS - 1}) END, 1
    FROM (SELECT *, share * {_PER_THRESHOLD} AS bins, CAST(share * {_PER_THRESHOLD} AS INTEGER) AS place
        FROM charted) WHERE true
    ON CONFLICT DO UPDATE SET parts = parts + 1"""


@dataclass(frozen=True)
class Spread:
    """Seconds that half of the values, and 95 of a hundred, don't exceed."""

    median: float
    p95: float


@dataclass(frozen=True)
class HourFigures:
    """The parts that were decided on within an hour.

    Attributes:
        begin: of the hour, in nanoseconds of UTC since 1970.
        counts: number of parts by decision.
        between: time between a camera's triggers; None without two of them.
        taken: time from the trigger to the decision; None where a clock that was set left none.
    """

    begin: int
    counts: Counter[Decision]
    between: Spread | None
    taken: Spread | None


@dataclass(frozen=True)
class ChartFigures:
    """The figures of a time.

    Attributes:
        since, until: the time, in nanoseconds of UTC since 1970.
        whole: whether it is the whole time that was asked for; else older parts are left out.
        hours: those with parts, in their order.
        scores: number of parts by bin of `BIN_WIDTH` times the threshold, and decision. The upper end belongs
            to a bin, for a score that is the threshold passes.
        fields: number of FAIL and REVIEW with the highest score in a field (row, column) of the frame.
        reasons: kinds of reasons for INVALID and their numbers of parts, the most frequent first.
    """

    since: int
    until: int
    whole: bool
    hours: list[HourFigures]
    scores: Counter[tuple[int, Decision]]
    fields: Counter[tuple[int, int]]
    reasons: list[tuple[InvalidKind, int]]

    @property
    def counts(self) -> Counter[Decision]:
        """Number of parts by decision."""
        return sum((hour.counts for hour in self.hours), Counter[Decision]())


def compute_charts(
    connection: sqlite3.Connection,
    since: int,
    until: int,
    camera: str | None = None,
    most: int = ROWS_CHARTED,
) -> ChartFigures:
    """Compute the figures of the parts decided from `since` on and before `until`.

    Only the last `DAYS_CHARTED` days of that, and `most` rows, are looked at.

    Args:
        connection: to the ledger.
        since: begin of the time, in nanoseconds of UTC since 1970.
        until: its end.
        camera: whose parts; None for all.
        most: number of rows at most.

    Raises:
        sqlite3.Error: they can't be read.
    """
    return _ChartedRows(connection, since, until, camera, most).summarise(None)


def compute_charts_by_camera(
    connection: sqlite3.Connection, since: int, until: int, most: int = ROWS_CHARTED
) -> dict[str, ChartFigures]:
    """Compute the figures of each camera that had parts: see `compute_charts`, of which each has its own.

    Raises:
        sqlite3.Error: they can't be read.
    """
    rows = _ChartedRows(connection, since, until, None, most)
    return {camera: rows.summarise(camera) for camera in sorted(rows.times)}


class _ChartedRows:
    """The rows of a time, counted once for all cameras."""

    def __init__(
        self, connection: sqlite3.Connection, since: int, until: int, camera: str | None, most: int
    ) -> None:
        begin = max(since, until - DAYS_CHARTED * _DAY)
        first, end = find_range(connection, begin, until)
        self._whole = begin == since
        if end - first > most:
            first, self._whole = end - most, False
            (reached,) = connection.execute(
                "SELECT decided_at FROM rows WHERE number = ?", [first]
            ).fetchone()
            begin = max(begin, reached)
        self._since, self._until = begin, until
        for table in ("charted", "groups"):
            connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
        chosen = [first, end, begin, until, camera, camera]
        connection.execute(_CHARTED.format(hour=_HOUR, holds=HOLDS), chosen)
        connection.execute(_GROUPS)
        connection.execute(_GROUP)
        self._groups = connection.execute("SELECT * FROM groups").fetchall()
        self._fields = connection.execute(
            f"SELECT camera, CAST(min(y * {GRID}, {GRID - 1}) AS INTEGER), "
            f"CAST(min(x * {GRID}, {GRID - 1}) AS INTEGER), count(*) FROM charted "
            "WHERE decision IN ('FAIL', 'REVIEW') AND x IS NOT NULL AND y IS NOT NULL GROUP BY 1, 2, 3"
        ).fetchall()
        # SQLite groups equal reasons first: to find a kind takes Python.
        self._reasons = connection.execute(
            "SELECT camera, reason, count(*) FROM charted WHERE reason IS NOT NULL GROUP BY 1, 2"
        ).fetchall()
        self.times = {
            name: _measure_times(connection, name) for name in {camera for camera, *_ in self._groups}
        }

    def summarise(self, camera: str | None) -> ChartFigures:
        """Sum the rows of a camera, or of all."""
        counts: dict[int, Counter[Decision]] = {}
        scores: Counter[tuple[int, Decision]] = Counter()
        for of, hour, name, place, parts in self._groups:
            if camera in (None, of):
                decision = Decision(name)
                counts.setdefault(hour, Counter())[decision] += parts
                if place >= 0:
                    scores[place, decision] += parts
        fields: Counter[tuple[int, int]] = Counter()
        for of, row, column, parts in self._fields:
            if camera in (None, of):
                fields[row, column] += parts
        kinds: Counter[InvalidKind] = Counter()
        for of, reason, parts in self._reasons:
            if camera in (None, of):
                kinds[find_kind(reason)] += parts
        times = [self.times[name] for name in self.times if camera in (None, name)]
        between, taken = (
            _find_spreads([getattr(one, kind) for one in times]) for kind in ("between", "taken")
        )
        return ChartFigures(
            since=self._since,
            until=self._until,
            whole=self._whole,
            hours=[
                HourFigures(hour * _HOUR, counts[hour], between.get(hour), taken.get(hour))
                for hour in sorted(counts)
            ],
            scores=scores,
            fields=fields,
            reasons=sorted(kinds.items(), key=lambda item: (-item[1], item[0])),
        )


@dataclass(frozen=True)
class _Times:
    """Hours and nanoseconds, int64 `[2, n]` each: between a camera's triggers, and to the decision."""

    between: NDArray[np.int64]
    taken: NDArray[np.int64]


def _measure_times(connection: sqlite3.Connection, camera: str) -> _Times:
    """Measure the times of a camera's parts, whose hours are those of the decisions."""
    rows = connection.execute(
        "SELECT hour, triggered_at, taken FROM charted WHERE camera = ? ORDER BY number", [camera]
    ).fetchall()
    hours, triggered, taken = np.array(rows, np.int64).T
    order = np.argsort(triggered, kind="stable")
    between = np.stack([hours[order][1:], np.diff(triggered[order])])
    return _Times(between, np.stack([hours, taken]))


def _find_spreads(times: Sequence[NDArray[np.int64]]) -> dict[int, Spread]:
    """Find the spread of the times of each hour; those below zero come of a clock that was set."""
    if not times:
        return {}
    hours, nanoseconds = np.concatenate(times, axis=1)
    hours, nanoseconds = hours[nanoseconds >= 0], nanoseconds[nanoseconds >= 0]
    spreads = {}
    for hour in np.unique(hours).tolist():
        values = np.sort(nanoseconds[hours == hour])
        # The nearest rank: the smallest value that at least so many of a hundred don't exceed.
        median, high = (values[(share * len(values) + 99) // 100 - 1] / _SECOND for share in (50, 95))
        spreads[hour] = Spread(float(median), float(high))
    return spreads
