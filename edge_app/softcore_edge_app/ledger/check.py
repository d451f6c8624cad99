"""Ledger check: whether a ledger is whole, and where it isn't."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from urllib.parse import quote

from softcore_runtime import LedgerError, UsageError

from softcore_edge_app.ledger.row import COLUMNS, FORMAT, TABLES, Row, hash_header, hash_row
from softcore_edge_app.ledger.seal import Seal, read_seal
from softcore_edge_app.ledger.wal import check_wal, wal_path

__all__ = [
    "SELECT",
    "Fault",
    "Flaw",
    "Verification",
    "connect_to_read",
    "open_ledger",
    "read_header",
    "verify_ledger",
]

SELECT = f"SELECT {', '.join(COLUMNS)} FROM rows"  # noqa: S608 - names of our own


class Flaw(str, Enum):
    """How a ledger is bad."""

    CHANGED = "changed"
    MISSING = "missing"
    INSERTED = "inserted"
    OUT_OF_ORDER = "out of order"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong with a ledger; `row` is its number, 0 the header, None the file."""

    flaw: Flaw
    row: int | None
    detail: str

    def __str__(self) -> str:
        return self.detail


@dataclass(frozen=True)
class Verification:
    """What a check found.

    Attributes:
        rows: how many rows are whole, from the first on.
        head: the hash of the last of them, or of the header.
        closed: whether the ledger was closed: every byte of the file was compared.
        fault: what is wrong, or None.
    """

    rows: int
    head: str
    closed: bool
    fault: Fault | None


def verify_ledger(path: Path, head: str | None = None) -> Verification:
    """Walk a ledger's chain; a line may be writing it meanwhile.

    A ledger that was closed has a seal: any changed byte is found. One that is being written, or wasn't
    closed (kill -9, a power cut), has none: what is found then is any change of a row, of the header's record
    of how many there are, whatever SQLite's own check finds, and a write-ahead log broken off in its middle;
    a byte that means nothing isn't, nor is the loss of the last two transactions from the write-ahead log.

    A chain shows that nobody changed a row without recomputing all that follow, and not more. Who rewrites
    the rows, the header and the seal alike, or puts back an earlier copy of all files, is found only by
    a head that was noted elsewhere.

    Args:
        path: the ledger.
        head: a row's hash that was noted elsewhere, in hex: the row must still be there.

    Raises:
        UsageError: there is no such file.
        LedgerError: it can't be read, by its rights or because it lies on a medium that can't be written
            and wasn't closed.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such ledger")
    while True:
        try:
            seal = read_seal(path)
        except ValueError as error:
            return Verification(0, "", True, Fault(Flaw.DAMAGED, None, f"the seal was changed ({error})"))
        found = _verify(path, seal, head)
        if seal is None:
            return found
        try:  # a line that began to write meanwhile has broken the seal first
            if read_seal(path) == seal:
                return found
        except ValueError:
            return found


def _verify(path: Path, seal: Seal | None, noted: str | None) -> Verification:
    walk = _Walk(noted)
    fault = None
    try:
        with _open(path, immutable=seal is not None) as connection:
            fault = walk.check(connection, seal)
    except sqlite3.Error as error:
        if "unable to open" in str(error) and seal is None:
            raise LedgerError(f"{path}: can't be read ({error})") from error
        fault = Fault(Flaw.DAMAGED, walk.rows + 1, f"row {walk.rows + 1} can't be read: {error}")
    if seal is None:
        loss = check_wal(path)
        fault = fault or (Fault(Flaw.DAMAGED, None, loss) if loss else None)
    else:
        where = seal.locate(Seal.take(path, seal.ledger, seal.rows, seal.head))
        if where is None and wal_path(path).exists() and wal_path(path).stat().st_size:
            where = f"{wal_path(path).name} holds what was written beside the seal"
        if where:
            fault = replace(fault, detail=f"{fault}; {where}") if fault else Fault(Flaw.DAMAGED, None, where)
    return Verification(walk.rows, walk.head, seal is not None, fault)


class _Walk:
    """A walk along the chain: how far it went, and the last whole row's hash."""

    def __init__(self, noted: str | None) -> None:
        self.rows, self.head, self._noted, self._met = 0, "", noted, noted is None

    def check(self, connection: sqlite3.Connection, seal: Seal | None) -> Fault | None:
        try:
            ledger, rows, head = read_header(connection)
        except ValueError as error:
            return Fault(Flaw.CHANGED, 0, f"the header was changed: {error}")
        self.head = hash_header(ledger)
        self._met = self._met or self._noted == self.head
        return (
            self._walk(connection)
            or self._compare("the header", ledger, ledger, rows, head)
            or (seal and self._compare("the seal", seal.ledger, ledger, seal.rows, seal.head))
            or self._ask_sqlite(connection)
            or self._look_for_noted()
        )

    def _walk(self, connection: sqlite3.Connection) -> Fault | None:
        for values in connection.execute(f"{SELECT} ORDER BY number"):
            number = self.rows + 1
            if values[0] > number:
                return Fault(Flaw.MISSING, number, _missing(number, values[0] - 1))
            try:
                row = Row.read(values)
                whole = row.whole and row.number == number
            except (TypeError, ValueError) as error:
                return Fault(Flaw.CHANGED, number, f"row {number} was changed: {error}")
            if not whole or row.previous != self.head:
                return _explain(connection, row, number, self.head)
            self.rows, self.head = number, row.hash
            self._met = self._met or row.hash == self._noted
        return None

    def _compare(self, what: str, theirs: str, ledger: str, rows: int, head: str) -> Fault | None:
        if rows > self.rows:
            missing = _missing(self.rows + 1, rows)
            return Fault(Flaw.TRUNCATED, self.rows + 1, f"truncated: {missing} ({what} counts {rows})")
        if rows < self.rows:
            number = rows + 1
            return Fault(Flaw.INSERTED, number, f"row {number} was inserted: {what} counts {rows}")
        if head != self.head or theirs != ledger:
            return Fault(Flaw.CHANGED, self.rows, f"row {self.rows} was rewritten, or {what} was changed")
        return None

    def _ask_sqlite(self, connection: sqlite3.Connection) -> Fault | None:
        (told,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        return None if told == "ok" else Fault(Flaw.DAMAGED, None, f"the file was damaged: {told}")

    def _look_for_noted(self) -> Fault | None:
        if self._met:
            return None
        return Fault(Flaw.TRUNCATED, None, "no row has the noted head: the ledger was cut or rewritten")


def _explain(connection: sqlite3.Connection, row: Row, number: int, head: str) -> Fault:
    """Say in which way a row that doesn't fit is bad."""

    def fits(other: Row, place: int) -> bool:
        return other.hash == hash_row(other.entry, place, other.previous)

    values = connection.execute(f"{SELECT} WHERE number = ?", [number + 1]).fetchone()
    try:
        following = Row.read(values) if values else None
    except (TypeError, ValueError):
        following = None
    if following and following.previous == head and fits(following, number):
        return Fault(Flaw.INSERTED, number, f"row {number} was inserted")
    if row.whole and number == 1:
        return Fault(Flaw.CHANGED, 0, "the header was changed: row 1 follows another")
    if row.whole:
        return Fault(
            Flaw.CHANGED,
            number - 1,
            f"row {number - 1} was rewritten with a hash of its own: row {number} follows another",
        )
    (last,) = connection.execute("SELECT max(number) FROM rows").fetchone()
    for place in sorted(range(1, last + 2), key=lambda place: abs(place - number)):
        if place != number and fits(row, place):
            before = connection.execute("SELECT 1 FROM rows WHERE hash = ?", [row.previous]).fetchone()
            if place > number and not before:
                return Fault(Flaw.MISSING, number, _missing(number, place - 1))
            return Fault(Flaw.OUT_OF_ORDER, number, f"row {number} is out of order: here stands row {place}")
    return Fault(Flaw.CHANGED, number, f"row {number} was changed")


def _missing(first: int, last: int) -> str:
    return f"row {first} is missing" if first == last else f"rows {first} to {last} are missing"


def read_header(connection: sqlite3.Connection) -> tuple[str, int, str]:
    """Read a ledger's id, how many rows it counts, and its head.

    Raises:
        ValueError: the header isn't one that was written here.
        sqlite3.Error: it can't be read.
    """
    tables = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    if sorted(tables, key=repr) != [("table", name, name, sql) for name, sql in TABLES.items()]:
        raise ValueError("its tables are not a ledger's")
    headers = connection.execute("SELECT id, format, rows, head FROM ledger").fetchall()
    if len(headers) != 1 or [*map(type, headers[0])] != [str, int, int, str]:
        raise ValueError("it is no ledger's")
    ledger, form, rows, head = headers[0]
    if form != FORMAT:
        raise ValueError(f"its format is {form}, this SoftCore knows {FORMAT}")
    return ledger, rows, head


@contextmanager
def open_ledger(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger to read it as it is at this moment, whether or not a line goes on writing it.

    Raises:
        LedgerError: it can't be read, or was closed and a line began to write it meanwhile.
    """
    try:
        seal = read_seal(path)
        with _open(path, immutable=seal is not None) as connection:
            yield connection
        if seal and read_seal(path) != seal:
            raise LedgerError(f"{path}: a line began to write it meanwhile; try again")
    except (sqlite3.Error, ValueError) as error:
        raise LedgerError(f"{path}: can't be read ({error})") from error


def connect_to_read(path: Path, *, immutable: bool = False) -> sqlite3.Connection:
    """Connect to a ledger that is being written, or one that nobody writes; each statement reads it anew.

    Raises:
        sqlite3.Error: it can't be read.
    """
    # SQLite makes its `-shm` beside a ledger that is in use, and there need be none beside a closed one.
    name = f"file:{quote(str(path.resolve()))}?{'immutable=1' if immutable else 'mode=ro'}"
    return sqlite3.connect(name, uri=True, isolation_level=None, timeout=5)


@contextmanager
def _open(path: Path, *, immutable: bool) -> Iterator[sqlite3.Connection]:
    with closing(connect_to_read(path, immutable=immutable)) as connection:
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("BEGIN")
        yield connection
