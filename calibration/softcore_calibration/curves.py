"""Curves: how overkill, escape, their bounds and the expected cost run with the threshold.

All of them are steps: they change at the scores alone. They are told at the scores; between two neighbours
the value at the lower one holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.metrics import roc_curve

from softcore_calibration.calibration import Findings
from softcore_calibration.objectives import Scores, count_wrong

__all__ = ["Costs", "bound_share", "draw_roc", "expect_cost", "find_costs", "find_steps", "find_thresholds"]

_EXAMPLE = (10.0, 1.0)  # of an escape and an overkill, where nobody said what they cost
_TINY = float(np.finfo(np.float32).tiny)

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Costs:
    """What an escape and an overkill cost, and the share of defective parts they are expected for.

    `example` says that nobody told the costs.
    """

    escape: float
    overkill: float
    defects: float
    example: bool


def find_thresholds(scores: Scores, *marks: float) -> _Floats:
    """Name a threshold for each outcome that these scores can have.

    Args:
        scores: G good and B bad parts'.
        marks: thresholds that stand for the outcomes they have; of two with the same outcome the last one
            does.

    Returns:
        float64 `[L]`, rising, L <= G + B + 1: the marks, the middles between neighbours, below and above all.
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
    """Count what is on the wrong side of every threshold up to `top`.

    Returns:
        (edges float64 `[E]`, rising from 0 to `top`; good parts that fail, int64 `[E]`; bad parts that pass,
        int64 `[E]`). Both counts hold from their edge to below the next.
    """
    inside = np.concatenate([scores.good, scores.bad])
    edges = np.unique(np.concatenate([[0.0], inside[inside < top], [top]]))
    return edges, *count_wrong(edges, scores)


def bound_share(parts: int, confidence: float) -> tuple[_Floats, _Floats]:
    """Bound the share of all parts, for each count of `parts` looked at: exact (Clopper-Pearson), two-sided.

    Returns:
        (low, high), float64 `[parts + 1]` each, by the count 0 to `parts`; [0, 1] without parts.
    """
    counts = np.arange(parts + 1)
    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore"):  # beta has no parameter 0; both ends are known
        low = beta.ppf(tail, counts, parts - counts + 1)
        high = beta.ppf(1 - tail, counts + 1, parts - counts)
    return np.where(counts == 0, 0.0, low), np.where(counts == parts, 1.0, high)


def draw_roc(scores: Scores) -> tuple[_Floats, _Floats] | None:
    """Draw the receiver operating characteristic.

    Returns:
        (shares of good parts that fail, shares of bad parts that fail), float64 `[R]` each, rising from 0 to
        1; None without both kinds.
    """
    if not len(scores.good) or not len(scores.bad):
        return None
    labels = np.repeat([0, 1], [len(scores.good), len(scores.bad)])
    overkill, caught, _ = roc_curve(labels, np.concatenate([scores.good, scores.bad]))
    return overkill, caught


def find_costs(findings: Findings) -> Costs:
    """Take the costs and the defect rate that the objective had, else an example at the findings' rate."""
    wanted = findings.objective.parameters
    if findings.objective.kind != "cost":
        return Costs(*_EXAMPLE, defects=findings.defect_rate, example=True)
    good, bad = len(findings.scores.good), len(findings.scores.bad)
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
