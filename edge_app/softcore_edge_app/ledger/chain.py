"""Ledger chain: checks the rows or the notes, each of which has the hash of the one before."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, Literal, Protocol, TypeVar

from softcore_edge_app.ledger.note import NOTE_COLUMNS, Note
from softcore_edge_app.ledger.row import COLUMNS, Row

__all__ = ["SELECT", "SELECT_NOTES", "Chain", "Fault", "FaultKind", "Table", "chain_notes", "chain_rows"]

Table = Literal["rows", "notes"]
_NOUNS: dict[Table, str] = {"rows": "row", "notes": "note"}
_FARTHEST = 10_000  # rows by which a moved row is still distinguished from a changed one


def _select(columns: tuple[str, ...], table: Table) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return f"SELECT {names} FROM {table}"  # noqa: S608 - names of our own


SELECT, SELECT_NOTES = _select(COLUMNS, "rows"), _select(NOTE_COLUMNS, "notes")


class FaultKind(str, Enum):
    """The kinds of faults of a ledger."""

    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    OUT_OF_ORDER = "out of order"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong with a ledger.

    Attributes:
        kind: what is wrong.
        row: number of the row (or the note, see `table`); 0 is the header, None the file.
        detail: the same in words.
        table: `rows` or `notes`.
    """

    kind: FaultKind
    row: int | None
    detail: str
    table: Table = "rows"

    def __str__(self) -> str:
        return self.detail


class _Link(Protocol):
    @property
    def number(self) -> int: ...
    @property
    def previous(self) -> str: ...
    @property
    def hash(self) -> str: ...
    def hash_at(self, number: int) -> str: ...


_L = TypeVar("_L", bound=_Link)


@dataclass
class Chain(Generic[_L]):
    """A check of a chain, link by link.

    Attributes:
        table: `rows` or `notes`.
        select: SQL that reads the links.
        read: makes a link of a row of SQLite; raises TypeError or ValueError where it is none.
        noted: a hash to find among the links, or None.
        count: number of links, from the first on, that are whole so far.
        head: hash of the last of them, or what the first one follows.
        met: whether a link has the hash `noted`.
    """

    table: Table
    select: str
    read: Callable[[tuple[Any, ...]], _L]
    noted: str | None = None
    count: int = 0
    head: str = field(default="")
    met: bool = False

    def walk(
        self,
        connection: sqlite3.Connection,
        start: str,
        check: Callable[[_L], Fault | None] | None = None,
        after: int = 0,
    ) -> Fault | None:
        """Check the links up to the end, or to the first fault.

        Args:
            connection: to the ledger.
            start: what the first link follows.
            check: checks each whole link further.
            after: number of a link that is taken to be whole, with all before it; 0 for none.

        Raises:
            sqlite3.Error: it can't be read.
        """
        self.head = start
        self._compare_noted()
        if after:
            found = connection.execute(
                f"SELECT hash FROM {self.table} WHERE number = ?",  # noqa: S608
                [after],
            ).fetchone()
            if not found:
                return self._make_fault(FaultKind.MISSING, after, self._describe_missing(after, after))
            self.count, self.head = after, found[0]
        for values in self._read(connection, after):
            number = self.count + 1
            if values[0] > number:
                return self._make_fault(
                    FaultKind.MISSING, number, self._describe_missing(number, values[0] - 1)
                )
            try:
                link = self.read(values)
                whole = link.hash == link.hash_at(number) and link.number == number
            except (TypeError, ValueError) as error:
                return self._make_fault(
                    FaultKind.CHANGED, number, f"{self._noun} {number} was changed: {error}"
                )
            if not whole or link.previous != self.head:
                return self._explain_misfit(connection, link, number)
            if check and (fault := check(link)):
                return fault
            self.count, self.head = number, link.hash
            self._compare_noted()
        return None

    def _read(self, connection: sqlite3.Connection, after: int) -> Iterator[tuple[Any, ...]]:
        """Yield the links up to the first that can't be read."""
        question, last = f"{self.select} WHERE number > ? ORDER BY number", after
        try:
            for values in connection.execute(question, [after]):
                last = values[0]
                yield values
        except sqlite3.Error:  # Python has read one link ahead, and yields it no more
            yield from connection.execute(f"{question} LIMIT 1", [last])
            raise

    def compare(self, what: str, count: int, head: str) -> Fault | None:
        """Compare the chain, once it was checked, with what the header or the seal says of it."""
        if count > self.count:
            missing = self._describe_missing(self.count + 1, count)
            return self._make_fault(
                FaultKind.TRUNCATED, self.count + 1, f"truncated: {missing} ({what} counts {count})"
            )
        if count < self.count:
            return self._make_fault(
                FaultKind.INSERTED, count + 1, f"{self._noun} {count + 1} was inserted: {what} counts {count}"
            )
        if head != self.head:
            return self._make_fault(
                FaultKind.CHANGED, count, f"{self._noun} {count} was rewritten, or {what} was changed"
            )
        return None

    def find(self, connection: sqlite3.Connection, what: str, number: int, head: str) -> Fault | None:
        """Check, once the chain was checked, that a link is in it; others may have followed since."""
        if number > self.count:
            return self.compare(what, number, head)
        found = connection.execute(
            f"SELECT hash FROM {self.table} WHERE number = ?",  # noqa: S608
            [number],
        ).fetchone()
        if number and found != (head,):
            detail = f"{self._noun} {number} was rewritten, or {what} was changed"
            return self._make_fault(FaultKind.CHANGED, number, detail)
        return None

    @property
    def position(self) -> str:
        """The link at which a check was broken off."""
        return f"{self._noun} {self.count + 1}"

    @property
    def _noun(self) -> str:
        return _NOUNS[self.table]

    def _compare_noted(self) -> None:
        self.met = self.met or self.head == self.noted

    def _make_fault(self, kind: FaultKind, number: int, detail: str) -> Fault:
        return Fault(kind, number, detail, self.table)

    def _describe_missing(self, first: int, last: int) -> str:
        noun = self._noun
        return f"{noun} {first} is missing" if first == last else f"{noun}s {first} to {last} are missing"

    def _explain_misfit(self, connection: sqlite3.Connection, link: _L, number: int) -> Fault:
        """Return the fault of a link that doesn't fit."""
        noun, table, head = self._noun, self.table, self.head
        values = connection.execute(f"{self.select} WHERE number = ?", [number + 1]).fetchone()
        try:
            following = self.read(values) if values else None
        except (TypeError, ValueError):
            following = None
        if following and following.previous == head and following.hash == following.hash_at(number):
            return self._make_fault(FaultKind.INSERTED, number, f"{noun} {number} was inserted")
        whole = link.hash == link.hash_at(link.number)
        if whole and number == 1:
            return self._make_fault(FaultKind.CHANGED, 0, f"the header was changed: {noun} 1 follows another")
        if whole:
            return self._make_fault(
                FaultKind.CHANGED,
                number - 1,
                f"{noun} {number - 1} was rewritten with a hash of its own: {noun} {number} follows another",
            )
        (last,) = connection.execute(f"SELECT max(number) FROM {table}").fetchone()  # noqa: S608
        for place in range(max(1, number - _FARTHEST), min(last + 2, number + _FARTHEST)):
            if place != number and link.hash == link.hash_at(place):
                before = connection.execute(
                    f"SELECT 1 FROM {table} WHERE hash = ?",  # noqa: S608
                    [link.previous],
                ).fetchone()
                if place > number and not before:
                    return self._make_fault(
                        FaultKind.MISSING, number, self._describe_missing(number, place - 1)
                    )
                return self._make_fault(
                    FaultKind.OUT_OF_ORDER,
                    number,
                    f"{noun} {number} is out of order: here stands {noun} {place}",
                )
        return self._make_fault(FaultKind.CHANGED, number, f"{noun} {number} was changed")


def chain_rows(noted: str | None) -> Chain[Row]:
    """Return the check of the decisions' chain."""
    return Chain("rows", SELECT, Row.read, noted)


def chain_notes(noted: str | None) -> Chain[Note]:
    """Return the check of the notes' chain."""
    return Chain("notes", SELECT_NOTES, Note.read, noted)
