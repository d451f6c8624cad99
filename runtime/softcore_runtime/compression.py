"""Compression: what lossy compression leaves in an image, so that frames that came another way are noticed.

A part that was learned from PNG and is inspected as H.264 or JPEG has lost its noise and gained the edges of
blocks; its score rises, though no eye sees a difference.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_runtime.pictures import check_frame, to_bgr8

__all__ = ["COMPRESSED", "TRACES", "is_compressed", "measure_traces"]

TRACES = ("blocking", "noise")  # of `measure_traces`, in this order
# Suffixes of files that may have lost something; WebP keeps all only where it is told to.
COMPRESSED = frozenset({".jpg", ".jpeg", ".jfif", ".jpe", ".webp"})
_SIDE = 256  # pixels of the middle that is looked at: neither resized nor thinned out, which would hide both
_BLOCK = 8  # pixels of JPEG's blocks, and of most of H.264's transforms
_INSIDE = slice(2, 5)  # of a block's seven differences between neighbours, those in its middle
_EDGE = 8.0  # grey levels, from which a difference is an edge of the part and not noise
_FLOOR = 0.05  # grey levels; keeps ratios of flat images from growing without bound


def is_compressed(suffix: str) -> bool:
    """Tell whether files with that suffix may have lost something by compression.

    Example:
        >>> is_compressed(".JPG"), is_compressed(".png")
        (True, False)
    """
    return suffix.lower() in COMPRESSED


def measure_traces(frame: NDArray[np.generic]) -> NDArray[np.float64]:
    """Measure the traces of compression in a frame: blocking and noise, float64 `[2]`.

    Of the middle 256 x 256 pixels, cut at a multiple of 8 and not resized. *Blocking* is the mean absolute
    difference of grey levels across the borders of 8 x 8 blocks, over that in the blocks' middles: 1 without
    blocks. *Noise* is the root mean square, in grey levels, of the diagonal detail (a - b - c + d) / 2 of
    2 x 2 pixels (Haar), each at most 8.

    Args:
        frame: as for `Inspector.decide`.

    Raises:
        FrameError: the frame is no image.

    Example:
        >>> noisy = np.random.default_rng(0).normal(100, 2, (128, 128, 3)).clip(0, 255).astype(np.uint8)
        >>> _, saved = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 60])
        >>> plain, compressed = measure_traces(noisy), measure_traces(cv2.imdecode(saved, 1))
        >>> bool(compressed[0] > 2 * plain[0]), bool(compressed[1] < plain[1] / 2)
        (True, True)
    """
    check_frame(frame)
    height, width = frame.shape[:2]
    top = max(0, (height - _SIDE) // 2) // _BLOCK * _BLOCK
    left = max(0, (width - _SIDE) // 2) // _BLOCK * _BLOCK
    middle = np.ascontiguousarray(frame[top : top + _SIDE, left : left + _SIDE])
    grey = cv2.cvtColor(to_bgr8(middle), cv2.COLOR_BGR2GRAY).astype(np.float32)
    return np.array([_measure_blocking(grey), _measure_noise(grey)])


def _measure_blocking(grey: NDArray[np.float32]) -> float:
    borders, insides = [], []
    for image in (grey, grey.T):
        apart = np.abs(np.diff(image, axis=1)).mean(axis=0)  # of each column to the next
        place = np.arange(len(apart)) % _BLOCK
        borders.append(apart[place == _BLOCK - 1])
        insides.append(apart[(place >= _INSIDE.start) & (place < _INSIDE.stop)])
    border, inside = np.concatenate(borders), np.concatenate(insides)
    if not len(border) or not len(inside):
        return 1.0
    return float((border.mean() + _FLOOR) / (inside.mean() + _FLOOR))


def _measure_noise(grey: NDArray[np.float32]) -> float:
    even = grey[: len(grey) // 2 * 2, : grey.shape[1] // 2 * 2]
    detail = (even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]) / 2
    return float(np.sqrt(np.square(np.minimum(np.abs(detail), _EDGE)).mean()) + _FLOOR)
