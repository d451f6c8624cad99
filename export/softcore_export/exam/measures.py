"""Measures: the figures of an exam, each with an interval for all such parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from softcore_runtime.bundle.threshold import Rate
from softcore_runtime.separation import auroc

__all__ = ["CONFIDENCE", "Area", "measure_area", "measure_rate"]

CONFIDENCE = 0.95
_NEAR = 1e-12


@dataclass(frozen=True)
class Area:
    """An area under the ROC curve and its interval.

    Attributes:
        value: the area for the parts of the exam.
        low, high: the ends of the interval for all such parts.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} ({self.low:.3f} to {self.high:.3f})"


def measure_area(good: Sequence[float], bad: Sequence[float], confidence: float = CONFIDENCE) -> Area | None:
    """Measure the area under the ROC curve with its interval.

    The interval is Newcombe's method 5 (Statistics in Medicine 25, 2006, page 559): all t for which
    |t - value| <= z sqrt(V(t)), with V(t) = t (1 - t) (1 + (N - 1) ((1 - t) / (2 - t) + t / (1 + t))) / (m n)
    after Hanley and McNeil (1982) for m good and n bad parts, N = (m + n) / 2. It says something also for a
    value of 1, where others say that nothing is uncertain.

    Args:
        good: scores of good parts; infinite for one that can't be inspected.
        bad: scores of bad parts.
        confidence: of the interval.

    Returns:
        the area; None without both kinds.

    Example:
        >>> print(measure_area([1.0, 2.0, 3.0], [4.0, 5.0]))
        1.0000 (0.439 to 1.000)
    """
    if not good or not bad:
        return None
    from scipy.optimize import brentq  # takes a moment, and only an exam needs it
    from scipy.stats import norm

    m, n = len(good), len(bad)
    middle = (m + n) / 2
    z = float(norm.ppf((1 + confidence) / 2))
    value = auroc(np.array(good), np.array(bad))

    def exceed(t: float) -> float:
        """Return by how much `t` is further from the value than the interval reaches."""
        spread = t * (1 - t) * (1 + (middle - 1) * ((1 - t) / (2 - t) + t / (1 + t))) / (m * n)
        return abs(value - t) - z * math.sqrt(spread)

    low = float(brentq(exceed, 0, min(value, 1 - _NEAR))) if value > 0 else 0.0
    high = float(brentq(exceed, max(value, _NEAR), 1)) if value < 1 else 1.0
    return Area(value, low, high)


def measure_rate(count: int, parts: int, confidence: float = CONFIDENCE) -> Rate | None:
    """Measure a share with its exact (Clopper-Pearson) interval.

    Args:
        count: how many of the parts it is.
        parts: number of all parts.
        confidence: of the two-sided interval.

    Returns:
        the rate; None without parts.

    Example:
        >>> rate = measure_rate(5, 250)
        >>> print(f"{rate.value:.2%}, {rate.low:.2%} to {rate.high:.2%}")
        2.00%, 0.65% to 4.61%
    """
    if parts == 0:
        return None
    from scipy.stats import binomtest

    low, high = binomtest(count, parts).proportion_ci(confidence, method="exact")
    return Rate(count=count, parts=parts, low=float(low), high=float(high))
