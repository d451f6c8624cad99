"""Ledger place: whether the files that are open are still those at their paths; an archive's folder, too."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["Place", "follow_link"]


class Place:
    """Where files or folders lay when they were opened, by device and inode.

    A file that was removed, or whose disk was unmounted, can be written for as long as it is open; all of it
    is gone when it is closed.

    Raises:
        OSError: one isn't there.
    """

    def __init__(self, *paths: Path) -> None:
        self._known = {path: _identify(path) for path in paths}

    def find_fault(self) -> str | None:
        """Say which file isn't at its path any more, or None."""
        for path, known in self._known.items():
            try:
                found = _identify(path)
            except OSError as error:
                return f"{path.name} is gone ({error.strerror}): it was removed, or its disk unmounted"
            if found != known:
                return f"{path.name} is another file than the one that was opened: its disk may be unmounted"
        return None


def follow_link(path: Path) -> Path:
    """Give the path of the file itself, beside which its lock and all else lie, if this is a link to it."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _identify(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
