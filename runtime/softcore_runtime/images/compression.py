"""Compression: measures the artefacts of compression in images, whatever they show.

A codec changes the features of an image and so its score: parts that pass as PNG may fail as frames of a
video. Two shares detect this, measured on tiles of 64 x 64 grey levels:

* `blocks`: of the high-frequency coefficients (u + v >= 8) of 8 x 8 cosine transforms, those within 0.5 of 0
  on the grid of JPEG's blocks, minus those on a grid moved by 4 pixels. Codecs round coefficients to 0 only
  on their own grid; an uncompressed image has as many on both.
* `flat`: of the pixels, those with a - b - c + d = 0 in their 2 x 2 square: few with a sensor's noise, many
  after compression or smoothing.

`python -m softcore_benchmarks.compression` measures how well they detect it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_runtime.images.compression_statistics import CompressionStatistics, ShareStatistics
from softcore_runtime.images.image_file import check_frame, to_bgr8

__all__ = [
    "ENOUGH",
    "LEAST",
    "SHARES",
    "SPREADS",
    "compare_compression",
    "measure_compression",
    "summarize_compression",
]

ENOUGH: Final = 4  # number of images that a comparison needs
SHARES: Final = ("blocks", "flat")  # of `measure_compression`, in this order
_TILE, _TILES = 64, 4  # pixels of a tile's side, and tiles along each side of a frame
_BLOCK = 8
# A difference counts if it exceeds both: this much, and so many spreads of the training images.
LEAST: Final = {"blocks": 0.01, "flat": 0.1}
SPREADS: Final = {"blocks": 2.5, "flat": 2.0}


def measure_compression(frame: NDArray[np.generic]) -> NDArray[np.float64] | None:
    """Measure the artefacts of compression and smoothing in a frame: `blocks` and `flat`, float64 `[2]`.

    Args:
        frame: uint8 or uint16, grey `[H, W]` or BGR `[H, W, 3]`; as it comes, not resized.

    Returns:
        both, each from -1 to 1; None for a frame too small for a block on either grid.

    Raises:
        FrameError: the frame is no image (see `to_bgr8`).

    Example:
        >>> frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        >>> packed = cv2.imdecode(cv2.imencode(".jpg", frame)[1], cv2.IMREAD_COLOR)
        >>> measure_compression(frame).round(1).tolist(), measure_compression(packed).round(1).tolist()
        ([0.0, 0.0], [0.1, 0.0])
    """
    check_frame(frame)
    height, width = frame.shape[:2]
    if min(height, width) < 2 * _BLOCK:
        return None
    tiles = [
        _to_grey(frame[top : top + _TILE, left : left + _TILE])
        for top in _place_tiles(height)
        for left in _place_tiles(width)
    ]
    aligned, moved = (
        np.mean([_count_zeros(tile[start:, start:]) for tile in tiles]) for start in (0, _BLOCK // 2)
    )
    flat = np.mean([(_measure_residues(tile) == 0).mean() for tile in tiles])
    return np.array([aligned - moved, flat])


def summarize_compression(measured: Sequence[NDArray[np.float64] | None]) -> CompressionStatistics | None:
    """Summarize what `measure_compression` returned for images; None if none was large enough.

    Example:
        >>> summarize_compression([np.array([0, 0.1]), None, np.array([0.2, 0.3])])
        CompressionStatistics(images=2, blocks=ShareStatistics(centre=0.1, spread=0.1), ...)
    """
    values = np.array([one for one in measured if one is not None])  # [N, 2]
    if not len(values):
        return None
    blocks, flat = (
        ShareStatistics(centre=round(float(np.median(column)), 6), spread=round(float(column.std()), 6))
        for column in values.T
    )
    return CompressionStatistics(images=len(values), blocks=blocks, flat=flat)


def compare_compression(
    known: CompressionStatistics, measured: Sequence[NDArray[np.float64] | None]
) -> str | None:
    """Explain how images differ in compression from the training images.

    Args:
        known: the statistics of the training images.
        measured: what `measure_compression` returned for the images; their medians are compared.

    Returns:
        in words that follow "the images"; None if they don't differ, or are fewer than `ENOUGH`.

    Example:
        >>> known = summarize_compression([np.array([0, 0.1]), np.array([0.001, 0.12])] * 2)
        >>> compare_compression(known, [np.array([0.25, 0.4])] * 4)
        'are compressed in blocks, as JPEG and video are, more than the training images'
        >>> compare_compression(known, [np.array([0.001, 0.13])] * 4) is None
        True
    """
    values = np.array([one for one in measured if one is not None])  # [n, 2]
    if len(values) < ENOUGH or known.images < ENOUGH:
        return None
    more = {
        name: value - share.centre
        for name, value, share in zip(
            SHARES, np.median(values, axis=0), (known.blocks, known.flat), strict=True
        )
        if abs(value - share.centre) > max(LEAST[name], SPREADS[name] * share.spread)
    }
    if "blocks" in more:
        if more["blocks"] > 0:
            return "are compressed in blocks, as JPEG and video are, more than the training images"
        return "are compressed in other blocks than the training images, or not at all"
    if "flat" in more:
        if more["flat"] > 0:
            return "have less noise than the training images: they are compressed more, or smoothed"
        return "have more noise than the training images: they are compressed less, or darker"
    return None


def _place_tiles(length: int) -> list[int]:
    """Return the starts of tiles that are spread over a side, each on the grid of blocks."""
    last = max(0, length - _TILE)
    return sorted({int(start) // _BLOCK * _BLOCK for start in np.linspace(0, last, _TILES)})


def _to_grey(tile: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(to_bgr8(tile), cv2.COLOR_BGR2GRAY), np.uint8)


def _count_zeros(tile: NDArray[np.uint8]) -> float:
    """Return the share of high-frequency coefficients that are about 0, over a tile's complete blocks."""
    rows, columns = tile.shape[0] // _BLOCK, tile.shape[1] // _BLOCK
    whole = tile[: rows * _BLOCK, : columns * _BLOCK].astype(np.float32)
    blocks = whole.reshape(rows, _BLOCK, columns, _BLOCK).transpose(0, 2, 1, 3).reshape(-1, _BLOCK**2)
    return float((np.abs(blocks @ _HIGH_FREQUENCIES) < 0.5).mean())


def _measure_residues(tile: NDArray[np.uint8]) -> NDArray[np.int16]:
    grey = tile.astype(np.int16)
    return grey[:-1, :-1] - grey[:-1, 1:] - grey[1:, :-1] + grey[1:, 1:]


def _make_basis() -> NDArray[np.float32]:
    """Return the high frequencies of the orthonormal cosine transform, float32 `[64, 28]`."""
    k = np.arange(_BLOCK)
    rows = np.sqrt(2 / _BLOCK) * np.cos((2 * k + 1) * k[:, None] * np.pi / (2 * _BLOCK))
    rows[0] /= np.sqrt(2)
    high = (k[:, None] + k >= _BLOCK).ravel()
    return np.asarray(np.kron(rows, rows).T[:, high], np.float32)


_HIGH_FREQUENCIES = _make_basis()
