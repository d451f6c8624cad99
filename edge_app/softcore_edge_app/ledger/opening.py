"""Ledger opening: locks, checks or begins a ledger, and connects to it, before the first row is added."""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from softcore_runtime import LedgerError
from softcore_runtime.atomic_file import replace_file

from softcore_edge_app.ledger.check import check_end, read_format, read_header
from softcore_edge_app.ledger.connection import bound_lengths, connect_to_read
from softcore_edge_app.ledger.head import HeadFile, head_path
from softcore_edge_app.ledger.layout import ABSENT, CORRECTIONS, FORMAT, TABLES, Counts, hash_start
from softcore_edge_app.ledger.seal import PAGE, remove_seal
from softcore_edge_app.ledger.wal import wal_path

__all__ = ["begin_ledger", "check_before", "connect_to_write", "lock_ledger"]

_PATIENCE = 1.0  # seconds for which another program may block a decision
_PAGES = 4_000  # of the write-ahead log at most: 16 MB

_log = logging.getLogger(__name__)


def lock_ledger(path: Path) -> int:
    """Keep other writers out until the descriptor is closed, be it by the process's end."""
    # A file of its own: to close the ledger's would drop SQLite's locks on it.
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        if isinstance(error, BlockingIOError):
            raise LedgerError(
                f"{path}: another process is writing this ledger; give each line its own"
            ) from None
        raise
    return lock


def connect_to_write(path: Path) -> sqlite3.Connection:
    """Connect to a ledger to write it; each commit waits for the disk.

    Raises:
        sqlite3.Error: it can't be written, or its file system can't carry a ledger.
    """
    # Opened in one thread, written in another, closed in the first.
    connection = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError("this file system can't carry SQLite's WAL")
        # FULL: each commit waits for the disk. NORMAL would lose published decisions with the power.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES}")
        bound_lengths(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def begin_ledger(path: Path) -> None:
    """Write an empty ledger under another name first, so that a kill leaves none half written."""
    unborn = path.with_name(f"{path.name}.new")
    rests = [unborn, wal_path(unborn), path.with_name(f"{unborn.name}-shm")]
    for rest in (*rests, wal_path(path)):
        rest.unlink(missing_ok=True)  # another ledger's rows must not come with a `-wal` that was left behind
    try:
        counts = _write_empty(unborn)
        remove_seal(path)
        HeadFile(path, counts).close()
        replace_file(unborn, path)
    except BaseException:
        for rest in rests:
            with suppress(OSError):
                rest.unlink(missing_ok=True)
        raise


def _write_empty(path: Path) -> Counts:
    connection = connect_to_write(path)
    try:
        ledger = secrets.token_hex(16)
        connection.executescript(";".join(["BEGIN", *TABLES.values(), CORRECTIONS]))
        connection.execute(
            "INSERT INTO ledger VALUES (?, ?, 0, ?, 0, ?)",
            [ledger, FORMAT, hash_start(ledger, "rows"), hash_start(ledger, "notes")],
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return read_header(connection)
    finally:
        connection.close()


def check_before(path: Path) -> None:
    """Refuse a ledger whose end isn't whole, and one of an earlier format.

    Raises:
        LedgerError: it is damaged, rows may be missing at its end, or its format isn't written any more.
    """
    with suppress(sqlite3.Error), closing(connect_to_read(path)) as connection:
        form = read_format(connection)
        if form in ABSENT and form != FORMAT:
            raise LedgerError(
                f"{path}: has format {form}, which this SoftCore reads and doesn't write; begin another"
            )
    found = check_end(path)
    if found.fault:
        raise LedgerError(f"{path}: {found.fault}; nothing is added to a damaged ledger, so begin another")
    if found.unproven and not head_path(path).exists():
        raise LedgerError(
            f"{path}: wasn't closed, and {found.unproven}: rows may be missing at its end; begin another"
        )
    if found.unproven:  # as a power failure leaves it
        _log.warning("%s: wasn't closed, and %s: rows may be missing at its end", path, found.unproven)
