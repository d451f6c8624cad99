"""Metrics: areas under curves, exact, also over a hundred million pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["PRO_LIMIT", "aupro", "auroc"]

PRO_LIMIT = 0.3  # false positive rate up to which MVTec AD's authors integrate
_CONNECTED = np.ones((3, 3), np.int8)  # pixels that touch at a corner are one defect


def auroc(bad: NDArray[np.bool_], scores: NDArray[np.float32]) -> float:
    """Area under the ROC curve: how often a bad one scores above a good one (ties count half).

    The figure of `sklearn.metrics.roc_auc_score`, at the price of one sort of the good ones' scores.

    Args:
        bad: bool, of any shape.
        scores: of the same shape.

    Raises:
        ValueError: there aren't both.
    """
    positives = scores[bad]
    return _area(np.sort(scores[~bad]), positives, np.full(positives.shape, 1 / max(1, len(positives))), 1)


def aupro(masks: NDArray[np.bool_], maps: NDArray[np.float32], threshold: float = PRO_LIMIT) -> float:
    """Area under the per-region-overlap curve up to a false positive rate, divided by it.

    Bergmann et al., "The MVTec Anomaly Detection Dataset" (IJCV 2021): at every threshold the share of each
    defect's pixels that is found, averaged over the defects, against the share of all good pixels that is
    marked. So it is a ROC curve whose bad pixels weigh 1 / (their defect's pixels), which counts a small
    defect as much as a large one.

    Args:
        masks: bool `[M, H, W]`.
        maps: float32 `[M, H, W]`.
        threshold: false positive rate in (0, 1].

    Raises:
        ValueError: there aren't both good and bad pixels.
    """
    weights = [_region_weights(mask)[mask] for mask in masks]
    together = np.concatenate(weights)
    regions = together.sum()
    return _area(np.sort(maps[~masks]), maps[masks], together / max(regions, 1), threshold) / threshold


def _region_weights(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give each pixel of `mask` `[H, W]` 1 / (the pixels of its defect), others 0."""
    labels, _ = ndimage.label(mask, structure=_CONNECTED)
    sizes = np.bincount(labels.ravel()).astype(np.float64)
    sizes[0] = np.inf
    return np.asarray(1 / sizes[labels])


def _area(
    negatives: NDArray[np.float32],
    positives: NDArray[np.float32],
    weights: NDArray[np.float64],
    threshold: float,
) -> float:
    """Integrate a ROC curve from a false positive rate of 0 to `limit`, without drawing it.

    A positive of score s has been found from the rate a = share of negatives > s on, or, where negatives of
    the same score are taken with it, gradually between a and b = share of negatives >= s. So it adds its
    weight times the integral over [0, threshold] of the ramp from 0 at a to 1 at b.

    Args:
        negatives: `[n]`, sorted.
        positives: `[p]`.
        weights: `[p]`, of sum 1.
        threshold: in (0, 1].
    """
    n = len(negatives)
    if not n or not len(positives):
        raise ValueError("an area under a curve needs both good and bad ones")
    order = np.argsort(positives)
    values = positives[order]
    a = 1 - np.searchsorted(negatives, values, "right") / n
    b = 1 - np.searchsorted(negatives, values, "left") / n
    cut = np.clip(threshold, a, b)  # where on the ramp the integral ends
    width = np.where(b > a, b - a, 1)
    under = np.maximum(threshold - b, 0) + (cut - a) ** 2 / (2 * width)
    return float(weights[order] @ under)
