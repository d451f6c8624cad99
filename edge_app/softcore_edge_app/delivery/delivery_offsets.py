"""Delivery offsets: up to which row each output has a ledger's decisions, kept beside the ledger.

An offset isn't flushed to the disk: after a power cut an output may get decisions again, with the same
trigger and part. A delivery never changes the ledger itself.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

__all__ = ["DeliveryOffsets"]

_TABLE = (
    "CREATE TABLE IF NOT EXISTS marks (output TEXT PRIMARY KEY, ledger TEXT NOT NULL, row INTEGER NOT NULL)"
)

_log = logging.getLogger(__name__)


class DeliveryOffsets:
    """The offsets of a ledger's outputs. If they can't be kept, that is logged once and delivery goes on.

    Args:
        path: the ledger's path.
        ledger: its id: an offset in another ledger doesn't count.
    """

    def __init__(self, path: Path, ledger: str) -> None:
        self.path = path.with_name(f"{path.name}.deliveries")
        self._ledger = ledger
        self._turn = threading.Lock()
        self._logged = False
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = self._connect()
        except sqlite3.DatabaseError as error:
            self._log_once(error)

    def read(self, output: str) -> int | None:
        """Return the number of the last row that an output has; None if it isn't known."""
        with self._turn:
            if self._connection is None:
                return None
            try:
                found = self._connection.execute(
                    "SELECT row FROM marks WHERE output = ? AND ledger = ?", [output, self._ledger]
                ).fetchone()
            except sqlite3.Error as error:
                self._log_once(error)
                return None
            return int(found[0]) if found else None

    def write(self, output: str, row: int) -> None:
        """Store the number of the last row that an output has."""
        with self._turn:
            if self._connection is None:
                return
            try:
                self._connection.execute(
                    "INSERT INTO marks VALUES (?1, ?2, ?3) "
                    "ON CONFLICT (output) DO UPDATE SET ledger = ?2, row = ?3",
                    [output, self._ledger, row],
                )
                self._logged = False
            except sqlite3.Error as error:
                self._log_once(error)

    def close(self) -> None:
        """Close the file."""
        with self._turn:
            if self._connection:
                with suppress(sqlite3.Error):
                    self._connection.close()
                self._connection = None

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=1, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")  # whole after a power cut, if not up to date
            connection.execute(_TABLE)
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def _log_once(self, error: sqlite3.Error) -> None:
        if not self._logged:
            self._logged = True
            _log.warning(
                "%s: can't be kept (%s); after a restart outputs may get decisions again",
                self.path,
                error,
            )
