"""Copies: image files with the same content as another, by their bytes or by their pixels."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_copies", "hash_pixels", "list_pairs"]

_BEGINNING = 1 << 16  # bytes, in which most files of the same size differ
_CHUNK = 1 << 20  # bytes
_SHOWN = 3  # number of pairs in one line


def find_copies(paths: Sequence[Path]) -> dict[Path, Path]:
    """Find the files with the same content as another, byte by byte.

    The original is the file with the shortest path (`000.png` of `000.png` and `000 - Copy.png`), of equally
    long ones the first. Only files of the same size are read. Files that are empty or can't be read aren't
    copies.

    Args:
        paths: files.

    Returns:
        each copy and its original.

    Example:
        >>> for name in ("a.png", "a - Copy.png", "b.png"):
        ...     _ = (folder / name).write_bytes(name[:1].encode())
        >>> for copy, original in find_copies(sorted(folder.iterdir())).items():
        ...     print(copy.name, "is", original.name)
        a - Copy.png is a.png
    """
    alike = [[path for path in paths if _read_size(path)]]
    for measure in (_read_size, _hash_beginning, _hash_content):
        groups: dict[tuple[int, object], list[Path]] = defaultdict(list)
        for number, some in enumerate(alike):
            for path in some:
                if (content := measure(path)) is not None:
                    groups[number, content].append(path)
        alike = [some for some in groups.values() if len(some) > 1]
    originals = {
        path: min(some, key=lambda one: (len(str(one)), str(one))) for some in alike for path in some
    }
    return {path: originals[path] for path in paths if originals.get(path, path) != path}


def hash_pixels(image: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of an image's shape and pixels, in hex, however its file is encoded.

    Example:
        >>> hash_pixels(frame) == hash_pixels(frame.copy()), hash_pixels(frame) == hash_pixels(bad_frame)
        (True, False)
    """
    return hashlib.sha256(repr(image.shape).encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def list_pairs(pairs: Sequence[tuple[str, str]], verb: str) -> str:
    """Return pairs of names as one line: the first three, and the number of others.

    Example:
        >>> list_pairs([("b.png", "a.png")], "is")
        'b.png is a.png'
    """
    named = ", ".join(f"{one} {verb} {other}" for one, other in pairs[:_SHOWN])
    return named + (f" and {len(pairs) - _SHOWN:,} more" if len(pairs) > _SHOWN else "")


def _read_size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _hash_beginning(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            return hashlib.sha256(stream.read(_BEGINNING)).digest()
    except OSError:
        return None


def _hash_content(path: Path) -> bytes | None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return None
    return digest.digest()
