"""Anomaly map: from scores on the feature grid to a smooth map over the crop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SIGMA", "draw_map", "score_area"]

SIGMA = 4.0  # pixels of the crop, as in PatchCore and SoftPatch
_KERNEL = 2 * int(4 * SIGMA) + 1  # to four sigma, where scipy.ndimage.gaussian_filter cuts too


def draw_map(patch_scores: NDArray[np.float32], crop: int) -> NDArray[np.float32]:
    """Bring `patch_scores` `[H, W]` bilinearly to `[crop, crop]`, then smooth with a Gaussian of `SIGMA`."""
    fine = cv2.resize(patch_scores, (crop, crop), interpolation=cv2.INTER_LINEAR)
    smooth = cv2.GaussianBlur(fine, (_KERNEL, _KERNEL), SIGMA, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth, np.float32)


def score_area(anomaly_map: NDArray[np.float32], min_area: int, highest: float) -> float:
    """Score a part by an area: the `min_area`th highest value of its map float32 `[crop, crop]`.

    It is above a limit exactly where at least so many pixels are. The map averages patch scores and so is
    never above their `highest`; where float32 rounds it up it is cut off there, so that what proves no patch
    to be above a limit proves it of this score, too.
    """
    if min_area > anomaly_map.size:
        return 0.0
    place = anomaly_map.size - min_area
    return min(float(np.partition(anomaly_map, place, axis=None)[place]), highest)
