"""Golden frames: what a bundle carries to test itself with on the machine where it serves."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.pictures import read_picture

__all__ = ["choose_golden"]

_LONGEST = 1024  # pixels; a bundle is small, whatever the camera


def choose_golden(paths: list[Path], scores: NDArray[np.float64]) -> dict[str, NDArray[np.uint8]]:
    """Choose the training pictures with the lowest and the median score, and spoil the second.

    The spoiled one carries a chequered square in the middle, so that a FAIL is tested too.

    Returns:
        frames uint8 BGR `[H, W, 3]`, by name.
    """
    order = np.argsort(scores, kind="stable")
    plain = _shrink(read_picture(paths[order[0]]))
    typical = _shrink(read_picture(paths[order[len(order) // 2]]))
    spoiled = typical.copy()
    height, width = spoiled.shape[:2]
    side = max(2, min(height, width) // 6)
    top, left = (height - side) // 2, (width - side) // 2
    rows, columns = np.indices((side, side)) * 6 // side
    spoiled[top : top + side, left : left + side] = (255 * ((rows + columns) % 2))[:, :, None]
    return {"plain": plain, "spoiled": spoiled, "typical": typical}


def _shrink(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    factor = _LONGEST / max(height, width)
    if factor >= 1:
        return frame
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
