from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from softcore_edge_app.ledger import wal as ledger_wal
from softcore_edge_app.ledger.head import head_path
from softcore_edge_app.ledger.ledger import FaultKind, Ledger, verify_ledger
from softcore_runtime import LedgerError

from .drafts import entry, write


def crash(path: Path, count: int, at_once: int = 1) -> None:
    """A ledger whose last rows lie in the write-ahead log, as after kill -9."""
    other = path.with_name("source")
    with Ledger.open(other) as ledger:
        for first in range(0, count, at_once):
            ledger.append_all([entry(first + number) for number in range(at_once)])
        for suffix in ("", "-wal", ".head"):
            path.with_name(f"{path.name}{suffix}").write_bytes(
                other.with_name(f"source{suffix}").read_bytes()
            )


def test_a_ledger_that_was_not_closed_is_whole_and_goes_on(path: Path) -> None:
    crash(path, 20)
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (20, False, None)
    write(path, 5, first=20)
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (25, True, None)


def test_a_changed_byte_of_the_write_ahead_log_is_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite would drop without a word all that follows. Of the last two transactions the head file tells."""
    monkeypatch.setattr(ledger_wal, "_TRIES", 1)  # nobody is writing
    crash(path, 12)
    wal = path.with_name(f"{path.name}-wal")
    whole = wal.read_bytes()
    # A transaction's last page gives the size of the file.
    ends = [place for place in range(32, len(whole), 4120) if any(whole[place + 4 : place + 8])]
    head = head_path(path).read_bytes()
    for place in [*range(0, 40, 3), *np.random.default_rng(0).integers(40, ends[-1], 30)]:
        if place < ends[-3] + 4120:
            head_path(path).unlink()  # found without it
        wal.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
        assert verify_ledger(path).fault, place
        with pytest.raises(LedgerError):
            Ledger.open(path)
        assert wal.exists()
        head_path(path).write_bytes(head)
    wal.write_bytes(whole)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    assert verify_ledger(path).fault is None


def test_a_write_ahead_log_that_was_cut_is_found_by_the_head_file(path: Path) -> None:
    """Wherever it was cut; nothing else tells it from one that a power failure broke off."""
    crash(path, 12)
    wal = path.with_name(f"{path.name}-wal")
    whole = wal.read_bytes()
    # A transaction's last page gives the size of the file: from here on all rows are there.
    end = max(place for place in range(32, len(whole), 4120) if any(whole[place + 4 : place + 8])) + 4120
    for length in [0, 32, *np.random.default_rng(0).integers(32, end, 20), end - 1]:
        for rest in (b"", bytes(len(whole) - length)):
            wal.write_bytes(whole[:length] + rest)
            path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
            fault = verify_ledger(path).fault
            assert fault, length
            assert fault.kind is FaultKind.TRUNCATED
            assert fault.detail.endswith("missing (the head file counts 12)")
    with pytest.raises(LedgerError, match="missing"):
        Ledger.open(path)
    wal.unlink()
    assert verify_ledger(path).fault
    wal.write_bytes(whole)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    verified = verify_ledger(path)
    assert (verified.rows, verified.fault, verified.unproven) == (12, None, None)


def test_without_a_head_file_a_log_that_was_cut_leaves_the_end_unproven(path: Path) -> None:
    crash(path, 12)
    head_path(path).unlink()
    wal = path.with_name(f"{path.name}-wal")
    whole = wal.read_bytes()
    counts = set()
    for place in np.random.default_rng(0).integers(0, len(whole), 30):
        length = max(int(place), 32)  # the head is written first, and waited for
        for rest in (b"", bytes(len(whole) - length)):
            wal.write_bytes(whole[:length] + rest)
            path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
            verified = verify_ledger(path)
            assert (verified.fault, verified.unproven) == (None, "there is no line.ledger.head"), length
            counts.add(verified.rows)
    assert len(counts) > 5
