"""What looks say of all images, beside scipy's interval and populations that were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import beta
from softcore_export.contamination.look_estimate import estimate_after_looks


@given(st.lists(st.sampled_from([True, False, None]), max_size=200), st.integers(0, 200))
@example([*[False] * 10, *[True] * 10, *[None] * 80], 0)  # the last 10 tell of more than the last 20 bound
def test_the_bounds_hold_what_was_found_and_the_estimate(looked: list[bool | None], suspects: int) -> None:
    found = estimate_after_looks(looked, suspects)
    assert (found.looks, found.found) == (len(looked) - looked.count(None), looked.count(True))
    assert found.left == looked.count(None) >= found.passed_over
    assert 0 <= found.low <= found.high <= 1
    assert found.low * max(1, len(looked)) == pytest.approx(looked.count(True))
    if found.value is not None:
        assert found.low - 1e-12 <= found.value <= found.high + 1e-12


def test_the_rest_is_bounded_by_the_last_looks() -> None:
    defective = [True] * 30 + [False, True] * 2 + [False] * 16  # 2 of the last 20
    found = estimate_after_looks([*defective, *[None] * 950])
    most = float(beta.ppf(0.95, 2 + 1, 20 - 2))  # Clopper and Pearson, one-sided
    assert found.high == pytest.approx((32 + np.ceil(950 * most)) / 1000)
    assert found.low == 0.032
    assert found.value == 0.032  # none of the last 10


def test_what_was_passed_over_may_all_be_defective() -> None:
    """A person looks where it is worth it: not at the clearest suspects, which are left out anyway."""
    after = [*[False] * 20, *[None] * 950]
    plain = estimate_after_looks(after)
    found = estimate_after_looks([None, True, None, None, *after], suspects=2)
    assert (plain.passed_over, found.passed_over, found.left) == (0, 3, 953)
    assert found.low == pytest.approx(1 / 974)
    assert found.value == pytest.approx(2 / 974)  # what was found, and the one suspect
    assert found.high * 974 == pytest.approx(plain.high * 970 + 4)
    assert "The upper bound counts 3 more suspect images that nobody looked at." in found.describe()
    # Those among the last 20 are about as suspect as these: their rate bounds them, too.
    assert estimate_after_looks([*[False] * 10, None, *[False] * 10, None]).passed_over == 0


def test_the_true_share_is_within_the_bounds_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    ranks = np.arange(300)
    chance = 0.9 * np.exp(-ranks / 25) + 0.02  # the more suspect, the likelier
    inside = 0
    for _ in range(400):
        defective = rng.random(300) < chance
        found = estimate_after_looks([*defective[:40].tolist(), *[None] * 260])
        inside += found.low <= defective.mean() <= found.high
    assert inside >= 0.95 * 400


def test_it_is_told_in_a_sentence() -> None:
    assert estimate_after_looks([None] * 80).describe() == ""
    assert estimate_after_looks([True, *[None] * 99]).describe() == (
        "After 1 look: 1.0 to 100.0 % of the images are defective, and 1 was found."
    )
    assert estimate_after_looks([True, False]).describe() == (
        "2 looks found 1 defective image; nobody need look at another."
    )
