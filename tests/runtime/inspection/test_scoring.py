from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from softcore_runtime import Bound, Decision, Inspector
from softcore_runtime.inspection.anomaly_map import draw_map

from .bundles import change_threshold, draw_frames, scores_from_scratch


@pytest.mark.parametrize("min_area", [1, 40, 300, 1024])
def test_an_area_decides_as_the_exhaustive_map_does(tiny_bundle: Path, min_area: int) -> None:
    change_threshold(tiny_bundle, value=2.5, min_area=min_area)
    inspector = Inspector.load(tiny_bundle)
    decisions = set()
    for frame in draw_frames(40, seed=3):
        whole = draw_map(scores_from_scratch(tiny_bundle, frame).astype(np.float32), (32, 32))
        found, inspection = inspector.decide(frame), inspector.inspect(frame)
        expected = Decision.FAIL if (whole > 2.5).sum() >= min_area else Decision.PASS
        assert found.decision is inspection.decision is expected
        np.testing.assert_allclose(inspection.anomaly_map, whole, rtol=1e-5, atol=1e-5)
        assert inspection.score == pytest.approx(np.sort(whole, axis=None)[-min_area], rel=1e-5, abs=1e-5)
        assert found.score == inspection.score or (
            found.bound is Bound.UPPER and inspection.score <= found.score <= 2.5
        )
        decisions.add(expected)
    assert len(decisions) == 2 or min_area >= 300


def test_between_two_thresholds_a_person_decides(tiny_bundle: Path) -> None:
    frames = draw_frames(60, seed=4)
    exact = [scores_from_scratch(tiny_bundle, frame).max() for frame in frames]
    low, high = np.quantile(exact, [0.3, 0.7])
    change_threshold(tiny_bundle, value=float(low), fail_above=float(high))
    inspector = Inspector.load(tiny_bundle)
    decisions = []
    for frame, score in zip(frames, exact, strict=True):
        found, inspection = inspector.decide(frame), inspector.inspect(frame)
        expected = Decision.PASS if score <= low else Decision.REVIEW if score <= high else Decision.FAIL
        assert found.decision is inspection.decision is expected
        assert (found.threshold, found.fail_above) == (low, high)
        decisions.append(expected)
    assert {str(decision) for decision in decisions} == {"PASS", "REVIEW", "FAIL"}
