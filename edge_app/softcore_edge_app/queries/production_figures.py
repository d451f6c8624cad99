# ruff: noqa: S608 - the SQL is put together from texts of this file
"""Ledger figures: what the parts of some time come to, reckoned by SQLite in a few passes over their rows."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import Any

from softcore_runtime import Decision, UsageError

from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.ledger.chain import SELECT_NOTES
from softcore_edge_app.ledger.layout import HOLDS
from softcore_edge_app.ledger.note import Note
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.queries.parts import PARTS, Part, find_range

__all__ = [
    "GRID",
    "IDLE",
    "MOST",
    "DecisionCount",
    "Downtime",
    "InvalidReason",
    "ProductionFigures",
    "compute_figures",
]

GRID = 12  # fields across the frame, and as many down
MOST = 2_000_000  # rows: two days at ten parts a second
IDLE = "no part was decided on"  # why it stopped, as far as the ledger knows
_SECOND = 10**9
_HOUR = 3600 * _SECOND
_GAP = 60 * _SECOND  # without a decision
_TOGETHER = 10 * _SECOND  # that two faults of a camera are apart at most to be one
_CAMERA_KINDS = ("camera", "frozen", "black")
_LISTED = 200  # stops, notes
_WORST = 12


@dataclass(frozen=True)
class DecisionCount:
    """How many parts of a camera, a category and a threshold had a decision within an hour.

    `hour` counts from 1970; the threshold is the two numbers.
    """

    camera: str
    category: str
    threshold: float
    fail_above: float
    hour: int
    decision: Decision
    parts: int


@dataclass(frozen=True)
class InvalidReason:
    """Why parts of a camera were INVALID: the kind, how many, and one of the reasons in full."""

    camera: str
    kind: str
    parts: int
    example: str


@dataclass(frozen=True)
class Downtime:
    """A time without a decision, or while a camera gave no images; `faults` counts INVALID parts then."""

    camera: str
    begin: int
    end: int
    why: str
    faults: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end - self.begin) / _SECOND


@dataclass(frozen=True)
class ProductionFigures:
    """What the parts of some time come to.

    Attributes:
        since, until: the time, in nanoseconds of UTC since 1970.
        groups: the parts, by all that sets them apart.
        regions: of each camera how many FAIL and REVIEW have their highest score in a field (row, column).
        reasons: why parts were INVALID, the most frequent first.
        stops: in their order, the first 200.
        worst: FAIL and REVIEW, the highest share of the threshold first.
        marked: how many parts of each decision a person called `good` and `bad`.
        notes: what was changed, the first 200.
    """

    since: int
    until: int
    groups: list[DecisionCount]
    regions: dict[str, Counter[tuple[int, int]]]
    reasons: list[InvalidReason]
    stops: list[Downtime]
    worst: list[Part]
    marked: Counter[tuple[Decision, str]]
    notes: list[Note]

    @property
    def cameras(self) -> list[str]:
        """The cameras that had parts."""
        return sorted({group.camera for group in self.groups})

    def count(self, camera: str | None = None) -> Counter[Decision]:
        """Count the decisions of a camera, or of all."""
        counts: Counter[Decision] = Counter()
        for group in self.groups:
            if camera in (None, group.camera):
                counts[group.decision] += group.parts
        return counts


def compute_figures(connection: sqlite3.Connection, since: int, until: int) -> ProductionFigures:
    """Reckon the figures of the parts decided from `since` on and before `until`.

    Raises:
        UsageError: they are more than `MOST`.
        sqlite3.Error: they can't be read.
    """
    first, end = find_range(connection, since, until)
    if end - first > MOST:
        raise UsageError(f"that time has {end - first} parts; a report takes {MOST} at most")
    connection.create_function("kind", 1, find_kind, deterministic=True)
    ask = _RangeQuery(connection, first, end, since, until)
    groups = [
        DecisionCount(camera, category, threshold, fail_above, hour, Decision(decision), parts)
        for camera, category, threshold, fail_above, hour, decision, parts in ask(
            f"SELECT camera, category, threshold, fail_above, decided_at / {_HOUR}, decision, count(*) "
            "FROM rows WHERE {where} GROUP BY 1, 2, 3, 4, 5, 6"
        )
    ]
    cameras = sorted({group.camera for group in groups})
    regions: dict[str, Counter[tuple[int, int]]] = {}
    for camera, row, column, count in ask(
        f"SELECT camera, CAST(min(y * {GRID}, {GRID - 1}) AS INTEGER), "
        f"CAST(min(x * {GRID}, {GRID - 1}) AS INTEGER), count(*) FROM rows "
        "WHERE {where} AND decision IN ('FAIL', 'REVIEW') AND x IS NOT NULL AND y IS NOT NULL "
        "GROUP BY 1, 2, 3"
    ):
        regions.setdefault(camera, Counter())[row, column] = count
    reasons = ask(
        "SELECT camera, kind(reason), count(*), min(coalesce(reason, '')) FROM rows "
        "WHERE {where} AND decision = 'INVALID' GROUP BY 1, 2 ORDER BY 3 DESC"
    )
    worst = ask(
        f"{PARTS} WHERE {{where}} AND decision IN ('FAIL', 'REVIEW') "
        f"ORDER BY score / threshold DESC, rows.number LIMIT {_WORST}"
    )
    marked = ask(
        f"SELECT decision, mark, count(*) FROM ({PARTS} WHERE {{where}} AND mark IS NOT NULL) GROUP BY 1, 2"
    )
    notes = connection.execute(
        f"{SELECT_NOTES} WHERE at >= ? AND at < ? AND kind <> 'mark' ORDER BY number LIMIT {_LISTED}",
        [since, until],
    )
    stops = [stop for camera in cameras for stop in (*_find_gaps(ask, camera), *_find_faults(ask, camera))]
    return ProductionFigures(
        since=since,
        until=until,
        groups=groups,
        regions=regions,
        reasons=[InvalidReason(*values) for values in reasons],
        stops=sorted(stops, key=lambda stop: stop.begin)[:_LISTED],
        worst=[Part(Row.read(values[:-1]), values[-1]) for values in worst],
        marked=Counter({(Decision(decision), mark): count for decision, mark, count in marked}),
        notes=[Note.read(values) for values in notes.fetchall()],
    )


@dataclass(frozen=True)
class _RangeQuery:
    """Asks of the rows of a time; `{where}` in the question is that."""

    connection: sqlite3.Connection
    first: int
    end: int
    since: int
    until: int

    def __call__(self, question: str, *more: Any) -> list[tuple[Any, ...]]:
        where = f"rows.number >= ? AND rows.number < ? AND decided_at >= ? AND decided_at < ? AND {HOLDS}"
        values = [self.first, self.end, self.since, self.until, *more]
        return self.connection.execute(question.replace("{where}", where), values).fetchall()


def _find_gaps(ask: _RangeQuery, camera: str) -> list[Downtime]:
    """Find where a camera had no decision for a minute, up to its first and from its last one, too."""
    found = ask(
        "SELECT before, decided_at FROM (SELECT decided_at, lag(decided_at) OVER (ORDER BY number) AS before "
        f"FROM rows WHERE {{where}} AND camera = ?) WHERE decided_at - before > {_GAP}",
        camera,
    )
    ((first, last),) = ask(
        "SELECT min(decided_at), max(decided_at) FROM rows WHERE {where} AND camera = ?", camera
    )
    ends = [(begin, end) for begin, end in ((ask.since, first), (last, ask.until)) if end - begin > _GAP]
    return [Downtime(camera, begin, end, IDLE, 0) for begin, end in (*found, *ends)]


def _find_faults(ask: _RangeQuery, camera: str) -> list[Downtime]:
    """Find where a camera gave no images of parts."""
    kinds = ", ".join(f"'{kind}'" for kind in _CAMERA_KINDS)
    found = ask(
        "WITH faults AS (SELECT number, triggered_at, decided_at, reason, "
        "lag(decided_at) OVER (ORDER BY number) AS before FROM rows WHERE {where} AND camera = ? "
        f"AND CASE decision WHEN 'INVALID' THEN kind(reason) END IN ({kinds})), "
        f"stops AS (SELECT *, sum(before IS NULL OR triggered_at - before > {_TOGETHER}) "
        "OVER (ORDER BY number) AS stop FROM faults) "
        "SELECT min(triggered_at), max(decided_at), min(reason), count(*) FROM stops GROUP BY stop "
        f"ORDER BY 1 LIMIT {_LISTED}",
        camera,
    )
    return [Downtime(camera, *values) for values in found]
