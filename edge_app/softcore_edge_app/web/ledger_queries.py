"""Ledger queries: ask the ledger for the port, beside the line that writes it and never in its way."""

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
from softcore_edge_app.queries.parts import Part, find_part

__all__ = ["NO_LEDGER", "LedgerQueries"]

NO_LEDGER = "this needs a ledger (--ledger FILE)"
_AT_ONCE = 2  # questions; more wait, so that the inspection has its processors
_PATIENCE = 10.0  # seconds that an answer may take
_POLL = 200_000  # steps of SQLite's between two looks whether it has taken too long: some milliseconds
_KEPT = 5_000  # triggers whose rows are known

_Answer = TypeVar("_Answer")


class LedgerQueries:
    """Answers questions on the ledger, each in a thread and a connection of its own.

    Args:
        ledger: which one; None where there is none.
        ended: set when the server ends; then no answer is waited for.
    """

    def __init__(self, ledger: Path | None, ended: asyncio.Event) -> None:
        self.ledger = ledger
        self._ended = ended
        self._limiter = CapacityLimiter(_AT_ONCE)
        self._rows: OrderedDict[str, int] = OrderedDict()
        self._turn = threading.Lock()

    async def run(
        self, question: Callable[[sqlite3.Connection], _Answer], patience: float = _PATIENCE
    ) -> _Answer:
        """Ask; the ledger stays as it is for as long as the question takes.

        Args:
            question: reads what it wants.
            patience: seconds that it may take.

        Raises:
            HTTPException: 409 where there is no ledger, or the answer takes too long.
            LedgerError: it can't be read.
        """
        if self.ledger is None:
            raise HTTPException(409, NO_LEDGER)
        return await to_thread.run_sync(
            self._answer, self.ledger, question, patience, abandon_on_cancel=True, limiter=self._limiter
        )

    async def find_part(self, trigger: str) -> Part | None:
        """Find a trigger's part: at once if it was shown lately, else among the last million rows."""
        with self._turn:
            row = self._rows.get(trigger)
        part = await self.run(lambda connection: find_part(connection, trigger, row))
        if part:
            self.remember([part])
        return part

    def remember(self, parts: Iterable[Part]) -> None:
        """Remember where parts are that are shown: they are what will be asked for next."""
        with self._turn:
            for part in parts:
                self._rows[part.row.record.trigger] = part.row.number
                self._rows.move_to_end(part.row.record.trigger)
            while len(self._rows) > _KEPT:
                self._rows.popitem(last=False)

    def _answer(
        self, ledger: Path, question: Callable[[sqlite3.Connection], _Answer], patience: float
    ) -> _Answer:
        until = time.monotonic() + patience

        def give_up() -> bool:
            return self._ended.is_set() or time.monotonic() > until

        try:
            with closing(connect_to_read(ledger)) as connection:
                connection.set_progress_handler(give_up, _POLL)
                connection.execute("BEGIN")
                return question(connection)
        except (sqlite3.Error, TypeError, ValueError) as error:
            if give_up():
                what = "the ledger has too many rows to be looked through; ask for a shorter time"
                raise HTTPException(409, what) from None
            raise LedgerError(f"{ledger}: can't be read ({error})") from error
