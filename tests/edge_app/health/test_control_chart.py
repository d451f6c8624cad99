from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from softcore_edge_app.configuration.options import DriftOptions
from softcore_edge_app.health.control_chart import ControlChart, ShareChart
from softcore_runtime.bundle.baseline import Baseline, measure_baseline

BASELINE = Baseline(parts=10_000, centre=0.0, spread=0.1)


def parts_until(chart: ControlChart, pace: str, values: np.ndarray) -> int | None:
    for count, value in enumerate(values.tolist(), 1):
        chart.add(value)
        if chart.raised[pace]:  # type: ignore[index]
            return count
    return None


def test_it_averages_as_pandas_does() -> None:
    chart = ControlChart(BASELINE, DriftOptions(fast=9, slow=99))
    values = np.random.default_rng(0).normal(0, 0.05, 500)
    for value in values.tolist():
        chart.add(value)
    for pace, span in (("fast", 9), ("slow", 99)):
        expected = pd.Series([0.0, *values]).ewm(span=span, adjust=False).mean().iloc[-1]
        assert chart.get_change(pace) == pytest.approx(math.expm1(expected), rel=1e-9)  # type: ignore[arg-type]


def test_parts_that_are_as_they_were_raise_nothing() -> None:
    """100,000 parts with heavy tails (Student's t of 4), skewed scores too, and baselines of few parts."""
    rng = np.random.default_rng(1)
    for draw in (
        lambda n: 0.1 * rng.standard_t(4, n),
        lambda n: np.log(rng.gamma(6.0, 0.1, n)),
    ):
        for known in (30, 200, 5000):
            baseline = measure_baseline(np.exp(draw(known)))
            assert baseline is not None
            chart = ControlChart(baseline, DriftOptions())
            for value in draw(100_000).tolist():
                chart.add(value)
                assert not any(chart.raised.values())


@pytest.mark.parametrize(
    ("shift", "pace", "most"),
    [(3.0, "fast", 15), (2.0, "fast", 35), (1.0, "slow", 280), (0.6, "slow", 1000), (-2.0, "fast", 35)],
)
def test_a_shift_is_seen_within_so_many_parts(shift: float, pace: str, most: int) -> None:
    for seed in range(20):
        chart = ControlChart(BASELINE, DriftOptions())
        rng = np.random.default_rng(seed)
        assert parts_until(chart, pace, rng.normal(0, 0.1, 1000)) is None
        seen = parts_until(chart, pace, rng.normal(0.1 * shift, 0.1, most))
        assert seen is not None, (seed, shift)
        assert math.copysign(1, chart.get_change(pace)) == math.copysign(1, shift)  # type: ignore[arg-type]


def test_the_delay_is_what_the_docstring_says() -> None:
    chart = ControlChart(BASELINE, DriftOptions())
    h, rate = chart.thresholds["slow"], 2 / 501
    expected = math.log(1 - h / 0.1) / math.log(1 - rate)
    assert parts_until(chart, "slow", np.full(1000, 0.1)) == math.ceil(expected)


def test_an_alarm_ends_only_when_things_are_well_again() -> None:
    chart = ControlChart(BASELINE, DriftOptions())
    threshold = chart.thresholds["fast"]
    assert parts_until(chart, "fast", np.full(200, 1.05 * threshold))
    for value in np.full(200, 0.9 * threshold).tolist():  # below the threshold: still an alarm
        chart.add(value)
        assert chart.raised["fast"]
    for value in np.full(200, 0.4 * threshold).tolist():
        chart.add(value)
    assert not chart.raised["fast"]


def test_one_odd_part_raises_nothing_and_a_large_change_is_reported_in_full() -> None:
    chart = ControlChart(BASELINE, DriftOptions())
    chart.add(50.0)
    assert not any(chart.raised.values())
    chart = ControlChart(BASELINE, DriftOptions())
    for _ in range(2000):
        chart.add(math.log(3))
    assert chart.raised == {"fast": True, "slow": True}
    assert chart.get_change("fast") == pytest.approx(2.0, rel=0.01)  # three times as much


def test_what_never_varied_may_vary_by_the_least_share() -> None:
    chart = ControlChart(Baseline(parts=30, centre=0.0, spread=0.0), DriftOptions(least=0.05))
    assert parts_until(chart, "fast", np.full(1000, math.log(1.04))) is None
    assert parts_until(chart, "fast", np.full(1000, math.log(1.08)))


def test_a_share_is_averaged_as_pandas_does() -> None:
    chart = ShareChart(0.1, DriftOptions(fast=9, slow=99))
    values = np.random.default_rng(0).random(500) < 0.4
    for value in values.tolist():
        chart.add(value)
    for pace, span in (("fast", 9), ("slow", 99)):
        expected = pd.Series([0.0, *values]).ewm(span=span, adjust=False).mean().iloc[-1]
        assert chart.get_share(pace) == pytest.approx(expected, rel=1e-9)  # type: ignore[arg-type]


def test_a_usual_share_raises_nothing() -> None:
    for usual, share in ((0.1, 0.05), (0.3, 0.2), (0.5, 0.4)):
        chart = ShareChart(usual, DriftOptions())
        for value in (np.random.default_rng(0).random(100_000) < share).tolist():
            chart.add(value)
            assert not any(chart.raised.values())


def test_seven_in_a_row_or_a_lasting_share_are_an_alarm_until_it_has_halved() -> None:
    chart = ShareChart(0.1, DriftOptions())
    for count in range(1, 8):
        chart.add(True)
        assert chart.raised["fast"] == (count == 7)
    for _ in range(7):
        assert chart.raised["fast"]
        chart.add(False)
    assert not chart.raised["fast"]
    chart, values = ShareChart(0.1, DriftOptions()), np.random.default_rng(0).random(3000) < 0.22
    for value in values.tolist():
        chart.add(value)
    assert chart.raised["slow"]


@pytest.mark.parametrize("usual", [0.01, 0.5, 0.99])
def test_all_parts_are_more_than_any_usual_share(usual: float) -> None:
    chart = ShareChart(usual, DriftOptions())
    for _ in range(5000):
        chart.add(True)
    assert all(chart.raised.values())
