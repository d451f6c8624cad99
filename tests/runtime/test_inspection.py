from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from softcore_runtime.inspection import Bound, Decision, Inspection, Ruling
from softcore_runtime.preprocessing import Window


def inspection(**changes: Any) -> Inspection:
    scores = np.zeros((4, 5), np.float32)
    scores[1, 2] = changes.get("score", 3)
    fields: dict[str, Any] = {
        "decision": Decision.FAIL,
        "score": 3.0,
        "bound": Bound.EXACT,
        "threshold": 2.0,
        "fail_above": 2.0,
        "patch_scores": scores,
        "anomaly_map": np.zeros((32, 32), np.float32),
        "window": Window(x=0, y=0, width=32, height=32),
        "certified_by_hint": 19,
        "by_hnsw": 0,
        "exact": 1,
        "milliseconds": 1.0,
        "provider": "cpu",
    }
    return Inspection(**{**fields, **changes})


def test_the_score_as_a_share_of_the_limit() -> None:
    assert inspection().share == 1.5
    assert inspection(score=2.0, decision=Decision.PASS).share == 1


@pytest.mark.parametrize(
    ("decision", "score"),
    [
        (Decision.PASS, 2.0001),
        (Decision.PASS, float("inf")),
        (Decision.PASS, float("nan")),
        (Decision.FAIL, 2.0),
        (Decision.FAIL, 0.0),
        (Decision.INVALID, 1.0),
    ],
)
def test_a_decision_that_contradicts_its_score_is_refused(decision: Decision, score: float) -> None:
    with pytest.raises(ValueError, match=f"{decision} contradicts score"):
        inspection(decision=decision, score=score)


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_none_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must be above 0"):
        inspection(threshold=threshold)


@pytest.mark.parametrize("name", ["patch_scores", "anomaly_map"])
@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 5)), np.zeros((1, 4, 5), np.float32), np.zeros(20, np.float32), np.zeros((4, 5), int)],
)
def test_arrays_of_another_kind_are_refused(name: str, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be float32 \[H, W\]"):
        inspection(**{name: array})


def test_a_decision_is_its_word() -> None:
    for decision in Decision:
        assert f"{decision}" == str(decision) == decision.value == decision.name
    assert list(Decision) == ["PASS", "REVIEW", "FAIL", "INVALID"]


def test_a_ruling_may_rest_on_a_bound_but_an_inspection_may_not() -> None:
    fields = {
        name: value
        for name, value in vars(inspection()).items()
        if name not in ("patch_scores", "anomaly_map")
    }
    at_least = Ruling(**{**fields, "bound": Bound.LOWER})
    assert (at_least.share, str(at_least.bound)) == (1.5, "lower")
    at_most = Ruling(**{**fields, "bound": Bound.UPPER, "score": 2.0, "decision": Decision.PASS})
    assert (at_most.share, str(at_most.bound)) == (1, "upper")
    with pytest.raises(ValueError, match="PASS contradicts score"):
        Ruling(**{**fields, "bound": Bound.UPPER, "decision": Decision.PASS})
    for bound in (Bound.UPPER, Bound.LOWER):
        with pytest.raises(ValueError, match=f"must be exact, not a bound \\({bound}\\)"):
            inspection(bound=bound)
