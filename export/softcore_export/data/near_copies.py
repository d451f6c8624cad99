"""Near copies: finds training images of the same exposure, saved anew or moved by a pixel.

A defect in both images of such a pair is hidden, as with exact copies. But a pair can't be told apart with
certainty from two parts that look the same, so near copies are listed for a person to decide. A pair is
listed for one of two reasons, each measured against what is usual for this product:

* its thumbnails are much nearer to each other than to the tenth nearest (saved anew, lossy);
* its *grain*, the middle of an image without its coarser structure, is the same, in place or moved by up to
  two pixels. Two exposures of one scene share the scene, but never the sensor's noise.

Measured on six real data sets (566 images) and the drawn one: of the original images two pairs are listed,
each of one and the same part. Of copies saved as JPEG at quality 75, or moved by a pixel and saved at quality
90, all are found on five of the seven, nine of ten on another, and none where two parts differ less than a
copy and its original; there only copies that were moved and saved without loss are found.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["extract_grain", "find_near_copies"]

_SIDE = 128  # pixels of the window whose grain is kept
_REACH = 2  # pixels, by which a copy may be moved
_SIGMA = 1.5  # pixels; what is coarser is structure
_CLIPPED = 3.0  # multiples of the median grain: an edge must not outweigh the noise
_NEIGHBOURS = 10  # nearest images that are known for each image
_CANDIDATES = 3  # nearest images that each image is compared with
_MUCH_NEARER = 0.08  # of the usual distance to the tenth nearest
_SAME = 0.6  # correlation from which grains may be the same
_LEFT = 0.4  # of the difference between 1 and the correlation of a usual pair


def extract_grain(image: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Extract the grain of the middle of an image.

    Args:
        image: uint8 BGR `[H, W, 3]`.

    Returns:
        int8 `[128, 128]`; all 0 if there is none.
    """
    height, width = image.shape[:2]
    top, left = max(0, (height - _SIDE) // 2), max(0, (width - _SIDE) // 2)
    grey = cv2.cvtColor(image[top : top + _SIDE, left : left + _SIDE], cv2.COLOR_BGR2GRAY).astype(np.float32)
    rest = grey - cv2.GaussianBlur(grey, (0, 0), _SIGMA)
    bound = max(_CLIPPED * float(np.median(np.abs(rest))), 0.5)
    grain = np.zeros((_SIDE, _SIDE), np.int8)
    grain[: grey.shape[0], : grey.shape[1]] = np.rint(np.clip(rest, -bound, bound) * (127 / bound))
    return grain


def find_near_copies(
    thumbnails: Sequence[NDArray[np.uint8]], grains: Sequence[NDArray[np.int8]]
) -> list[tuple[int, int]]:
    """Find the images that are near copies of an earlier one.

    Args:
        thumbnails: uint8 `[32, 32]` of N images, see `softcore_runtime.bundle.training.draw_thumbnail`.
        grains: int8 `[128, 128]` of the same images.

    Returns:
        each near copy and its original, as indices.
    """
    n = len(thumbnails)
    if n < 4:  # too few to say what is usual
        return []
    far, nearest = _measure(np.stack(thumbnails).reshape(n, -1).astype(np.float32))
    usual = float(np.median(far[:, -1]))
    last = nearest[:, -1]
    common = float(np.median([_correlate(grains[i], grains[j]) for i, j in enumerate(last)]))
    same = max(_SAME, 1 - _LEFT * (1 - common))
    pairs = set()
    for i in range(n):
        for j, length in zip(nearest[i, :_CANDIDATES].tolist(), far[i].tolist(), strict=False):
            pair = max(i, j), min(i, j)
            if pair not in pairs and (
                length < _MUCH_NEARER * usual or _correlate(grains[i], grains[j]) > same
            ):
                pairs.add(pair)
    first: dict[int, int] = {}
    for later, earlier in sorted(pairs):
        first.setdefault(later, first.get(earlier, earlier))
    return list(first.items())


def _measure(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Find the nearest other rows of each row of `x` `[N, d]`: distances and indices, `[N, k]`, ascending."""
    k = min(_NEIGHBOURS, max(1, len(x) // 2))
    squares = np.einsum("nd,nd->n", x, x)
    lengths, which = np.empty((len(x), k), np.float32), np.empty((len(x), k), np.int64)
    for i, row in enumerate(x):
        far = squares - 2 * (x @ row) + squares[i]
        far[i] = np.inf
        some = np.argpartition(far, k - 1)[:k]
        which[i] = some[np.argsort(far[some], kind="stable")]
        lengths[i] = np.sqrt(np.maximum(far[which[i]], 0))
    return lengths, which


def _correlate(one: NDArray[np.int8], other: NDArray[np.int8]) -> float:
    """Compute the highest correlation of two grains over small shifts; 0 if one of them is flat."""
    inner = one[_REACH:-_REACH, _REACH:-_REACH].astype(np.float32)
    around = other.astype(np.float32)
    if inner.std() < 1 or around.std() < 1:
        return 0.0
    return float(cv2.matchTemplate(around, inner, cv2.TM_CCOEFF_NORMED).max())
