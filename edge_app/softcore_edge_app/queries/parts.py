"""Parts: the ledger's parts and notes, a page at a time, the newest first."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any, Literal

from softcore_edge_app.ledger.chain import SELECT_NOTES
from softcore_edge_app.ledger.layout import HOLDS
from softcore_edge_app.ledger.note import Note
from softcore_edge_app.ledger.row import COLUMNS, Row

__all__ = [
    "PARTS",
    "ROWS_PER_QUERY",
    "ROWS_SEARCHED",
    "Part",
    "PartFilter",
    "PartPage",
    "find_part",
    "find_range",
    "read_notes",
    "read_parts",
]

ROWS_PER_QUERY = 50_000  # rows that one query reads: some hundredths of a second
ROWS_SEARCHED = 1_000_000  # rows, counted back from the last, that are searched for a trigger
_UNSTEADY = 1_000  # rows that may be out of order in time, after a clock was set back

_MARKS = """WITH marks AS (
    SELECT subject, "after" AS mark, max(number) FROM notes WHERE kind = 'mark' GROUP BY subject
)"""
PARTS = (
    f"{_MARKS} SELECT {', '.join(f'rows.{chr(34)}{name}{chr(34)}' for name in COLUMNS)}, marks.mark "  # noqa: S608
    f'FROM (SELECT * FROM rows WHERE {HOLDS}) AS rows LEFT JOIN marks ON marks.subject = rows."trigger"'
)


@dataclass(frozen=True)
class Part:
    """A decision's row, and the mark of a person, `good` or `bad`, if any."""

    row: Row
    mark: str | None


@dataclass(frozen=True)
class PartFilter:
    """A filter of parts; None is any.

    Attributes:
        since, until: decided from then on, and before then, in nanoseconds of UTC since 1970.
        decision, camera, category: of the part.
        min_share, max_share: bounds of the score in units of the threshold, both included.
        marked: the mark of a person: `good`, `bad`, or `any` of the two.
    """

    since: int | None = None
    until: int | None = None
    decision: str | None = None
    camera: str | None = None
    category: str | None = None
    min_share: float | None = None
    max_share: float | None = None
    marked: Literal["good", "bad", "any"] | None = None

    def tests(self) -> dict[str, Any]:
        """Return the filter as SQL tests, each with its value."""
        tests = {
            "decided_at >= ?": self.since,
            "decided_at < ?": self.until,
            "decision = ?": self.decision,
            "rows.camera = ?": self.camera,
            "category = ?": self.category,
            "score / threshold >= ?": self.min_share,
            "score / threshold <= ?": self.max_share,
            "coalesce(mark = ?, 0)": None if self.marked == "any" else self.marked,
            "mark IS NOT NULL AND ?": 1 if self.marked == "any" else None,
        }
        return {test: value for test, value in tests.items() if value is not None}


@dataclass(frozen=True)
class PartPage:
    """Parts, the newest first; `following` is the row before which the next page begins, or None."""

    parts: list[Part]
    following: int | None


def read_parts(
    connection: sqlite3.Connection, wanted: PartFilter, count: int, before: int | None = None
) -> PartPage:
    """Read parts, the newest first.

    One call reads at most `ROWS_PER_QUERY` rows: a page may have fewer parts than `count`, even none, and
    there may be more.

    Args:
        connection: to the ledger.
        wanted: filters them.
        count: number of parts at most.
        before: only rows before this one.

    Raises:
        sqlite3.Error: they can't be read.
        ValueError: a row was changed.
    """
    first, end = find_range(connection, wanted.since, wanted.until)
    end = end if before is None else min(end, before)
    low = max(first, end - ROWS_PER_QUERY)
    tests = wanted.tests()
    where = " AND ".join(["rows.number >= ?", "rows.number < ?", *tests])
    found = connection.execute(
        f"{PARTS} WHERE {where} ORDER BY rows.number DESC LIMIT ?",
        [low, end, *tests.values(), count],
    ).fetchall()
    parts = [Part(Row.read(values[:-1]), values[-1]) for values in found]
    reached = parts[-1].row.number if len(parts) == count else low
    return PartPage(parts, reached if reached > first else None)


def find_part(connection: sqlite3.Connection, trigger: str, row: int | None = None) -> Part | None:
    """Find a trigger's part among the last `ROWS_SEARCHED` rows.

    Args:
        connection: to the ledger.
        trigger: its id.
        row: the number of the row that it is likely to be in.

    Raises:
        sqlite3.Error: they can't be read.
        ValueError: the row was changed.
    """
    for where, values in (
        ("rows.number = ?", [row]),
        ("rows.number > ?", [_find_last(connection) - ROWS_SEARCHED]),
    ):
        found = connection.execute(
            f'{PARTS} WHERE {where} AND "trigger" = ? ORDER BY rows.number DESC LIMIT 1', [*values, trigger]
        ).fetchone()
        if found:
            return Part(Row.read(found[:-1]), found[-1])
    return None


def read_notes(
    connection: sqlite3.Connection, count: int, before: int | None = None
) -> tuple[list[Note], int | None]:
    """Read notes, the newest first; also return the number before which the next page begins, or None.

    What a shadow says isn't among them: nobody has changed anything by it.

    Raises:
        sqlite3.Error, ValueError: as `read_parts`.
    """
    found = connection.execute(
        f"{SELECT_NOTES} WHERE kind <> 'shadow' AND (?1 IS NULL OR number < ?1) "
        "ORDER BY number DESC LIMIT ?2",
        [before, count],
    ).fetchall()
    notes = [Note.read(values) for values in found]
    more = len(notes) == count and notes[-1].number > 1
    return notes, notes[-1].number if more else None


def find_range(connection: sqlite3.Connection, since: int | None, until: int | None) -> tuple[int, int]:
    """Find the first row that may be of a time, and the one after the last.

    Rows are taken to be in order of time, except for `_UNSTEADY` of them.
    """
    last = _find_last(connection)
    first = 1 if since is None else max(_bisect(connection, since, last) - _UNSTEADY, 1)
    end = last + 1 if until is None else min(_bisect(connection, until, last) + _UNSTEADY, last + 1)
    return first, max(first, end)


def _find_last(connection: sqlite3.Connection) -> int:
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM rows").fetchone()
    return int(last)


def _bisect(connection: sqlite3.Connection, time: int, last: int) -> int:
    """Return the first row decided at a time or later; the one after the last if there is none."""
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        found = connection.execute("SELECT decided_at FROM rows WHERE number = ?", [middle]).fetchone()
        if found is not None and found[0] < time:
            low = middle + 1
        else:
            high = middle
    return low
