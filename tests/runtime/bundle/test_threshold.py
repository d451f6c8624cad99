from __future__ import annotations

import math
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from softcore_runtime import Decision
from softcore_runtime.bundle.threshold import Calibration, Rate, Threshold

POSITIVE = st.floats(min_value=1e-30, max_value=1e30)


@given(POSITIVE, POSITIVE, st.floats(min_value=0, max_value=1e30))
def test_a_grey_zone_lies_between_pass_and_fail(one: float, other: float, score: float) -> None:
    low, high = sorted([one, other])
    threshold = Threshold(value=low, fail_above=high, provisional=False, method="")
    expected = Decision.PASS if score <= low else Decision.FAIL if score > high else Decision.REVIEW
    assert threshold.decide(score) is expected
    assert threshold.decide(low) is Decision.PASS
    assert threshold.decide(math.nextafter(high, math.inf)) is Decision.FAIL


@given(POSITIVE, st.floats(min_value=0, max_value=1e30))
def test_without_a_grey_zone_nothing_is_a_review(value: float, score: float) -> None:
    threshold = Threshold(value=value, provisional=False, method="")
    assert threshold.upper == value
    assert threshold.decide(score) is (Decision.PASS if score <= value else Decision.FAIL)
    assert threshold.decide(math.nan) is Decision.FAIL


@pytest.mark.parametrize(
    "fields",
    [
        {"fail_above": 0.9},
        {"fail_above": math.nan},
        {"min_area": 0},
        {"mask": "../mask-0123456789abcdef.png"},
        {"mask": "mask.png"},
    ],
)
def test_a_threshold_that_means_nothing_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Threshold.model_validate({"value": 1.0, "provisional": False, "method": "", **fields})


def test_a_rate_is_a_share() -> None:
    assert Rate(count=3, parts=12, low=0.05, high=0.6).value == 0.25


def test_a_calibration_from_before_baselines_is_read() -> None:
    old = {
        "objective": "value", "parameters": {}, "promise": "", "confidence": 0.95, "overkill": None,
        "escape": None, "source": "pictures", "good_sha256": None, "bad_sha256": None,
        "engine": "onnxruntime", "precision": "fp32", "created": "2026-01-01T00:00:00Z", "tool": "",
    }  # fmt: skip
    assert Calibration.model_validate(old).baselines is None
    baseline = {"parts": 30, "centre": 0.5, "spread": 0.1}
    assert Calibration.model_validate({**old, "baselines": {"score": baseline}}).baselines
    with pytest.raises(ValidationError):
        Calibration.model_validate({**old, "baselines": {"score": {**baseline, "parts": 3}}})


def test_it_prints_in_one_line_without_all_that_a_calibration_says() -> None:
    assert repr(Threshold(value=1.5, provisional=True, method="by hand", fail_above=2, min_area=9)) == (
        "Threshold(value=1.5, fail_above=2.0, min_area=9, provisional=True, method='by hand')"
    )
    calibration = Calibration(
        objective="overkill", parameters={"share": 0.01}, promise="p", confidence=0.95, overkill=None,
        escape=None, source="pictures", good_sha256=None, bad_sha256=None, engine="openvino",
        precision="fp32", created=datetime(2026, 1, 1, tzinfo=timezone.utc), tool="softcore",
    )  # fmt: skip
    calibrated = Threshold(value=1.5, provisional=False, method="p", calibration=calibration)
    assert repr(calibrated) == "Threshold(value=1.5, provisional=False, method='p')"
    assert calibrated != Threshold(value=1.5, provisional=False, method="p")
    assert Threshold.model_validate_json(calibrated.model_dump_json()) == calibrated
