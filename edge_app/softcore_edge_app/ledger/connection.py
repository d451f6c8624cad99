"""Ledger connection: opens a ledger for reading, and refuses values that are too long."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from urllib.parse import quote

from softcore_edge_app.ledger.note import NOTE_COLUMNS
from softcore_edge_app.ledger.row import COLUMNS

__all__ = ["bound_lengths", "connect_to_read", "refuse_lengths"]

_LONGEST = 1_000_000  # bytes of a value


def connect_to_read(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """Connect to a ledger, whether or not it is being written; each statement reads it anew.

    Raises:
        sqlite3.Error: it can't be read.
    """
    # Of a ledger in use SQLite makes the `-shm` beside it; of a closed one that isn't needed.
    name = f"file:{quote(str(path.resolve()))}?{'immutable=1' if immutable else 'mode=ro'}"
    connection = sqlite3.connect(name, uri=True, isolation_level=None, timeout=5)
    bound_lengths(connection)
    return connection


def bound_lengths(connection: sqlite3.Connection) -> None:
    """Limit values and rows to a megabyte; the longest have some kilobytes."""
    if sys.version_info >= (3, 11):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)


def refuse_lengths(connection: sqlite3.Connection) -> None:
    """Refuse values that are too long before Python makes objects of them, where SQLite has no limit."""
    if sys.version_info >= (3, 11):
        return
    for table, columns in (("rows", COLUMNS), ("notes", NOTE_COLUMNS)):
        tests = " OR ".join(f'length(CAST("{name}" AS BLOB)) > {_LONGEST}' for name in columns)
        if connection.execute(f"SELECT 1 FROM {table} WHERE {tests} LIMIT 1").fetchone():  # noqa: S608
            raise sqlite3.DataError("string or blob too big")
