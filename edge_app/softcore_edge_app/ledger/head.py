"""Ledger head: the number of rows and notes, flushed to a file of its own after each commit.

If SQLite's write-ahead log is cut off or deleted, what is left is a whole ledger with fewer rows. The head
file says how many there must be. It is written after the commit and before anything is published, so that it
counts each published row.

The file has two slots of 512 bytes, which a disk writes whole or not at all. Writes alternate between them,
so that a power failure spoils one slot at most.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from softcore_runtime.regular_file import open_regular

from softcore_edge_app.ledger.layout import Counts

__all__ = ["HeadFile", "Heads", "head_path", "read_heads"]

_SLOT = 512  # bytes
_TRIES = 5  # a slot that is being written may look broken


@dataclass(frozen=True)
class Heads:
    """The content of a head file.

    Attributes:
        counts: the newest counts; None where neither slot can be read.
        whole: whether both slots can be read. The one that can't may have been the newest.
    """

    counts: Counts | None
    whole: bool


class HeadFile:
    """The head file of a ledger that is being written.

    Raises:
        OSError: it can't be written.
    """

    def __init__(self, path: Path, counts: Counts) -> None:
        self.path = head_path(path)
        self._slot = 0
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            for _ in range(2):
                self.write(counts)
            os.fsync(self._file)
        except OSError:
            os.close(self._file)
            raise

    def write(self, counts: Counts) -> None:
        """Write the counts; they are on the disk when this returns.

        Raises:
            OSError: it can't be written.
        """
        data = _dump(counts)
        if os.pwrite(self._file, data, self._slot * _SLOT) != len(data):
            raise OSError(0, "written in part only")
        os.fdatasync(self._file)
        self._slot = 1 - self._slot

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def head_path(path: Path) -> Path:
    """Return the path of a ledger's head file."""
    return path.with_name(f"{path.name}.head")


def read_heads(path: Path) -> Heads | None:
    """Read a ledger's head file; None where there is none. A line may be writing it meanwhile.

    Raises:
        OSError: it can't be read.
    """
    heads = None
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(0.02)
        try:
            with open_regular(head_path(path)) as file:
                data = file.read(2 * _SLOT)
        except FileNotFoundError:
            return None
        slots = [_load(data[start : start + _SLOT]) for start in (0, _SLOT)]
        valid = [counts for counts in slots if counts]
        newest = max(valid, key=lambda counts: (counts.rows, counts.notes), default=None)
        heads = Heads(newest, len(valid) == len(slots))
        if heads.whole:
            break
    return heads


def _dump(counts: Counts) -> bytes:
    text = json.dumps(vars(counts))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text} {digest}".encode().ljust(_SLOT - 1) + b"\n"


def _load(data: bytes) -> Counts | None:
    try:
        text, _, digest = data.decode("ascii").rstrip().rpartition(" ")
        if hashlib.sha256(text.encode()).hexdigest() != digest:
            return None
        counts = Counts(**json.loads(text))
    except (ValueError, TypeError):
        return None
    return counts if _dump(counts) == data else None
