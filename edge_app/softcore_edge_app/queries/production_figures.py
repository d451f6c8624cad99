# ruff: noqa: S608 - the SQL consists of texts of this file
"""Production figures: counts, regions, downtimes and worst parts of a time, computed by SQLite."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass

from softcore_runtime import Decision, UsageError

from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.ledger.chain import SELECT_NOTES
from softcore_edge_app.ledger.layout import HOLDS
from softcore_edge_app.ledger.note import Note
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.queries.parts import MARKS, PARTS, Part, find_range

__all__ = [
    "GRID",
    "IDLE",
    "MOST",
    "DecisionCount",
    "Downtime",
    "InvalidReason",
    "ProductionFigures",
    "compute_figures",
    "count_decisions",
]

GRID = 12  # fields across the frame, and as many down
MOST = 2_000_000  # rows: two days at ten parts a second
IDLE = "no part was decided on"  # the reason of a downtime, as far as the ledger knows
_SECOND = 10**9
_HOUR = 3600 * _SECOND
_GAP = 60 * _SECOND  # time without a decision that counts as a downtime
_TOGETHER = 10 * _SECOND  # time between two faults of a camera that count as one downtime
_CAMERA_KINDS = ("camera", "frozen", "black")
_LISTED = 200  # downtimes, notes
_WORST = 12
_WITHIN = f"rows.number >= ? AND rows.number < ? AND decided_at >= ? AND decided_at < ? AND {HOLDS}"
# What is counted of the rows of a time: each figure goes through all of it, and through less than the rows.
_COUNTED = """CREATE TEMP TABLE counted (
    number INTEGER PRIMARY KEY, "trigger", camera, category, threshold, fail_above, decision, decided_at,
    share, triggered_at, reason, x, y
)"""
_COUNT = f"""INSERT INTO counted
    SELECT number, "trigger", camera, category, threshold, fail_above, decision, decided_at,
        score / threshold, CASE decision WHEN 'INVALID' THEN triggered_at END,
        CASE decision WHEN 'INVALID' THEN reason END,
        CASE WHEN decision IN ('FAIL', 'REVIEW') THEN x END,
        CASE WHEN decision IN ('FAIL', 'REVIEW') THEN y END
    FROM rows WHERE {_WITHIN}"""
# A few groups of many rows: to count each row in its group is quicker than to sort the rows by their groups.
_GROUPS = """CREATE TEMP TABLE groups (
    camera, category, threshold, fail_above, hour, decision, parts,
    PRIMARY KEY (camera, category, threshold, fail_above, hour, decision)
) WITHOUT ROWID"""
_GROUP = f"""INSERT INTO groups
    SELECT camera, category, threshold, fail_above, decided_at / {_HOUR}, decision, 1 FROM counted WHERE true
    ON CONFLICT DO UPDATE SET parts = parts + 1"""


@dataclass(frozen=True)
class DecisionCount:
    """The number of parts of a camera, a category and a threshold with a decision within an hour.

    `hour` counts from 1970; the threshold is `threshold` and `fail_above`.
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
    """A kind of reason for which parts of a camera were INVALID: their number, and one reason in full."""

    camera: str
    kind: str
    parts: int
    example: str


@dataclass(frozen=True)
class Downtime:
    """A time without a decision, or without images of a camera; `faults` counts its INVALID parts."""

    camera: str
    begin: int
    end: int
    why: str
    faults: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return (self.end - self.begin) / _SECOND


@dataclass(frozen=True)
class ProductionFigures:
    """The figures of a time.

    Attributes:
        since, until: the time, in nanoseconds of UTC since 1970.
        groups: the numbers of parts, by camera, category, threshold, hour and decision.
        regions: by camera, the number of FAIL and REVIEW with the highest score in a field (row, column).
        reasons: why parts were INVALID, the most frequent first.
        stops: the downtimes in their order, the first 200.
        stops_omitted: number of those after them.
        worst: FAIL and REVIEW, the highest share of the threshold first.
        marked: number of parts by decision and mark (`good`, `bad`).
        notes: what was changed, the first 200, without marks and triggers.
        notes_omitted: number of those after them.
    """

    since: int
    until: int
    groups: list[DecisionCount]
    regions: dict[str, Counter[tuple[int, int]]]
    reasons: list[InvalidReason]
    stops: list[Downtime]
    stops_omitted: int
    worst: list[Part]
    marked: Counter[tuple[Decision, str]]
    notes: list[Note]
    notes_omitted: int

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
    """Compute the figures of the parts decided from `since` on and before `until`.

    Raises:
        UsageError: they are more than `MOST`.
        sqlite3.Error: they can't be read.
    """
    first, end = find_range(connection, since, until)
    if end - first > MOST:
        raise UsageError(f"that time has {end - first} parts; a report takes {MOST} at most")
    connection.create_function("kind", 1, find_kind, deterministic=True)
    for table, create in (("counted", _COUNTED), ("groups", _GROUPS)):
        connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
        connection.execute(create)
    connection.execute(_COUNT, [first, end, since, until])
    connection.execute(_GROUP)
    groups = [
        DecisionCount(camera, category, threshold, fail_above, hour, Decision(decision), parts)
        for camera, category, threshold, fail_above, hour, decision, parts in connection.execute(
            "SELECT * FROM groups"
        )
    ]
    cameras = sorted({group.camera for group in groups})
    regions: dict[str, Counter[tuple[int, int]]] = {}
    for camera, row, column, count in connection.execute(
        f"SELECT camera, CAST(min(y * {GRID}, {GRID - 1}) AS INTEGER), "
        f"CAST(min(x * {GRID}, {GRID - 1}) AS INTEGER), count(*) FROM counted "
        "WHERE x IS NOT NULL AND y IS NOT NULL GROUP BY 1, 2, 3"
    ):
        regions.setdefault(camera, Counter())[row, column] = count
    reasons = connection.execute(
        "SELECT camera, kind(reason), count(*), min(coalesce(reason, '')) FROM counted "
        "WHERE decision = 'INVALID' GROUP BY 1, 2 ORDER BY 3 DESC"
    ).fetchall()
    worst = connection.execute(
        f"{PARTS} WHERE rows.number IN (SELECT number FROM counted WHERE decision IN ('FAIL', 'REVIEW') "
        f"ORDER BY share DESC, number LIMIT {_WORST}) ORDER BY score / threshold DESC, rows.number"
    ).fetchall()
    marks = dict(connection.execute(f"{MARKS} SELECT subject, mark FROM marks WHERE mark IS NOT NULL"))
    subjects = connection.execute(
        'SELECT "trigger", decision FROM counted '
        "WHERE \"trigger\" IN (SELECT subject FROM notes WHERE kind = 'mark')"
    ).fetchall()
    marked = Counter(
        (Decision(decision), marks[trigger]) for trigger, decision in subjects if trigger in marks
    )
    changes = "FROM notes WHERE at >= ? AND at < ? AND kind NOT IN ('mark', 'shadow', 'trigger')"
    (changed,) = connection.execute(f"SELECT count(*) {changes}", [since, until]).fetchone()
    notes = connection.execute(
        f"{SELECT_NOTES} WHERE number IN (SELECT number {changes} ORDER BY number LIMIT {_LISTED}) "
        "ORDER BY number",
        [since, until],
    ).fetchall()
    stops = [stop for camera in cameras for stop in _find_gaps(connection, camera, since, until)]
    stopped = len(stops)
    for camera in cameras:
        faults, count = _find_faults(connection, camera)
        stops += faults
        stopped += count
    stops = sorted(stops, key=lambda stop: stop.begin)[:_LISTED]
    return ProductionFigures(
        since=since,
        until=until,
        groups=groups,
        regions=regions,
        reasons=[InvalidReason(*values) for values in reasons],
        stops=stops,
        stops_omitted=stopped - len(stops),
        worst=[Part(Row.read(values[:-1]), values[-1]) for values in worst],
        marked=marked,
        notes=[Note.read(values) for values in notes],
        notes_omitted=changed - len(notes),
    )


def count_decisions(connection: sqlite3.Connection, since: int, until: int) -> dict[str, Counter[Decision]]:
    """Count the decisions of each camera of the parts decided from `since` on and before `until`.

    Raises:
        sqlite3.Error: they can't be read.
    """
    first, end = find_range(connection, since, until)
    counts: dict[str, Counter[Decision]] = {}
    for camera, decision, parts in connection.execute(
        f"SELECT camera, decision, count(*) FROM rows WHERE {_WITHIN} GROUP BY 1, 2",
        [first, end, since, until],
    ):
        counts.setdefault(camera, Counter())[Decision(decision)] = parts
    return counts


def count_stopped(connection: sqlite3.Connection, since: int, until: int) -> Counter[str]:
    """Count the parts of each camera that are INVALID only because somebody stopped the line; likewise.

    Raises:
        sqlite3.Error: they can't be read.
    """
    counts: Counter[str] = Counter()
    for camera, reason, parts in connection.execute(
        f"SELECT camera, reason, count(*) FROM rows WHERE {_WITHIN} AND decision = 'INVALID' GROUP BY 1, 2",
        [*find_range(connection, since, until), since, until],
    ):
        counts[camera] += parts if find_kind(reason) == "stopped" else 0
    return counts


def _find_gaps(connection: sqlite3.Connection, camera: str, since: int, until: int) -> list[Downtime]:
    """Find times of a minute or more without a decision of a camera, also at the begin and end."""
    found = connection.execute(
        "SELECT before, decided_at FROM (SELECT decided_at, lag(decided_at) OVER (ORDER BY number) AS before "
        f"FROM counted WHERE camera = ?) WHERE decided_at - before > {_GAP}",
        [camera],
    ).fetchall()
    first, last = connection.execute(
        "SELECT min(decided_at), max(decided_at) FROM counted WHERE camera = ?", [camera]
    ).fetchone()
    ends = [(begin, end) for begin, end in ((since, first), (last, until)) if end - begin > _GAP]
    return [Downtime(camera, begin, end, IDLE, 0) for begin, end in (*found, *ends)]


def _find_faults(connection: sqlite3.Connection, camera: str) -> tuple[list[Downtime], int]:
    """Find times without images of parts of a camera: the first of them, and how many there are."""
    kinds = ", ".join(f"'{kind}'" for kind in _CAMERA_KINDS)
    found = connection.execute(
        "WITH faults AS (SELECT number, triggered_at, decided_at, reason, "
        "lag(decided_at) OVER (ORDER BY number) AS before FROM counted WHERE camera = ? "
        f"AND CASE decision WHEN 'INVALID' THEN kind(reason) END IN ({kinds})), "
        f"stops AS (SELECT *, sum(before IS NULL OR triggered_at - before > {_TOGETHER}) "
        "OVER (ORDER BY number) AS stop FROM faults) "
        "SELECT min(triggered_at), max(decided_at), min(reason), count(*), count(*) OVER () FROM stops "
        f"GROUP BY stop ORDER BY 1 LIMIT {_LISTED}",
        [camera],
    ).fetchall()
    return [Downtime(camera, *values) for *values, _ in found], found[0][-1] if found else 0
