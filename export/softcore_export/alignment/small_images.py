"""Small images: some of the training images, all of one size, from which a reference is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.alignment.registration import REFERENCE_SIDE
from softcore_runtime.errors import FrameError, ImageError
from softcore_runtime.images.preprocessing import Preprocessing

__all__ = ["IMAGES", "read_small"]

IMAGES: Final = 64  # at most


def read_small(paths: Sequence[Path], preprocessing: Preprocessing) -> list[NDArray[np.uint8]]:
    """Read some images, spread over all, shrunk to the commonest of their shapes.

    Args:
        paths: image files.
        preprocessing: how they are read.

    Returns:
        uint8 BGR `[h, w, 3]` each, the longer side `REFERENCE_SIDE` pixels; those that can't be read are left
        out.

    Example:
        >>> images = read_small(sorted((discs / "disc").iterdir()), small.preprocessing)
        >>> len(images), images[0].shape
        (12, (256, 256, 3))
    """
    count = min(IMAGES, len(paths))
    found: list[NDArray[np.uint8]] = []
    sizes: list[tuple[int, int]] = []
    for path in (paths[i * len(paths) // count] for i in range(count)):
        try:
            image = preprocessing.read(path)
        except (FrameError, ImageError):
            continue
        height, width = image.shape[:2]
        factor = REFERENCE_SIDE / max(height, width)
        sizes.append((max(8, round(height * factor)), max(8, round(width * factor))))
        found.append(_resize(image, sizes[-1]))
    if not found:
        return []
    commonest = Counter(sizes).most_common(1)[0][0]
    return [image if image.shape[:2] == commonest else _resize(image, commonest) for image in found]


def _resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    way = cv2.INTER_AREA if size < image.shape[:2] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size[::-1], interpolation=way), np.uint8)
