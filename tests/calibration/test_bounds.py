from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import beta, betabinom, binomtest
from softcore_calibration.bounds import (
    compute_lot_probability,
    find_allowed,
    find_smallest_sample,
    find_smallest_share,
    measure_rate,
)

SHARES = st.sampled_from([0.01, 0.02, 0.05, 0.07, 0.1, 0.29, 0.5])


@given(st.integers(1, 2000), SHARES)
def test_marginally_it_is_split_conformal_prediction(parts: int, share: float) -> None:
    """The threshold is the ceil((n + 1)(1 - A))-th smallest score, as every text on the matter has it."""
    rank = (parts + 1) - math.floor(round(share * 100) * (parts + 1) / 100)
    expected = parts - rank if rank <= parts else None
    assert find_allowed(parts, share, None) == expected


@settings(deadline=None)
@given(st.integers(1, 1500), SHARES, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
@example(3, 0.5, 0.8)  # a tie, which rounding decides: it is refused
def test_with_confidence_each_promise_is_kept_and_no_further_part_is_possible(
    parts: int, share: float, confidence: float
) -> None:
    allowed = find_allowed(parts, share, confidence)

    def kept(count: int, confidence: float = confidence) -> bool:
        # The share of all parts above the (n - r)th smallest of n scores is Beta(r + 1, n - r) ...
        population = beta.cdf(share, count + 1, parts - count) >= confidence
        # ... and how many of n further parts lie above it is beta-binomial.
        tolerated = math.floor(round(share * 100) * parts / 100)
        lot = betabinom.cdf(tolerated, parts, count + 1, parts - count) >= confidence
        mean = (count + 1) / (parts + 1) <= share
        return bool(population and lot and mean)

    if allowed is not None:
        assert kept(allowed)
    following = 0 if allowed is None else allowed + 1
    assert following >= parts or not kept(following, confidence + 1e-9)


@pytest.mark.parametrize(
    ("share", "confidence", "expected"),
    [
        (0.01, None, 99),
        (0.05, None, 19),
        (0.5, None, 1),
        (0.05, 0.95, 80),
        (0.02, 0.95, 200),
        (0.01, 0.95, 400),
    ],
)
def test_how_many_are_needed(share: float, confidence: float | None, expected: int) -> None:
    assert find_smallest_sample(share, confidence) == expected
    assert find_allowed(expected, share, confidence) == 0
    assert find_allowed(expected - 1, share, confidence) is None


@given(st.integers(1, 600), st.sampled_from([None, 0.9, 0.95]))
@settings(deadline=None, max_examples=20)
def test_what_a_sample_carries_is_the_least_it_can_promise(parts: int, confidence: float | None) -> None:
    possible = find_smallest_share(parts, confidence)
    if possible is None:
        assert find_allowed(parts, 0.999, confidence) is None
    else:
        assert find_allowed(parts, possible, confidence) is not None
        assert possible == 0.001 or find_allowed(parts, round(possible - 0.001, 3), confidence) is None


def test_the_probability_of_a_lot_is_what_a_simulation_finds() -> None:
    rng = np.random.default_rng(0)
    ranks = rng.random((20_000, 160)).argsort(axis=1)
    lot = ranks[:, 80:]
    for count in (0, 1, 3):
        threshold = np.sort(ranks[:, :80], axis=1)[:, 79 - count]
        kept = ((lot > threshold[:, None]).sum(axis=1) <= 4).mean()
        assert compute_lot_probability(80, np.array([count]), 0.05)[0] == pytest.approx(kept, abs=0.01)


@given(st.integers(0, 300), st.integers(0, 300), st.sampled_from([0.9, 0.95]))
def test_a_rate_has_the_exact_interval(count: int, others: int, confidence: float) -> None:
    parts = count + others
    rate = measure_rate(count, parts, confidence)
    if parts == 0:
        assert rate is None
        return
    assert rate is not None
    assert rate.value == count / parts
    tail = (1 - confidence) / 2
    if count:
        assert binomtest(count, parts, rate.low, alternative="greater").pvalue == pytest.approx(
            tail, rel=1e-4
        )
    else:
        assert rate.low == 0
    if others:
        assert binomtest(count, parts, rate.high, alternative="less").pvalue == pytest.approx(tail, rel=1e-4)
    else:
        assert rate.high == 1
