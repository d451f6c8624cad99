"""Ledger check: whether a ledger is whole, and where it isn't."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from softcore_runtime import LedgerError, UsageError

from softcore_edge_app.ledger.chain import Chain, Fault, FaultKind, chain_notes, chain_rows
from softcore_edge_app.ledger.connection import connect_to_read, refuse_lengths
from softcore_edge_app.ledger.head import Heads, head_path, read_heads
from softcore_edge_app.ledger.layout import ABSENT, FORMAT, Counts, hash_start, list_objects
from softcore_edge_app.ledger.note import Note
from softcore_edge_app.ledger.opened_files import follow_link
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.ledger.seal import Seal, read_seal
from softcore_edge_app.ledger.wal import check_wal, wal_path

__all__ = [
    "TAIL",
    "Verification",
    "check_end",
    "check_open",
    "open_ledger",
    "read_format",
    "read_header",
    "verify_ledger",
]

_HEAD_FILE = "the head file"
TAIL = 5_000  # rows, and notes, that are checked at a line's start and end: a tenth of a second


@dataclass(frozen=True)
class Verification:
    """The result of a check.

    Attributes:
        rows: number of rows, from the first on, that are whole.
        head: hash of the last of them, or of the header.
        closed: whether the ledger was closed; then every byte of the file was compared.
        fault: what is wrong, or None.
        notes: number of notes that are whole, likewise.
        notes_head: hash of the last of them, or of the header.
        unproven: why rows may be missing at the end, though no fault was found; None where that is excluded.
    """

    rows: int
    head: str
    closed: bool
    fault: Fault | None
    notes: int = 0
    notes_head: str = ""
    unproven: str | None = None


def verify_ledger(path: Path, head: str | None = None) -> Verification:
    """Check a ledger's two chains, of rows and of notes; a line may be writing it meanwhile.

    A ledger that was closed has a seal: any changed byte is found. A ledger that is being written, or wasn't
    closed (kill -9, a power cut), has none. Then these are found: any change of a row, the loss of any
    published row, what SQLite's own check finds, and a write-ahead log broken off in its middle; a changed
    byte without a meaning isn't. The head file says how many rows there must be; if it is missing or damaged
    as well, the end of the ledger can't be proven.

    A chain proves that no row was changed without recomputing all rows after it, and no more than that. Each
    note has the hash of the last row of its time, so that the notes must be recomputed, too. Only a head that
    was noted elsewhere shows that the rows, the header, the head file and the seal were all rewritten, or
    that an earlier copy of all files was put back.

    Args:
        path: the ledger.
        head: a row's or a note's hash that was noted elsewhere, in hex: it must still be there.

    Raises:
        UsageError: there is no such file.
        LedgerError: it can't be read, by its rights or because it lies on a medium that can't be written
            and wasn't closed.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such ledger")
    path = follow_link(path)
    while True:
        try:
            seal = read_seal(path)
        except ValueError as error:
            return Verification(
                0, "", True, Fault(FaultKind.DAMAGED, None, f"the seal was changed ({error})")
            )
        found = _verify(path, seal, head)
        if seal is None:
            return found
        try:  # a line that began to write meanwhile has broken the seal first
            if read_seal(path) == seal:
                return found
        except ValueError:
            return found


def check_end(path: Path) -> Verification:
    """Check the end of a ledger, which takes a moment however long it is.

    Checked are the last `TAIL` rows and notes, the header, the head file, the write-ahead log, and, of one
    that was closed, the file's bytes (about a second a gigabyte). `rows` and `notes` count from the first on,
    as if all before were whole.

    Raises:
        LedgerError: as `verify_ledger`.
    """
    try:
        return _verify(path, read_seal(path), None, tail=TAIL)
    except ValueError as error:
        return Verification(0, "", True, Fault(FaultKind.DAMAGED, None, f"the seal was changed ({error})"))


def check_open(connection: sqlite3.Connection, tail: int | None) -> Fault | None:
    """Check a ledger's chains through a connection to it.

    Args:
        connection: to the ledger, which nobody writes meanwhile.
        tail: number of rows and notes to check, the last ones; None for all, and for SQLite's own check.

    Raises:
        sqlite3.Error: it can't be read.
    """
    return _LedgerWalk(None, None, tail).check(connection, None)


def _verify(path: Path, seal: Seal | None, noted: str | None, tail: int | None = None) -> Verification:
    heads = read_heads(path)  # before the ledger, which may grow
    walk = _LedgerWalk(noted, heads, tail)
    fault = None
    try:
        with _open(path, immutable=seal is not None) as connection:
            fault = walk.check(connection, seal)
    except sqlite3.Error as error:
        if "unable to open" in str(error) and seal is None:
            raise LedgerError(f"{path}: can't be read ({error})") from error
        fault = Fault(
            FaultKind.DAMAGED,
            walk.chain.count + 1,
            f"{walk.chain.position} can't be read: {error}",
            walk.chain.table,
        )
    if seal is None:
        loss = check_wal(path)
        fault = fault or (Fault(FaultKind.DAMAGED, None, loss) if loss else None)
    else:
        where = seal.locate(Seal.compute(path, seal.counts))
        if where is None and wal_path(path).exists() and wal_path(path).stat().st_size:
            where = f"{wal_path(path).name} holds what was written beside the seal"
        if where:
            fault = (
                replace(fault, detail=f"{fault}; {where}") if fault else Fault(FaultKind.DAMAGED, None, where)
            )
    rows, notes = walk.rows, walk.notes
    unproven = None if seal or fault else _find_warning(path, heads)
    return Verification(rows.count, rows.head, seal is not None, fault, notes.count, notes.head, unproven)


def _find_warning(path: Path, heads: Heads | None) -> str | None:
    """Return why nothing proves how many rows a ledger without a seal must have, or None."""
    name = head_path(path).name
    if heads is None:
        return f"there is no {name}"
    return None if heads.whole else f"{name} is damaged"


class _LedgerWalk:
    """A check of both chains; `chain` is the one that is being checked."""

    def __init__(self, noted: str | None, heads: Heads | None, tail: int | None) -> None:
        self.rows, self.notes = chain_rows(noted), chain_notes(noted)
        self.chain: Chain[Row] | Chain[Note] = self.rows
        self._noted, self._tail = noted, tail
        self._least = heads.counts if heads else None

    def check(self, connection: sqlite3.Connection, seal: Seal | None) -> Fault | None:
        try:
            counts = read_header(connection)
        except ValueError as error:
            return Fault(FaultKind.CHANGED, 0, f"the header was changed: {error}")
        for what, counted in (("seal", seal.counts if seal else None), ("head file", self._least)):
            if counted and counted.ledger != counts.ledger:
                return Fault(FaultKind.CHANGED, 0, f"the {what} is another ledger's")
        counted_by = [("the header", counts), *([("the seal", seal.counts)] if seal else [])]
        least, form = self._least, read_format(connection)
        self.rows.read = partial(Row.read, form=form)
        start = hash_start(counts.ledger, "rows", form)
        if fault := self.rows.walk(connection, start, after=self._skip(counts.rows)):
            return fault
        for what, counted in counted_by:
            if fault := self.rows.compare(what, counted.rows, counted.head):
                return fault
        if least and (fault := self.rows.find(connection, _HEAD_FILE, least.rows, least.head)):
            return fault
        self.chain = self.notes
        order = _NoteOrder(connection, self.rows.count, start)
        fault = self.notes.walk(
            connection, hash_start(counts.ledger, "notes", form), order.check, after=self._skip(counts.notes)
        )
        if fault:
            return fault
        for what, counted in counted_by:
            if fault := self.notes.compare(what, counted.notes, counted.notes_head):
                return fault
        if least and (fault := self.notes.find(connection, _HEAD_FILE, least.notes, least.notes_head)):
            return fault
        if self._tail is not None:
            return None
        return self._check_integrity(connection) or self._find_noted()

    def _skip(self, count: int) -> int:
        """Return the number of the last link that isn't checked."""
        return 0 if self._tail is None else max(count - self._tail, 0)

    def _check_integrity(self, connection: sqlite3.Connection) -> Fault | None:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        return None if found == "ok" else Fault(FaultKind.DAMAGED, None, f"the file was damaged: {found}")

    def _find_noted(self) -> Fault | None:
        if self._noted is None or self.rows.met or self.notes.met:
            return None
        what = "no row and no note has the noted head: the ledger was cut or rewritten"
        return Fault(FaultKind.TRUNCATED, None, what)


class _NoteOrder:
    """Checks that each note was made after the row that it names, and that the row has the hash it names."""

    def __init__(self, connection: sqlite3.Connection, rows: int, start: str) -> None:
        self._connection, self._rows, self._start = connection, rows, start
        self._last = 0

    def check(self, note: Note) -> Fault | None:
        row = note.row
        if row > self._rows:
            said = f"note {note.number} was made after row {row}, and row {self._rows} is the last"
            return Fault(FaultKind.TRUNCATED, self._rows + 1, f"truncated: {said}")
        if row < self._last:
            said = f"note {note.number} was made after row {row}, the one before it after row {self._last}"
            return Fault(FaultKind.CHANGED, note.number, said, "notes")
        self._last = row
        found = self._connection.execute("SELECT hash FROM rows WHERE number = ?", [row]).fetchone()
        if (found[0] if row else self._start) == note.row_hash:
            return None
        said = f"row {row} has another hash than note {note.number} says: the rows were rewritten"
        return Fault(FaultKind.CHANGED, row, said)


def read_header(connection: sqlite3.Connection) -> Counts:
    """Read a ledger's id, how many rows and notes it counts, and their heads.

    Raises:
        ValueError: the header isn't one that was written here.
        sqlite3.Error: it can't be read.
    """
    tables = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    form = FORMAT
    if any(name == "ledger" for _, name, _, _ in tables):
        form = read_format(connection)
        if form not in ABSENT:
            known = " and ".join(str(known) for known in sorted(ABSENT))
            raise ValueError(f"its format is {form}, this SoftCore knows {known}")
    if sorted(tables, key=repr) != sorted(list_objects(form), key=repr):
        raise ValueError("its tables are not a ledger's")
    headers = connection.execute("SELECT id, rows, head, notes, notes_head FROM ledger").fetchall()
    if len(headers) != 1 or [*map(type, headers[0])] != [str, int, str, int, str]:
        raise ValueError("it is no ledger's")
    return Counts(*headers[0])


def read_format(connection: sqlite3.Connection) -> int:
    """Read the format of a ledger; the present one where its header is missing.

    Raises:
        sqlite3.Error: it can't be read.
    """
    found = connection.execute("SELECT format FROM ledger").fetchone()
    return FORMAT if found is None else found[0]


@contextmanager
def open_ledger(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger to read it as it is now, whether or not a line goes on writing it.

    Raises:
        LedgerError: it can't be read, or was closed and a line began to write it meanwhile.
    """
    path = follow_link(path)
    try:
        seal = read_seal(path)
        with _open(path, immutable=seal is not None) as connection:
            yield connection
        if seal and read_seal(path) != seal:
            raise LedgerError(f"{path}: a line began to write it meanwhile; try again")
    except (sqlite3.Error, ValueError) as error:
        raise LedgerError(f"{path}: can't be read ({error})") from error


@contextmanager
def _open(path: Path, *, immutable: bool) -> Iterator[sqlite3.Connection]:
    with closing(connect_to_read(path, immutable=immutable)) as connection:
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("BEGIN")
        refuse_lengths(connection)
        yield connection
