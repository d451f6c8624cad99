"""Anomaly map: a smooth map over what is inspected, from scores on the feature grid."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SIGMA", "draw_map", "score_area"]

SIGMA = 4.0  # pixels of the network's input, as in PatchCore and SoftPatch
_KERNEL = 2 * int(4 * SIGMA) + 1  # four sigma to each side, as in scipy.ndimage.gaussian_filter


def draw_map(patch_scores: NDArray[np.float32], canvas: tuple[int, int]) -> NDArray[np.float32]:
    """Draw the anomaly map: bilinear interpolation to the canvas's size, then a Gaussian of `SIGMA` pixels.

    Args:
        patch_scores: float32 `[H, W]`, on the feature grid.
        canvas: height and width of the map in pixels, see `Preprocessing.canvas`.

    Returns:
        float32 `[h, w]`, in the units of the scores; at most their maximum, up to rounding.

    Example:
        >>> scores = np.zeros((4, 4), np.float32)
        >>> scores[1, 2] = 10
        >>> anomaly_map = draw_map(scores, (32, 32))
        >>> anomaly_map.shape, bool(anomaly_map.max() < 10)
        ((32, 32), True)
    """
    fine = cv2.resize(patch_scores, canvas[::-1], interpolation=cv2.INTER_LINEAR)
    smooth = cv2.GaussianBlur(fine, (_KERNEL, _KERNEL), SIGMA, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth, np.float32)


def score_area(anomaly_map: NDArray[np.float32], min_area: int, highest: float) -> float:
    """Score a part by an area: the `min_area`th highest value of its map.

    This score is above a threshold exactly if at least `min_area` pixels are. The map averages patch scores,
    so it is never above their `highest`; if float32 rounds it up it is clipped there, so that a proof that no
    patch is above a threshold also holds for this score.

    Args:
        anomaly_map: float32 `[h, w]`.
        min_area: number of pixels of the map, from 1.
        highest: the highest patch score.

    Returns:
        the score; 0.0 if the map has fewer than `min_area` pixels.

    Example:
        >>> score_area(np.array([[1, 2], [3, 4]], np.float32), min_area=2, highest=5.0)
        3.0
    """
    if min_area > anomaly_map.size:
        return 0.0
    place = anomaly_map.size - min_area
    return min(float(np.partition(anomaly_map, place, axis=None)[place]), highest)
