from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import median_abs_deviation
from softcore_runtime.bundle.baseline import CLIP, ENOUGH, measure_baseline, take_logarithm

VALUES = st.lists(st.floats(min_value=1e-3, max_value=1e3), min_size=ENOUGH, max_size=60)


@given(VALUES)
def test_it_is_hubers_centre_by_scipys_root(values: list[float]) -> None:
    found = measure_baseline(values)
    assert found is not None
    x = np.log(values)
    bound = CLIP * (1.4826 * median_abs_deviation(x) or x.std())
    for _ in range(2):
        if bound < 1e-6:
            assert found.centre == pytest.approx(np.median(x), abs=1e-5)
            return
        root = brentq(lambda c: np.clip(x - c, -bound, bound).mean(), x.min() - 1, x.max() + 1)  # noqa: B023
        spread = np.sqrt(np.square(np.clip(x - root, -bound, bound)).mean())
        bound = CLIP * spread
    assert found.parts == len(values)
    assert found.centre == pytest.approx(root, abs=0.02 * spread)
    assert found.spread == pytest.approx(spread, rel=0.02)


def test_of_normal_values_it_is_mean_and_standard_deviation() -> None:
    x = np.random.default_rng(0).normal(2, 0.1, 100_000)
    found = measure_baseline(np.exp(x))
    assert found is not None
    assert (found.centre, found.spread) == (pytest.approx(2, abs=0.002), pytest.approx(0.1, rel=0.01))


def test_a_few_odd_parts_do_not_poison_it() -> None:
    rng = np.random.default_rng(0)
    clean = np.exp(rng.normal(0, 0.1, 200))
    odd = np.concatenate([clean, np.full(10, 1e6)])
    found, without = measure_baseline(odd), measure_baseline(clean)
    assert found is not None
    assert without is not None
    assert found.centre == pytest.approx(without.centre, abs=0.03)
    assert found.spread == pytest.approx(without.spread, rel=0.4)
    assert np.log(odd).mean() > 0.6  # as the mean would


def test_too_few_and_all_the_same() -> None:
    assert measure_baseline([1.0] * (ENOUGH - 1)) is None
    same = measure_baseline([2.0] * ENOUGH)
    assert same is not None
    assert (same.centre, same.spread) == (pytest.approx(math.log(2)), 0)
    zero = measure_baseline(np.zeros(ENOUGH))
    assert zero is not None
    assert zero.centre == take_logarithm(0.0) == pytest.approx(math.log(1e-6))
