"""Orientation: the orientation of an image in EXIF and TIFF, from 1 to 8."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.errors import ImageError
from softcore_runtime.images.formats.tiff_directory import read_directories

__all__ = ["apply_orientation", "find_orientation"]

_TAG = 274
_Any = TypeVar("_Any", bound=np.generic)


def find_orientation(exif: bytes | memoryview) -> int:
    """Return the orientation in EXIF data, which is laid out like a TIFF; 1 (upright) if there is none."""
    try:
        first = next(read_directories(bytes(exif)), None)
        values = first.integers(_TAG) if first else ()
    except ImageError:  # damaged EXIF data doesn't affect the pixels
        return 1
    return values[0] if values and 1 <= values[0] <= 8 else 1


def apply_orientation(image: NDArray[_Any], orientation: int) -> NDArray[_Any]:
    """Turn an image `[H, W, ...]` upright: `[H, W, ...]`, or from orientation 5 on `[W, H, ...]`."""
    turned: NDArray[Any] = image
    if orientation >= 5:
        turned = turned.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):  # upside down
        turned = turned[::-1]
    if orientation in (2, 3, 6, 7):  # mirrored
        turned = turned[:, ::-1]
    return turned
