"""Image files for tests of the data: each with a content of its own."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np

__all__ = ["fill", "numbered"]


def fill(folder: Path, names: list[str]) -> Path:
    """Write a different image under each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        plain = np.zeros((20, 30, 3), np.uint8)
        plain[:] = sum(name.encode()) % 200 + 20, *zlib.crc32(name.encode()).to_bytes(4, "big")[:2]
        assert cv2.imwrite(str(folder / name), plain)
    return folder


def numbered(n: int) -> list[str]:
    """Name n files, in the order of their numbers."""
    return [f"{number:03}.png" for number in range(n)]
