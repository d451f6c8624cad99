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
from softcore_runtime.inspection.inspection import Inspection, Ruling


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


def test_the_score_as_a_share_of_the_threshold() -> None:
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
def test_a_threshold_that_is_none_is_refused(threshold: float) -> None:
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


def ruling(**changes: Any) -> Ruling:
    fields = {field.name: getattr(inspection(), field.name) for field in dataclasses.fields(Ruling)}
    return Ruling(**{**fields, **changes})


def test_it_prints_in_one_line_without_its_arrays() -> None:
    assert repr(inspection()) == "Inspection(FAIL, score=3, 1.50 x threshold, map 32x32, 1.0 ms)"
    assert repr(ruling(bound=Bound.LOWER)) == "Ruling(FAIL, score>=3, >=1.50 x threshold, 1.0 ms)"
    passed = ruling(bound=Bound.UPPER, score=1.23456, decision=Decision.PASS)
    assert repr(passed) == "Ruling(PASS, score<=1.235, <=0.62 x threshold, 1.0 ms)"
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
    assert [type(result) for result in without] == [Inspection, Ruling, Inspection, Inspection]


def test_results_are_compared_by_identity() -> None:
    one = inspection()
    assert one == one
    assert one != inspection()
    assert len({one, inspection()}) == 2


def test_no_frame_is_refused() -> None:
    with pytest.raises(FrameError, match="uint8 or uint16, not float64"):
        inspection(frame=np.zeros((32, 32)))


def test_a_notebook_shows_frame_and_map_with_the_decision_as_word_and_colour() -> None:
    frame = np.full((240, 320, 3), 90, np.uint8)
    shown = inspection(frame=frame)._repr_html_()
    assert re.findall(r'alt="([^"]+)" width="(\d+)" height="(\d+)"', shown) == [
        ("frame", "320", "240"),
        ("anomaly map", "320", "240"),
    ]
    assert re.search(r"background:rgb\(190,30,40\)[^>]*>FAIL<", shown)
    for words in ("1.50 x threshold", "1.0 ms on cpu", "19 certified by hints", "32x32"):
        assert words in shown


def test_a_notebook_shows_what_there_is_without_a_map_or_a_frame() -> None:
    frame = np.zeros((64, 48), np.uint16)
    decided = ruling(frame=frame, bound=Bound.LOWER)._repr_html_()
    assert re.findall(r'alt="([^"]+)"', decided) == ["frame"]
    assert "at least 3<" in decided
    assert "none; inspect() draws it" in decided
    assert "<img" not in inspection()._repr_html_()
    grey = inspection(score=2.5, decision=Decision.REVIEW, fail_above=2.75)._repr_html_()
    assert ">REVIEW<" in grey
    assert "2, FAIL above 2.75" in grey
