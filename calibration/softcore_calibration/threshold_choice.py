"""Threshold choice: chooses the threshold that meets an objective."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.errors import DataError

from softcore_calibration.bounds import find_allowed
from softcore_calibration.demands import demand_enough
from softcore_calibration.objective import Objective
from softcore_calibration.scores import Scores, count_wrong

__all__ = ["ChosenThreshold", "choose_threshold"]

_RESAMPLES = 1000
_TINY = float(np.finfo(np.float32).tiny)

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold that was chosen for an objective.

    Attributes:
        value: the threshold.
        fail_above: the upper end of its grey zone; None if it has none.
        promise: what it promises, in words.
        interval: 95 % bootstrap interval of the threshold, if the objective minimises a cost.
    """

    value: float
    fail_above: float | None
    promise: str
    interval: tuple[float, float] | None = None


def choose_threshold(objective: Objective, scores: Scores, seed: int = 0) -> ChosenThreshold:
    """Choose the threshold that meets an objective.

    Args:
        objective: what the threshold is chosen for.
        scores: of good and bad parts.
        seed: of the bootstrap.

    Raises:
        DataError: the sample is too small for the promise; the message says how many images are missing.
        UsageError: there is no image of a kind that the objective needs.
    """
    demand_enough(objective, len(scores.good), len(scores.bad))
    wanted = objective.parameters
    confidence = objective.confidence
    interval = upper = None
    if objective.kind == "overkill":
        value, promise = _keep_overkill(scores, wanted["share"], confidence)
    elif objective.kind == "escape":
        value, promise = _keep_escape(scores, wanted["share"], confidence)
    elif objective.kind == "band":
        value, upper, promise = _keep_both(scores, wanted, confidence)
    elif objective.kind == "cost":
        value, interval, promise = _minimise_cost(scores, wanted, seed)
    elif objective.kind in ("f1", "youden"):
        value, promise = _separate(scores, objective.kind)
    elif objective.kind == "percentile":
        value = float(np.percentile(scores.good, wanted["percent"], method="higher"))
        promise = f"{wanted['percent']:g} % of the good images here score no higher; no promise beyond them"
    else:
        value, promise = wanted["value"], "set by hand: no promise"
    if objective.band_width is not None:
        value, upper = value * (1 - objective.band_width), value * (1 + objective.band_width)
        promise += f"; a grey zone of {objective.band_width:.0%} on either side goes to a person"
    return ChosenThreshold(max(value, _TINY), None if upper is None else max(upper, _TINY), promise, interval)


def _keep_overkill(scores: Scores, share: float, confidence: float | None) -> tuple[float, str]:
    good = scores.good
    allowed = find_allowed(len(good), share, confidence)
    assert allowed is not None  # noqa: S101 - `choose_threshold` has checked this
    return float(good[len(good) - 1 - allowed]), _promise("good", "fail", share, confidence)


def _keep_escape(scores: Scores, share: float, confidence: float | None) -> tuple[float, str]:
    bad = scores.bad
    allowed = find_allowed(len(bad), share, confidence)
    assert allowed is not None  # noqa: S101 - as above
    if bad[allowed] <= _TINY:
        raise DataError(f"{allowed + 1} of the bad images score 0, and no threshold can catch those")
    return float(np.nextafter(bad[allowed], 0)), _promise("bad", "pass", share, confidence)


def _keep_both(
    scores: Scores, wanted: dict[str, float], confidence: float | None
) -> tuple[float, float, str]:
    """Pass below one threshold and fail above the other; if they cross, one threshold keeps both promises."""
    upper, one = _keep_overkill(scores, wanted["overkill"], confidence)
    lower, other = _keep_escape(scores, wanted["escape"], confidence)
    if lower >= upper:
        lower = upper = (lower + upper) / 2
    return lower, upper, f"{one}; {other}; what lies between the two thresholds goes to a person"


def _minimise_cost(
    scores: Scores, wanted: dict[str, float], seed: int
) -> tuple[float, tuple[float, float], str]:
    thresholds = _candidates(scores)
    overkill, escape = count_wrong(thresholds, scores)
    defects = wanted.get("defects", len(scores.bad) / (len(scores.bad) + len(scores.good)))
    per_overkill = (1 - defects) * wanted["overkill"] / len(scores.good)
    per_escape = defects * wanted["escape"] / len(scores.bad)
    costs = per_overkill * overkill + per_escape * escape
    best = _widest_best(thresholds, -costs)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(_RESAMPLES):
        again = Scores(rng.choice(scores.good, len(scores.good)), rng.choice(scores.bad, len(scores.bad)))
        fails, passes = count_wrong(thresholds, again)
        found.append(_widest_best(thresholds, -(per_overkill * fails + per_escape * passes)))
    low, high = np.percentile(found, [2.5, 97.5])
    least = float(costs.min())
    promise = (
        f"least expected cost, {least:.4g} a part at {defects:.4g} defective parts of all, "
        f"an escape costing {wanted['escape']:g} and an overkill {wanted['overkill']:g}; "
        f"the threshold would lie in {low:.4g} to {high:.4g} in 95 % of resampled sets"
    )
    return best, (float(low), float(high)), promise


def _separate(scores: Scores, kind: str) -> tuple[float, str]:
    thresholds = _candidates(scores)
    overkill, escape = (counts.astype(np.float64) for counts in count_wrong(thresholds, scores))
    caught = len(scores.bad) - escape
    if kind == "f1":
        merit = 2 * caught / (2 * caught + overkill + escape)
        return _widest_best(
            thresholds, merit
        ), f"the highest F1 score on these images, {merit.max():.4f}; no promise"
    merit = caught / len(scores.bad) - overkill / len(scores.good)
    return _widest_best(
        thresholds, merit
    ), f"the highest Youden index on these images, {merit.max():.4f}; no promise"


def _candidates(scores: Scores) -> _Floats:
    """Return a threshold between any two neighbouring scores, one below all and one above all."""
    values = np.unique(np.concatenate([scores.good, scores.bad]))
    return np.concatenate([[max(values[0] / 2, _TINY)], (values[1:] + values[:-1]) / 2, [values[-1]]])


def _widest_best(thresholds: _Floats, merits: _Floats) -> float:
    """Return the best threshold; of equally good ones the one with the widest gap around it."""
    best = np.flatnonzero(merits >= merits.max() - 1e-12)
    room = np.diff(thresholds, prepend=thresholds[0], append=thresholds[-1])
    return float(thresholds[best[np.argmax(room[best] + room[best + 1])]])


def _promise(kind: str, does: str, share: float, confidence: float | None) -> str:
    if confidence is None:
        return f"the next {kind} part will {does} with probability {share!r} at most"
    return f"with {confidence!r} confidence at most {share!r} of all {kind} parts {does}"
