"""Replacements: entries of the memory bank that stand in for patches which are not inspected."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.alignment.alignment import Registration
from softcore_runtime.bundle.bundle import Bundle
from softcore_runtime.images.preprocessing import Window

__all__ = ["find_replacements", "find_uncovered"]


def find_uncovered(
    registration: Registration, window: Window, grid: tuple[int, int], height: int, width: int
) -> NDArray[np.int64]:
    """Find the patches of an aligned frame whose middle lies outside the frame, int64 `[k]`.

    Args:
        registration: of the frame.
        window: the inspected part of the aligned frame.
        grid: rows and columns of the patches.
        height: height of the frame, in pixels.
        width: width of the frame, in pixels.

    Example:
        >>> moved = Registration(x=8, y=0, angle=0, quality=1)
        >>> find_uncovered(moved, Window(x=0, y=0, width=32, height=32), (2, 4), 32, 32).tolist()
        [3, 7]
    """
    rows, columns = np.indices(grid).reshape(2, -1) + 0.5
    x = window.x + columns / grid[1] * window.width
    y = window.y + rows / grid[0] * window.height
    # The middle of a pixel is a whole number for the matrix, and a half for a window.
    across, down = registration.matrix(height, width) @ np.stack([x - 0.5, y - 0.5, np.ones_like(x)]) + 0.5
    return np.flatnonzero((across < 0) | (across > width) | (down < 0) | (down > height))


def find_replacements(bundle: Bundle, positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Find entries of the memory bank for patches that are not inspected, float32 `[k, d]`.

    Their score is 0, or with floors the least of all floors: no patch has a lower score, so it never is the
    highest alone.

    Args:
        bundle: the bundle.
        positions: int64 `[k]`, of the patches.
    """
    entries = bundle.hints[positions, 0]
    if bundle.floors.any():
        entries = np.full_like(entries, bundle.floors.argmin())
    return np.asarray(bundle.bank[entries])
