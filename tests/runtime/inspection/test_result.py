from __future__ import annotations

import dataclasses
import re
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from softcore_runtime import FrameError, Inspector
from softcore_runtime.decision import Bound, Decision
from softcore_runtime.images.preprocessing import Window
from softcore_runtime.inspection.result import InspectionResult


def inspected(**changes: Any) -> InspectionResult:
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
        "seal": "5ea1" * 16,
    }
    return InspectionResult(**{**fields, **changes})


def test_the_score_as_a_share_of_the_threshold() -> None:
    assert inspected().share == 1.5
    assert inspected(score=2.0, decision=Decision.PASS).share == 1


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
        inspected(decision=decision, score=score)


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_a_threshold_that_is_none_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold must be above 0"):
        inspected(threshold=threshold)


@pytest.mark.parametrize("name", ["patch_scores", "anomaly_map"])
@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 5)), np.zeros((1, 4, 5), np.float32), np.zeros(20, np.float32), np.zeros((4, 5), int)],
)
def test_arrays_of_another_kind_are_refused(name: str, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be float32 \[H, W\]"):
        inspected(**{name: array})


def test_a_decision_is_its_word() -> None:
    for decision in Decision:
        assert f"{decision}" == str(decision) == decision.value == decision.name
    assert list(Decision) == ["PASS", "REVIEW", "FAIL", "INVALID"]


def decided(**changes: Any) -> InspectionResult:
    """A result without a map, as `decide` returns it."""
    return inspected(patch_scores=None, anomaly_map=None, **changes)


def test_a_score_may_be_a_bound_but_not_with_a_map() -> None:
    at_least = decided(bound=Bound.LOWER)
    assert (at_least.share, str(at_least.bound)) == (1.5, "lower")
    at_most = decided(bound=Bound.UPPER, score=2.0, decision=Decision.PASS)
    assert (at_most.share, str(at_most.bound)) == (1, "upper")
    with pytest.raises(ValueError, match="PASS contradicts score"):
        decided(bound=Bound.UPPER, decision=Decision.PASS)
    for bound in (Bound.UPPER, Bound.LOWER):
        with pytest.raises(ValueError, match=f"must be exact, not a bound \\({bound}\\)"):
            inspected(bound=bound)


@pytest.mark.parametrize("name", ["patch_scores", "anomaly_map"])
def test_one_map_without_the_other_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is missing"):
        inspected(**{name: None})


@pytest.mark.parametrize("seal", ["", "0" * 63, "0" * 65, "G" * 64, "A" * 64])
def test_what_is_no_seal_is_refused(seal: str) -> None:
    with pytest.raises(ValueError, match="seal must be a SHA-256 in hex"):
        inspected(seal=seal)


def test_it_prints_in_one_line_without_its_arrays() -> None:
    assert repr(inspected()) == "InspectionResult(FAIL, score=3, 1.50 x threshold, map 32x32, 1.0 ms)"
    assert repr(decided(bound=Bound.LOWER)) == "InspectionResult(FAIL, score>=3, >=1.50 x threshold, 1.0 ms)"
    passed = decided(bound=Bound.UPPER, score=1.23456, decision=Decision.PASS)
    assert repr(passed) == "InspectionResult(PASS, score<=1.235, <=0.62 x threshold, 1.0 ms)"
    assert str(passed) == repr(passed)


def test_it_knows_the_very_frame_and_lets_go_of_it(tiny_bundle: Path, good_frame: np.ndarray) -> None:
    inspector = Inspector.load(tiny_bundle, self_test=False)
    frame = good_frame.copy()
    kept = [inspector.inspect(frame), inspector.decide(frame), *inspector.inspect_batch([frame, good_frame])]
    assert [result.frame is frame for result in kept] == [True, True, True, False]
    there = weakref.ref(frame)
    without = [dataclasses.replace(result, frame=None) for result in kept]
    del frame, kept
    assert there() is None  # not even the inspector has it
    assert [result.anomaly_map is None for result in without] == [False, True, False, False]


def test_results_are_compared_by_identity() -> None:
    one = inspected()
    assert one == one
    assert one != inspected()
    assert len({one, inspected()}) == 2


def test_no_frame_is_refused() -> None:
    with pytest.raises(FrameError, match="uint8 or uint16, not float64"):
        inspected(frame=np.zeros((32, 32)))


def test_a_notebook_shows_frame_and_map_with_the_decision_as_word_and_colour() -> None:
    frame = np.full((240, 320, 3), 90, np.uint8)
    shown = inspected(frame=frame)._repr_html_()
    assert re.findall(r'alt="([^"]+)" width="(\d+)" height="(\d+)"', shown) == [
        ("frame", "320", "240"),
        ("anomaly map", "320", "240"),
    ]
    assert re.search(r"background:rgb\(190,30,40\)[^>]*>FAIL<", shown)
    for words in ("1.50 x threshold", "1.0 ms on cpu", "19 certified by hints", "32x32"):
        assert words in shown


def test_a_notebook_shows_what_there_is_without_a_map_or_a_frame() -> None:
    frame = np.zeros((64, 48), np.uint16)
    shown = decided(frame=frame, bound=Bound.LOWER)._repr_html_()
    assert re.findall(r'alt="([^"]+)"', shown) == ["frame"]
    assert "at least 3<" in shown
    assert "none; inspect() draws it" in shown
    assert "<img" not in inspected()._repr_html_()
    grey = inspected(score=2.5, decision=Decision.REVIEW, fail_above=2.75)._repr_html_()
    assert ">REVIEW<" in grey
    assert "2, FAIL above 2.75" in grey
