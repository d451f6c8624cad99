from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from softcore_edge_app.ledger.ledger import Ledger, verify_ledger
from softcore_edge_app.ledger.seal import seal_path
from softcore_runtime import LedgerError

from .drafts import entry, write


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".head"])
def test_nothing_is_entered_in_a_file_that_was_removed(path: Path, suffix: str) -> None:
    """What is written to it is gone when it is closed. Put back, it is as good as before."""
    file = path.with_name(f"{path.name}{suffix}")
    with Ledger.open(path) as ledger:
        ledger.append(entry(0))
        assert ledger.find_fault() is None
        file.rename(path.with_name("elsewhere"))
        assert str(ledger.find_fault()).startswith(f"{file.name} is gone (No such file or directory)")
        for _ in range(3):
            with pytest.raises(LedgerError, match="is gone"):
                ledger.append(entry(1))
        shutil.copyfile(path.with_name("elsewhere"), file)
        with pytest.raises(LedgerError, match=f"{file.name} is another file than the one that was opened"):
            ledger.append(entry(1))
        path.with_name("elsewhere").replace(file)
        ledger.append(entry(1))
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (2, True, None)


def test_no_seal_is_put_on_another_file(path: Path) -> None:
    ledger = Ledger.open(path)
    ledger.append(entry(0))
    path.unlink()
    write(path.with_name("other"), 3)
    path.with_name("other").rename(path)
    with pytest.raises(LedgerError, match=r"closed without a seal .*is another file"):
        ledger.close()
    assert not seal_path(path).exists()


def test_nothing_is_entered_on_a_disk_that_was_unmounted(small_disk: Callable[..., Path]) -> None:
    disk = small_disk(1_000_000)
    ledger = Ledger.open(disk / "line.ledger")
    ledger.append(entry(0))
    subprocess.run(["umount", "-l", disk], check=True)
    try:
        with pytest.raises(LedgerError, match="was removed, or its disk unmounted"):
            ledger.append(entry(1))
        with pytest.raises(LedgerError, match="closed without a seal"):
            ledger.close()
        assert list(disk.iterdir()) == []
    finally:  # the fixture unmounts it
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=True)


def test_a_row_that_another_program_edits_is_told_and_not_sealed_over(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(path, 10)
    ledger = Ledger.open(path)
    ledger.append(entry(10))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE rows SET decision = 'FAIL' WHERE number = 3")
        connection.commit()
    assert not ledger.touched
    ledger.append(entry(11))
    assert ledger.touched
    ledger.append(entry(12))
    assert caplog.messages == [f"alarm: {path}: another program has written to it"]
    with pytest.raises(LedgerError, match=r"closed without a seal \(row 3 was changed\)"):
        ledger.close()
    assert not seal_path(path).exists()
    assert verify_ledger(path).rows == 2


def test_an_edit_after_the_last_row_is_not_sealed_over(path: Path) -> None:
    ledger = Ledger.open(path)
    ledger.append_all([entry(number) for number in range(9)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE rows SET score = 0.1 WHERE number = 9")
        connection.commit()
    with pytest.raises(LedgerError, match=r"closed without a seal \(row 9 was changed\)"):
        ledger.close()


def test_a_header_that_another_program_changes_is_an_error(path: Path) -> None:
    ledger = Ledger.open(path)
    ledger.append(entry(0))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM rows")
        connection.execute("UPDATE ledger SET rows = 0")
        connection.commit()
    for _ in range(2):
        with pytest.raises(LedgerError, match="another program has changed its header; begin another ledger"):
            ledger.append(entry(1))
    with pytest.raises(LedgerError, match="closed without a seal"):
        ledger.close()
    assert verify_ledger(path).fault


def test_who_only_reads_touches_nothing(path: Path) -> None:
    with Ledger.open(path) as ledger:
        ledger.append(entry(0))
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("SELECT * FROM rows").fetchall()
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        ledger.append(entry(1))
        assert not ledger.touched
    assert verify_ledger(path).closed
