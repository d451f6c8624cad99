"""Metrics: what is measured of scores and maps, beside the area under the ROC curve that the runtime has."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["MAX_FPR", "aupro", "choose_thresholds"]

MAX_FPR = 0.3  # false positive rate up to which MVTec AD's authors integrate
_CONNECTED = np.ones((3, 3), np.int8)  # pixels that touch at a corner are one defect


def aupro(masks: NDArray[np.bool_], maps: NDArray[np.float32], max_fpr: float = MAX_FPR) -> float:
    """Return the area under the per-region-overlap curve up to a false positive rate, divided by that rate.

    Bergmann et al., "The MVTec Anomaly Detection Dataset" (IJCV 2021): at every threshold the share of each
    defect's pixels that is found, averaged over the defects, against the share of all good pixels that is
    marked. It is a ROC curve whose bad pixels weigh 1 / (pixels of their defect), so that a small defect
    counts as much as a large one.

    Args:
        masks: bool `[M, H, W]`, True where there is a defect.
        maps: float32 `[M, H, W]`, anomaly maps.
        max_fpr: false positive rate in (0, 1].

    Raises:
        ValueError: there are only good pixels, or only bad ones.
    """
    weights = np.concatenate([_weigh_regions(mask)[mask] for mask in masks])
    negatives, positives = np.sort(maps[~masks]), maps[masks]
    n = len(negatives)
    if not n or not len(positives):
        raise ValueError("an area under a curve needs both good and bad pixels")
    order = np.argsort(positives)
    values = positives[order]
    # A positive of score s is found from the rate a = share of negatives > s on, or, where negatives have the
    # same score, gradually between a and b = share of negatives >= s. It adds its weight times the integral
    # over [0, max_fpr] of the ramp from 0 at a to 1 at b.
    a = 1 - np.searchsorted(negatives, values, "right") / n
    b = 1 - np.searchsorted(negatives, values, "left") / n
    end = np.clip(max_fpr, a, b)  # where on the ramp the integral ends
    width = np.where(b > a, b - a, 1)
    integrals = np.maximum(max_fpr - b, 0) + (end - a) ** 2 / (2 * width)
    return float(weights[order] @ integrals / weights.sum()) / max_fpr


def choose_thresholds(scores: NDArray[np.floating[Any]], count: int) -> NDArray[np.float64]:
    """Choose thresholds midway between two scores that follow each other, evenly spread from first to last.

    Two computations of the same score differ in its last digits, which no such threshold depends on.

    Args:
        scores: two or more, `[n]`.
        count: how many thresholds.

    Returns:
        float64 `[count]`, ascending; the same threshold may be among them more than once.
    """
    ordered = np.sort(np.asarray(scores, np.float64))
    below = np.linspace(0, len(ordered) - 2, count).round().astype(int)
    return np.asarray((ordered[below] + ordered[below + 1]) / 2)


def _weigh_regions(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return 1 / (pixels of the defect) at each pixel of a defect in `mask` `[H, W]`, 0 elsewhere."""
    labels, _ = ndimage.label(mask, structure=_CONNECTED)
    sizes = np.bincount(labels.ravel()).astype(np.float64)
    sizes[0] = np.inf
    return np.asarray(1 / sizes[labels])
