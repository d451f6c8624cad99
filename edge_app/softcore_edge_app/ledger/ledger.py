"""Ledger: every decision of a line, on the disk before it is published, each row chained to the one before.

A ledger is a file of SQLite in WAL mode. Beside it lie, while it is written, SQLite's `-wal` and `-shm`,
which belong to it; a `.lock`, which keeps a second writer out; and once it is closed its `.seal`.
Beside the decisions it holds notes: what was changed in the line, and which decisions a person called wrong.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from softcore_runtime import LedgerError, UsageError

from softcore_edge_app.ledger.chain import SELECT, SELECT_NOTES, Fault, Flaw
from softcore_edge_app.ledger.check import Verification, read_header, verify_ledger
from softcore_edge_app.ledger.layout import FORMAT, TABLES, hash_start
from softcore_edge_app.ledger.note import NOTE_COLUMNS, Change, Note
from softcore_edge_app.ledger.origin import Origin, find_origin
from softcore_edge_app.ledger.row import COLUMNS, Entry, Row
from softcore_edge_app.ledger.seal import PAGE, Seal, read_seal, remove_seal, write_seal
from softcore_edge_app.ledger.wal import wal_path

__all__ = ["Change", "Entry", "Fault", "Flaw", "Ledger", "Note", "Row", "Verification", "verify_ledger"]

_INSERT = f"INSERT INTO rows VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_INSERT_NOTE = f"INSERT INTO notes VALUES ({', '.join('?' * len(NOTE_COLUMNS))})"  # noqa: S608
_PATIENCE = 1.0  # seconds that a foreign program may hold up a decision
_RECENT = 1000  # rows among which the last part is looked for


class Ledger:
    """A ledger that is being written; `Ledger.open` makes one. Threads take turns.

    An append is on the disk when it returns, even should the power fail then. It costs one flush of the disk:
    0.13 ms (p50) and 0.35 ms (p99) on a server's virtual disk; a memory card may take tens of ms. A row takes
    300 to 500 bytes.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._turn = threading.Lock()
        self._counts = read_header(connection)

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open a ledger to write on, or begin one.

        What is there is checked first, so that nothing is built on a damaged ledger: the bytes of one that
        was closed (a second a gigabyte), the whole chain of one that wasn't (20 s a million rows).

        Raises:
            UsageError: there is no folder for it, or it is no file.
            LedgerError: it is damaged, is no ledger, can't be written, or another process writes it.
        """
        if not path.parent.is_dir() or (path.exists() and not path.is_file()):
            raise UsageError(f"{path}: no place for a ledger (it takes a file in a folder that exists)")
        lock = connection = None
        try:
            lock = _lock(path)
            if path.exists():
                _check(path)
            else:
                _begin(path)
            connection = _connect(path)
            ledger = cls(path, connection, lock)
            remove_seal(path)
        except BaseException as error:
            if connection:
                connection.close()
            if lock is not None:
                os.close(lock)
            if isinstance(error, (sqlite3.Error, OSError, ValueError)):
                raise LedgerError(f"{path}: can't be opened as a ledger ({_say(error)})") from error
            raise
        return ledger

    @property
    def id(self) -> str:
        """What tells this ledger from every other."""
        return self._counts.ledger

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self._counts.rows

    @property
    def head(self) -> str:
        """The last row's hash, or the header's: whoever notes it can prove that the rows were there."""
        return self._counts.head

    def append(self, entry: Entry) -> Row:
        """Enter a decision; errors as `append_all`."""
        return self.append_all([entry])[0]

    def append_all(self, entries: Sequence[Entry]) -> list[Row]:
        """Enter decisions, all or none; they are on the disk when this returns.

        Raises:
            LedgerError: they can't be written (a full disk, say); a later try may succeed.
        """
        if not entries:
            return []
        added: list[Row] = []
        with self._turn:
            rows, head = self._counts.rows, self._counts.head
            for entry in entries:
                added.append(Row.chain(entry, rows + len(added) + 1, added[-1].hash if added else head))
            with self._commit():
                self._connection.executemany(_INSERT, [row.values() for row in added])
                self._connection.execute(
                    "UPDATE ledger SET rows = ?, head = ?", [added[-1].number, added[-1].hash]
                )
            self._counts = replace(self._counts, rows=added[-1].number, head=added[-1].hash)
        return added

    def note(self, change: Change) -> Note:
        """Note a change; it is on the disk when this returns.

        Raises:
            LedgerError: as `append_all`.
        """
        with self._turn:
            counts = self._counts
            note = Note.chain(
                change,
                counts.notes + 1,
                time.time_ns(),
                row=counts.rows,
                row_hash=counts.head,
                previous=counts.notes_head,
            )
            with self._commit():
                self._connection.execute(_INSERT_NOTE, note.values())
                self._connection.execute(
                    "UPDATE ledger SET notes = ?, notes_head = ?", [note.number, note.hash]
                )
            self._counts = replace(counts, notes=note.number, notes_head=note.hash)
        return note

    @contextmanager
    def _commit(self) -> Iterator[None]:
        """Write what is written inside, all or nothing; nobody else writes meanwhile."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise LedgerError(f"{self.path}: {error}") from error
            raise

    def find_last_part(self, camera: str | None, by: Origin) -> str | None:
        """Give what the last part of a camera (None for any) that somebody triggered is called.

        None where there is none among the last thousand rows.
        """
        with self._turn:
            found = self._connection.execute(
                'SELECT "trigger", part FROM rows WHERE number > ?2 AND (?1 IS NULL OR camera = ?1) '
                "ORDER BY number DESC",
                [camera, self.rows - _RECENT],
            ).fetchall()
        return next((str(part) for trigger, part in found if find_origin(trigger) == by), None)

    def __iter__(self) -> Iterator[Row]:
        """Give the rows, the first one first."""
        for values in self._connection.execute(f"{SELECT} ORDER BY number"):
            yield Row.read(values)

    def read_notes(self) -> list[Note]:
        """Give the notes, the first one first."""
        with self._turn:
            found = self._connection.execute(f"{SELECT_NOTES} ORDER BY number").fetchall()
        return [Note.read(values) for values in found]

    def close(self) -> None:
        """Close and seal it. Where that fails the rows are safe, and it is as if the power had failed.

        Raises:
            LedgerError: it can't be sealed: the disk is full, or a reader has been in the way for long.
        """
        with self._turn:
            self._close()

    def _close(self) -> None:
        try:
            try:
                (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                counts = read_header(self._connection)
            finally:
                self._connection.close()
            if busy:
                raise LedgerError(f"{self.path}: closed without a seal, for it is being read")
            write_seal(self.path, Seal.take(self.path, counts))
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"{self.path}: closed without a seal ({_say(error)})") from error
        finally:
            os.close(self._lock)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


def _lock(path: Path) -> int:
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


def _connect(path: Path) -> sqlite3.Connection:
    # Opened in one thread, written in another, closed in the first.
    connection = sqlite3.connect(path, isolation_level=None, timeout=_PATIENCE, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE}")
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise sqlite3.OperationalError("this file system can't carry SQLite's WAL")
        # FULL: each commit waits for the disk. NORMAL would lose published decisions with the power.
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _begin(path: Path) -> None:
    """Write an empty ledger under another name first: one that was killed at birth would be no ledger."""
    unborn = path.with_name(f"{path.name}.new")
    for rest in (unborn, wal_path(unborn), path.with_name(f"{unborn.name}-shm"), wal_path(path)):
        rest.unlink(missing_ok=True)  # another ledger's rows must not come with a `-wal` that was left behind
    connection = _connect(unborn)
    try:
        ledger = secrets.token_hex(16)
        connection.executescript(";".join(["BEGIN", *TABLES.values()]))
        connection.execute(
            "INSERT INTO ledger VALUES (?, ?, 0, ?, 0, ?)",
            [ledger, FORMAT, hash_start(ledger, "rows"), hash_start(ledger, "notes")],
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    remove_seal(path)
    unborn.replace(path)


def _check(path: Path) -> None:
    """Refuse a ledger that isn't whole."""
    seal, wal = read_seal(path), wal_path(path)
    beside = wal.exists() and wal.stat().st_size
    if seal and not beside and not seal.locate(Seal.take(path, seal.counts)):
        return
    if fault := verify_ledger(path).fault:
        raise LedgerError(f"{path}: {fault}; nothing is added to a damaged ledger, so begin another")


def _say(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
