"""Atomic file: replaces a file in one step, so that its path has either the old or the new content.

A file is first written under a hidden name beside its place (`.pill.html.partial` for `pill.html`), flushed
to the disk, and renamed. The name is always the same, so that a killed process leaves at most one such file,
which the next write takes over; a lock on it excludes other writers.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = ["flush_file", "flush_folder", "replace_file", "write_atomically"]

_CANNOT_FLUSH = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}  # not supported by this file system
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def write_atomically(
    path: Path,
    content: bytes | str,
    *,
    mode: int | None = None,
    durable: bool = True,
    draft: Path | None = None,
) -> None:
    """Write a file in one step: after a failure or a power cut it has the old content or the new.

    An existing file keeps its mode. A symbolic link is replaced by a file.

    Args:
        path: the file.
        content: its new content; text is written as UTF-8, with unchanged line ends.
        mode: permissions of a new file; None leaves them to the process's umask.
        durable: whether to wait for the disk; otherwise a power cut may lose the new content.
        draft: a path on the same file system to write to first; None takes the hidden name beside `path`.

    Raises:
        OSError: it can't be written, with `path` as its file name; the old content stays, and no draft is
            left. Only if the last step fails, flushing the folder, the new content is there.

    Example:
        >>> write_atomically(folder / "threshold.txt", "12")
        >>> (folder / "threshold.txt").read_text(), len(list(folder.iterdir()))
        ('12', 1)
    """
    if not path.name:  # "." or "/"
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    draft = draft or path.with_name(f".{path.name}.partial")
    data = content.encode() if isinstance(content, str) else content
    try:
        with contextlib.suppress(FileNotFoundError):
            mode = stat.S_IMODE(path.stat(follow_symlinks=False).st_mode)
        with _open_draft(draft) as handle:
            _write_all(handle, data)
            if mode is not None:
                os.fchmod(handle, mode)
            if durable:
                os.fsync(handle)
            draft.replace(path)
        if durable:
            flush_folder(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def replace_file(draft: Path, path: Path) -> None:
    """Move a finished file to its place on the same file system, replacing a file there.

    Args:
        draft: the finished file.
        path: its place.

    Raises:
        OSError: the disk is full or failing.

    Example:
        >>> _ = (folder / "draft").write_text("12")
        >>> replace_file(folder / "draft", folder / "threshold.txt")
        >>> [file.name for file in folder.iterdir()]
        ['threshold.txt']
    """
    flush_file(draft)
    draft.replace(path)
    flush_folder(path.parent)


def flush_file(file: Path) -> None:
    """Flush a file's content to the disk.

    Raises:
        OSError: the disk is full or failing.

    Example:
        >>> flush_file(path / "manifest.json")
    """
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(folder: Path) -> None:
    """Flush a folder's list of names to the disk, if the file system supports that.

    Raises:
        OSError: the disk is failing.

    Example:
        >>> flush_folder(path)
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_FLUSH:
            raise
    finally:
        os.close(handle)


@contextlib.contextmanager
def _open_draft(draft: Path) -> Iterator[int]:
    """Open a draft, empty and locked; delete it if the block fails."""
    handle = _open_locked(draft)
    try:
        os.ftruncate(handle, 0)
        yield handle
    except BaseException:  # an interruption, too
        with contextlib.suppress(OSError):
            if _is_open_at(handle, draft):
                draft.unlink()
        raise
    finally:
        os.close(handle)


def _open_locked(draft: Path) -> int:
    while True:
        handle = _open_or_replace(draft)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_open_at(handle, draft):
            return handle
        os.close(handle)  # another writer has just renamed it


def _open_or_replace(draft: Path) -> int:
    try:
        return os.open(draft, _FLAGS, 0o666)
    except PermissionError:  # left by a killed process of another user
        draft.unlink()
        return os.open(draft, _FLAGS, 0o666)


def _is_open_at(handle: int, path: Path) -> bool:
    """Return whether `path` still leads to the open file."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _write_all(handle: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
