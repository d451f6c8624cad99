"""Ledger connection: opens a ledger of any known format for reading, and refuses overlong values."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from urllib.parse import quote

from softcore_edge_app.ledger.layout import ABSENT, FORMAT
from softcore_edge_app.ledger.note import NOTE_COLUMNS
from softcore_edge_app.ledger.row import COLUMNS

__all__ = ["bound_lengths", "connect_to_read", "refuse_lengths"]

_LONGEST = 1_000_000  # bytes of a value


def connect_to_read(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """Connect to a ledger, whether or not it is being written; each statement reads it anew.

    A ledger of an earlier format is read as one of today's: columns that it hasn't are NULL.

    Raises:
        sqlite3.Error: it can't be read.
    """
    # Of a ledger in use SQLite makes the `-shm` beside it; of a closed one that isn't needed.
    name = f"file:{quote(str(path.resolve()))}?{'immutable=1' if immutable else 'mode=ro'}"
    connection = sqlite3.connect(name, uri=True, isolation_level=None, timeout=5)
    try:
        bound_lengths(connection)
        _add_absent_columns(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _add_absent_columns(connection: sqlite3.Connection) -> None:
    """Cover the rows of an earlier format by a view of this connection that has all columns."""
    try:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger'").fetchone():
            return
        (form,) = connection.execute("SELECT format FROM ledger").fetchone() or (FORMAT,)
    except ValueError as error:  # a changed byte in a text
        raise sqlite3.DatabaseError(str(error)) from error
    if absent := ABSENT.get(form):
        columns = ", ".join(f'NULL AS "{name}"' if name in absent else f'"{name}"' for name in COLUMNS)
        connection.execute(f"CREATE TEMP VIEW rows AS SELECT {columns} FROM main.rows")  # noqa: S608


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
