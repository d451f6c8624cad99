# ruff: noqa: S608 - the SQL consists of texts of this file
"""Part index: a file beside a ledger by which parts are found and counted, made from the ledger alone.

It is no part of the ledger: no hash covers it, and the line never waits for it. It covers the ledger's rows
in whole blocks; the rows after the last block are looked through in the ledger. A transaction adds a block,
so that a kill leaves a whole index. One that doesn't fit the ledger is deleted and made anew.

Of each block it has four columns, one number a row, and beside them the ids of all parts in order.
"""

from __future__ import annotations

import math
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import Decision

from softcore_edge_app.ledger.connection import connect_to_read
from softcore_edge_app.ledger.opened_files import follow_link

__all__ = [
    "BLOCK",
    "CODES",
    "COLUMNS",
    "DamagedIndexError",
    "PartIndex",
    "build_index",
    "count_behind",
    "index_path",
    "remove_index",
]

BLOCK = 16_384  # rows of a block: they are looked through in the ledger within some hundredths of a second
CODES: Final = {str(decision): code for code, decision in enumerate(Decision)}
COLUMNS: Final[dict[str, np.dtype[Any]]] = {  # by name the type of its numbers
    "decided": np.dtype("<i8"),  # nanoseconds of UTC since 1970
    "share": np.dtype("<f8"),  # score / threshold; NaN where there is none
    "decision": np.dtype("u1"),  # see `CODES`
    "setting": np.dtype("<u4"),  # see `PartIndex.settings`
}
_VERSION = 1
_MOST = 1_000_000  # ids that are gathered at once: a quarter of a second
_PAGE = 16_384  # bytes
_PATIENCE = 5.0  # seconds for which another process may write

_TABLES = [
    "CREATE TABLE source (ledger TEXT, version INTEGER, block INTEGER, notes INTEGER)",
    "CREATE TABLE blocks (block INTEGER PRIMARY KEY, hash TEXT, earliest INTEGER, latest INTEGER)",
    *(f"CREATE TABLE {name} (block INTEGER PRIMARY KEY, data BLOB, crc INTEGER)" for name in COLUMNS),
    "CREATE TABLE settings (setting INTEGER PRIMARY KEY, camera TEXT, category TEXT, threshold REAL, "
    "fail_above REAL)",
    # `unnamed`: the id is the trigger's. `triggers` has those of the other parts.
    "CREATE TABLE parts (id TEXT, number INTEGER, unnamed INTEGER, PRIMARY KEY (id, number)) WITHOUT ROWID",
    "CREATE TABLE triggers (id TEXT, number INTEGER, PRIMARY KEY (id, number)) WITHOUT ROWID",
    "CREATE TABLE marks (id TEXT PRIMARY KEY, mark TEXT) WITHOUT ROWID",
]
_ROWS = """SELECT part, "trigger", decided_at, score / threshold, decision, camera, category, threshold,
    fail_above FROM rows WHERE number > ? AND number <= ? ORDER BY number"""
_MARKS = "SELECT subject, \"after\" FROM notes WHERE kind = 'mark' AND number > ? ORDER BY number"

Setting = tuple[str, str, float, float]  # camera, category, threshold, fail_above


class DamagedIndexError(Exception):
    """An index isn't that of its ledger, or isn't as it was written."""


class PartIndex:
    """The index of a ledger, as it is now; `PartIndex.open` opens it.

    Attributes:
        blocks: number of blocks that it covers.
        rows: number of rows, from the first on, that it covers.
        earliest, latest: int64 `[blocks]`, times of the decisions in each block, in nanoseconds.
        settings: camera, category, threshold and upper threshold of each number in the column `setting`.
    """

    def __init__(
        self, index: sqlite3.Connection, ledger: sqlite3.Connection, verified: set[tuple[str, int]]
    ) -> None:
        self._index, self._ledger, self._verified = index, ledger, verified
        index.execute("BEGIN")
        self.blocks = _check_source(index, ledger)
        self.rows = self.blocks * BLOCK
        times = index.execute("SELECT earliest, latest FROM blocks ORDER BY block").fetchall()
        self.earliest, self.latest = np.array(times, np.int64).reshape(-1, 2).T
        self.settings: list[Setting] = index.execute(
            "SELECT camera, category, threshold, fail_above FROM settings ORDER BY setting"
        ).fetchall()

    @classmethod
    def open(cls, path: Path, ledger: sqlite3.Connection, verified: set[tuple[str, int]]) -> PartIndex | None:
        """Open the index of a ledger; None if there is none.

        Args:
            path: the ledger's file.
            ledger: a connection to it, which has read nothing of its present state yet.
            verified: which columns of which blocks were compared with their checksums before.

        Raises:
            DamagedIndexError: it isn't that of the ledger, or isn't as it was written.
        """
        file = index_path(path)
        if not file.exists():
            return None
        try:
            name = f"file:{quote(str(file.resolve()))}?mode=ro"
            connection = sqlite3.connect(name, uri=True, isolation_level=None, timeout=1)
        except sqlite3.Error as error:
            raise DamagedIndexError(f"{file}: {error}") from error
        try:
            return cls(connection, ledger, verified)
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise DamagedIndexError(f"{file}: {error}") from error
            raise

    @classmethod
    def make_empty(cls, ledger: sqlite3.Connection) -> PartIndex:
        """Make an index of no rows, in memory: a short ledger needs no other."""
        index = sqlite3.connect(":memory:", isolation_level=None)
        try:
            _create_tables(index, ledger)
            return cls(index, ledger, set())
        except BaseException:
            index.close()
            raise

    def __enter__(self) -> PartIndex:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._index.close()

    def read(self, column: str, block: int) -> NDArray[Any]:
        """Read a column of a block, `[BLOCK]`.

        Raises:
            DamagedIndexError: it isn't as it was written.
        """
        (found,) = self._ask(f"SELECT data, crc FROM {column} WHERE block = ?", block) or [None]
        if found is None or len(found[0]) != BLOCK * COLUMNS[column].itemsize:
            raise DamagedIndexError(f"{column} of block {block} is missing")
        if (column, block) not in self._verified:
            if zlib.crc32(found[0]) != found[1]:
                raise DamagedIndexError(f"{column} of block {block} was changed")
            self._verified.add((column, block))
        numbers: NDArray[Any] = np.frombuffer(found[0], COLUMNS[column])
        return numbers

    def find_part(self, part: str) -> list[int]:
        """Return the rows of a part's name, without those after `rows`."""
        return self._list("SELECT number FROM parts WHERE id = ? ORDER BY number", part)

    def find_trigger(self, trigger: str) -> list[int]:
        """Return the rows of a trigger, likewise; several where a row was corrected."""
        both = (
            "SELECT number FROM triggers WHERE id = ?1 UNION "
            "SELECT number FROM parts WHERE id = ?1 AND unnamed ORDER BY number"
        )
        return self._list(both, trigger)

    def find_beginning(self, start: str) -> NDArray[np.int64] | None:
        """Return the rows of parts whose name begins with a text, likewise; None if they are too many."""
        within = "FROM parts WHERE id >= ? AND id < CAST(? AS TEXT)"
        past = start.encode() + b"\xff"  # no text of UTF-8 has such a byte
        if self._ask(f"SELECT 1 {within} LIMIT 1 OFFSET {_MOST}", start, past):
            return None
        # Joined in SQLite: as many objects of Python would take several times as long.
        ((joined,),) = self._ask(f"SELECT group_concat(number) {within}", start, past)
        return np.sort(np.fromstring(joined or "", np.int64, sep=","))

    def find_marked(self, mark: str | None) -> list[int]:
        """Return the rows of parts with a mark (None: with any), without those after `rows`."""
        found = self._ask(
            "SELECT marks.id, number FROM marks CROSS JOIN parts USING (id) "
            "WHERE unnamed AND mark IS NOT NULL AND ?1 IN (mark, '') "
            "UNION SELECT marks.id, number FROM marks CROSS JOIN triggers USING (id) "
            "WHERE mark IS NOT NULL AND ?1 IN (mark, '')",
            mark or "",
        )
        rows = [row for trigger, row in found if trigger not in self._later_marks]
        later = [one for one, has in self._later_marks.items() if has is not None and mark in (None, has)]
        return [*rows, *(row for trigger in later for row in self.find_trigger(trigger))]

    def read_marks(self, triggers: Iterable[str] | None = None) -> dict[str, str]:
        """Return the marks of triggers (of all, without any given), up to the ledger's last note."""
        if triggers is None:
            marks = {**dict(self._ask("SELECT id, mark FROM marks")), **self._later_marks}
        else:
            marks = {trigger: self._read_mark(trigger) for trigger in triggers}
        return {trigger: mark for trigger, mark in marks.items() if mark is not None}

    def _read_mark(self, trigger: str) -> str | None:
        if trigger in self._later_marks:
            return self._later_marks[trigger]
        found = self._ask("SELECT mark FROM marks WHERE id = ?", trigger)
        return found[0][0] if found else None

    @cached_property
    def _later_marks(self) -> dict[str, str | None]:
        ((notes,),) = self._ask("SELECT notes FROM source")
        return dict(self._ledger.execute(_MARKS, [notes]).fetchall())

    def _list(self, sql: str, text: str) -> list[int]:
        return [number for (number,) in self._ask(sql, text)]

    def _ask(self, sql: str, *values: Any) -> list[Any]:
        try:
            return self._index.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise DamagedIndexError(str(error)) from error


def index_path(ledger: Path) -> Path:
    """Return the path of a ledger's index."""
    return ledger.with_name(f"{ledger.name}.index")


def remove_index(ledger: Path) -> None:
    """Delete the index of a ledger.

    Raises:
        OSError: it can't be deleted.
    """
    file = index_path(ledger)
    for end in ("-wal", "-shm", ""):  # another index must not come with a log that was left behind
        file.with_name(f"{file.name}{end}").unlink(missing_ok=True)


def count_behind(ledger: Path) -> int:
    """Return how many blocks of a ledger its index lacks; all of them if there is none, or a damaged one.

    Raises:
        sqlite3.Error: the ledger can't be read.
    """
    with closing(connect_to_read(ledger)) as source:
        (rows,), done = source.execute("SELECT rows FROM ledger").fetchone(), 0
        with suppress(DamagedIndexError):
            if index := PartIndex.open(ledger, source, set()):
                with index:
                    done = index.blocks
        return int(rows) // BLOCK - done


def build_index(ledger: Path) -> int:
    """Bring a ledger's index up to its last whole block, and return how many blocks it has.

    The ledger may be written meanwhile, and other processes may do the same. One that doesn't fit the ledger
    is deleted first.

    Raises:
        sqlite3.Error: the ledger can't be read, or the index can't be written.
        OSError: likewise.
        ValueError: a row is missing, or was changed.
    """
    ledger = follow_link(ledger)
    with closing(connect_to_read(ledger)) as source:
        try:
            return _extend(ledger, source)
        except (DamagedIndexError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.OperationalError):  # it is locked, or the disk is full
                raise
            remove_index(ledger)
            return _extend(ledger, source)


def _extend(ledger: Path, source: sqlite3.Connection) -> int:
    with closing(sqlite3.connect(index_path(ledger), isolation_level=None, timeout=_PATIENCE)) as index:
        index.execute(f"PRAGMA page_size = {_PAGE}")
        index.execute("PRAGMA journal_mode = WAL")
        index.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose blocks, and breaks none
        with _transaction(index):
            if not index.execute("SELECT 1 FROM sqlite_master").fetchone():
                _create_tables(index, source)
            _check_source(index, source)
        while _add_block(index, source):
            pass
        with _transaction(index):
            _add_marks(index, source)
            return _count_blocks(index)


def _create_tables(index: sqlite3.Connection, source: sqlite3.Connection) -> None:
    for table in _TABLES:
        index.execute(table)
    index.execute("INSERT INTO source VALUES (?, ?, ?, 0)", [*_identify(source)])


def _add_block(index: sqlite3.Connection, source: sqlite3.Connection) -> bool:
    """Add the next block; returns False if the ledger hasn't got all its rows yet."""
    with _transaction(index):
        block = _count_blocks(index)
        first, last = block * BLOCK, (block + 1) * BLOCK
        (rows,) = source.execute("SELECT rows FROM ledger").fetchone()
        if rows < last:
            return False
        found = source.execute(_ROWS, [first, last]).fetchall()
        if len(found) != BLOCK:
            raise ValueError(f"rows are missing among {first + 1} to {last}")
        parts, triggers, decided, shares, decisions, *settings = zip(*found, strict=True)
        settings_of_rows = _number_settings(index, list(zip(*settings, strict=True)))
        columns: dict[str, Sequence[Any]] = {
            "decided": decided,
            "share": [math.nan if share is None else share for share in shares],
            "decision": [CODES.get(decision, 255) for decision in decisions],
            "setting": settings_of_rows,
        }
        for name, values in columns.items():
            data = np.array(values, COLUMNS[name]).tobytes()
            index.execute(f"INSERT INTO {name} VALUES (?, ?, ?)", [block, data, zlib.crc32(data)])
        numbers = range(first + 1, last + 1)
        called = sorted(zip(parts, numbers, triggers, strict=True))
        index.executemany("INSERT INTO parts VALUES (?1, ?2, ?1 = ?3)", called)
        named = [(trigger, number) for part, number, trigger in called if trigger != part]
        index.executemany("INSERT INTO triggers VALUES (?, ?)", sorted(named))
        index.execute(
            "INSERT INTO blocks VALUES (?, ?, ?, ?)",
            [block, _read_hash(source, last), min(decided), max(decided)],
        )
    return True


def _number_settings(index: sqlite3.Connection, settings: list[Setting]) -> list[int]:
    """Return the numbers of settings; new ones are added."""
    known = {
        setting: number
        for number, *values in index.execute("SELECT * FROM settings")
        for setting in [tuple(values)]
    }
    for setting in dict.fromkeys(settings):
        if setting not in known:
            known[setting] = len(known)
            index.execute("INSERT INTO settings VALUES (?, ?, ?, ?, ?)", [known[setting], *setting])
    return [known[setting] for setting in settings]


def _add_marks(index: sqlite3.Connection, source: sqlite3.Connection) -> None:
    (seen,) = index.execute("SELECT notes FROM source").fetchone()
    (last,) = source.execute("SELECT coalesce(max(number), 0) FROM notes").fetchone()
    marks = source.execute(_MARKS, [seen]).fetchall()
    index.executemany("INSERT OR REPLACE INTO marks VALUES (?, ?)", marks)
    index.execute("UPDATE source SET notes = ?", [last])


def _check_source(index: sqlite3.Connection, source: sqlite3.Connection) -> int:
    """Check that an index is that of a ledger; return how many blocks it has.

    Raises:
        DamagedIndexError: it isn't.
    """
    try:
        found = index.execute("SELECT ledger, version, block FROM source").fetchall()
        blocks = _count_blocks(index)
        last = index.execute("SELECT hash FROM blocks WHERE block = ?", [blocks - 1]).fetchone()
    except sqlite3.OperationalError as error:
        raise DamagedIndexError(str(error)) from error
    if found != [_identify(source)]:
        raise DamagedIndexError("it is another ledger's")
    if blocks and (last is None or last[0] != _read_hash(source, blocks * BLOCK)):
        raise DamagedIndexError("the ledger has other rows")
    return blocks


def _identify(source: sqlite3.Connection) -> tuple[str, int, int]:
    return source.execute("SELECT id FROM ledger").fetchone()[0], _VERSION, BLOCK


def _read_hash(source: sqlite3.Connection, number: int) -> str | None:
    found = source.execute("SELECT hash FROM rows WHERE number = ?", [number]).fetchone()
    return found[0] if found else None


def _count_blocks(index: sqlite3.Connection) -> int:
    return int(index.execute("SELECT count(*) FROM blocks").fetchone()[0])


@contextmanager
def _transaction(index: sqlite3.Connection) -> Iterator[None]:
    index.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            index.rollback()
        raise
    index.execute("COMMIT")
