"""Bounds: what a sample of n parts can promise about all such parts. Exact, for every n and distribution.

The sample and the future parts are assumed to be exchangeable: drawn from the same line in the same state.
Let the threshold be the score that exactly `r` of n good parts exceed. Then, for any distribution of scores
(ties only lower the shares):

* *marginally* (split conformal prediction; Vovk et al., Algorithmic Learning in a Random World): the next
  good part exceeds it with probability at most (r + 1) / (n + 1);
* *with confidence c*, over samples: the share of all parts that exceed it is stochastically at most
  Beta(r + 1, n - r), so it is within A where P(Bin(n, A) <= r) <= 1 - c (Wilks 1941);
* *a second lot of n parts*, as a check: more than A n of them exceed the threshold with the
  hypergeometric probability that of the highest A n + 1 + r of all 2 n parts at most r are in the sample.

A promise with a confidence keeps all three. A check with a lot of the same size then finds it kept as often
as it states.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from softcore_runtime.bundle.threshold import Rate

__all__ = [
    "compute_lot_probability",
    "find_allowed",
    "find_smallest_sample",
    "find_smallest_share",
    "measure_rate",
]

_MOST = 1_000_000


def find_allowed(parts: int, share: float, confidence: float | None) -> int | None:
    """Return how many of a sample's parts may be on the wrong side of a threshold that keeps a promise.

    Args:
        parts: the sample's size n.
        share: the highest share A of all parts that may be on the wrong side, 0 < A < 1.
        confidence: c; None for the marginal promise alone.

    Returns:
        r, the largest number that keeps the promise; None if the sample is too small for it.

    Example:
        >>> find_allowed(200, 0.01, None), find_allowed(99, 0.01, None), find_allowed(98, 0.01, None)
        (1, 0, None)
        >>> find_allowed(1000, 0.05, 0.95)
        35
    """
    most = math.floor(_exact(share) * (parts + 1)) - 1
    if most < 0:
        return None
    if confidence is None:
        return most
    from scipy.stats import binom  # takes most of a second, and only a confidence needs it

    counts = np.arange(most + 1)
    slack = 1e-12  # for the rounding of scipy's sums, on the safe side
    kept = binom.cdf(counts, parts, share) <= 1 - confidence - slack
    kept &= compute_lot_probability(parts, counts, share) >= confidence + slack
    found = np.flatnonzero(kept)
    return int(found[-1]) if len(found) else None


def compute_lot_probability(
    parts: int, counts: np.ndarray[tuple[int, ...], np.dtype[np.int64]], share: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Compute the probability that a second lot of `parts` has at most `share` on the wrong side.

    Args:
        parts: n, of the sample and of the lot.
        counts: int64 `[R]`, parts of the sample on the wrong side.
        share: A.

    Returns:
        probabilities float64 `[R]`.

    Example:
        >>> compute_lot_probability(300, np.array([0, 3, 15]), 0.05).round(3).tolist()
        [1.0, 0.998, 0.5]
    """
    from scipy.stats import hypergeom

    tolerated = math.floor(_exact(share) * parts)
    highest = tolerated + 1 + counts
    return np.asarray(1 - hypergeom.cdf(counts, 2 * parts, parts, np.minimum(highest, 2 * parts)))


def find_smallest_sample(share: float, confidence: float | None) -> int:
    """Return the smallest sample that a promise needs.

    Args:
        share: as for `find_allowed`.
        confidence: as for `find_allowed`.

    Returns:
        the smallest n for which `find_allowed` isn't None, at most 1,000,000.

    Example:
        >>> find_smallest_sample(0.01, None), find_smallest_sample(0.01, 0.95)
        (99, 400)
    """
    if confidence is None:
        return math.ceil(1 / _exact(share)) - 1
    low = max(1, math.floor(math.log1p(-confidence) / math.log1p(-share)))
    for parts in range(low, _MOST):
        if find_allowed(parts, share, confidence) is not None:
            return parts
    return _MOST


def find_smallest_share(parts: int, confidence: float | None) -> float | None:
    """Find the smallest share, in whole thousandths, that a sample can promise.

    Args:
        parts: the sample's size.
        confidence: as for `find_allowed`.

    Returns:
        the share; None if the sample can promise none.

    Example:
        >>> find_smallest_share(30, None), find_smallest_share(30, 0.95)
        (0.033, 0.134)
    """
    for thousandths in range(1, 1000):
        if find_allowed(parts, thousandths / 1000, confidence) is not None:
            return thousandths / 1000
    return None


def measure_rate(count: int, parts: int, confidence: float) -> Rate | None:
    """Measure a share with its exact (Clopper-Pearson) interval.

    Args:
        count: number of parts on the wrong side.
        parts: number of all parts.
        confidence: of the two-sided interval.

    Returns:
        the rate; None without parts.

    Example:
        >>> rate = measure_rate(5, 250, 0.95)
        >>> print(f"{rate.value:.2%}, {rate.low:.2%} to {rate.high:.2%}")
        2.00%, 0.65% to 4.61%
    """
    if parts == 0:
        return None
    from scipy.stats import binomtest

    low, high = binomtest(count, parts).proportion_ci(confidence, method="exact")
    return Rate(count=count, parts=parts, low=float(low), high=float(high))


def _exact(share: float) -> Fraction:
    """Return the decimal fraction that is written: 29 / 100 for 0.29, not the float just below."""
    return Fraction(repr(share))
