"""Folder swap: replaces a folder by a finished one in one step, safe against a power cut.

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

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_CANNOT_EXCHANGE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}  # this file system or kernel can't exchange
_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}\.(?P<kind>partial|old)")


def make_draft(target: Path) -> Path:
    """Make a folder beside `target`, to be filled and then swapped in.

    Args:
        target: the folder that it will become.

    Returns:
        its path; any user may read it.

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
    """Lock a folder for this process until the block or the process ends.

    Waits for another process that holds the lock. On a file system without locks nothing is locked.

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
    """Move a finished folder to its place, and delete the folder that it replaces, if any.

    At every moment `target` is one of the two, complete. If the file system can't exchange two folders in one
    step it is missing for a moment, and `restore` moves it back if this process ends just then. All of
    `draft` is on the disk before it is moved, and so is the move when this returns.

    Args:
        draft: the finished folder, beside `target`.
        target: its place.

    Raises:
        OSError: something can't be written; `target` is as it was, unless the last step failed, which
            flushes the move itself to the disk.

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
            finally:  # also if an interruption came right after a rename
                if not target.exists():
                    replaced.rename(target)
        flush_folder(target.parent)
    _delete(replaced)


def restore(target: Path) -> bool:
    """Move a folder back that was being replaced when the machine or the process stopped.

    If `target` exists this takes one `stat`.

    Args:
        target: the folder's place.

    Returns:
        whether that was needed.

    Raises:
        UsageError: it was needed, and it can't be moved back.

    Example:
        >>> restore(path)
        False
        >>> _ = path.rename(path.with_name(".tiny.k3v9x0ab.old"))  # as a power cut may leave it
        >>> restore(path), path.exists()
        (True, True)
    """
    if target.exists() or target.is_symlink():
        return False
    for left in reversed(_list_leftovers(target, "old")):
        try:
            with lock_folder(left):  # waits for a swap in progress
                if target.exists():
                    return False
                left.rename(target)
                flush_folder(target.parent)
        except FileNotFoundError:  # another process has just moved it back
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
    """Return the names of the folders that `restore` would move back in a folder.

    Args:
        folder: the folder around them.

    Returns:
        names, sorted.

    Raises:
        OSError: the folder can't be read.

    Example:
        >>> list_replaced(path.parent)
        []
    """
    found = {m["name"] for p in folder.iterdir() if (m := _LEFTOVER.fullmatch(p.name)) and m["kind"] == "old"}
    return sorted(name for name in found if not (folder / name).exists())


def remove_leftovers(target: Path) -> None:
    """Delete the unfinished and replaced folders that interrupted processes left beside a folder.

    Folders that a process has locked stay, and so do replaced ones if `target` is missing.

    Args:
        target: the folder.

    Example:
        >>> left = make_draft(path)
        >>> remove_leftovers(path)
        >>> left.exists()
        False
    """
    kinds = ("partial", "old") if target.exists() else ("partial",)
    for left in (left for kind in kinds for left in _list_leftovers(target, kind)):
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
    """Flush all files and folders under a folder to the disk, the folder itself last.

    Args:
        folder: the folder.

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
    """Exchange two folders in one step; return False if this system can't."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:  # not Linux, or an older C library
        return False
    rename.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def _list_leftovers(target: Path, kind: str) -> list[Path]:
    """Return the leftover folders of a kind beside a folder, the oldest first."""
    try:
        paths = list(target.parent.iterdir())
    except OSError:
        return []
    found = [
        path
        for path in paths
        if (match := _LEFTOVER.fullmatch(path.name)) and (match["name"], match["kind"]) == (target.name, kind)
    ]
    return sorted(found, key=lambda path: path.lstat().st_mtime_ns)


def _delete(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder, ignore_errors=True)
