"""Workplace: the folder in which a bundle is made, and its moving into place."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from softcore_runtime.errors import ExportError, UsageError

__all__ = ["check_target", "scratch", "workplace"]


def check_target(target: Path) -> None:
    """Refuse a place for a bundle that can't be written, by trying; nothing is left there.

    Raises:
        UsageError: `target` is there and is no bundle, or its place can't be written.
    """
    with scratch(target):
        pass


@contextlib.contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """Give a new folder beside `target`, where there is room for what a bundle needs; remove it at the end.

    So are the parents that were made for it, where nothing else has come into them.

    Raises:
        UsageError: `target` is there and is no bundle, or its place can't be written.
        ExportError: a write in the block failed (the disk is full) with an error that doesn't say where.
    """
    if target.exists() and not (target / "manifest.json").is_file():
        raise UsageError(
            f"{target}: is there already and is not a bundle; move it away, or choose another --out"
        )
    made = [parent for parent in target.parents if not parent.exists()]
    place: Path | None = None
    try:
        place = _make(target)
        yield place
    except OSError as error:
        if error.filename is None:
            reason = error.strerror or error
            raise ExportError(f"{target.parent}: the bundle can't be written ({reason})") from error
        raise
    finally:
        if place:
            shutil.rmtree(place, ignore_errors=True)
        for parent in made:  # nearest first
            with contextlib.suppress(OSError):
                parent.rmdir()


@contextlib.contextmanager
def workplace(target: Path) -> Iterator[Path]:
    """Give a new folder beside `target`; rename it to `target` at the end.

    If the block is left by an error or an interruption the folder is removed, and an earlier `target` stays
    as it was.

    Raises:
        UsageError, ExportError: as `scratch`.
    """
    with scratch(target) as place:
        try:
            yield place
            _move(place, target)
        finally:
            if target.exists():  # interrupted while the replaced bundle was being deleted
                shutil.rmtree(_replaced(place), ignore_errors=True)


def _make(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise UsageError(
            f"{target.parent}: can't be written ({error.strerror}); choose another --out"
        ) from error
    place.chmod(0o755)  # mkdtemp's 0700 would keep the line's own user out
    return place


def _move(place: Path, target: Path) -> None:
    if not target.exists():
        place.rename(target)
        return
    old = _replaced(place)
    try:
        target.rename(old)
        place.rename(target)
    finally:  # also where an interruption came right after a rename
        if not target.exists():
            old.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _replaced(place: Path) -> Path:
    """Name the folder in which a replaced bundle waits to be deleted."""
    return place.with_suffix(".old")
