# ruff: noqa: S608 - the SQL consists of texts of this file
"""Chart figures: what the charts of a time show, computed by SQLite with bounded work."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass

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
]

ROWS_CHARTED = 300_000  # rows, counted back from the last: eight hours at ten parts a second
DAYS_CHARTED = 31
BIN_WIDTH = 0.05  # x threshold
BINS = 41  # of scores; the last one has all from twice the threshold on
_SECOND = 10**9
_HOUR = 3600 * _SECOND
_DAY = 24 * _HOUR

_CHARTED = """CREATE TEMP TABLE charted AS SELECT decision, score / threshold AS share, x, y,
    decided_at / {hour} AS hour, decided_at - triggered_at AS taken,
    triggered_at - lag(triggered_at) OVER (PARTITION BY camera ORDER BY triggered_at, number) AS "between",
    CASE decision WHEN 'INVALID' THEN coalesce(reason, '') END AS reason
    FROM rows WHERE rows.number >= ? AND rows.number < ? AND decided_at >= ? AND decided_at < ?
    AND (? IS NULL OR camera = ?) AND {holds}"""
# The nearest rank: the smallest value that at least so many of a hundred don't exceed.
_SPREAD = """SELECT hour, max(CASE place WHEN (n + 1) / 2 THEN value END),
    max(CASE place WHEN (95 * n + 99) / 100 THEN value END) FROM (
        SELECT hour, {column} AS value, row_number() OVER (PARTITION BY hour ORDER BY {column}) AS place,
        count(*) OVER (PARTITION BY hour) AS n FROM charted WHERE {column} >= 0
    ) GROUP BY hour"""


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
        scores: number of parts by bin of `BIN_WIDTH` times the threshold, and decision.
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
    begin = max(since, until - DAYS_CHARTED * _DAY)
    first, end = find_range(connection, begin, until)
    whole = begin == since
    if end - first > most:
        first, whole = end - most, False
        (reached,) = connection.execute("SELECT decided_at FROM rows WHERE number = ?", [first]).fetchone()
        begin = max(begin, reached)
    connection.execute("DROP TABLE IF EXISTS temp.charted")
    connection.execute(_CHARTED.format(hour=_HOUR, holds=HOLDS), [first, end, begin, until, camera, camera])
    scores = connection.execute(
        f"SELECT CAST(min(max(share, 0) * {round(1 / BIN_WIDTH)}, {BINS - 1}) AS INTEGER), decision, "
        "count(*) FROM charted WHERE share IS NOT NULL GROUP BY 1, 2"
    )
    fields = connection.execute(
        f"SELECT CAST(min(y * {GRID}, {GRID - 1}) AS INTEGER), CAST(min(x * {GRID}, {GRID - 1}) AS INTEGER), "
        "count(*) FROM charted WHERE decision IN ('FAIL', 'REVIEW') AND x IS NOT NULL AND y IS NOT NULL "
        "GROUP BY 1, 2"
    )
    return ChartFigures(
        since=begin,
        until=until,
        whole=whole,
        hours=_read_hours(connection),
        scores=Counter({(place, Decision(decision)): parts for place, decision, parts in scores}),
        fields=Counter({(row, column): parts for row, column, parts in fields}),
        reasons=_count_reasons(connection),
    )


def _read_hours(connection: sqlite3.Connection) -> list[HourFigures]:
    counts: dict[int, Counter[Decision]] = {}
    for hour, decision, parts in connection.execute(
        "SELECT hour, decision, count(*) FROM charted GROUP BY 1, 2 ORDER BY 1"
    ):
        counts.setdefault(hour, Counter())[Decision(decision)] = parts
    between, taken = (_measure(connection, column) for column in ("between", "taken"))
    return [
        HourFigures(hour * _HOUR, counts[hour], between.get(hour), taken.get(hour)) for hour in sorted(counts)
    ]


def _measure(connection: sqlite3.Connection, column: str) -> dict[int, Spread]:
    """Return the spread of a column of times by hour; those below zero come of a clock that was set."""
    found = connection.execute(_SPREAD.format(column=f'"{column}"'))
    return {hour: Spread(median / _SECOND, p95 / _SECOND) for hour, median, p95 in found}


def _count_reasons(connection: sqlite3.Connection) -> list[tuple[InvalidKind, int]]:
    """Count the kinds of reasons. SQLite groups equal reasons first: to find a kind takes Python."""
    kinds: Counter[InvalidKind] = Counter()
    for reason, parts in connection.execute(
        "SELECT reason, count(*) FROM charted WHERE reason IS NOT NULL GROUP BY 1"
    ):
        kinds[find_kind(reason)] += parts
    return sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
