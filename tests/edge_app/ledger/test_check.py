# ruff: noqa: S608 - the SQL here is the tests' own
from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softcore_edge_app.ledger.head import head_path
from softcore_edge_app.ledger.ledger import FaultKind, Ledger, Note, Row, verify_ledger
from softcore_edge_app.ledger.note import NOTE_COLUMNS
from softcore_edge_app.ledger.row import COLUMNS
from softcore_edge_app.ledger.seal import seal_path
from softcore_runtime import LedgerError

from .drafts import FLOATS, OTHER_COLUMNS, change, entry, forge, found, write, write_noted

OTHERS: dict[str, st.SearchStrategy[Any]] = {
    name: st.integers(1, 2**62) if name.endswith("_at") else FLOATS if name in ("score", "milliseconds",
    "threshold", "fail_above", "x", "y") else st.sampled_from(["FAIL", "REVIEW", "INVALID", "fail", ""])
    if name == "decision" else st.text() | st.binary()
    for name in COLUMNS[1:]
}  # fmt: skip


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two ledgers, of five rows and of five notes, without seals; copied, which is quicker than to write."""
    folder = tmp_path_factory.mktemp("five")
    write(folder / "rows", 5)
    write_noted(folder / "notes")
    for name in ("rows", "notes"):
        seal_path(folder / name).unlink()
    return folder


@settings(max_examples=60, deadline=None)
@given(data=st.data(), row=st.integers(1, 5), column=st.sampled_from(COLUMNS[1:]))
def test_one_changed_field_is_found_at_its_row(
    five: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, row: int, column: str
) -> None:
    path = Path(shutil.copytree(five, tmp_path_factory.mktemp("ledger") / "of five")) / "rows"
    value = data.draw(OTHERS[column])
    with closing(sqlite3.connect(path)) as connection:
        (before,) = connection.execute(f'SELECT "{column}" FROM rows WHERE number = ?', [row]).fetchone()
        connection.execute(f'UPDATE rows SET "{column}" = ? WHERE number = ?', [value, row])
        (after,) = connection.execute(f'SELECT "{column}" FROM rows WHERE number = ?', [row]).fetchone()
        connection.commit()
    if (before, type(before)) == (after, type(after)):
        assert verify_ledger(path).fault is None
        return
    assert found(path) == (FaultKind.CHANGED, row)
    assert verify_ledger(path).rows == row - 1


@settings(max_examples=60, deadline=None)
@given(data=st.data(), note=st.integers(1, 5), column=st.sampled_from(NOTE_COLUMNS[1:]))
def test_one_changed_field_of_a_note_is_found_there(
    five: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, note: int, column: str
) -> None:
    path = Path(shutil.copytree(five, tmp_path_factory.mktemp("ledger") / "of five")) / "notes"
    value = data.draw(st.integers(0, 2**62) if column in ("at", "row") else st.text() | st.binary())
    with closing(sqlite3.connect(path)) as connection:
        ask = f'SELECT "{column}" FROM notes WHERE number = ?'
        (before,) = connection.execute(ask, [note]).fetchone()
        connection.execute(f'UPDATE notes SET "{column}" = ? WHERE number = ?', [value, note])
        (after,) = connection.execute(ask, [note]).fetchone()
        connection.commit()
    if (before, type(before)) == (after, type(after)):
        assert verify_ledger(path).fault is None
        return
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.kind, fault.row, fault.table) == (FaultKind.CHANGED, note, "notes")
    assert fault.detail.startswith(f"note {note} was changed")
    verified = verify_ledger(path)
    assert (verified.rows, verified.notes) == (4, note - 1)


COPY_NOTE = "INSERT INTO notes SELECT {}, " + ", ".join(f'"{c}"' for c in NOTE_COLUMNS[1:]) + " FROM notes"


SHIFT = ("UPDATE notes SET number = number + 100 WHERE number > {0}",
         "UPDATE notes SET number = number - {1} WHERE number > 100")  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "kind", "note", "words"),
    [
        (["DELETE FROM notes WHERE number = 3"], FaultKind.MISSING, 3, "note 3 is missing"),
        (["DELETE FROM notes WHERE number < 3"], FaultKind.MISSING, 1, "notes 1 to 2 are missing"),
        (["DELETE FROM notes WHERE number > 3"], FaultKind.TRUNCATED, 4, "the header counts 5"),
        (["DELETE FROM notes"], FaultKind.TRUNCATED, 1, "notes 1 to 5 are missing"),
        (["DELETE FROM notes WHERE number = 2", *(s.format(2, 101) for s in SHIFT)],
         FaultKind.MISSING, 2, "note 2 is missing"),
        (["UPDATE notes SET number = 99 WHERE number = 2", "UPDATE notes SET number = 2 WHERE number = 5",
          "UPDATE notes SET number = 5 WHERE number = 99"], FaultKind.OUT_OF_ORDER, 2, "here stands note 5"),
        ([*(s.format(3, 99) for s in SHIFT), COPY_NOTE.format(4) + " WHERE number = 2"],
         FaultKind.INSERTED, 4, "note 4 was inserted"),
        ([COPY_NOTE.format(6) + " WHERE number = 2"], FaultKind.OUT_OF_ORDER, 6, "here stands note 2"),
        (["UPDATE ledger SET notes = 4"], FaultKind.INSERTED, 5, "the header counts 4"),
        (["UPDATE ledger SET notes_head = hex(7)"], FaultKind.CHANGED, 5, "or the header was changed"),
    ],
)  # fmt: skip
def test_notes_that_were_moved_are_found(
    path: Path, statements: list[str], kind: FaultKind, note: int, words: str
) -> None:
    write_noted(path)
    forge(path, *statements)
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.kind, fault.row, fault.table) == (kind, note, "notes")
    assert words in fault.detail
    with pytest.raises(LedgerError, match="damaged ledger"):
        Ledger.open(path)


def test_the_notes_hold_the_rows_that_they_were_made_after(path: Path) -> None:
    """Rows with hashes of their own, from some row to the end, and a header that says so."""
    with Ledger.open(path) as ledger:
        rows = ledger.append_all([entry(number) for number in range(10)])
        ledger.note(change(3))
    forged = [*rows[:7]]
    for number in range(7, 10):
        forged.append(Row.chain(entry(number, score=1.0), number + 1, forged[-1].hash))
    forge(
        path,
        "DELETE FROM rows WHERE number > 7",
        *(f"INSERT INTO rows VALUES ({', '.join(repr(v) if v is not None else 'NULL' for v in row.values())})"
          for row in forged[7:]),
        f"UPDATE ledger SET head = '{forged[-1].hash}'",
    )  # fmt: skip
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.kind, fault.row) == (FaultKind.CHANGED, 10)
    assert fault.detail == "row 10 was rewritten, or the head file was changed"
    head_path(path).unlink()
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.kind, fault.row) == (FaultKind.CHANGED, 10)
    assert fault.detail == "row 10 has another hash than note 1 says: the rows were rewritten"
    forge(path, "DELETE FROM rows WHERE number > 7", f"UPDATE ledger SET rows = 7, head = '{rows[6].hash}'")
    assert found(path) == (FaultKind.TRUNCATED, 8)


def test_a_note_that_was_moved_with_its_chain_is_found_by_its_row(path: Path) -> None:
    with Ledger.open(path) as ledger:
        row = ledger.append(entry(1))
        first, second = ledger.note(change(1)), ledger.note(change(2))
    back = Note.chain(second.change, 2, second.at, row=0, row_hash=row.previous, previous=first.hash)
    forge(
        path,
        f"UPDATE notes SET \"row\" = 0, row_hash = '{row.previous}', hash = '{back.hash}' WHERE number = 2",
        f"UPDATE ledger SET notes_head = '{back.hash}'",
    )
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.kind, fault.row, fault.table) == (FaultKind.CHANGED, 2, "notes")


RENUMBER = "UPDATE rows SET number = number + 100 WHERE number > 5", "UPDATE rows SET number = number - {}"


COPY = f"INSERT INTO rows SELECT 6, {OTHER_COLUMNS} FROM rows"


@pytest.mark.parametrize(
    ("statements", "kind", "row"),
    [
        (["DELETE FROM rows WHERE number = 4"], FaultKind.MISSING, 4),
        (["DELETE FROM rows WHERE number IN (1, 2)"], FaultKind.MISSING, 1),
        (["DELETE FROM rows WHERE number > 7"], FaultKind.TRUNCATED, 8),
        (["DELETE FROM rows"], FaultKind.TRUNCATED, 1),
        (["DELETE FROM rows WHERE number = 5", RENUMBER[0],
          RENUMBER[1].format(101) + " WHERE number > 100"], FaultKind.MISSING, 5),
        (["UPDATE rows SET number = 99 WHERE number = 3", "UPDATE rows SET number = 3 WHERE number = 6",
          "UPDATE rows SET number = 6 WHERE number = 99"], FaultKind.OUT_OF_ORDER, 3),
        ([RENUMBER[0], RENUMBER[1].format(99) + " WHERE number > 100", COPY + " WHERE number = 2"],
         FaultKind.INSERTED, 6),
        ([COPY.replace("SELECT 6", "SELECT 11") + " WHERE number = 2"], FaultKind.OUT_OF_ORDER, 11),
        (["UPDATE ledger SET id = '00'"], FaultKind.CHANGED, 0),
        (["UPDATE ledger SET head = hex(7)"], FaultKind.CHANGED, 10),
        (["UPDATE ledger SET rows = 9"], FaultKind.INSERTED, 10),
        (["UPDATE ledger SET format = 1"], FaultKind.CHANGED, 0),
        (["DROP TABLE notes"], FaultKind.CHANGED, 0),
        (["UPDATE ledger SET notes = 'x'"], FaultKind.CHANGED, 0),
        (["DELETE FROM ledger"], FaultKind.CHANGED, 0),
        (["DROP TABLE rows"], FaultKind.CHANGED, 0),
        (["CREATE INDEX more ON rows (name)"], FaultKind.CHANGED, 0),
    ],
)  # fmt: skip
def test_rows_that_were_moved_are_found(path: Path, statements: list[str], kind: FaultKind, row: int) -> None:
    write(path, 10)
    forge(path, *statements)
    assert found(path) == (kind, row)
    with pytest.raises(LedgerError, match="damaged ledger"):
        Ledger.open(path)


def test_a_row_rewritten_with_a_hash_of_its_own_is_found(path: Path) -> None:
    rows = write(path, 10)
    forged = Row.chain(entry(5, decision="FAIL"), 6, rows[4].hash)
    forge(path, f"UPDATE rows SET decision = 'FAIL', hash = '{forged.hash}' WHERE number = 6")
    assert found(path) == (FaultKind.CHANGED, 6)


def test_a_tail_that_was_cut_with_its_record_is_found_by_the_head_file(path: Path) -> None:
    rows = write(path, 10)
    assert all(verify_ledger(path, row.hash).fault is None for row in rows)
    cut = ["DELETE FROM rows WHERE number > 7", f"UPDATE ledger SET rows = 7, head = '{rows[6].hash}'"]
    forge(path, *cut)
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.kind, fault.row) == (FaultKind.TRUNCATED, 8)
    assert fault.detail == "truncated: rows 8 to 10 are missing (the head file counts 10)"


def test_only_a_noted_head_shows_a_tail_that_was_cut_with_all_records(path: Path) -> None:
    rows = write(path, 10)
    forge(path, "DELETE FROM rows WHERE number > 7", f"UPDATE ledger SET rows = 7, head = '{rows[6].hash}'")
    head_path(path).unlink()
    verified = verify_ledger(path)
    assert (verified.fault, verified.unproven) == (None, "there is no line.ledger.head")
    assert verify_ledger(path, rows[6].hash).fault is None
    assert found(path, rows[7].hash) == (FaultKind.TRUNCATED, None)


def test_each_changed_byte_of_a_closed_ledger_is_found(path: Path) -> None:
    """In the file and in its seal; and where: a row, or a page of 4096 bytes. Of empty space each 50th."""
    notes = write_noted(path, 4)
    assert verify_ledger(path, notes[-1].hash).fault is None
    for file in (path, seal_path(path)):
        whole = file.read_bytes()
        rng = np.random.default_rng(0)
        with file.open("r+b", buffering=0) as open_file:
            for place, byte in enumerate(whole):
                if place % 50 and not any(whole[max(place - 1, 0) : place + 2]):
                    continue
                os.pwrite(open_file.fileno(), bytes([byte ^ 1 << int(rng.integers(8))]), place)
                fault = verify_ledger(path).fault
                assert fault, f"byte {place} of {file.name}"
                if file == path:
                    first = place // 4096 * 4096
                    assert f"page {place // 4096 + 1} (bytes {first} to {first + 4095})" in fault.detail
                os.pwrite(open_file.fileno(), bytes([byte]), place)
    assert verify_ledger(path).fault is None


@pytest.mark.parametrize(
    "change", [lambda data: data[:-4096], lambda data: data + bytes(4096), lambda _: b""]
)
def test_a_file_cut_off_or_prolonged_is_found(path: Path, change: Callable[[bytes], bytes]) -> None:
    write(path, 100)
    path.write_bytes(change(path.read_bytes()))
    assert verify_ledger(path).fault
    with pytest.raises(LedgerError):
        Ledger.open(path)


def test_what_is_written_beside_the_seal_is_found(path: Path) -> None:
    write(path, 2)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE rows SET decision = 'FAIL'")
        connection.commit()
        assert found(path) == (FaultKind.DAMAGED, None)
        with pytest.raises(LedgerError):
            Ledger.open(path)


@pytest.mark.parametrize("value", ["zeroblob(2000000)", "printf('%.*c', 2000000, 'x')"])
@pytest.mark.parametrize("column", ["part", "score"])
def test_a_huge_value_is_damage_and_is_not_read(path: Path, column: str, value: str) -> None:
    """Of any size: SQLite is told not to. A line doesn't read it either."""
    write(path, 5)
    forge(path, f"UPDATE rows SET {column} = {value} WHERE number = 3")
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.kind, fault.row) == (FaultKind.DAMAGED, 3)
    assert fault.detail == "row 3 can't be read: string or blob too big"
    with pytest.raises(LedgerError, match="too big"):
        Ledger.open(path)


@pytest.mark.parametrize("suffix", [".head", ".seal", "-wal"])
def test_nothing_is_waited_for_that_is_no_file(path: Path, suffix: str) -> None:
    write(path, 5)
    seal_path(path).unlink()
    file = path.with_name(f"{path.name}{suffix}")
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    with pytest.raises((OSError, LedgerError)) as raised:
        verify_ledger(path)
    assert file.name in str(raised.value) or "unable to open" in str(raised.value)


def test_a_seal_that_is_too_long_is_not_read(path: Path) -> None:
    write(path, 5)
    os.truncate(seal_path(path), 10**12)  # a sparse terabyte
    fault = verify_ledger(path).fault
    assert fault
    assert fault.detail == "the seal was changed (longer than a seal of this ledger)"


def test_verify_leaves_a_closed_ledger_as_it_is(path: Path) -> None:
    write(path, 2)
    files = {file: file.read_bytes() for file in path.parent.iterdir()}
    assert verify_ledger(path).fault is None
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == files
