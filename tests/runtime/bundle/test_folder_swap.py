from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
from softcore_runtime import UsageError, read_bundle
from softcore_runtime.atomic_file import flush_folder
from softcore_runtime.bundle import folder_swap
from softcore_runtime.bundle.folder_swap import (
    flush_tree,
    list_replaced,
    lock_folder,
    make_draft,
    remove_leftovers,
    restore,
    swap,
)


def write(folder: Path, content: str) -> Path:
    (folder / "golden").mkdir(parents=True)
    (folder / "manifest.json").write_text(content)
    (folder / "golden" / "frame").write_text(content)
    return folder


def read(folder: Path) -> str:
    """The content of a whole folder."""
    one, other = (folder / "manifest.json").read_text(), (folder / "golden" / "frame").read_text()
    assert one == other
    return one


@pytest.fixture(params=["one step", "two steps"])
def _steps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "two steps":
        monkeypatch.setattr(folder_swap, "_exchange", lambda *_: False)


@pytest.mark.usefixtures("_steps")
@pytest.mark.parametrize("there", [False, True])
def test_a_draft_takes_the_place(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "pill"
    if there:
        write(target, "old")
    draft = make_draft(target)
    assert stat.S_IMODE(draft.stat().st_mode) == 0o755
    draft.rmdir()
    swap(write(draft, "new"), target)
    assert read(target) == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["pill"]


@pytest.mark.usefixtures("_steps")
def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    elsewhere, target = write(tmp_path / "v1", "old"), tmp_path / "pill"
    target.symlink_to(elsewhere)
    swap(write(tmp_path / ".pill.abcdefgh.partial", "new"), target)
    assert (read(target), target.is_symlink(), read(elsewhere)) == ("new", False, "old")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pill", "v1"]


def test_this_system_exchanges_in_one_step(tmp_path: Path) -> None:
    """Linux has it since 2014 and glibc since 2018; the name never leads nowhere then."""
    if not hasattr(ctypes.CDLL(None), "renameat2"):
        pytest.skip("needs a C library with renameat2: glibc 2.28")
    one, other = write(tmp_path / "one", "1"), write(tmp_path / "other", "2")
    assert folder_swap._exchange(one, other)
    assert (read(one), read(other)) == ("2", "1")
    with pytest.raises(FileNotFoundError, match="No such file"):
        folder_swap._exchange(one, tmp_path / "none")


@pytest.mark.usefixtures("_steps")
@pytest.mark.parametrize("there", [False, True])
def test_all_is_on_the_disk_before_the_move_and_the_move_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """What fsync was called for, by inode, and what the target's name led to just then."""
    target = tmp_path / "pill"
    if there:
        write(target, "old")
    draft = write(tmp_path / ".pill.abcdefgh.partial", "new")
    new = {path.stat().st_ino for path in (draft, *draft.rglob("*"))}
    flushed: list[tuple[int, bool]] = []
    flush = os.fsync

    def note(handle: int) -> None:
        moved = target.exists() and target.stat().st_ino in new
        flushed.append((os.fstat(handle).st_ino, moved))
        flush(handle)

    monkeypatch.setattr(os, "fsync", note)
    swap(draft, target)
    assert {inode for inode, moved in flushed if not moved} == new
    assert {inode for inode, moved in flushed if moved} == {tmp_path.stat().st_ino}


def test_a_disk_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = write(tmp_path / "pill", "old")
    draft = write(make_draft(target) / "in", "new").parent

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output error"):
        swap(draft, target)
    assert read(target) == "old"


def test_a_file_system_that_cannot_flush_folders_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    flush_folder(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Invalid argument"):  # of a file it would be a fault
        flush_tree(tmp_path)


def test_what_was_being_replaced_is_brought_back_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "pill"
    assert not restore(target)
    write(tmp_path / ".pill.abcdefgh.old", "old")
    write(tmp_path / ".pill.v2.abcdefgh.old", "another's")
    write(tmp_path / ".pill.abcdefgh.partial", "perhaps half")
    assert list_replaced(tmp_path) == ["pill", "pill.v2"]
    assert restore(target)
    assert read(target) == "old"
    assert caplog.messages == [
        f"{target}: was being replaced when that was interrupted; the earlier one is back"
    ]
    assert list_replaced(tmp_path) == ["pill.v2"]
    write(tmp_path / ".pill.12345678.old", "being deleted")
    assert not restore(target)
    assert read(target) == "old"


def test_the_last_that_was_replaced_is_brought_back(tmp_path: Path) -> None:
    for name, age in (("aaaaaaaa", 10), ("bbbbbbbb", 20)):
        left = write(tmp_path / f".pill.{name}.old", name)
        os.utime(left, (age, age))
    assert restore(tmp_path / "pill")
    assert read(tmp_path / "pill") == "bbbbbbbb"


def test_a_swap_that_is_under_way_is_waited_for(tmp_path: Path) -> None:
    """Whoever has locked the replaced one is between two renames."""
    target, left = tmp_path / "pill", write(tmp_path / ".pill.abcdefgh.old", "old")
    found: list[bool] = []
    with lock_folder(left):
        thread = threading.Thread(target=lambda: found.append(restore(target)), daemon=True)
        thread.start()
        write(tmp_path / ".pill.abcdefgh.partial", "new").rename(target)
        assert found == []
    thread.join(60)
    assert found == [False]
    assert read(target) == "new"


def test_what_cannot_be_moved_back_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / ".pill.abcdefgh.old", "old")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(UsageError) as caught:
        restore(tmp_path / "pill")
    assert str(caught.value) == (
        f"{tmp_path / 'pill'}: was being replaced when that was interrupted, and .pill.abcdefgh.old beside "
        "it can't be moved back (Permission denied); rename it to pill"
    )


def test_only_what_nobody_uses_is_removed(tmp_path: Path) -> None:
    target = write(tmp_path / "pill", "here")
    for name in (
        ".pill.aaaaaaaa.partial",
        ".pill.bbbbbbbb.old",
        ".pill.cccccccc.partial",
        ".pill.v2.aaaaaaaa.old",
    ):
        write(tmp_path / name, "left")
    with lock_folder(tmp_path / ".pill.cccccccc.partial"):
        remove_leftovers(target)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".pill.cccccccc.partial", ".pill.v2.aaaaaaaa.old", "pill",
    ]  # fmt: skip
    shutil.rmtree(target)
    write(tmp_path / ".pill.bbbbbbbb.old", "the only one")
    remove_leftovers(target)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".pill.bbbbbbbb.old", ".pill.v2.aaaaaaaa.old"]


def test_a_folder_is_held_until_the_end_of_the_block(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    try:
        with lock_folder(tmp_path), pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(handle)


def test_a_bundle_is_read_where_it_was_being_replaced(tiny_bundle: Path) -> None:
    tiny_bundle.rename(tiny_bundle.with_name(".tiny.abcdefgh.old"))
    assert read_bundle(tiny_bundle).manifest.category == "tiny"
