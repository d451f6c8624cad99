"""What looks say of all images, beside scipy's interval and populations that were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta
from softcore_export.contamination.look_estimate import estimate_after_looks


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 200))
def test_the_bounds_hold_what_was_found_and_the_estimate(defective: list[bool], left: int) -> None:
    count = len(defective) + left
    found = estimate_after_looks(defective, count)
    assert (found.looks, found.found, found.left) == (len(defective), sum(defective), left)
    assert 0 <= found.low <= found.high <= 1
    assert found.low * max(1, count) == pytest.approx(sum(defective))
    if found.value is not None:
        assert found.low - 1e-12 <= found.value <= found.high + 1e-12


def test_the_rest_is_bounded_by_the_last_looks() -> None:
    defective = [True] * 30 + [False, True] * 2 + [False] * 16  # 2 of the last 20
    found = estimate_after_looks(defective, 1000)
    most = float(beta.ppf(0.95, 2 + 1, 20 - 2))  # Clopper and Pearson, one-sided
    assert found.high == pytest.approx((32 + np.ceil(950 * most)) / 1000)
    assert found.low == 0.032
    assert found.value == 0.032  # none of the last 10


def test_the_true_share_is_within_the_bounds_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    ranks = np.arange(300)
    chance = 0.9 * np.exp(-ranks / 25) + 0.02  # the more suspect, the likelier
    inside = 0
    for _ in range(400):
        defective = rng.random(300) < chance
        found = estimate_after_looks(defective[:40].tolist(), 300)
        inside += found.low <= defective.mean() <= found.high
    assert inside >= 0.95 * 400


def test_after_many_good_ones_looks_are_not_worth_it() -> None:
    assert not estimate_after_looks([True] + [False] * 14, 100).calm
    assert estimate_after_looks([True] + [False] * 15, 100).calm
    assert "hardly worth it" in estimate_after_looks([False] * 15, 100).describe()
    assert estimate_after_looks([], 100).describe() == ""
    assert estimate_after_looks([True], 100).describe() == (
        "1 look found 1 defective image; of all, 1.0 to 100.0 % are."
    )
    assert estimate_after_looks([True, False], 2).describe() == (
        "2 looks found 1 defective image; nobody need look at another."
    )


def test_more_looks_than_images_are_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2 images can't have been looked at"):
        estimate_after_looks([True] * 3, 2)
