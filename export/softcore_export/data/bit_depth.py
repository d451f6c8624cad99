"""Bit depth: finds which value is white in training images of 16 bits, from the bits that they use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from softcore_runtime.errors import ImageError
from softcore_runtime.images.depth import FULL
from softcore_runtime.images.image import decode_image, has_16_bits
from softcore_runtime.images.image_file import read_file

__all__ = ["BitDepth", "find_bit_depth"]

_FEW = (255, 1023, 4095)  # white of 8, 10 and 12 bits; with 13 or more, 32 or more grey levels of 256 remain


@dataclass(frozen=True)
class BitDepth:
    """The range of values in images of 16 bits.

    Attributes:
        images: number of images of 16 bits that were read.
        highest: the largest value in them.
        white: the value that is white in them.
    """

    images: int = 0
    highest: int = 0
    white: int = FULL

    def describe(self) -> str | None:
        """Describe what was taken for white, in one line; None if it is the full range.

        Example:
            >>> BitDepth(40, 4003, 4095).describe()
            'none of the 40 images of 16 bits has a value above 4,003 of 65,535; 4,095 is taken for white ...'
        """
        if self.white == FULL:
            return None
        count = "the image" if self.images == 1 else f"none of the {self.images:,} images"
        has = f"{count} of 16 bits has {'no' if self.images == 1 else 'a'} value above {self.highest:,}"
        bits = self.white.bit_length()
        return f"{has} of {FULL:,}; {self.white:,} is taken for white, as a camera of {bits} bits gives it"


def find_bit_depth(paths: Sequence[Path]) -> BitDepth:
    """Find what is white in images of 16 bits: 65535, unless none of them uses more than a sixteenth of it.

    Then it is the smallest of 4095, 1023 and 255 that none of them exceeds. By the full range such images
    would have 16 grey levels or fewer. A file that states its own white counts as using the full range.

    Args:
        paths: image files; those that can't be read are left out.

    Example:
        >>> find_bit_depth([])
        BitDepth(images=0, highest=0, white=65535)
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
            break  # one image decides
    white = next((white for white in _FEW if highest <= white), FULL) if images else FULL
    return BitDepth(images, highest, white)
