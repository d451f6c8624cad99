"""Mask: an image that marks the part of a frame that is not inspected."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import UsageError
from softcore_runtime.images.preprocessing import Preprocessing

__all__ = ["check_mask", "find_ignored"]

_HALF = 128  # a cell that is exactly half white is 127.5, rounded up


def find_ignored(
    mask: NDArray[np.uint8], preprocessing: Preprocessing, grid: tuple[int, int]
) -> NDArray[np.bool_]:
    """Return which patches a mask leaves out, bool `[P]`, P = H * W.

    Args:
        mask: uint8 BGR `[h, w, 3]`, white where nothing is to be inspected, black elsewhere; it is
            preprocessed like a frame, so it fits frames of any size.
        preprocessing: the preprocessing of the frames.
        grid: rows and columns, H and W.

    Raises:
        UsageError: it leaves nothing to inspect.
    """
    crop = preprocessing.apply(mask).max(axis=2)
    share = cv2.resize(crop, grid[::-1], interpolation=cv2.INTER_AREA)
    ignored = np.asarray(share > _HALF).ravel()
    outside = preprocessing.find_outside(grid)
    if ignored.all() or (outside is not None and (ignored | outside.ravel()).all()):
        raise UsageError("the mask leaves nothing to inspect: white is what it leaves out, black stays in")
    return ignored


def check_mask(mask: NDArray[np.uint8], preprocessing: Preprocessing, grid: tuple[int, int]) -> None:
    """Check that a new mask leaves out something, and not everything.

    A bundle with a mask that leaves out nothing can still be read: then the whole frame is inspected.

    Args:
        mask: as for `find_ignored`.
        preprocessing: as for `find_ignored`.
        grid: as for `find_ignored`.

    Raises:
        UsageError: it leaves out nothing or everything.
    """
    if find_ignored(mask, preprocessing, grid).any():
        return
    brightest = int(mask.max())
    if brightest < _HALF:
        raise UsageError(f"the mask leaves nothing out; its brightest value is {brightest}, white is 255")
    raise UsageError(
        "the mask leaves nothing out; its white covers no patch by more than half within the inspected crop"
    )
