"""Regular file: reads files of others without waiting for pipes, and only up to a size."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["FileVersion", "hash_file", "open_regular", "read_file_version", "read_regular"]

_BLOCK = 1 << 20


@dataclass(frozen=True)
class FileVersion:
    """The version of a file's content, by time of writing, size and inode."""

    written: int
    size: int
    inode: int


def open_regular(file: Path) -> BinaryIO:
    """Open a file for reading.

    Raises:
        OSError: it is missing, or no regular file, such as a pipe, a device or a folder.
        ValueError: the name is impossible.
    """
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(file))
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_regular(file: Path, most: int) -> tuple[bytes, FileVersion]:
    """Return the content of a file of at most `most` bytes, and its version before reading.

    Raises:
        OSError: as `open_regular`, or it is larger.
        ValueError: as `open_regular`.

    Example:
        >>> Path("threshold.txt").write_text("12")
        2
        >>> read_regular(Path("threshold.txt"), most=100)[0]
        b'12'
        >>> read_regular(Path("/dev/zero"), most=100)
        Traceback (most recent call last):
            ...
        OSError: [Errno 22] not a regular file: '/dev/zero'
    """
    with open_regular(file) as stream:
        found = os.fstat(stream.fileno())
        data = stream.read(most + 1) if found.st_size <= most else b""
        if found.st_size > most or len(data) > most:
            raise OSError(errno.EFBIG, f"larger than {most:,} bytes", str(file))
        return data, FileVersion(found.st_mtime_ns, found.st_size, found.st_ino)


def hash_file(file: Path) -> str:
    """Return the SHA-256 of a file, in hex.

    Raises:
        OSError: it can't be read, or is no regular file.
    """
    digest = hashlib.sha256()
    with open_regular(file) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_file_version(file: Path) -> FileVersion | None:
    """Return the version of a file as it is now; None if there is no file."""
    try:
        found = file.stat()
    except OSError:
        return None
    return FileVersion(found.st_mtime_ns, found.st_size, found.st_ino)
