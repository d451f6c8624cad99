"""Bounds: the number of pixels that an image may have, checked before decoding."""

from __future__ import annotations

import math
import os

from softcore_runtime.errors import ImageError, UsageError

__all__ = ["DEFAULT", "VARIABLE", "check_file_size", "check_size", "find_largest"]

VARIABLE = "SOFTCORE_MAX_MEGAPIXELS"
DEFAULT = 200  # megapixels; area-scan cameras have up to 150, and a kilobyte of PNG can promise 900
_BYTES = 8  # size of a pixel of 16 bits and four channels, the largest in an image file
_BESIDES = 2**28  # bytes of a file besides its pixels, such as the video behind a phone's photo


def find_largest() -> int:
    """Return the largest number of pixels that an image may have.

    The environment variable `SOFTCORE_MAX_MEGAPIXELS` sets it, in millions.

    Raises:
        UsageError: the variable is no positive number.

    Example:
        >>> find_largest()
        200000000
    """
    text = os.environ.get(VARIABLE, "").strip()
    try:
        megapixels = float(text) if text else DEFAULT
    except ValueError:
        megapixels = math.nan
    if not 0 < megapixels < math.inf:
        raise UsageError(f"{VARIABLE} must be a number above 0, not {text!r}")
    return round(megapixels * 1_000_000)


def check_size(width: int, height: int) -> None:
    """Check that an image has pixels, and not too many.

    Raises:
        ImageError: it has none or too many.
        UsageError: as `find_largest`.

    Example:
        >>> check_size(30_000, 30_000)
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.ImageError: an image of 30,000 x 30,000 pixels can't be read: at most ...
    """
    if width <= 0 or height <= 0:
        raise ImageError("not an image, or a damaged one")
    most = find_largest()
    if width * height > most:
        raise ImageError(
            f"an image of {width:,} x {height:,} pixels can't be read: at most {most / 1e6:g} megapixels are "
            f"({VARIABLE} sets this)"
        )


def check_file_size(size: int) -> None:
    """Check that a file isn't larger than an image can be.

    Raises:
        ImageError: it is larger.
        UsageError: as `find_largest`.
    """
    most = find_largest()
    if size > _BYTES * most + _BESIDES:
        raise ImageError(
            f"a file of {size / 1e9:,.1f} GB can't be read: no image of at most {most / 1e6:g} megapixels "
            f"needs that ({VARIABLE} sets this)"
        )
