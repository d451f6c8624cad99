from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from softcore_edge_app.ledger import head as ledger_head
from softcore_edge_app.ledger.head import head_path, read_heads
from softcore_edge_app.ledger.ledger import FaultKind, Ledger, UnprovenError, verify_ledger
from softcore_runtime import LedgerError

from .drafts import change, entry, write
from .test_wal import crash


def test_it_counts_each_commit_before_it_returns(path: Path) -> None:
    with Ledger.open(path) as ledger:
        for number in range(5):
            row = ledger.append(entry(number))
            heads = read_heads(path)
            assert heads
            assert heads.whole
            assert heads.counts
            assert (heads.counts.rows, heads.counts.head, heads.counts.ledger) == (
                number + 1, row.hash, ledger.id,
            )  # fmt: skip
        note = ledger.note(change())
    heads = read_heads(path)
    assert heads
    assert heads.counts
    assert (heads.counts.rows, heads.counts.notes, heads.counts.notes_head) == (5, 1, note.hash)
    assert head_path(path).stat().st_size == 1024


def test_it_is_on_the_disk_when_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    flush, write_at = os.fdatasync, os.pwrite
    monkeypatch.setattr(ledger_head.os, "fdatasync", lambda file: (steps.append("flush"), flush(file)))
    monkeypatch.setattr(ledger_head.os, "pwrite", lambda *given: (steps.append("write"), write_at(*given))[1])
    with Ledger.open(path) as ledger:
        steps.clear()
        ledger.append(entry())
        assert steps == ["write", "flush"]


@pytest.mark.parametrize("slot", [0, 1])
def test_a_slot_that_a_power_failure_spoiled_leaves_the_other(
    path: Path, slot: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been the newest, which a line goes on without, and `verify` tells."""
    monkeypatch.setattr(ledger_head, "_TRIES", 1)  # nobody is writing
    crash(path, 12)
    with head_path(path).open("r+b") as file:
        file.seek(512 * slot + 100)
        file.write(b"!")
    verified = verify_ledger(path)
    assert (verified.rows, verified.fault, verified.unproven) == (12, None, "line.ledger.head is damaged")
    with caplog.at_level(logging.WARNING), Ledger.open(path) as ledger:
        ledger.append(entry(12))
    assert caplog.messages == [
        f"{path}: wasn't closed, and line.ledger.head is damaged: rows may be missing at its end"
    ]
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (13, True, None)


def test_nothing_is_added_where_nothing_tells_what_is_missing(path: Path) -> None:
    crash(path, 3)
    head_path(path).unlink()
    with pytest.raises(LedgerError, match=r"there is no line\.ledger\.head: rows may be missing at its end"):
        Ledger.open(path)


def test_a_closed_ledger_is_proven_by_its_seal(path: Path) -> None:
    write(path, 3)
    head_path(path).unlink()
    verified = verify_ledger(path)
    assert (verified.fault, verified.unproven) == (None, None)
    write(path, 1, first=3)
    assert head_path(path).exists()


def test_another_ledgers_head_is_found(path: Path) -> None:
    other = path.with_name("other")
    write(other, 3)
    write(path, 3)
    head_path(path).write_bytes(head_path(other).read_bytes())
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.kind, fault.row, fault.detail) == (
        FaultKind.CHANGED,
        0,
        "the head file is another ledger's",
    )


def test_a_ledger_that_is_begun_anew_has_a_head_of_its_own(path: Path) -> None:
    """Whoever moves a ledger away, and leaves the files beside it, begins another."""
    write(path, 9)
    path.unlink()
    write(path, 2)
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (2, True, None)


def test_what_can_not_be_proven_is_told_and_nothing_added_until_it_can(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_file: int) -> None:
        raise OSError(5, "Input/output error")

    with Ledger.open(path) as ledger:
        ledger.append(entry(0))
        with monkeypatch.context() as broken:
            broken.setattr(ledger_head.os, "fdatasync", fail)
            with pytest.raises(UnprovenError, match=r"line\.ledger\.head: Input/output error") as raised:
                ledger.append_all([entry(1), entry(2)])
            assert [row.number for row in raised.value.rows] == [2, 3]
            for _ in range(3):
                with pytest.raises(UnprovenError) as raised:
                    ledger.append(entry(3))
                assert raised.value.rows == ()
        assert ledger.append(entry(3)).number == 4
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (4, True, None)


def test_the_log_is_copied_into_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def count_in_file() -> int:
        with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM rows").fetchone()[0])

    with Ledger.open(path) as ledger:
        ledger.append_all([entry(number) for number in range(199)])
        ledger.copy_log()
        assert count_in_file() == 0
        ledger.append(entry(199))
        ledger.copy_log()
        assert count_in_file() == 200
        ledger.append(entry(200))
        ledger.copy_log()
        assert count_in_file() == 200
        monkeypatch.setattr("softcore_edge_app.ledger.ledger._SECONDS", 0.0)
        ledger.copy_log()
        assert count_in_file() == 201
