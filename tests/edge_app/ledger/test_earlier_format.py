"""A ledger of format 3, which was written before corrections were, is read and verified as it stands."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from softcore_edge_app.ledger.check import open_ledger, verify_ledger
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.queries.parts import PartFilter, read_notes, read_parts
from softcore_runtime import LedgerError

RECORDED = Path(__file__).parents[2] / "recordings" / "ledger_format_3"
HEAD = "eff64eaedb91068ca2b9c50e5713a2d5398c9de8f7921c6bcd658616f5e779e6"  # as its writer printed it


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RECORDED, tmp_path / "old")) / "line.ledger"


def test_it_is_whole(ledger: Path) -> None:
    found = verify_ledger(ledger, HEAD)
    assert (found.rows, found.notes, found.head, found.closed) == (8, 2, HEAD, True)
    assert found.fault is None


def test_its_decisions_and_notes_are_read(ledger: Path) -> None:
    with open_ledger(ledger) as connection:
        parts = read_parts(connection, PartFilter(), 50, None).parts
        notes, _ = read_notes(connection, 50, None)
    records = [part.row.record for part in parts]
    assert [str(record.decision) for record in records] == [
        "FAIL", "PASS", "PASS", "INVALID", "REVIEW", "FAIL", "PASS", "PASS"
    ]  # fmt: skip
    assert [record.score for record in records[:4]] == [14.75, 5.5, 3.0, None]
    assert {record.published_at for record in records} == {record.corrects for record in records} == {None}
    assert parts[5].mark == "good"
    assert [note.change.kind for note in notes] == ["limit", "mark"]


@pytest.mark.parametrize(("table", "column"), [("rows", "score"), ("rows", "camera"), ("notes", "after")])
def test_a_change_is_found(ledger: Path, table: str, column: str) -> None:
    ledger.with_name("line.ledger.seal").unlink()  # which would find any changed byte
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute(f"UPDATE {table} SET {column} = 1 WHERE number = 2")  # noqa: S608
    fault = verify_ledger(ledger).fault
    assert fault is not None
    assert "2 was changed" in str(fault)


def test_it_is_not_continued(ledger: Path) -> None:
    before = ledger.read_bytes()
    with pytest.raises(LedgerError, match="has format 3, which this SoftCore reads and doesn't write; begin"):
        Ledger.open(ledger)
    assert ledger.read_bytes() == before


def test_another_format_is_refused(ledger: Path) -> None:
    ledger.with_name("line.ledger.seal").unlink()
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE ledger SET format = 5")
    assert "its format is 5, this SoftCore knows 3 and 4" in str(verify_ledger(ledger).fault)
