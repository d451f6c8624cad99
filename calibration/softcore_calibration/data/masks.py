"""Masks: the ground truth of an image, where a data set keeps one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.errors import ImageError
from softcore_runtime.images.image_file import SUFFIXES, read_image

__all__ = ["draw_truth", "find_mask"]

_FOLDERS = ("ground_truth", "ground-truth", "groundtruth", "gt", "masks", "mask", "labels", "label")
_ENDING = r"([-_. ](gt|mask|masks|label|labels|seg|segmentation|annotation|ground[-_ ]?truth))"
_UP = 3  # folders above an image in which a folder of masks is looked for
_COLOUR, _EDGE = (80, 255, 80), (0, 0, 0)  # BGR of an outline and of its edge


def find_mask(image: Path) -> Path | None:
    """Find the mask of an image: beside it, or in a folder of masks that mirrors its own (MVTec AD's layout).

    Example:
        >>> truth = folder / "ground_truth" / "crack" / "000_mask.png"
        >>> truth.parent.mkdir(parents=True)
        >>> _ = cv2.imwrite(str(truth), np.full((8, 8), 255, np.uint8))
        >>> find_mask(folder / "test" / "crack" / "000.png") == truth
        True
    """
    beside = re.compile(re.escape(image.stem) + _ENDING, re.IGNORECASE)
    alike = re.compile(f"{re.escape(image.stem)}{_ENDING}?", re.IGNORECASE)
    for folder in _list_folders(image):
        pattern = beside if folder == image.parent else alike
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            if file != image and file.suffix.lower() in SUFFIXES and pattern.fullmatch(file.stem):
                return file
    return None


def draw_truth(frame: NDArray[np.uint8], mask: Path) -> NDArray[np.uint8]:
    """Outline on a copy of a frame what its mask marks: green on black.

    Args:
        frame: uint8 BGR `[H, W, 3]`.
        mask: an image of the frame's aspect, not black where the defect is.

    Returns:
        uint8 BGR `[H, W, 3]`; without an outline if the mask can't be read, or has another aspect.
    """
    drawn: NDArray[np.uint8] = frame.copy()
    try:
        marked = read_image(mask).max(axis=2) > 0
    except ImageError:
        return drawn
    height, width = frame.shape[:2]
    if abs(marked.shape[1] / marked.shape[0] - width / height) > 0.02 * width / height:
        return drawn
    inside = cv2.resize(marked.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    edges = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    thin = max(1, round(max(height, width) / 250))
    for colour, thick in ((_EDGE, 3 * thin), (_COLOUR, thin)):
        cv2.drawContours(drawn, edges, -1, colour, thick, cv2.LINE_AA)
    return drawn


def _list_folders(image: Path) -> Iterator[Path]:
    """Yield where a mask may be: beside the image, and where a folder of masks mirrors the image's."""
    yield image.parent
    for above in list(image.parents)[:_UP]:
        inner = image.parent.relative_to(above).parts
        for folder in _FOLDERS:
            yield from (above / folder / Path(*parts) for parts in dict.fromkeys((inner, inner[1:], ())))
