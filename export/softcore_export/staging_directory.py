"""Workplace: the folder in which a bundle is made, and its moving into place."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from softcore_runtime.bundle.folder_swap import flush_folder, hold, make_draft, remove_left, restore, swap
from softcore_runtime.errors import ExportError, UsageError

__all__ = ["check_target", "scratch", "staging_directory"]


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

    So are the parents that were made for it, where nothing else has come into them, and what an interrupted
    export left here; an earlier bundle that such a one was just replacing is brought back first.

    Raises:
        UsageError: `target` is there and is no bundle, or its place can't be written.
        ExportError: a write in the block failed (the disk is full) with an error that doesn't say where.
    """
    restore(target)
    if os.path.lexists(target) and not (target / "manifest.json").is_file():
        raise UsageError(
            f"{target}: is there already and is not a bundle; move it away, or choose another --out"
        )
    made = [parent for parent in target.parents if not parent.exists()]
    place: Path | None = None
    try:
        place = _make(target)
        with hold(place):
            remove_left(target)
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
def staging_directory(target: Path) -> Iterator[Path]:
    """Give a new folder beside `target`; put it in the place of `target` at the end, see `swap`.

    If the block is left by an error or an interruption the folder is removed, and an earlier `target` stays
    as it was.

    Raises:
        UsageError, ExportError: as `scratch`.
    """
    made = [parent for parent in target.parents if not parent.exists()]
    try:
        with scratch(target) as place:
            yield place
            swap(place, target)
            for parent in made:  # so that the bundle's folder is found after a power cut, too
                flush_folder(parent.parent)
    finally:  # also where the replaced bundle's deletion was interrupted
        remove_left(target)


def _make(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return make_draft(target)
    except OSError as error:
        raise UsageError(
            f"{target.parent}: can't be written ({error.strerror}); choose another --out"
        ) from error
