from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from softcore_runtime.atomic_file import flush_folder, replace_file, write_atomically

# What a process does before it is killed: all calls of the operating system that write a file.
STEPS = ("open", "flock", "ftruncate", "write", "fchmod", "fsync", "replace", "fsync 2")
OWNERS = {"flock": fcntl, "replace": Path}  # of these functions; of the others it is os

KILLED = """
import fcntl, os, pathlib, sys
from softcore_runtime import atomic_file
name, _, number = sys.argv[1].partition(" ")
module = {"flock": fcntl, "replace": pathlib.Path}.get(name, os)
left = [int(number or 1)]
real = getattr(module, name)
def kill(*arguments, **named):
    left[0] -= 1
    if left[0] == 0:
        if name == "write":
            real(arguments[0], bytes(arguments[1])[:2])
        os._exit(9)
    return real(*arguments, **named)
setattr(module, name, kill)
atomic_file.write_atomically(pathlib.Path(sys.argv[2]), "new content", mode=0o644)
"""


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", ["", "zwölf\r\n", b"\xff\x00" * 100_000])
def test_the_content_is_written_as_it_is(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "a.txt"
    for _ in range(2):
        write_atomically(file, content)
        assert file.read_bytes() == (content.encode() if isinstance(content, str) else content)
        assert list_names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("there", [None, 0o600, 0o664])
@pytest.mark.parametrize("mode", [None, 0o644])
def test_a_file_keeps_its_mode_and_a_new_one_gets_what_was_asked_for(
    tmp_path: Path, there: int | None, mode: int | None
) -> None:
    file = tmp_path / "a.txt"
    umask = os.umask(0o027)
    try:
        if there is not None:
            file.touch()
            file.chmod(there)
        write_atomically(file, "new", mode=mode)
    finally:
        os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == (there or mode or 0o640)


def test_what_a_link_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "v1.txt").write_text("old")
    link = tmp_path / "a.txt"
    link.symlink_to("v1.txt")
    write_atomically(link, "new")
    assert (link.read_text(), link.is_symlink(), (tmp_path / "v1.txt").read_text()) == ("new", False, "old")


@pytest.mark.parametrize("step", [step for step in STEPS[:-1] if step != "flock"])
@pytest.mark.parametrize("there", [False, True])
def test_a_failure_leaves_the_old_content_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, there: bool
) -> None:
    file = tmp_path / "a.txt"
    if there:
        file.write_text("old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(OWNERS.get(step, os), step, fail)
        with pytest.raises(OSError, match="No space left on device") as raised:
            write_atomically(file, "new", mode=0o644)
    assert raised.value.filename == str(file)
    assert list_names(tmp_path) == ["a.txt"] * there
    assert not there or file.read_text() == "old"
    write_atomically(file, "new")
    assert file.read_text() == "new"


def test_an_interruption_leaves_nothing_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def interrupt(_handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, "new")
    assert (file.read_text(), list_names(tmp_path)) == ("old", ["a.txt"])


@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_at_any_step_leaves_one_of_the_two_and_the_next_write_tidies_up(
    tmp_path: Path, step: str
) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old content")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, step, file], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (9, "")
    assert file.read_text() == ("new content" if step == "fsync 2" else "old content")
    assert list_names(tmp_path) in (["a.txt"], [".a.txt.partial", "a.txt"])
    write_atomically(file, "newest")
    assert (file.read_text(), list_names(tmp_path)) == ("newest", ["a.txt"])


def test_content_and_name_are_on_the_disk_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, calls, real = tmp_path / "a.txt", [], os.fsync

    def note(handle: int) -> None:
        folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        calls.append(("folder" if folder else "file", file.exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", note)
    write_atomically(file, "new")
    assert calls == [("file", False), ("folder", True)]
    calls.clear()
    write_atomically(file, "newer", durable=False)
    assert (calls, file.read_text()) == ([], "newer")
    (tmp_path / "draft").write_text("newest")
    replace_file(tmp_path / "draft", file)
    assert (file.read_text(), calls, list_names(tmp_path)) == (
        "newest", [("file", True), ("folder", True)], ["a.txt"]
    )  # fmt: skip


def test_writers_at_the_same_time_leave_the_whole_content_of_one(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    contents = [letter * 100_000 for letter in "abcd"]

    def write(content: str) -> None:
        for _ in range(20):
            write_atomically(file, content, durable=False)

    writers = [threading.Thread(target=write, args=[content]) for content in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if file.exists():
            assert file.read_text() in contents
    for writer in writers:
        writer.join()
    assert list_names(tmp_path) == ["a.txt"]


def test_a_draft_may_be_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    draft = tmp_path / ".unfinished"
    draft.write_text("what a killed process left, which is longer")
    write_atomically(tmp_path / "day" / "a.txt", "new", draft=draft)
    assert ((tmp_path / "day" / "a.txt").read_text(), draft.exists()) == ("new", False)


def test_a_draft_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / ".a.txt.partial").symlink_to("mine")
    with pytest.raises(OSError, match=r"a\.txt"):
        write_atomically(tmp_path / "a.txt", "new")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_draft_of_another_user_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that can't be opened, in a folder that can be written."""
    draft = tmp_path / ".a.txt.partial"
    draft.write_text("half")
    foreign, real = draft.stat().st_ino, os.open

    def refuse(path: Path, flags: int, mode: int = 0o777) -> int:
        if Path(path) == draft and draft.exists() and draft.stat().st_ino == foreign:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse)
    write_atomically(tmp_path / "a.txt", "new")
    assert ((tmp_path / "a.txt").read_text(), list_names(tmp_path)) == ("new", ["a.txt"])


def test_a_file_system_without_locks_or_flushing_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def refuse_lock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    def refuse_folders(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    monkeypatch.setattr(fcntl, "flock", refuse_lock)
    monkeypatch.setattr(os, "fsync", refuse_folders)
    write_atomically(tmp_path / "a.txt", "new")
    flush_folder(tmp_path)
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("place", ["missing/a.txt", "folder"])
def test_a_place_that_takes_no_file_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"No such file|Is a directory") as raised:
        write_atomically(tmp_path / place, "new")
    assert raised.value.filename == str(tmp_path / place)
    assert list_names(tmp_path) == ["folder"]
