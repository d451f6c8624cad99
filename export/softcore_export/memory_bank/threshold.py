"""Threshold: a provisional threshold from the training images themselves, until it is calibrated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.threshold import Threshold

__all__ = ["provisional_threshold"]


def provisional_threshold(scores: NDArray[np.float64], trusted: NDArray[np.bool_]) -> Threshold:
    """Take the highest score of the training images that are trusted as the threshold.

    Args:
        scores: float64 `[N]`, leave-one-image-out.
        trusted: bool `[N]`, at least one.
    """
    value = max(float(scores[trusted].max()), float(np.finfo(np.float32).tiny))
    method = f"highest leave-one-image-out score of the {trusted.sum()} least suspect training images"
    return Threshold(value=value, provisional=True, method=method)
