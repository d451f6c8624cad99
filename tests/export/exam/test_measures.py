from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, bootstrap
from sklearn.metrics import roc_auc_score
from softcore_export.exam.measures import measure_area, measure_rate

SCORES = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=20)


@given(SCORES, SCORES)
def test_the_area_lies_in_its_interval_and_is_that_of_scikit_learn(
    good: list[float], bad: list[float]
) -> None:
    area = measure_area(good, bad)
    assert area
    assert area.value == pytest.approx(roc_auc_score([0] * len(good) + [1] * len(bad), good + bad))
    assert 0 <= area.low <= area.value <= area.high <= 1
    assert area.high - area.low > 0.1  # so few parts are never certain
    turned = measure_area(bad, good)
    assert turned
    assert (1 - turned.high, 1 - turned.low) == pytest.approx((area.low, area.high), abs=1e-6)


def test_the_interval_is_about_the_bootstraps_where_that_is_to_be_trusted() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.normal(0, 1, 150), rng.normal(1, 1, 120)
    area = measure_area(good.tolist(), bad.tolist())
    found = bootstrap(
        (good, bad), lambda one, other: (one[:, None] < other).mean(), vectorized=False, n_resamples=2000,
        method="percentile", rng=rng,
    ).confidence_interval  # fmt: skip
    assert area
    assert (area.low, area.high) == pytest.approx(found, abs=0.012)


@pytest.mark.parametrize("shift", [0.0, 1.5, 3.0])
def test_the_interval_holds_the_true_area_as_often_as_it_says(shift: float) -> None:
    rng = np.random.default_rng(1)
    large = rng.normal(0, 1, 4000), rng.normal(shift, 1, 4000)
    truth = float(roc_auc_score(np.repeat([0, 1], 4000), np.concatenate(large)))
    areas = [
        measure_area(rng.normal(0, 1, 25).tolist(), rng.normal(shift, 1, 12).tolist()) for _ in range(400)
    ]
    held = np.mean([area.low <= truth <= area.high for area in areas if area])
    assert 0.92 <= held <= 1


def test_a_part_that_cannot_be_inspected_scores_highest() -> None:
    area = measure_area([1.0, 2.0], [float("inf"), 3.0])
    assert area
    assert area.value == 1
    assert str(area).startswith("1.0000 (")


def test_without_both_kinds_there_is_no_area() -> None:
    assert measure_area([], [1.0]) is None
    assert measure_area([1.0], []) is None


@pytest.mark.parametrize(("count", "parts"), [(0, 1), (1, 1), (0, 20), (3, 20), (500, 500)])
def test_rates_are_clopper_and_pearsons(count: int, parts: int) -> None:
    rate = measure_rate(count, parts)
    assert rate
    # The ends are the shares at which as few, or as many, are seen in one of 40 samples.
    at_least, at_most = binom.sf(count - 1, parts, rate.low), binom.cdf(count, parts, rate.high)
    assert at_least == pytest.approx(0.025, abs=1e-6) if count else rate.low == 0
    assert at_most == pytest.approx(0.025, abs=1e-6) if count < parts else rate.high == 1
    assert measure_rate(0, 0) is None
