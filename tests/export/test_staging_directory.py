from __future__ import annotations

import errno
import json
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from softcore_export.staging_directory import check_target, staging_directory
from softcore_runtime.bundle import folder_swap
from softcore_runtime.errors import ExportError, UsageError

Snapshot = Callable[[Path], dict[str, bytes]]
INTERRUPTIONS = [RuntimeError, KeyboardInterrupt, SystemExit, MemoryError]


def write_bundle(place: Path, content: str) -> None:
    (place / "manifest.json").write_text(content)
    (place / "golden").mkdir()
    (place / "golden" / "frame").write_text(content)


def write_bundle_at(place: Path, content: str) -> None:
    place.mkdir()
    write_bundle(place, content)


def leave(target: Path, kind: type[BaseException], *also: Path) -> None:
    """Begin a bundle, put files elsewhere too, and be interrupted."""
    with staging_directory(target) as place:
        write_bundle(place, "half")
        for path in also:
            path.touch()
        raise kind


@pytest.fixture
def old(tmp_path: Path) -> Path:
    target = tmp_path / "bundles" / "pill"
    target.mkdir(parents=True)
    write_bundle(target, "old")
    (target / "only in the old one").touch()
    return target


def test_the_bundle_appears_whole_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "pill"
    with staging_directory(target) as place:
        assert place.parent == target.parent  # one file system, or it couldn't be renamed
        assert place.name.startswith(".")
        write_bundle(place, "new")
        assert not target.exists()
    assert [path.name for path in target.parent.iterdir()] == ["pill"]
    assert (target / "golden" / "frame").read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o755  # the line's own user may read it


def test_a_replacement_is_whole(old: Path, snapshot: Snapshot) -> None:
    with staging_directory(old) as place:
        write_bundle(place, "new")
        assert (old / "manifest.json").read_text() == "old"
    assert snapshot(old.parent) == {
        "pill": b"folder",
        "pill/golden": b"folder",
        "pill/golden/frame": b"new",
        "pill/manifest.json": b"new",
    }


@pytest.mark.parametrize("kind", INTERRUPTIONS)
def test_an_interruption_leaves_nothing_not_even_parents(tmp_path: Path, kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        leave(tmp_path / "a" / "b" / "c" / "pill", kind)
    assert list(tmp_path.iterdir()) == []


def test_only_parents_that_were_made_are_removed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(RuntimeError):
        leave(tmp_path / "a" / "b" / "pill", RuntimeError)
    assert list(tmp_path.rglob("*")) == [tmp_path / "a"]


def test_a_parent_that_others_use_by_now_stays(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        leave(tmp_path / "a" / "pill", RuntimeError, tmp_path / "a" / "theirs")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["theirs"]


@pytest.mark.parametrize("kind", INTERRUPTIONS)
def test_an_interruption_leaves_the_old_bundle(
    old: Path, snapshot: Snapshot, kind: type[BaseException]
) -> None:
    before = snapshot(old.parent)
    with pytest.raises(kind):
        leave(old, kind)
    assert snapshot(old.parent) == before


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("fatal", [1, 2])
def test_a_move_in_two_steps_that_fails_half_way_is_undone(
    monkeypatch: pytest.MonkeyPatch,
    old: Path,
    snapshot: Snapshot,
    fatal: int,
    late: bool,
    kind: type[BaseException],
) -> None:
    """The old bundle is moved away, the new one in: either may fail, or be interrupted just after."""
    before = snapshot(old.parent)
    monkeypatch.setattr(folder_swap, "_exchange", lambda *_: False)
    rename, calls = Path.rename, []

    def fail(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) != fatal:
            return rename(self, target)
        if late:
            rename(self, target)
        raise kind(errno.EIO, "no more", str(self))

    def make() -> None:
        with staging_directory(old) as place:
            write_bundle(place, "new")
            monkeypatch.setattr(Path, "rename", fail)

    with pytest.raises(kind):
        make()
    if (fatal, late) == (2, True):  # too late: the new bundle is there, whole
        assert (old / "manifest.json").read_text() == "new"
        assert [path.name for path in old.parent.iterdir()] == ["pill"]
    else:
        assert snapshot(old.parent) == before


def test_a_process_killed_at_any_step_leaves_a_whole_bundle(tmp_path: Path) -> None:
    """And the next export leaves nothing else; with an exchange in one step, and without."""
    driver = Path(__file__).parent / "kill_staging_directory.py"
    done = subprocess.run([sys.executable, driver, tmp_path], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    counts, faults = json.loads(done.stdout)
    assert faults == []
    assert min(counts) > 20


def test_what_a_killed_export_left_is_removed_by_the_next(old: Path) -> None:
    for kind in ("partial", "old"):
        write_bundle_at(old.with_name(f".pill.abcdefgh.{kind}"), "left")
    others = [".pill.v2.abcdefgh.partial", ".pill.notes", "pills"]
    for name in others:
        old.with_name(name).mkdir()
    check_target(old)
    assert sorted(path.name for path in old.parent.iterdir()) == sorted(["pill", *others])


def test_an_export_leaves_another_one_alone_that_is_still_running(old: Path) -> None:
    with staging_directory(old) as first:
        write_bundle(first, "first")
        with staging_directory(old) as second:
            write_bundle(second, "second")
        assert (old / "manifest.json").read_text() == "second"
        assert (first / "manifest.json").read_text() == "first"
    assert (old / "manifest.json").read_text() == "first"
    assert [path.name for path in old.parent.iterdir()] == ["pill"]


def test_the_next_export_brings_the_earlier_bundle_back_first(old: Path) -> None:
    old.rename(old.with_name(".pill.abcdefgh.old"))  # as a power cut between two renames leaves it
    with pytest.raises(RuntimeError):
        leave(old, RuntimeError)
    assert [path.name for path in old.parent.iterdir()] == ["pill"]
    assert (old / "manifest.json").read_text() == "old"


def test_an_interruption_while_the_old_bundle_is_deleted_leaves_the_new(
    monkeypatch: pytest.MonkeyPatch, old: Path
) -> None:
    remove, calls = shutil.rmtree, []

    def interrupt(path: Path, ignore_errors: bool = False) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise KeyboardInterrupt
        remove(path, ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", interrupt)
    with pytest.raises(KeyboardInterrupt), staging_directory(old) as place:
        write_bundle(place, "new")
    assert [path.name for path in old.parent.iterdir()] == ["pill"]
    assert (old / "manifest.json").read_text() == "new"


def test_what_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("precious")
    for name in ("folder", "file", "link"):
        with pytest.raises(UsageError, match=rf"{name}: is there already and is not a bundle"):
            staging_directory(tmp_path / name).__enter__()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "link"]
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("below", ["pill", "a/pill"])
def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "bundles").write_text("a file")
    with pytest.raises(UsageError, match=r"bundles.*: can't be written"):
        staging_directory(tmp_path / "bundles" / below).__enter__()
    assert (tmp_path / "bundles").read_text() == "a file"


def test_a_disk_that_takes_no_writes_is_named(small_disk: Callable[..., Path]) -> None:
    disk = small_disk(1 << 20, "ro")
    for target in (disk / "pill", disk / "a" / "b" / "pill"):
        with pytest.raises(UsageError, match=r"disk.*: can't be written \(Read-only file system"):
            staging_directory(target).__enter__()


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), OSError("4096 requested and 12 written")]
)
def test_a_failed_write_names_the_place(tmp_path: Path, error: OSError) -> None:
    """Errors of write() name no file, and numpy's carry no number either."""
    with pytest.raises(ExportError) as raised, staging_directory(tmp_path / "a" / "pill"):
        raise error
    assert str(tmp_path / "a") in str(raised.value)
    assert (error.strerror or str(error)) in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_an_error_that_names_its_file_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), staging_directory(tmp_path / "pill"):
        (tmp_path / "elsewhere").read_bytes()


def test_a_place_is_tried_and_left_as_it_was(tmp_path: Path, old: Path, snapshot: Snapshot) -> None:
    before = snapshot(tmp_path)
    check_target(old)
    check_target(tmp_path / "a" / "b" / "pill")
    assert snapshot(tmp_path) == before
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for target, said in (
        (tmp_path / "file" / "pill", "file: can't be written (File exists); choose another --out"),
        (tmp_path / "folder", "folder: is there already and is not a bundle"),
    ):
        with pytest.raises(UsageError) as caught:
            check_target(target)
        assert said in str(caught.value)
