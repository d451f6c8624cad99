"""Ledger WAL: whether SQLite's write-ahead log has lost rows that were in it.

What was written since the last checkpoint is in the file `-wal`, in frames with a running checksum. For
SQLite the log ends silently at the first frame with a wrong checksum, as it does after a power cut. A changed
byte in its middle would lose all frames after it. This module tells the two apart.

Format: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import struct
import time
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.regular_file import open_regular

__all__ = ["check_wal", "wal_path"]

_HEADER, _FRAME = 32, 24  # bytes
_MAGIC = 0x377F0682  # and one more where the checksums are of big-endian words
_AT_ONCE = 1000  # frames in memory: 4 MB
_LARGEST_PAGE = 65536  # bytes, of SQLite's
_TRIES = 5  # a log that begins anew while it is read may look broken


def wal_path(path: Path) -> Path:
    """Return the path of a ledger's write-ahead log."""
    return path.with_name(f"{path.name}-wal")


def check_wal(path: Path) -> str | None:
    """Return what is wrong with a ledger's write-ahead log, or None; a writer may be at work.

    A wrong checksum is a fault where a whole transaction was written after it. In the last two transactions
    it can't be told from a log that a power cut broke off.

    Raises:
        OSError: the log can't be read.
    """
    fault = None
    for _ in range(_TRIES):
        try:
            with open_regular(wal_path(path)) as file:
                fault = _find_fault(file)
        except FileNotFoundError:
            return None
        if fault is None:
            return None
        time.sleep(0.05)
    return fault


def _find_fault(file: BinaryIO) -> str | None:
    data = file.read(_HEADER)
    if len(data) < _HEADER:
        return None  # nothing was in it yet
    magic, _version, page, _count, *salts, first, second = struct.unpack(">8I", data)
    order = ">u4" if magic & 1 else "<u4"
    begin = np.zeros((1, 2), np.uint32)
    if magic & ~1 != _MAGIC or [first, second] != _sum(_words(data[:24], 1, order), begin)[0].tolist():
        return "the head of the write-ahead log was changed"
    if page > _LARGEST_PAGE:
        return None  # of a foreign ledger, which isn't read any further
    fitting, currents, ending = [np.zeros(0, bool)], [np.zeros(0, bool)], [np.zeros(0, bool)]
    begin = np.array([[first, second]], np.uint32)
    while count := len(data := file.read(_AT_ONCE * (_FRAME + page))) // (_FRAME + page):
        frames = np.frombuffer(data, np.uint8, count * (_FRAME + page)).reshape(count, -1)
        heads = _words(frames[:, :_FRAME].tobytes(), count, ">u4")  # page, size, two salts, two sums
        # Each sum goes on from the one before, so that many frames can be summed at once.
        begin = np.concatenate([begin, heads[:-1, 4:]])
        summed = np.concatenate([frames[:, :8], frames[:, _FRAME:]], axis=1)
        current = (heads[:, 2:4] == salts).all(1)
        fitting.append(current & (_sum(_words(summed.tobytes(), count, order), begin) == heads[:, 4:]).all(1))
        currents.append(current)
        ending.append(current & (heads[:, 1] > 0))  # a transaction's last frame gives the size of the file
        begin = heads[-1:, 4:]
    fits, current = np.concatenate(fitting), np.concatenate(currents)
    if fits.all():
        return None
    broken = int(fits.argmin())
    ends = broken + np.flatnonzero(np.concatenate(ending)[broken:])
    if not len(ends) or not current[ends[0] + 1 :].any():
        return None
    start = _HEADER + broken * (_FRAME + page)
    return f"the write-ahead log was changed in bytes {start} to {start + _FRAME + page - 1}"


def _words(data: bytes, count: int, order: str) -> NDArray[np.uint32]:
    """Read words uint32 `[count, n]`."""
    return np.frombuffer(data, order).reshape(count, -1).astype(np.uint32)


def _sum(words: NDArray[np.uint32], begin: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Compute SQLite's checksums uint32 `[n, 2]` of words `[n, 2 k]`, modulo 2**32, from `begin` on."""
    first, second = begin[:, 0].copy(), begin[:, 1].copy()
    for even, odd in zip(words.T[::2], words.T[1::2], strict=True):
        first += even + second
        second += odd + first
    return np.stack([first, second], axis=1)
