"""Region frames: the training images as a person draws the inspected region over them, whole and aligned."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime.alignment.aligned_preprocessing import align_frame
from softcore_runtime.errors import FrameError, ImageError
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_export.export import PreparedExport

__all__ = ["find_median", "read_frame"]

_SIDE = 1280  # pixels of the longer side at most
_SAMPLE = 15  # images of the median


def read_frame(path: Path, preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Read an image as the region lies on it: whole, aligned, at most 1280 pixels long.

    Args:
        path: of the image.
        preprocessing: that aligns, if images are aligned.

    Returns:
        uint8 BGR `[h, w, 3]`.

    Raises:
        FrameError, ImageError: it can't be read, or aligned.
    """
    frame = align_frame(preprocessing, preprocessing.read(path))
    height, width = frame.shape[:2]
    factor = min(1.0, _SIDE / max(height, width))
    return _resize(frame, max(1, round(height * factor)), max(1, round(width * factor)))


def find_median(prepared: PreparedExport) -> NDArray[np.uint8]:
    """Return the median of some training images, uint8 BGR `[h, w, 3]`, at the first one's size.

    Raises:
        FrameError: none can be read any more.
    """
    paths = prepared.images.paths
    rows = np.unique(np.linspace(0, len(paths) - 1, min(len(paths), _SAMPLE)).round().astype(int))
    frames: list[NDArray[np.uint8]] = []
    for row in rows:
        with suppress(FrameError, ImageError):
            frame = read_frame(paths[row], prepared.settings.preprocessing)
            frames.append(_resize(frame, *frames[0].shape[:2]) if frames else frame)
    if not frames:
        raise FrameError("none of the training images can be read any more")
    return np.asarray(np.median(frames, axis=0), np.uint8)


def _resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
