"""Mask: the picture that marks what of a frame is not inspected."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import UsageError
from softcore_runtime.preprocessing import Preprocessing

__all__ = ["find_ignored"]

_HALF = 128  # a cell that is just half white is 127.5, rounded up


def find_ignored(
    mask: NDArray[np.uint8], preprocessing: Preprocessing, grid: tuple[int, int]
) -> NDArray[np.bool_]:
    """Find the patches that a mask leaves out: bool `[P]`, P = H * W.

    Args:
        mask: uint8 BGR `[h, w, 3]`, white where nothing is to be inspected, black elsewhere; brought to the
            crop as frames are, so it lies over a frame of whatever size.
        preprocessing: the frames'.
        grid: rows and columns, H and W.

    Raises:
        UsageError: it leaves nothing to inspect.
    """
    crop = preprocessing.apply(mask).max(axis=2)
    share = cv2.resize(crop, grid[::-1], interpolation=cv2.INTER_AREA)
    ignored = np.asarray(share > _HALF).ravel()
    if ignored.all():
        raise UsageError("the mask leaves nothing to inspect: white is what it leaves out, black stays in")
    return ignored
