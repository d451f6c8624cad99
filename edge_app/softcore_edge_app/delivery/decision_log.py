"""Decision log: what outputs read, each at its own pace: the rows, and what could not be entered."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from softcore_runtime import LedgerError

from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.ledger.chain import SELECT
from softcore_edge_app.ledger.connection import connect_to_read
from softcore_edge_app.ledger.layout import HOLDS
from softcore_edge_app.ledger.ledger import Row

__all__ = ["MOST_UNENTERED", "DecisionLog"]

_RECENT = 1000  # rows in memory: an output that is up never reads the disk
MOST_UNENTERED = 10_000  # decisions that could not be entered, and may be entered later
_AT_ONCE = 100


class DecisionLog:
    """The decisions that were published, for any number of readers.

    Args:
        path: the ledger that is being written.
        rows: number of its rows.

    Attributes:
        last: number of the last row.
        version: changes whenever there is more to read.
    """

    def __init__(self, path: Path, rows: int) -> None:
        self.path = path
        self.last = rows
        self.version = 0
        self._changed = threading.Condition()
        self._recent: deque[Row] = deque(maxlen=_RECENT)
        self._unentered: OrderedDict[str, DecisionRecord] = OrderedDict()

    def add(self, rows: Sequence[Row], unentered: Sequence[DecisionRecord]) -> None:
        """Add the rows of decisions that were just entered, and those that could not be entered.

        The caller leaves out a row that another corrects: its decision must not be published.
        """
        with self._changed:
            for row in rows:
                self._recent.append(row)
                self._unentered.pop(row.record.trigger, None)
                self.last = row.number
            for record in unentered:
                self._unentered[record.trigger] = record
                if len(self._unentered) > MOST_UNENTERED:
                    del self._unentered[self._find_dispensable()]
            self.version += 1
            self._changed.notify_all()

    def read(self, after: int) -> list[Row]:
        """Return the next rows after a number, a hundred at most.

        Raises:
            LedgerError: the rows are no longer in memory, and the ledger can't be read.
        """
        with self._changed:
            last = self.last
            if after >= last:
                return []
            if self._recent and self._recent[0].number <= after + 1:
                return list(islice((row for row in self._recent if row.number > after), _AT_ONCE))
        # Rows after the last one aren't published yet, and may never be.
        rows = self._query(
            f"{SELECT} WHERE number > ? AND number <= ? AND {HOLDS} ORDER BY number LIMIT ?",
            after,
            last,
            _AT_ONCE,
        )
        with self._changed:
            corrected = {record.corrects for record in self._unentered.values()} - {None}
        return [row for row in rows if row.number not in corrected]

    def read_whole(self, after: int, most: int) -> list[Row]:
        """Return the next rows after a number as they are in the ledger, those that are corrected too.

        Args:
            after: the number.
            most: number of rows at most.

        Raises:
            LedgerError: the rows are no longer in memory, and the ledger can't be read.
        """
        with self._changed:
            last = self.last
            if after >= last:
                return []
            rows = list(islice((row for row in self._recent if row.number > after), most))
        # A row that is corrected isn't in memory.
        if rows and (rows[0].number, rows[-1].number) == (after + 1, after + len(rows)):
            return rows
        return self._query(
            f"{SELECT} WHERE number > ? AND number <= ? ORDER BY number LIMIT ?", after, last, most
        )

    def read_hash(self, number: int) -> str | None:
        """Return the hash of a row; None where the ledger has no such row.

        Raises:
            LedgerError: the ledger can't be read.
        """
        rows = self._query(f"{SELECT} WHERE number = ?", number)
        return rows[0].hash if rows else None

    def _query(self, query: str, *values: int) -> list[Row]:
        try:
            with closing(connect_to_read(self.path)) as connection:
                return [Row.read(found) for found in connection.execute(query, values).fetchall()]
        except (sqlite3.Error, TypeError, ValueError) as error:
            raise LedgerError(f"{self.path}: can't be read ({error})") from error

    def _find_dispensable(self) -> str:
        """Return the trigger to forget: the oldest, but no correction: its row would be delivered."""
        found = (trigger for trigger, record in self._unentered.items() if record.corrects is None)
        return next(found, next(iter(self._unentered)))

    def read_unentered(self) -> list[DecisionRecord]:
        """Return the decisions that are not in the ledger, the first one first."""
        with self._changed:
            return list(self._unentered.values())

    def wait(self, version: int, seconds: float) -> None:
        """Wait until there is more than in a version, or `wake` is called."""
        with self._changed:
            self._changed.wait_for(lambda: self.version != version, seconds)

    def wake(self) -> None:
        """Wake all readers that wait."""
        with self._changed:
            self.version += 1
            self._changed.notify_all()
