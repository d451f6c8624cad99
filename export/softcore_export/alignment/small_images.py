"""Small images: some of the training images, all of one size, from which a reference is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.alignment.registration import REFERENCE_SIDE
from softcore_runtime.errors import FrameError, ImageError
from softcore_runtime.images.preprocessing import Preprocessing

__all__ = ["IMAGES", "read_small", "shrink_images", "spread"]

IMAGES: Final = 64  # at most

_Thing = TypeVar("_Thing")


def read_small(paths: Sequence[Path], preprocessing: Preprocessing) -> list[NDArray[np.uint8]]:
    """Read some images, spread over all, shrunk to the commonest of their shapes.

    Args:
        paths: image files.
        preprocessing: how they are read.

    Returns:
        as `shrink_images`; images that can't be read are left out.

    Example:
        >>> images = read_small(sorted((discs / "disc").iterdir()), small.preprocessing)
        >>> len(images), images[0].shape
        (12, (256, 256, 3))
    """
    return shrink_images(_read(spread(paths), preprocessing))


def shrink_images(images: Iterable[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Shrink images to the commonest of their shapes.

    Args:
        images: uint8 BGR `[H, W, 3]`.

    Returns:
        uint8 BGR `[h, w, 3]` each, the longer side `REFERENCE_SIDE` pixels.

    Example:
        >>> [image.shape for image in shrink_images([np.zeros((1000, 500, 3), np.uint8)])]
        [(256, 128, 3)]
    """
    small = [_resize(image, _find_size(image)) for image in images]
    if not small:
        return []
    ((size, _),) = Counter(image.shape[:2] for image in small).most_common(1)
    return [image if image.shape[:2] == size else _resize(image, size) for image in small]


def spread(things: Sequence[_Thing]) -> list[_Thing]:
    """Return `IMAGES` of them at most, evenly spread.

    Example:
        >>> len(spread(range(1000))), spread("abc")
        (64, ['a', 'b', 'c'])
    """
    count = min(IMAGES, len(things))
    return [things[i * len(things) // count] for i in range(count)]


def _read(paths: Sequence[Path], preprocessing: Preprocessing) -> Iterator[NDArray[np.uint8]]:
    for path in paths:
        with suppress(FrameError, ImageError):  # the scan reports it
            yield preprocessing.read(path)


def _find_size(image: NDArray[np.uint8]) -> tuple[int, int]:
    height, width = image.shape[:2]
    factor = REFERENCE_SIDE / max(height, width)
    return max(8, round(height * factor)), max(8, round(width * factor))


def _resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    way = cv2.INTER_AREA if size < image.shape[:2] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size[::-1], interpolation=way), np.uint8)
