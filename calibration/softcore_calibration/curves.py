"""Curves: overkill, escape, their bounds and the expected cost as functions of the threshold.

All of them are step functions that change at the scores alone. They are given at the scores; between two
neighbouring scores the value at the lower one holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.metrics import precision_recall_curve, roc_curve

from softcore_calibration.calibration import CalibrationResult
from softcore_calibration.scores import Scores, count_wrong

__all__ = [
    "Costs",
    "bound_share",
    "draw_precision",
    "draw_roc",
    "expect_cost",
    "find_costs",
    "find_steps",
    "find_thresholds",
]

_EXAMPLE = (10.0, 1.0)  # costs of an escape and an overkill if none were given
_TINY = float(np.finfo(np.float32).tiny)

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Costs:
    """Costs of wrong decisions.

    Attributes:
        escape: cost of an escape.
        overkill: cost of an overkill.
        defects: share of defective parts for which the cost is expected.
        example: whether the costs are an example because none were given.
    """

    escape: float
    overkill: float
    defects: float
    example: bool


def find_thresholds(scores: Scores, *marks: float) -> _Floats:
    """Return a threshold for each outcome that these scores can have.

    Args:
        scores: of G good and B bad parts.
        marks: thresholds to be used for their outcomes; of two with the same outcome the last one is used.

    Returns:
        float64 `[L]`, rising, L <= G + B + 1: the marks, the midpoints between scores, one threshold below
        and one above all scores.
    """
    edges = np.unique(np.concatenate([scores.good, scores.bad]))
    edges = edges[edges > 0]  # a threshold is above 0, so a score of 0 always passes
    if not len(edges):
        return np.unique(marks)
    middles = edges[:-1] / 2 + edges[1:] / 2
    thresholds = np.concatenate([[max(edges[0] / 2, _TINY)], middles, edges[-1:]])
    for mark in marks:
        thresholds[np.searchsorted(edges, mark, side="right")] = mark
    return np.unique(thresholds)


def find_steps(scores: Scores, top: float) -> tuple[_Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Count the parts on the wrong side of every threshold up to `top`.

    Returns:
        (edges float64 `[E]`, rising from 0 to `top`; good parts that fail, int64 `[E]`; bad parts that pass,
        int64 `[E]`). Both counts hold from their edge to below the next.
    """
    inside = np.concatenate([scores.good, scores.bad])
    edges = np.unique(np.concatenate([[0.0], inside[inside < top], [top]]))
    return edges, *count_wrong(edges, scores)


def bound_share(parts: int, confidence: float) -> tuple[_Floats, _Floats]:
    """Compute exact two-sided bounds (Clopper-Pearson) of a share, for each count among `parts`.

    Returns:
        (low, high), float64 `[parts + 1]` each, by the count 0 to `parts`; [0, 1] without parts.
    """
    counts = np.arange(parts + 1)
    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore"):  # beta takes no parameter 0; both ends are known
        low = beta.ppf(tail, counts, parts - counts + 1)
        high = beta.ppf(1 - tail, counts + 1, parts - counts)
    return np.where(counts == 0, 0.0, low), np.where(counts == parts, 1.0, high)


def draw_roc(scores: Scores) -> tuple[_Floats, _Floats] | None:
    """Compute the receiver operating characteristic.

    Returns:
        (shares of good parts that fail, shares of bad parts that fail), float64 `[R]` each, rising from 0 to
        1; None without both kinds.
    """
    if not len(scores.good) or not len(scores.bad):
        return None
    labels = np.repeat([0, 1], [len(scores.good), len(scores.bad)])
    overkill, caught, _ = roc_curve(labels, np.concatenate([scores.good, scores.bad]))
    return overkill, caught


def draw_precision(scores: Scores) -> tuple[_Floats, _Floats] | None:
    """Return the precision-recall curve: recall, precision; None without both kinds.

    Recall is the share of bad parts that fail, precision the share of bad ones among those that fail.

    Example:
        >>> scores = Scores(np.array([1.0, 2.0]), np.array([1.5, 4.0]))
        >>> [axis.round(2).tolist() for axis in draw_precision(scores)]
        [[0.0, 0.5, 0.5, 1.0, 1.0], [1.0, 1.0, 0.5, 0.67, 0.5]]
    """
    if not len(scores.good) or not len(scores.bad):
        return None
    labels = np.repeat([0, 1], [len(scores.good), len(scores.bad)])
    precision, recall, _ = precision_recall_curve(labels, np.concatenate([scores.good, scores.bad]))
    return np.asarray(recall[::-1]), np.asarray(precision[::-1])


def find_costs(result: CalibrationResult) -> Costs:
    """Return the costs and the defect rate of the objective, else an example at the result's defect rate."""
    wanted = result.objective.parameters
    if result.objective.kind != "cost":
        return Costs(*_EXAMPLE, defects=result.defect_rate, example=True)
    good, bad = len(result.scores.good), len(result.scores.bad)
    return Costs(
        wanted["escape"], wanted["overkill"], wanted.get("defects", bad / max(1, good + bad)), example=False
    )


def expect_cost(
    overkill: NDArray[np.int64], escape: NDArray[np.int64], scores: Scores, costs: Costs
) -> _Floats | None:
    """Compute the expected cost of a part, (1 - d) c_o overkill / G + d c_e escape / B.

    Args:
        overkill: good parts that fail, int64 `[E]`.
        escape: bad parts that pass, int64 `[E]`.
        scores: of G good and B bad parts.
        costs: c_e, c_o and d.

    Returns:
        float64 `[E]`; None without both kinds.
    """
    if not len(scores.good) or not len(scores.bad):
        return None
    needless = (1 - costs.defects) * costs.overkill * overkill / len(scores.good)
    return np.asarray(needless + costs.defects * costs.escape * escape / len(scores.bad))
