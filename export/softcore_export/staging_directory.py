"""Staging directory: the folder in which a bundle is written before it is moved into place."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from softcore_runtime.atomic_file import flush_folder
from softcore_runtime.bundle.folder_swap import lock_folder, make_draft, remove_leftovers, restore, swap
from softcore_runtime.errors import ExportError, UsageError

__all__ = ["check_target", "scratch", "staging_directory"]


def check_target(target: Path) -> None:
    """Check that a bundle can be written at `target`, by creating a folder there and removing it again.

    Raises:
        UsageError: `target` exists and is no bundle, or its place can't be written.
    """
    with scratch(target):
        pass


@contextlib.contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """Create a new folder beside `target`, on the same disk, and remove it at the end of the block.

    Parents that were created for it are removed, too, if they are empty, and so is what an interrupted export
    left here. An earlier bundle that the interrupted export was replacing is restored first.

    Raises:
        UsageError: `target` exists and is no bundle, or its place can't be written.
        ExportError: a write in the block failed (the disk is full) with an error that names no file.
    """
    restore(target)
    if os.path.lexists(target) and not (target / "manifest.json").is_file():
        raise UsageError(
            f"{target}: is there already and is not a bundle; move it away, or choose another --out"
        )
    made = [parent for parent in target.parents if not parent.exists()]
    place: Path | None = None
    try:
        place = _create_beside(target)
        with lock_folder(place):
            remove_leftovers(target)
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
    """Create a new folder beside `target`, and move it to `target` at the end of the block, see `swap`.

    If the block ends by an error or an interruption the folder is removed, and an earlier `target` stays as
    it was.

    Raises:
        UsageError, ExportError: as `scratch`.
    """
    made = [parent for parent in target.parents if not parent.exists()]
    try:
        with scratch(target) as place:
            yield place
            swap(place, target)
            for parent in made:  # so that the bundle's folder exists after a power cut, too
                flush_folder(parent.parent)
    finally:  # also if the deletion of the replaced bundle was interrupted
        remove_leftovers(target)


def _create_beside(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return make_draft(target)
    except OSError as error:
        raise UsageError(
            f"{target.parent}: can't be written ({error.strerror}); choose another --out"
        ) from error
