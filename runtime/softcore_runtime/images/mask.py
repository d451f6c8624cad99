"""Mask: the image that marks what of a frame is not inspected."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import UsageError
from softcore_runtime.images.preprocessing import Preprocessing

__all__ = ["check_mask", "find_ignored"]

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


def check_mask(mask: NDArray[np.uint8], preprocessing: Preprocessing, grid: tuple[int, int]) -> None:
    """Refuse a mask that somebody gives and that leaves out nothing or all: it isn't what was meant.

    A bundle that has one is read all the same, for all of a frame is inspected then.

    Args:
        mask: as for `find_ignored`.
        preprocessing: as for `find_ignored`.
        grid: as for `find_ignored`.

    Raises:
        UsageError: so it is.
    """
    if find_ignored(mask, preprocessing, grid).any():
        return
    brightest = int(mask.max())
    if brightest < _HALF:
        raise UsageError(f"the mask leaves nothing out; its brightest value is {brightest}, white is 255")
    raise UsageError(
        "the mask leaves nothing out; its white covers no patch by more than half within the inspected crop"
    )
