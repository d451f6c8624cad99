"""Bit depth: how much of their 16 bits the training images use, which says what is white in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from softcore_runtime.errors import ImageError
from softcore_runtime.images.depth import FULL
from softcore_runtime.images.image import decode_image, has_16_bits
from softcore_runtime.images.image_file import read_file

__all__ = ["Depth", "find_depth"]

_FEW = (255, 1023, 4095)  # white of 8, 10 and 12 bits; more keeps 32 or more of 256 grey levels


@dataclass(frozen=True)
class Depth:
    """What of 16 bits is used.

    Attributes:
        images: how many images have 16 bits.
        highest: the largest value in them, as far as that was looked at.
        white: the value that is white in them.
    """

    images: int = 0
    highest: int = 0
    white: int = FULL

    def describe(self) -> str | None:
        """Say what was taken for white, in one line; None where it is the full range.

        Example:
            >>> Depth(40, 4003, 4095).describe()
            'none of the 40 images of 16 bits has a value above 4,003 of 65,535; 4,095 is taken for white ...'
        """
        if self.white == FULL:
            return None
        count = "the image" if self.images == 1 else f"none of the {self.images:,} images"
        has = f"{count} of 16 bits has {'no' if self.images == 1 else 'a'} value above {self.highest:,}"
        bits = self.white.bit_length()
        return f"{has} of {FULL:,}; {self.white:,} is taken for white, as a camera of {bits} bits gives it"


def find_depth(paths: Sequence[Path]) -> Depth:
    """Find what is white in images of 16 bits: 65535, unless none of them uses a sixteenth of that range.

    Then it is 4095, 1023 or 255, the least that none of them exceeds. Stretched over the full range they
    would have 16 grey levels or fewer. A file that says itself what is white counts as using all of it.

    Args:
        paths: image files; those that can't be read are left to who reads them next.

    Example:
        >>> find_depth([])
        Depth(images=0, highest=0, white=65535)
    """
    images = highest = 0
    for path in paths:
        try:
            data = read_file(path)
            if not has_16_bits(data):
                continue
            image = decode_image(data)
        except ImageError:
            continue
        if image.dtype != np.uint16:
            continue
        images += 1
        highest = max(highest, int(image.max()))
        if highest > _FEW[-1]:
            break  # one suffices
    white = next((white for white in _FEW if highest <= white), FULL) if images else FULL
    return Depth(images, highest, white)
