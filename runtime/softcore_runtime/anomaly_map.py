"""Anomaly map: from scores on the feature grid to a smooth map over the crop."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["SIGMA", "draw_map"]

SIGMA = 4.0  # pixels of the crop, as in PatchCore and SoftPatch
_KERNEL = 2 * int(4 * SIGMA) + 1  # to four sigma, where scipy.ndimage.gaussian_filter cuts too


def draw_map(patch_scores: NDArray[np.float32], crop: int) -> NDArray[np.float32]:
    """Bring `patch_scores` `[H, W]` bilinearly to `[crop, crop]`, then smooth with a Gaussian of `SIGMA`."""
    fine = cv2.resize(patch_scores, (crop, crop), interpolation=cv2.INTER_LINEAR)
    smooth = cv2.GaussianBlur(fine, (_KERNEL, _KERNEL), SIGMA, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth, np.float32)
