from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.configuration.options import ArchiveOptions
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.outputs.archive import Archive
from softcore_edge_app.outputs.archive_record import IMAGE, OVERLAY, SIDECAR, Kept, list_kept, read_sidecar
from softcore_runtime import Decision, Inspector, UsageError, overlay, read_image

from ..records import decide

NOW = time.time_ns()
SECOND = 10**9
PATIENCE = 60.0


@pytest.fixture
def inspector(tiny_bundle: Path) -> Inspector:
    return Inspector.load(tiny_bundle)


@pytest.fixture
def make(inspector: Inspector) -> Callable[..., PublishedDecision]:
    """A function that decides on an image; what is None was not taken."""
    count = 0

    def make(image: np.ndarray | None, *, at: int = NOW, **changes: Any) -> PublishedDecision:
        nonlocal count
        count += 1
        reason = None if image is not None else "no frame in time"
        frame = Frame(count, f"left#{count}", image=image, reason=reason)
        made = decide(inspector, frame, f"run-{count}", at + count * SECOND)
        return replace(
            made, record=replace(made.record, **changes), frame=frame if image is not None else None
        )

    return make


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Archive]]:
    """A function that starts an archive, in `tmp_path / archive` unless told otherwise."""
    started: list[Archive] = []

    def start(folder: Path = tmp_path / "archive", **options: float) -> Archive:
        archive = Archive(ArchiveOptions(folder=folder, **options))
        started.append(archive)
        return archive

    yield start
    for archive in started:
        archive.close(PATIENCE)


def wait_for(condition: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "it didn't come"
        time.sleep(0.01)


def fill(disk: Path) -> None:
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(b"x" * 4096):
            pass


def view(folder: Path) -> set[Kept]:
    return {kept for found in list_kept(folder) for kept in found}


def test_a_fail_is_kept_whole(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    bad_frame: np.ndarray,
    tmp_path: Path,
) -> None:
    decided = make(bad_frame)
    archive = start()
    archive.keep(decided)
    archive.close(PATIENCE)
    kept = Kept.place(decided.record)
    folder = tmp_path / "archive"
    image = kept.file(folder, IMAGE)
    assert np.array_equal(read_image(image), bad_frame)
    assert decided.result
    drawn = overlay(bad_frame, decided.result).astype(int)
    saved = read_image(kept.file(folder, OVERLAY)).astype(int)
    assert saved.shape == drawn.shape
    assert np.abs(saved - drawn).mean() < 5  # a JPEG
    record = read_sidecar(kept.file(folder, SIDECAR))
    assert record.record == decided.record
    assert record.image
    assert record.image.sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
    assert (record.image.height, record.image.width) == bad_frame.shape[:2]
    assert sorted(path.name for path in image.parent.iterdir()) == sorted(
        kept.file(folder, suffix).name for suffix in (IMAGE, OVERLAY, SIDECAR)
    )
    assert [path.name for path in folder.iterdir()] == [kept.moment[:10]]
    assert (archive.kept, archive.dropped, archive.fault) == (1, 0, None)


def test_of_an_invalid_there_is_what_there_was(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    good_frame: np.ndarray,
    tmp_path: Path,
) -> None:
    unseen, late = make(None), make(good_frame, decision="INVALID", score=None, bound=None, reason="late")
    archive = start()
    archive.keep(unseen)
    archive.keep(late)
    archive.close(PATIENCE)
    folder = tmp_path / "archive"
    files = {
        kept: {suffix for suffix in (IMAGE, OVERLAY, SIDECAR) if kept.file(folder, suffix).exists()}
        for kept in view(folder)
    }
    # An overlay says PASS, which isn't what was decided.
    assert files == {Kept.place(unseen.record): {SIDECAR}, Kept.place(late.record): {SIDECAR, IMAGE}}
    assert read_sidecar(Kept.place(unseen.record).file(folder, SIDECAR)).image is None


@pytest.mark.parametrize(("share", "least", "most"), [(0, 0, 0), (0.25, 20, 80), (1, 200, 200)])
def test_a_share_of_pass_is_kept_and_always_the_same(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    good_frame: np.ndarray,
    tmp_path: Path,
    share: float,
    least: int,
    most: int,
) -> None:
    parts = [make(good_frame) for _ in range(200)]
    found = []
    for name in ("one", "other"):
        archive = start(tmp_path / name, pass_share=share)
        for part in parts:
            while len(archive._waiting) > 32:
                time.sleep(0.01)
            archive.keep(part)
        archive.close(PATIENCE)
        found.append(view(tmp_path / name))
        assert archive.kept == len(found[-1])
        assert archive.dropped == 0
    assert least <= len(found[0]) <= most
    assert found[0] == found[1]


def test_what_comes_too_fast_is_counted_and_said_once(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    bad_frame: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    go_on = threading.Event()
    store = Archive._store

    def wait_and_store(self: Archive, kept: Kept, files: dict[str, bytes]) -> None:
        go_on.wait(PATIENCE)
        store(self, kept, files)

    monkeypatch.setattr(Archive, "_store", wait_and_store)
    archive, part = start(), make(bad_frame)
    parts = [make(bad_frame) for _ in range(100)]
    archive.keep(part)
    wait_for(lambda: not archive._waiting)
    for part in parts:
        archive.keep(part)
    assert archive.dropped == 36
    go_on.set()
    wait_for(lambda: archive.kept == 65)
    for part in [make(bad_frame) for _ in range(100)]:
        archive.keep(part)
    archive.close(PATIENCE)
    assert archive.kept + archive.dropped == 201
    assert len(view(tmp_path / "archive")) == archive.kept
    assert sum("faster than they can be written" in line for line in caplog.messages) == 1


def test_images_that_wait_are_bounded_by_their_bytes(
    start: Callable[..., Archive], make: Callable[..., PublishedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, written = threading.Event(), []

    def wait(_: Archive, decided: PublishedDecision) -> None:
        go_on.wait(PATIENCE)
        written.append(decided)

    monkeypatch.setattr(Archive, "_write", wait)
    archive = start()
    large = np.zeros((5000, 5000, 3), np.uint8)  # 75 MB; three are below the bound
    part = make(None)
    parts = [PublishedDecision(part.record, Frame(n, "large", image=large), None) for n in range(6)]
    for dropped in (3, 6):
        go_on.clear()
        archive.keep(part)
        wait_for(lambda: not archive._waiting)
        for one in parts:
            archive.keep(one)
        assert (len(archive._waiting), archive.dropped) == (3, dropped)
        go_on.set()
        wait_for(lambda: len(written) == 4 * dropped // 3)  # noqa: B023 - it ends with the round
    huge = np.broadcast_to(np.uint8(0), (20_000, 20_000, 3))  # one alone is tried, however large
    archive.keep(PublishedDecision(part.record, Frame(1, "huge", image=huge), None))
    wait_for(lambda: not archive._waiting)
    assert archive.dropped == 6


def test_closing_takes_no_longer_than_it_may(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    bad_frame: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(Archive, "_store", lambda *_: go_on.wait(PATIENCE))
    archive = start()
    for _ in range(10):
        archive.keep(make(bad_frame))
    wait_for(lambda: len(archive._waiting) == 9)
    archive.close(0.05)
    assert archive.dropped == 9
    assert "9 parts couldn't be written in time" in caplog.text
    archive.keep(make(bad_frame))
    assert archive.dropped == 10
    go_on.set()


def test_quotas_hold_for_what_was_there_too(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    bad_frame: np.ndarray,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "archive"
    archive = start()
    old, parts = make(bad_frame, at=NOW - 40 * 86_400 * SECOND), [make(bad_frame) for _ in range(10)]
    for part in (old, *parts):
        archive.keep(part)
    archive.close(PATIENCE)
    assert len(view(folder)) == 11
    (folder / "notes.txt").write_text("mine")
    size = sum(next(iter([found.get(Kept.place(parts[0].record), 0)])) for found in list_kept(folder))
    archive = start(max_gigabytes=6.5 * size / 1e9, max_days=30)
    wait_for(lambda: len(view(folder)) == 6)
    new = make(bad_frame)
    archive.keep(new)
    archive.close(PATIENCE)
    assert view(folder) == {Kept.place(part.record) for part in (*parts[5:], new)}
    assert (folder / "notes.txt").read_text() == "mine"
    assert not (folder / Kept.place(old.record).moment[:10]).exists()


def test_a_full_disk_takes_the_place_of_the_oldest_pass_and_then_drops(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    bad_frame: np.ndarray,
    good_frame: np.ndarray,
    small_disk: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk = small_disk(400_000)
    folder = disk / "archive"
    archive = start(folder, pass_share=1)

    def keep(part: PublishedDecision) -> bool:
        kept, count = archive.kept, archive.kept + archive.dropped
        archive.keep(part)
        wait_for(lambda: archive.kept + archive.dropped > count)
        return archive.kept > kept

    passed = [make(good_frame) for _ in range(5)]
    assert all(keep(part) for part in passed)
    fill(disk)
    failed = make(bad_frame)
    assert keep(failed)
    assert (archive.dropped, archive.fault) == (0, None)
    there = view(folder)
    assert Kept.place(failed.record) in there
    assert Kept.place(passed[0].record) not in there
    assert Kept.place(passed[-1].record) in there
    while keep(make(bad_frame)):
        pass
    assert not [kept for kept in view(folder) if kept.decision is Decision.PASS]
    assert archive.fault == (
        f"archive {folder}: can't be written (No space left on device); parts are not kept until it can"
    )
    before = view(folder)
    for _ in range(5):
        assert not keep(make(bad_frame))
    assert view(folder) == before
    assert not list(folder.glob(".*"))
    assert all(kept.file(folder, SIDECAR).exists() for kept in before)
    os.truncate(disk / "filler", (disk / "filler").stat().st_size - 4096)
    assert keep(make(None))  # a sidecar alone finds room, but the fault isn't over
    assert archive.fault
    (disk / "filler").unlink()
    assert keep(make(bad_frame))
    wait_for(lambda: len(caplog.messages) > 1)  # said once the fault is over
    assert archive.fault is None
    assert archive.dropped == 6
    assert [line.partition(f"{folder}: ")[2].partition(";")[0] for line in caplog.messages] == [
        "can't be written (No space left on device)",
        "is written again",
    ]
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]


def test_a_image_that_cannot_be_drawn_does_not_end_it(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    bad_frame: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def spoil(*_: object) -> None:
        raise ValueError("it is upside down")

    archive = start()
    with monkeypatch.context() as patch:
        patch.setattr("softcore_edge_app.outputs.archive.overlay", spoil)
        archive.keep(make(bad_frame))
        wait_for(lambda: archive.dropped == 1)
        wait_for(lambda: archive.fault)
        assert "ValueError: it is upside down" in str(archive.fault)
    archive.keep(make(bad_frame))
    wait_for(lambda: archive.kept == 1)
    wait_for(lambda: archive.fault is None)


def test_a_clock_that_jumps_a_year_makes_nothing_old(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    bad_frame: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = start(max_days=30)
    archive.keep(make(bad_frame, at=time.time_ns()))
    wait_for(lambda: archive.kept == 1)
    ahead = time.time_ns() + 365 * 86_400 * SECOND
    monkeypatch.setattr(time, "time_ns", lambda: ahead)
    archive.keep(make(bad_frame, at=ahead))
    wait_for(lambda: archive.kept == 2)
    archive.close(PATIENCE)
    assert len(view(tmp_path / "archive")) == 2


def test_what_cannot_be_removed_is_said_until_it_can(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    bad_frame: np.ndarray,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    archive, old = start(), make(bad_frame, at=NOW - 40 * 86_400 * SECOND)
    archive.keep(old)
    archive.close(PATIENCE)
    sidecar = Kept.place(old.record).file(tmp_path / "archive", SIDECAR)
    sidecar.unlink()
    sidecar.mkdir()  # as good as a folder that may not be written, for root too
    archive = start(max_days=30)
    wait_for(lambda: archive.fault)
    assert f"{sidecar} can't be removed (Is a directory)" in str(archive.fault)
    archive.keep(make(bad_frame))
    wait_for(lambda: archive.kept == 1)
    assert archive.fault
    sidecar.rmdir()
    archive.keep(make(bad_frame))
    wait_for(lambda: archive.fault is None)
    assert len(view(tmp_path / "archive")) == 2
    assert len(caplog.messages) == 2


def test_nothing_is_written_on_the_disk_below_one_that_was_unmounted(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    bad_frame: np.ndarray,
    small_disk: Callable[..., Path],
) -> None:
    disk = small_disk(1_000_000)
    archive = start(disk)
    archive.keep(make(bad_frame))
    wait_for(lambda: archive.kept == 1)
    subprocess.run(["umount", "-l", disk], check=True)
    try:
        archive.keep(make(bad_frame))
        wait_for(lambda: archive.dropped == 1)
        assert f"archive {disk}: can't be written (" in str(archive.fault)
        assert "is another file than the one that was opened" in str(archive.fault)
        assert list(disk.iterdir()) == []
    finally:  # the fixture unmounts it
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=True)


def test_a_folder_that_is_removed_is_told_and_not_made_anew(
    start: Callable[..., Archive],
    make: Callable[..., PublishedDecision],
    bad_frame: np.ndarray,
    tmp_path: Path,
) -> None:
    archive, folder = start(), tmp_path / "archive"
    folder.rename(tmp_path / "away")
    archive.keep(make(bad_frame))
    wait_for(lambda: archive.fault)
    assert "archive is gone (No such file or directory)" in str(archive.fault)
    assert not folder.exists()
    (tmp_path / "away").rename(folder)
    archive.keep(make(bad_frame))
    wait_for(lambda: archive.kept == 1)
    wait_for(lambda: archive.fault is None)
    assert archive.dropped == 1


def test_what_was_left_unfinished_is_removed(start: Callable[..., Archive], tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / ".unfinished").write_bytes(b"half a pict")
    start()
    assert list((tmp_path / "archive").iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/archive"])
def test_what_can_be_no_folder_is_refused(start: Callable[..., Archive], tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"archive .*: not a folder to write to"):
        start(tmp_path / name)


def test_a_full_disk_does_not_keep_it_from_starting(
    start: Callable[..., Archive], small_disk: Callable[..., Path]
) -> None:
    disk = small_disk(50_000)
    fill(disk)
    archive = start(disk)
    assert archive.fault is None


def test_a_folder_is_one_lines_alone(start: Callable[..., Archive], tmp_path: Path) -> None:
    archive = start()
    with pytest.raises(UsageError, match="another process writes it; give each line its own"):
        start()
    archive.close(PATIENCE)
    start().close(PATIENCE)
    code = f"""
from dataclasses import replace
from pathlib import Path
from softcore_edge_app.configuration.options import ArchiveOptions
from softcore_edge_app.outputs.archive import Archive
Archive(ArchiveOptions(folder=Path({str(tmp_path / "archive")!r})))
__import__("os").kill(__import__("os").getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ)).returncode == -9
    start()
