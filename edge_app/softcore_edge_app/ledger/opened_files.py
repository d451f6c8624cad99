"""Opened files: whether the files or folders that were opened are still those at their paths."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["OpenedFiles", "follow_link"]


class OpenedFiles:
    """Files or folders as they were when they were opened, by device and inode.

    A file that was removed, or whose disk was unmounted, can still be written while it is open; its content
    is lost when it is closed.

    Raises:
        OSError: a path doesn't exist.
    """

    def __init__(self, *paths: Path) -> None:
        self._known = {path: _identify(path) for path in paths}

    def find_fault(self) -> str | None:
        """Return which file isn't at its path any more, in words, or None."""
        for path, known in self._known.items():
            try:
                found = _identify(path)
            except OSError as error:
                return f"{path.name} is gone ({error.strerror}): it was removed, or its disk unmounted"
            if found != known:
                return f"{path.name} is another file than the one that was opened: its disk may be unmounted"
        return None


def follow_link(path: Path) -> Path:
    """Return the path of the file that a link leads to; the lock and other files lie beside that."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _identify(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
