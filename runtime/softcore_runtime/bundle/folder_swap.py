"""Folder swap: a finished folder takes the place of another in one step, whole even after a power cut.

::

    .pill.k3v9x0ab.partial    being written, or replaced and being deleted
    .pill.k3v9x0ab.old        replaced, on a file system that can't exchange two folders in one step
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from softcore_runtime.atomic_file import flush_file, flush_folder
from softcore_runtime.errors import UsageError

__all__ = [
    "flush_tree",
    "list_replaced",
    "lock_folder",
    "make_draft",
    "remove_leftovers",
    "restore",
    "swap",
]

_log = logging.getLogger(__name__)

_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE
_CANNOT_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}  # this file system or kernel can't exchange
_LEFT = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}\.(?P<kind>partial|old)")


def make_draft(target: Path) -> Path:
    """Make a folder beside `target`, to be written and then swapped in.

    Args:
        target: what it will be.

    Returns:
        its path; any user may read it, as far as the process's umask allows that.

    Raises:
        OSError: it can't be made.

    Example:
        >>> make_draft(path).name
        '.tiny....partial'
    """
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    draft.chmod(0o755)  # mkdtemp's 0700 would keep the line's own user out
    return draft


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Mark a folder as in use by this process, until the block or the process ends, whatever ends it.

    Waits for whoever has it. On a file system without locks nothing is marked.

    Args:
        folder: any folder.

    Example:
        >>> with lock_folder(path):
        ...     pass
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def swap(draft: Path, target: Path) -> None:
    """Put a finished folder in the place of another, which is deleted, or where there is none yet.

    At every moment `target` is one of the two, whole. Where the file system can't exchange two folders in
    one step it is missing for a moment, and `restore` brings it back if this process ends just then. All of
    `draft` is on the disk before it is moved, and so is the move when this returns.

    Args:
        draft: the finished folder, beside `target`.
        target: where it goes.

    Raises:
        OSError: something can't be written; `target` is as it was, unless the last step failed, which is to
            bring the move itself to the disk.

    Example:
        >>> import shutil
        >>> draft = make_draft(path)
        >>> _ = shutil.copytree(path, draft, dirs_exist_ok=True)
        >>> swap(draft, path)
        >>> draft.exists(), (path / "manifest.json").exists()
        (False, True)
    """
    flush_tree(draft)
    try:
        present = os.open(target, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        draft.rename(target)
        flush_folder(target.parent)
        return
    os.close(present)
    replaced = draft
    with lock_folder(target):
        if not _exchange(draft, target):
            replaced = draft.with_suffix(".old")
            try:
                target.rename(replaced)
                draft.rename(target)
            finally:  # also where an interruption came right after a rename
                if not target.exists():
                    replaced.rename(target)
        flush_folder(target.parent)
    _delete(replaced)


def restore(target: Path) -> bool:
    """Bring a folder back that was being replaced when the machine or the process stopped.

    Costs a look at one file where `target` is there.

    Args:
        target: the folder's place.

    Returns:
        whether that was needed.

    Raises:
        UsageError: it was, and it can't be moved back.

    Example:
        >>> restore(path)
        False
        >>> _ = path.rename(path.with_name(".tiny.k3v9x0ab.old"))  # as a power cut may leave it
        >>> restore(path), path.exists()
        (True, True)
    """
    if target.exists() or target.is_symlink():
        return False
    for left in reversed(_list_left(target, "old")):
        try:
            with lock_folder(left):  # a swap that is under way ends first
                if target.exists():
                    return False
                left.rename(target)
                flush_folder(target.parent)
        except FileNotFoundError:  # somebody else has just brought it back
            return False
        except OSError as error:
            raise UsageError(
                f"{target}: was being replaced when that was interrupted, and {left.name} beside it can't be "
                f"moved back ({error.strerror}); rename it to {target.name}"
            ) from error
        _log.warning("%s: was being replaced when that was interrupted; the earlier one is back", target)
        return True
    return False


def list_replaced(folder: Path) -> list[str]:
    """Name what `restore` would bring back in a folder.

    Args:
        folder: whose content is looked at.

    Returns:
        names, sorted.

    Raises:
        OSError: the folder can't be read.

    Example:
        >>> list_replaced(path.parent)
        []
    """
    found = {m["name"] for p in folder.iterdir() if (m := _LEFT.fullmatch(p.name)) and m["kind"] == "old"}
    return sorted(name for name in found if not (folder / name).exists())


def remove_leftovers(target: Path) -> None:
    """Delete what interrupted processes left beside a folder: unfinished ones, and replaced ones.

    What a process still has in use stays, and so does everything where `target` isn't there.

    Args:
        target: the folder.

    Example:
        >>> left = make_draft(path)
        >>> remove_leftovers(path)
        >>> left.exists()
        False
    """
    kinds = ("partial", "old") if target.exists() else ("partial",)
    for left in (left for kind in kinds for left in _list_left(target, kind)):
        if left.is_symlink() or not left.is_dir():
            continue
        with contextlib.suppress(OSError):
            handle = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _delete(left)
            finally:
                os.close(handle)


def flush_tree(folder: Path) -> None:
    """Bring all files and folders under a folder to the disk, itself the last.

    Args:
        folder: that.

    Raises:
        OSError: the disk is full or failing.

    Example:
        >>> flush_tree(path)
    """
    for place, _, files in os.walk(folder, topdown=False):
        for name in files:
            flush_file(Path(place, name))
        flush_folder(Path(place))


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where that can't be done here."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:  # not Linux, or an older C library
        return False
    rename.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def _list_left(target: Path, kind: str) -> list[Path]:
    """List what was left beside a folder, the oldest first."""
    try:
        there = list(target.parent.iterdir())
    except OSError:
        return []
    found = [
        path
        for path in there
        if (match := _LEFT.fullmatch(path.name)) and (match["name"], match["kind"]) == (target.name, kind)
    ]
    return sorted(found, key=lambda path: path.lstat().st_mtime_ns)


def _delete(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
