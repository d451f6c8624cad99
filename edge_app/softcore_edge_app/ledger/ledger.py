"""Ledger: every decision of a line, on the disk before it is published, each row chained to the one before.

A ledger is a file of SQLite in WAL mode. While it is written, SQLite's `-wal` and `-shm` lie beside it and
belong to it; a `.head` says how many rows there must be; a `.lock` keeps a second writer out. Once it is
closed it has a `.seal`. Beside the decisions it has notes: what was changed in the line, and which decisions
a person called wrong.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from softcore_runtime import LedgerError, UsageError

from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.origin import Origin, find_origin
from softcore_edge_app.ledger.chain import SELECT, SELECT_NOTES, Fault, FaultKind
from softcore_edge_app.ledger.check import (
    TAIL,
    Verification,
    check_open,
    read_header,
    verify_ledger,
)
from softcore_edge_app.ledger.head import HeadFile
from softcore_edge_app.ledger.layout import Counts
from softcore_edge_app.ledger.note import NOTE_COLUMNS, Change, Note
from softcore_edge_app.ledger.opened_files import OpenedFiles, follow_link
from softcore_edge_app.ledger.opening import begin_ledger, check_before, connect_to_write, lock_ledger
from softcore_edge_app.ledger.row import COLUMNS, Row
from softcore_edge_app.ledger.seal import Seal, remove_seal, write_seal
from softcore_edge_app.ledger.wal import wal_path

__all__ = [
    "Change",
    "Fault",
    "FaultKind",
    "Ledger",
    "Note",
    "Row",
    "UnprovenError",
    "Verification",
    "verify_ledger",
]

_INSERT = f"INSERT INTO rows VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_INSERT_NOTE = f"INSERT INTO notes VALUES ({', '.join('?' * len(NOTE_COLUMNS))})"  # noqa: S608
_RECENT = 1000  # rows among which the last part is looked for
_ROWS, _SECONDS = 200, 10.0  # that the write-ahead log holds, about, before it is copied into the file

_log = logging.getLogger(__name__)


class UnprovenError(LedgerError):
    """Rows were entered, but the head file that proves them can't be written.

    Attributes:
        rows: the rows; none of their decisions may be published.
    """

    def __init__(self, message: str, rows: Sequence[Row]) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


class Ledger:
    """A ledger that is being written; `Ledger.open` opens one. Threads take turns.

    When an append returns, the rows are on the disk and survive a power cut. It costs two flushes of the
    disk, of the rows and of the head file. A row takes 300 to 500 bytes.

    Attributes:
        path: its file.
        touched: whether another program has written to it since it was opened.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int) -> None:
        self.path = path
        self.touched = False
        self._connection = connection
        self._lock = lock
        self._turn = threading.Lock()
        self._counts = read_header(connection)
        self._next = self._counts  # of the commit in progress: Ctrl-C may come right after it
        self._version = self._read_version()
        self._head = HeadFile(path, self._counts)
        self._proven = True
        self._files = OpenedFiles(path, wal_path(path), path.with_name(f"{path.name}-shm"), self._head.path)
        self._copied, self._copied_at = self._counts, time.monotonic()

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open a ledger to write on, or begin one.

        An existing ledger is checked first, so that nothing is added to a damaged one: its last rows and
        notes, that none is missing at the end, and of a closed one the file's bytes (a second a gigabyte).
        The chain of all rows, which takes 20 s a million, is left to `softcore-edge ledger verify`.

        Raises:
            UsageError: there is no folder for it, or it is no file.
            LedgerError: it is damaged, is no ledger, can't be written, or another process writes it.
        """
        path = follow_link(path)
        if not path.parent.is_dir() or (path.exists() and not path.is_file()):
            raise UsageError(f"{path}: no place for a ledger (it takes a file in a folder that exists)")
        lock = connection = None
        try:
            lock = lock_ledger(path)
            if path.exists():
                check_before(path)
            else:
                begin_ledger(path)
            connection = connect_to_write(path)
            ledger = cls(path, connection, lock)
            remove_seal(path)
        except BaseException as error:
            if connection:
                connection.close()
            if lock is not None:
                os.close(lock)
            if isinstance(error, (sqlite3.Error, OSError, ValueError)):
                raise LedgerError(
                    f"{path}: can't be opened as a ledger ({_describe_error(error)})"
                ) from error
            raise
        return ledger

    @property
    def id(self) -> str:
        """The random id of this ledger."""
        return self._counts.ledger

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self._counts.rows

    @property
    def head(self) -> str:
        """Hash of the last row, or of the header; noted elsewhere it proves that the rows were there."""
        return self._counts.head

    def append(self, record: DecisionRecord) -> Row:
        """Enter a decision; errors as `append_all`."""
        return self.append_all([record])[0]

    def append_all(self, records: Sequence[DecisionRecord]) -> list[Row]:
        """Enter decisions, all or none; they are on the disk when this returns.

        Raises:
            UnprovenError: they were entered, but not in the head file.
            LedgerError: they can't be written (a full disk, say); a later try may succeed.
        """
        if not records:
            return []
        added: list[Row] = []
        with self._turn:
            rows, head = self._counts.rows, self._counts.head
            for record in records:
                added.append(Row.chain(record, rows + len(added) + 1, added[-1].hash if added else head))
            last = added[-1]
            with self._commit(replace(self._counts, rows=last.number, head=last.hash), added):
                self._connection.executemany(_INSERT, [row.values() for row in added])
                self._connection.execute("UPDATE ledger SET rows = ?, head = ?", [last.number, last.hash])
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
            with self._commit(replace(counts, notes=note.number, notes_head=note.hash)):
                self._connection.execute(_INSERT_NOTE, note.values())
                self._connection.execute(
                    "UPDATE ledger SET notes = ?, notes_head = ?", [note.number, note.hash]
                )
        return note

    def find_fault(self) -> str | None:
        """Return why nothing can be entered now, as far as that is known beforehand, or None."""
        return self._files.find_fault()

    def copy_log(self) -> None:
        """Copy the write-ahead log into the file, if it has many rows or has had some for long.

        Rows in the file can't be lost with the log. This may take as long as some commits: call it when
        nothing waits. If it fails, because the disk is full, the rows stay in the log.
        """
        with self._turn:
            waiting = self._counts.rows + self._counts.notes - self._copied.rows - self._copied.notes
            if not waiting or (waiting < _ROWS and time.monotonic() - self._copied_at < _SECONDS):
                return
            self._copied_at = time.monotonic()
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._copied = self._counts

    @contextmanager
    def _commit(self, counts: Counts, added: Sequence[Row] = ()) -> Iterator[None]:
        """Commit what is written inside, all or nothing; no other thread writes meanwhile.

        Args:
            counts: the header's counts after it.
            added: the rows that are written.
        """
        if fault := self._files.find_fault():
            raise LedgerError(f"{self.path}: {fault}")
        if not self._proven:  # what is added now couldn't be proven either
            self._write_head(())
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._check_other_writers()
            yield
            self._next = counts
            self._connection.execute("COMMIT")
            self._counts = counts
        except BaseException as error:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise LedgerError(f"{self.path}: {error}") from error
            raise
        self._write_head(added)

    def _check_other_writers(self) -> None:
        """Note whether another program has committed since.

        Raises:
            LedgerError: it has changed the header, which the next row follows.
        """
        version = self._read_version()
        if version == self._version:
            return
        if read_header(self._connection) != self._counts:
            raise LedgerError(f"{self.path}: another program has changed its header; begin another ledger")
        self._version = version
        if not self.touched:
            self.touched = True
            _log.error("alarm: %s: another program has written to it", self.path)

    def _read_version(self) -> int:
        """Return a number that changes with every commit of another connection."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(version)

    def _write_head(self, added: Sequence[Row]) -> None:
        """Write the counts of the last commit to the head file."""
        try:
            self._head.write(self._counts)
            self._proven = True
        except OSError as error:
            self._proven = False
            raise UnprovenError(f"{self._head.path}: {_describe_error(error)}", added) from error

    def find_last_part(self, camera: str | None, by: Origin) -> str | None:
        """Return the name of the last part of a camera (None for any) that `by` triggered.

        None if there is none among the last thousand rows.
        """
        with self._turn:
            found = self._connection.execute(
                'SELECT "trigger", part FROM rows WHERE number > ?2 AND (?1 IS NULL OR camera = ?1) '
                "ORDER BY number DESC",
                [camera, self.rows - _RECENT],
            ).fetchall()
        return next((str(part) for trigger, part in found if find_origin(trigger) == by), None)

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows, the first one first."""
        for values in self._connection.execute(f"{SELECT} ORDER BY number"):
            yield Row.read(values)

    def read_holding(self) -> list[Row]:
        """Return the rows that no later one corrects, the first one first: the published decisions."""
        rows = list(self)
        corrected = {row.record.corrects for row in rows}
        return [row for row in rows if row.number not in corrected]

    def read_notes(self) -> list[Note]:
        """Return the notes, the first one first."""
        with self._turn:
            found = self._connection.execute(f"{SELECT_NOTES} ORDER BY number").fetchall()
        return [Note.read(values) for values in found]

    def close(self) -> None:
        """Close and seal it. If that fails the rows are safe, as after a power cut.

        Raises:
            LedgerError: it can't be sealed: another program has changed it, it is gone, the disk is full, or
                a reader has blocked it for long.
        """
        with self._turn:
            self._close()

    def _close(self) -> None:
        try:
            fault: Fault | str | None = self._files.find_fault()
            try:
                (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                fault = fault or self._find_change()
                if not fault:
                    self._head.write(self._counts)
            finally:
                self._connection.close()
            if busy and not fault:
                raise LedgerError(f"{self.path}: closed without a seal, for it is being read")
            if fault:
                raise LedgerError(f"{self.path}: closed without a seal ({fault})")
            write_seal(self.path, Seal.compute(self.path, self._counts))
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"{self.path}: closed without a seal ({_describe_error(error)})") from error
        finally:
            self._head.close()
            os.close(self._lock)

    def _find_change(self) -> Fault | str | None:
        """Return what another program has changed while it was open, which must not be sealed, or None."""
        touched = self.touched or self._read_version() != self._version
        fault = check_open(self._connection, tail=None if touched else TAIL)
        if fault is None and (counts := read_header(self._connection)) != self._counts:
            if counts != self._next:
                return "another program has changed its header"
            self._counts = counts
        return fault

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


def _describe_error(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
