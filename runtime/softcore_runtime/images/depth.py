"""Depth: the range of 16-bit images. Cameras of 10 or 12 bits often leave the upper bits 0."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FULL", "stretch"]

FULL = 65535  # white of 16 bits


def stretch(pixels: NDArray[Any], white: int) -> NDArray[np.uint16]:
    """Stretch grey levels so that `white` and all above it become 65535; uint16, shaped like `pixels`.

    Example:
        >>> stretch(np.array([0, 1023, 4095, 5000], np.uint16), 4095).tolist()
        [0, 16372, 65535, 65535]
    """
    if white == FULL:
        return np.asarray(pixels, np.uint16)
    wide = np.minimum(pixels, white).astype(np.uint32)
    return np.asarray((wide * FULL + white // 2) // white, np.uint16)
