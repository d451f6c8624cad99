"""Scores: the scores of good and bad parts, what a threshold makes of them, and how well they separate.

Scores are float64; a part fails where its score is above the threshold. Overkill is the share of good parts
that fail, escape the share of bad parts that pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.separation import auroc

__all__ = ["Scores", "compute_auroc", "compute_average_precision", "count_wrong"]

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of good parts `[G]` and of bad parts `[B]`, float64, sorted.

    Raises:
        ValueError: they have another shape, or aren't finite.

    Example:
        >>> Scores(np.array([2.0, 1.0]), np.array([3.0])).good.tolist()
        [1.0, 2.0]
    """

    good: _Floats
    bad: _Floats

    def __post_init__(self) -> None:
        for name in ("good", "bad"):
            values = getattr(self, name)
            if values.ndim != 1 or not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite float64 [N]")
            object.__setattr__(self, name, np.sort(values.astype(np.float64)))


def count_wrong(thresholds: _Floats, scores: Scores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count, for thresholds `[L]`, the good parts that fail and the bad parts that pass: int64 `[L]` each.

    Example:
        >>> scores = Scores(np.array([1.0, 2.0, 3.0]), np.array([2.5, 4.0]))
        >>> [counts.tolist() for counts in count_wrong(np.array([2.0, 2.5]), scores)]
        [[1, 1], [0, 1]]
    """
    overkill = len(scores.good) - np.searchsorted(scores.good, thresholds, side="right")
    return np.asarray(overkill), np.asarray(np.searchsorted(scores.bad, thresholds, side="right"))


def compute_auroc(scores: Scores) -> float | None:
    """Compute the area under the ROC curve; None without both kinds.

    Example:
        >>> compute_auroc(Scores(np.array([1.0, 2.0, 3.0]), np.array([2.5, 4.0])))
        0.8333333333333334
    """
    return auroc(scores.good, scores.bad) if len(scores.good) and len(scores.bad) else None


def compute_average_precision(scores: Scores) -> float | None:
    """Compute the average precision; None without both kinds.

    Equals scikit-learn's `average_precision_score`, whose import takes longer than the rest of a calibration
    from known scores.

    Example:
        >>> compute_average_precision(Scores(np.array([1.0, 2.0, 3.0]), np.array([2.5, 4.0])))
        0.8333333333333333
    """
    bad = len(scores.bad)
    if not len(scores.good) or not bad:
        return None
    # Every score in turn is the lowest that fails, the highest first.
    thresholds = np.nextafter(np.unique(np.concatenate([scores.good, scores.bad]))[::-1], -np.inf)
    overkill, escape = count_wrong(thresholds, scores)
    caught = bad - escape
    gained = np.diff(caught, prepend=0) / bad
    return float((gained * caught / (caught + overkill)).sum())
