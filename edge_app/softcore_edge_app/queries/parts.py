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
    "MARKS",
    "PARTS",
    "ROWS_PER_QUERY",
    "ROWS_SEARCHED",
    "Part",
    "PartFilter",
    "PartPage",
    "find_last",
    "find_part",
    "find_range",
    "find_time",
    "read_notes",
    "read_parts",
]

ROWS_PER_QUERY = 50_000  # rows that one query reads: some hundredths of a second
ROWS_SEARCHED = 1_000_000  # rows, counted back from the last, that are searched for a trigger
_UNSTEADY = 1_000  # rows that may be out of order in time, after a clock was set back

MARKS = """WITH marks AS (
    SELECT subject, "after" AS mark, max(number) FROM notes WHERE kind = 'mark' GROUP BY subject
)"""
PARTS = (
    f"{MARKS} SELECT {', '.join(f'rows.{chr(34)}{name}{chr(34)}' for name in COLUMNS)}, marks.mark "  # noqa: S608
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
        marked: the mark of a person: `good`, `bad`, `any` of the two, or `none`.
        part: what the part's name is, or begins with.
    """

    since: int | None = None
    until: int | None = None
    decision: str | None = None
    camera: str | None = None
    category: str | None = None
    min_share: float | None = None
    max_share: float | None = None
    marked: Literal["good", "bad", "any", "none"] | None = None
    part: str | None = None

    def tests(self) -> dict[str, Any]:
        """Return the filter as SQL tests, each with its value."""
        tests = {
            "instr(part, ?) = 1": self.part,
            "coalesce(mark = ?, 0)": self.marked if self.marked in ("good", "bad") else None,
            "mark IS NOT NULL AND ?": 1 if self.marked == "any" else None,
            "mark IS NULL AND ?": 1 if self.marked == "none" else None,
        }
        return {**self.row_tests(), **{test: value for test, value in tests.items() if value is not None}}

    def row_tests(self) -> dict[str, Any]:
        """Return the tests that need no more than a row; `part` and `marked` are not among them."""
        tests = {
            "decided_at >= ?": self.since,
            "decided_at < ?": self.until,
            "decision = ?": self.decision,
            "rows.camera = ?": self.camera,
            "category = ?": self.category,
            "score / threshold >= ?": self.min_share,
            "score / threshold <= ?": self.max_share,
        }
        return {test: value for test, value in tests.items() if value is not None}

    def fits(self, part: Part) -> bool:
        """Return whether it lets a part through."""
        record = part.row.record
        share = record.score / record.threshold if record.score is not None and record.threshold else None
        return (
            (self.since is None or record.decided_at >= self.since)
            and (self.until is None or record.decided_at < self.until)
            and self.decision in (None, str(record.decision))
            and self.camera in (None, record.camera)
            and self.category in (None, record.category)
            and (self.min_share is None or (share is not None and share >= self.min_share))
            and (self.max_share is None or (share is not None and share <= self.max_share))
            and self.marked in (None, part.mark or "none", "any" if part.mark else None)
            and (self.part is None or record.part.startswith(self.part))
        )


@dataclass(frozen=True)
class PartPage:
    """Parts, the newest first.

    Attributes:
        parts: the parts.
        following: the row before which the next page begins, or None.
        total: number of all parts that are wanted; None where they weren't counted.
        newer: how many of them are newer than these, likewise.
    """

    parts: list[Part]
    following: int | None
    total: int | None = None
    newer: int | None = None


def read_parts(
    connection: sqlite3.Connection,
    wanted: PartFilter,
    count: int,
    before: int | None = None,
    after: int | None = None,
) -> PartPage:
    """Read parts, the newest first.

    One call reads at most `ROWS_PER_QUERY` rows: a page may have fewer parts than `count`, even none, and
    there may be more.

    Args:
        connection: to the ledger.
        wanted: filters them.
        count: number of parts at most.
        before: only rows before this one.
        after: instead, the rows next after this one.

    Raises:
        sqlite3.Error: they can't be read.
        ValueError: a row was changed.
    """
    first, end = find_range(connection, wanted.since, wanted.until)
    if after is None:
        end = end if before is None else min(end, before)
        low = max(first, end - ROWS_PER_QUERY)
    else:
        low = max(first, after + 1)
        end = min(end, low + ROWS_PER_QUERY)
    tests = wanted.tests()
    where = " AND ".join(["rows.number >= ?", "rows.number < ?", *tests])
    found = connection.execute(
        f"{PARTS} WHERE {where} ORDER BY rows.number {'DESC' if after is None else 'ASC'} LIMIT ?",
        [low, end, *tests.values(), count],
    ).fetchall()
    parts = [Part(Row.read(values[:-1]), values[-1]) for values in found]
    if after is not None:
        parts.reverse()
    reached = parts[-1].row.number if parts and (len(parts) == count or after is not None) else low
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
        ("rows.number > ?", [find_last(connection) - ROWS_SEARCHED]),
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
    last = find_last(connection)
    first = 1 if since is None else max(find_time(connection, since) - _UNSTEADY, 1)
    end = last + 1 if until is None else min(find_time(connection, until) + _UNSTEADY, last + 1)
    return first, max(first, end)


def find_last(connection: sqlite3.Connection) -> int:
    """Return the number of the last row; 0 if there is none."""
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM rows").fetchone()
    return int(last)


def find_time(connection: sqlite3.Connection, time: int) -> int:
    """Return the first row decided at a time or later; the one after the last if there is none."""
    low, high = 1, find_last(connection) + 1
    while low < high:
        middle = (low + high) // 2
        found = connection.execute("SELECT decided_at FROM rows WHERE number = ?", [middle]).fetchone()
        if found is not None and found[0] < time:
            low = middle + 1
        else:
            high = middle
    return low
