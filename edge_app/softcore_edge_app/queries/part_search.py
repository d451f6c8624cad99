"""Part search: finds and counts a ledger's parts, by its index as far as that goes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from softcore_edge_app.ledger.chain import SELECT
from softcore_edge_app.ledger.opened_files import follow_link
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.queries.part_index import BLOCK, CODES, DamagedIndexError, PartIndex
from softcore_edge_app.queries.parts import (
    ROWS_PER_QUERY,
    Part,
    PartFilter,
    PartPage,
    find_last,
    find_part,
    find_time,
    read_parts,
)

__all__ = ["PartSearch"]

_AT_ONCE = 1 << 20  # rows among which a page is looked for at once
_CORRECTED = "SELECT corrects FROM rows WHERE corrects IS NOT NULL"

_Rows = NDArray[np.int64]


class PartSearch:
    """Searches one ledger; threads may share it.

    Args:
        ledger: its file.

    Attributes:
        damaged: whether its index was found to be damaged; it isn't used any more until this is reset.
    """

    def __init__(self, ledger: Path) -> None:
        self.damaged = False
        self._ledger = follow_link(ledger)
        self._verified: set[tuple[str, int]] = set()

    def find_page(
        self,
        connection: sqlite3.Connection,
        wanted: PartFilter,
        count: int,
        *,
        before: int | None = None,
        after: int | None = None,
        at: int | None = None,
    ) -> PartPage:
        """Find a page of parts, the newest first, and count all that are wanted.

        Where the index lacks more than 50,000 rows, the page is that of `read_parts`, without the counts.

        Args:
            connection: to the ledger, through which nothing of its present state was read yet.
            wanted: filters them; where a part has the whole name, others that begin with it don't count.
            count: number of parts at most.
            before: only rows before this one.
            after: instead, the rows next after this one.
            at: instead, those decided up to this time, in nanoseconds of UTC since 1970.

        Raises:
            sqlite3.Error: the ledger can't be read.
            ValueError: a row was changed.
        """
        with self._open(connection) as index:
            if at is not None:
                before = find_time(connection, at + 1)
            if index is not None:
                try:
                    found = _IndexedSearch(connection, index, wanted).find_page(count, before, after)
                    if found is not None:
                        return found
                except DamagedIndexError:
                    self._forget()
            return read_parts(connection, wanted, count, before, after)

    def find_part(self, connection: sqlite3.Connection, trigger: str, row: int | None = None) -> Part | None:
        """Find a trigger's part; without an index only among the last rows: see `parts.find_part`."""
        with self._open(connection) as index:
            if index is not None:
                try:
                    return _IndexedSearch(connection, index, PartFilter()).find_part(trigger)
                except DamagedIndexError:
                    self._forget()
            return find_part(connection, trigger, row)

    @contextmanager
    def _open(self, connection: sqlite3.Connection) -> Iterator[PartIndex | None]:
        """Open the index; None where there is none that can be used."""
        index = None
        if not self.damaged:
            try:
                index = PartIndex.open(self._ledger, connection, self._verified)
                if index is None and find_last(connection) <= ROWS_PER_QUERY:
                    index = PartIndex.make_empty(connection)
            except DamagedIndexError:
                self._forget()
        with index or nullcontext():
            yield index

    def _forget(self) -> None:
        self._verified.clear()
        self.damaged = True


class _IndexedSearch:
    """One search by an index, and in the ledger's rows after it.

    A mask has a place for each row: that of row 1 is 0.
    """

    def __init__(self, connection: sqlite3.Connection, index: PartIndex, wanted: PartFilter) -> None:
        self._connection, self._index, self._wanted = connection, index, wanted
        self._last = find_last(connection)
        if self._last < index.rows:
            raise DamagedIndexError("it has more rows than the ledger")

    def find_page(self, count: int, before: int | None, after: int | None) -> PartPage | None:
        """Find a page, see `PartSearch.find_page`; None where the index is of no help."""
        if self._last - self._index.rows > ROWS_PER_QUERY:
            return None
        chosen: list[_Rows] = []
        if self._wanted.part is not None:
            named = self._find_named(self._wanted.part)
            if named is None:
                return None
            chosen.append(named)
        if self._wanted.marked not in (None, "none"):
            chosen.append(self._find_marked())
        mask = self._match(chosen)
        if self._wanted.marked == "none":
            mask[self._find_marked() - 1] = False
        total = int(np.count_nonzero(mask))
        if after is not None:
            numbers = _take_first(mask, min(after, self._last), count)[::-1]
        else:
            numbers = _take_last(mask, self._last if before is None else min(before - 1, self._last), count)
        newer = int(np.count_nonzero(mask[numbers[0] :])) if numbers else total * (after is None)
        parts = self._fetch(numbers)
        if any(not self._wanted.fits(part) for part in parts):
            raise DamagedIndexError("it finds rows that aren't wanted")
        more = newer + len(parts) < total
        return PartPage(parts, numbers[-1] if numbers and more else None, total, newer)

    def find_part(self, trigger: str) -> Part | None:
        """Find a trigger's part."""
        later = self._list_later('"trigger" = ?', trigger)
        numbers = {*self._index.find_trigger(trigger), *later}
        parts = self._fetch(sorted(numbers, reverse=True))
        return next((part for part in parts if part.row.record.trigger == trigger), None)

    def _find_named(self, part: str) -> _Rows | None:
        """Return the rows of parts by their name, or its beginning; None if these are too many."""
        exact = [*self._index.find_part(part), *self._list_later("part = ?", part)]
        if exact:
            return np.array(exact, np.int64)
        found = self._index.find_beginning(part)
        if found is None:
            return None
        return np.concatenate([found, np.array(self._list_later("instr(part, ?) = 1", part), np.int64)])

    def _find_marked(self) -> _Rows:
        """Return the rows of parts with a mark that is wanted."""
        wanted = self._wanted.marked if self._wanted.marked in ("good", "bad") else None
        found = self._index.find_marked(wanted)
        triggers = {one for one, mark in self._index.read_marks().items() if wanted in (None, mark)}
        later = self._connection.execute(
            'SELECT number, "trigger" FROM rows WHERE number > ?', [self._index.rows]
        )
        return np.array([*found, *(number for number, trigger in later if trigger in triggers)], np.int64)

    def _list_later(self, test: str, value: str) -> list[int]:
        """Return the rows after those of the index that pass a test."""
        found = self._connection.execute(
            f"SELECT number FROM rows WHERE number > ? AND {test} ORDER BY number",  # noqa: S608
            [self._index.rows, value],
        )
        return [number for (number,) in found]

    def _match(self, chosen: Sequence[_Rows]) -> NDArray[np.bool_]:
        """Return which rows are wanted, and among all that were chosen."""
        mask = np.zeros(self._last, np.bool_)
        allowed = np.ones(self._index.blocks, np.bool_)
        for rows in chosen:
            met = np.zeros(self._index.blocks + 1 + ROWS_PER_QUERY // BLOCK, np.bool_)
            met[(rows - 1) // BLOCK] = True
            allowed &= met[: self._index.blocks]
        self._match_blocks(mask, allowed)
        tests = self._wanted.row_tests()
        where = " AND ".join(["number > ?", *tests])
        later = self._connection.execute(
            f"SELECT number FROM rows WHERE {where}",  # noqa: S608
            [self._index.rows, *tests.values()],
        )
        mask[[number - 1 for (number,) in later]] = True
        for rows in chosen:
            met = np.zeros(self._last, np.bool_)
            met[rows - 1] = True
            mask &= met
        mask[[number - 1 for number in self._corrected if number <= self._last]] = False
        return mask

    def _match_blocks(self, mask: NDArray[np.bool_], allowed: NDArray[np.bool_]) -> None:
        """Mark the wanted rows of the allowed blocks."""
        wanted, index = self._wanted, self._index
        inside = np.ones(index.blocks, np.bool_)
        if wanted.since is not None:
            allowed = allowed & (index.latest >= wanted.since)
            inside &= index.earliest >= wanted.since
        if wanted.until is not None:
            allowed = allowed & (index.earliest < wanted.until)
            inside &= index.latest < wanted.until
        settings = np.array(
            [
                wanted.camera in (None, camera) and wanted.category in (None, category)
                for camera, category, *_ in index.settings
            ],
            np.bool_,
        )
        code = None if wanted.decision is None else CODES.get(wanted.decision, len(CODES))
        for block in np.flatnonzero(allowed).tolist():
            met = np.ones(BLOCK, np.bool_)
            if not inside[block]:
                decided = index.read("decided", block)
                if wanted.since is not None:
                    met &= decided >= wanted.since
                if wanted.until is not None:
                    met &= decided < wanted.until
            if code is not None:
                met &= index.read("decision", block) == code
            if not settings.all():
                met &= settings[index.read("setting", block)]
            if wanted.min_share is not None or wanted.max_share is not None:
                share = index.read("share", block)  # NaN is in no range
                met &= share >= (-np.inf if wanted.min_share is None else wanted.min_share)
                met &= share <= (np.inf if wanted.max_share is None else wanted.max_share)
            mask[block * BLOCK : (block + 1) * BLOCK] = met

    @cached_property
    def _corrected(self) -> set[int]:
        """The rows that a later one corrects."""
        return {number for (number,) in self._connection.execute(_CORRECTED)}

    def _fetch(self, numbers: Sequence[int]) -> list[Part]:
        """Fetch rows from the ledger, in the order of their numbers."""
        places = ", ".join("?" * len(numbers))
        found = self._connection.execute(f"{SELECT} WHERE number IN ({places})", numbers).fetchall()
        rows = {row.number: row for row in map(Row.read, found)}
        if rows.keys() != set(numbers):
            raise DamagedIndexError("it has rows that the ledger hasn't")
        marks = self._index.read_marks(row.record.trigger for row in rows.values())
        return [Part(rows[number], marks.get(rows[number].record.trigger)) for number in numbers]


def _take_last(mask: NDArray[np.bool_], end: int, count: int) -> list[int]:
    """Return the last rows of a mask up to row `end`, the last one first."""
    found: list[int] = []
    while end > 0 and len(found) < count:
        begin = max(0, end - _AT_ONCE)
        here = np.flatnonzero(mask[begin:end])[::-1] + begin + 1
        found += here[: count - len(found)].tolist()
        end = begin
    return found


def _take_first(mask: NDArray[np.bool_], after: int, count: int) -> list[int]:
    """Return the first rows of a mask after one, the first one first."""
    found: list[int] = []
    while after < len(mask) and len(found) < count:
        here = np.flatnonzero(mask[after : after + _AT_ONCE]) + after + 1
        found += here[: count - len(found)].tolist()
        after += _AT_ONCE
    return found
