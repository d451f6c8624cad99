"""Ledger queries: reads the ledger for the port, beside the line that writes it and without delaying it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import HTTPException
from softcore_runtime import LedgerError

from softcore_edge_app.ledger.connection import connect_to_read
from softcore_edge_app.queries.part_search import PartSearch
from softcore_edge_app.queries.parts import Part, PartFilter, PartPage
from softcore_edge_app.queries.worklist import Worklist, find_worklist

__all__ = ["NO_LEDGER", "LedgerQueries"]

NO_LEDGER = "this needs a ledger (--ledger FILE)"
_AT_ONCE = 2  # queries; more wait, because the inspection needs the processors
_PATIENCE = 10.0  # seconds that a query may take
_POLL = 200_000  # SQLite's steps between two checks of the time: some milliseconds
_KEPT = 5_000  # triggers whose row numbers are remembered

_Answer = TypeVar("_Answer")


class LedgerQueries:
    """Runs queries on the ledger, each in a thread and a connection of its own.

    Args:
        ledger: its file; None if there is none.
        ended: set when the server ends, which ends the queries.
        search: finds parts in it; None makes one.
    """

    def __init__(self, ledger: Path | None, ended: asyncio.Event, search: PartSearch | None = None) -> None:
        self.ledger = ledger
        self.search = PartSearch(ledger) if ledger and not search else search
        self._ended = ended
        self._limiter = CapacityLimiter(_AT_ONCE)
        self._rows: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    async def run(
        self, query: Callable[[sqlite3.Connection], _Answer], patience: float = _PATIENCE
    ) -> _Answer:
        """Run a query, which reads one state of the ledger however long it takes.

        Args:
            query: reads what it needs.
            patience: seconds that it may take.

        Raises:
            HTTPException: 409 if there is no ledger, or the query takes too long.
            LedgerError: it can't be read.
        """
        if self.ledger is None:
            raise HTTPException(409, NO_LEDGER)
        return await to_thread.run_sync(
            self._run_in_thread, self.ledger, query, patience, abandon_on_cancel=True, limiter=self._limiter
        )

    async def find_part(self, trigger: str) -> Part | None:
        """Find a trigger's part; without an index only among the last million rows, or those shown lately."""
        with self._lock:
            row = self._rows.get(trigger)
        part = await self.run(lambda connection: self._search().find_part(connection, trigger, row))
        if part:
            self.remember([part])
        return part

    async def find_page(self, wanted: PartFilter, count: int, **place: int | None) -> PartPage:
        """Find a page of parts: see `PartSearch.find_page`."""
        page = await self.run(lambda connection: self._search().find_page(connection, wanted, count, **place))
        self.remember(page.parts)
        return page

    async def find_worklist(self, count: int, camera: str | None) -> Worklist:
        """Find the REVIEW parts that nobody has settled: see `worklist.find_worklist`."""
        found = await self.run(lambda connection: find_worklist(connection, self._search(), count, camera))
        self.remember(found.parts)
        return found

    def _search(self) -> PartSearch:
        if self.search is None:  # as `run` has found out before
            raise HTTPException(409, NO_LEDGER)
        return self.search

    def remember(self, parts: Iterable[Part]) -> None:
        """Remember the rows of parts that are shown, which are likely to be requested next."""
        with self._lock:
            for part in parts:
                self._rows[part.row.record.trigger] = part.row.number
                self._rows.move_to_end(part.row.record.trigger)
            while len(self._rows) > _KEPT:
                self._rows.popitem(last=False)

    def _run_in_thread(
        self, ledger: Path, query: Callable[[sqlite3.Connection], _Answer], patience: float
    ) -> _Answer:
        until = time.monotonic() + patience

        def is_over() -> bool:
            return self._ended.is_set() or time.monotonic() > until

        try:
            with closing(connect_to_read(ledger)) as connection:
                connection.set_progress_handler(is_over, _POLL)
                connection.execute("BEGIN")
                return query(connection)
        except (sqlite3.Error, TypeError, ValueError) as error:
            if is_over():
                what = "the ledger has too many rows to be looked through; ask for a shorter time"
                raise HTTPException(409, what) from None
            raise LedgerError(f"{ledger}: can't be read ({error})") from error
