"""A full disk for each file that a line or its commands write, beside those that have a test of their own.

Those are the ledger and its seal, the archive, overlays, exported CSV, the threshold of a bundle, and what is
printed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.cli.command import main
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.delivery.delivery_offsets import DeliveryOffsets
from softcore_edge_app.ledger.ledger import Change, Ledger, verify_ledger
from softcore_edge_app.outputs.archive_record import Kept, write_sidecar
from softcore_edge_app.web.port.token_file import take_token
from softcore_runtime import Inspector, LedgerError, UsageError
from softcore_runtime.atomic_file import write_atomically

from .records import decide

Capsys = pytest.CaptureFixture[str]
Disk = Callable[..., Path]


def fill(disk: Path) -> Path:
    with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    return disk


def list_others(disk: Path) -> list[str]:
    return sorted(file.name for file in disk.rglob("*") if file.name != "ballast")


@pytest.fixture
def entry(tiny_bundle: Path, good_frame: np.ndarray) -> DecisionRecord:
    inspector = Inspector.load(tiny_bundle)
    return decide(inspector, Frame(1, "a.png", image=good_frame)).record


def test_no_half_ledger_is_begun(small_disk: Disk) -> None:
    disk = fill(small_disk(1_000_000))
    path = disk / "line.ledger"
    with pytest.raises(LedgerError, match="can't be opened as a ledger") as raised:
        Ledger.open(path)
    assert "\n" not in str(raised.value)
    assert list_others(disk) == ["line.ledger.lock"]
    (disk / "ballast").unlink()
    Ledger.open(path).close()
    assert verify_ledger(path).closed


def test_a_ledger_that_can_not_be_opened_for_writing_stays_closed(
    small_disk: Disk, entry: DecisionRecord
) -> None:
    disk = small_disk(1_000_000)
    path = disk / "line.ledger"
    with Ledger.open(path) as ledger:
        ledger.append(entry)
    path.with_name("line.ledger.head").unlink()
    fill(disk)
    with pytest.raises(LedgerError):
        Ledger.open(path)
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (1, True, None)
    (disk / "ballast").unlink()
    with Ledger.open(path) as ledger:
        ledger.append(entry)
    assert verify_ledger(path).rows == 2


def test_no_half_parquet_is_left(
    small_disk: Disk, entry: DecisionRecord, tmp_path: Path, capsys: Capsys
) -> None:
    pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install 'softcore[parquet]'")
    path, disk = tmp_path / "line.ledger", fill(small_disk(100_000))
    with Ledger.open(path) as ledger:
        ledger.append(entry)
    out = disk / "rows.parquet"
    assert main(["ledger", "export", str(path), "--out", str(out)]) == 3
    assert capsys.readouterr().err == f"softcore-edge ledger: {out}: No space left on device\n"
    assert list_others(disk) == []


def test_no_half_labelled_image_is_left(
    small_disk: Disk, entry: DecisionRecord, tmp_path: Path, capsys: Capsys, good_frame: np.ndarray
) -> None:
    path, disk, kept = tmp_path / "line.ledger", fill(small_disk(100_000)), Kept.place(entry)
    with Ledger.open(path) as ledger:
        ledger.append(entry)
        ledger.note(Change("mark", entry.camera, entry.trigger, None, "good", "page"))
    image, sidecar = (kept.file(tmp_path / "archive", suffix) for suffix in (".png", ".json"))
    image.parent.mkdir(parents=True)
    image.write_bytes(b"x" * 9000)
    sidecar.write_bytes(write_sidecar(entry, good_frame.shape, b"x" * 9000))
    given = ["--archive", str(tmp_path / "archive"), "--out", str(disk / "out")]
    assert main(["ledger", "labels", str(path), *given]) == 3
    copy = disk / "out" / "good" / image.name
    assert capsys.readouterr().err == f"softcore-edge ledger: {copy}: No space left on device\n"
    assert not copy.exists()
    (disk / "ballast").unlink()
    shutil.rmtree(disk / "out")
    assert main(["ledger", "labels", str(path), *given]) == 0
    assert copy.read_bytes() == b"x" * 9000


def test_marks_that_can_not_be_kept_are_told_once(small_disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    disk = fill(small_disk(100_000))
    marks = DeliveryOffsets(disk / "line.ledger", "id")
    for row in range(3):
        marks.write("receiver", row)
        assert marks.read("receiver") is None
    marks.close()
    (told,) = caplog.messages
    assert told.startswith(f"{disk / 'line.ledger.deliveries'}: can't be kept (")


def test_no_empty_token_is_left(small_disk: Disk) -> None:
    disk = fill(small_disk(100_000))
    with pytest.raises(UsageError, match="the token can't be written"):
        take_token(disk / "token")
    assert list_others(disk) == []
    (disk / "ballast").unlink()
    assert len(take_token(disk / "token")) > 20


def test_no_half_unit_is_left(small_disk: Disk) -> None:
    disk = small_disk(100_000)
    (disk / "a.service").write_text("[Unit]\n")
    fill(disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(disk / "a.service", b"x" * 9000)
    assert list_others(disk) == ["a.service"]
    assert (disk / "a.service").read_text() == "[Unit]\n"
