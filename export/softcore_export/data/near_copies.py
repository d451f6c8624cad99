"""Near copies: training images that show one and the same exposure: saved anew, or moved by a pixel.

Such a pair vouches for each other as exact copies do, but nobody can say for sure that it is one: parts may
be that alike. So they are named, and a person decides. Two signs are taken, each measured against what is
usual for this product:

* their thumbnails lie much nearer to each other than to the tenth nearest (saved anew, lossy);
* their *grain*, what is left of the middle of an image without its coarser structure, is the same, where
  it lies or up to two pixels beside. Two exposures of one scene have the scene in common, never the sensor's
  noise.

Measured on six real data sets (566 images) and the drawn one: of the images as they are two pairs are named,
each of one and the same part. Of copies saved as JPEG at quality 75, or moved by a pixel and saved at quality
90, all are named on five of the seven, nine of ten on another, and none where parts are so alike that two of
them differ less than a copy and its original; there only those moved and saved without loss are.
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
_CLIPPED = 3.0  # times the median grain: an edge must not outweigh the noise
_NEIGHBOURS = 10  # the nearest of which are compared; copies of one image may be as many
_CANDIDATES = 3
_MUCH_NEARER = 0.08  # of the usual distance to the tenth nearest
_SAME = 0.6  # correlation of grain, from which it may be the same
_LEFT = 0.4  # of what a usual pair's correlation lacks of 1


def extract_grain(image: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Take the grain of the middle of an image.

    Args:
        image: uint8 BGR `[H, W, 3]`.

    Returns:
        int8 `[128, 128]`; all 0 where there is none.
    """
    height, width = image.shape[:2]
    top, left = max(0, (height - _SIDE) // 2), max(0, (width - _SIDE) // 2)
    grey = cv2.cvtColor(image[top : top + _SIDE, left : left + _SIDE], cv2.COLOR_BGR2GRAY).astype(np.float32)
    rest = grey - cv2.GaussianBlur(grey, (0, 0), _SIGMA)
    limit = max(_CLIPPED * float(np.median(np.abs(rest))), 0.5)
    grain = np.zeros((_SIDE, _SIDE), np.int8)
    grain[: grey.shape[0], : grey.shape[1]] = np.rint(np.clip(rest, -limit, limit) * (127 / limit))
    return grain


def find_near_copies(
    thumbnails: Sequence[NDArray[np.uint8]], grains: Sequence[NDArray[np.int8]]
) -> list[tuple[int, int]]:
    """Find the images that are near copies of an earlier one.

    Args:
        thumbnails: uint8 `[32, 32]` of N images, see `softcore_runtime.bundle.training.draw_thumbnail`.
        grains: int8 `[128, 128]` of the same images.

    Returns:
        each such image and the earlier one.
    """
    n = len(thumbnails)
    if n < 4:  # nothing is usual
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
    """Measure from each row of `x` `[N, d]` to its nearest others: lengths and which, `[N, k]`, ascending."""
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
    """Correlate two grains where they lie best; 0 where one of them is flat."""
    inner = one[_REACH:-_REACH, _REACH:-_REACH].astype(np.float32)
    around = other.astype(np.float32)
    if inner.std() < 1 or around.std() < 1:
        return 0.0
    return float(cv2.matchTemplate(around, inner, cv2.TM_CCOEFF_NORMED).max())
