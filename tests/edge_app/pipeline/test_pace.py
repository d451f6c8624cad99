from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from softcore_edge_app.pipeline.pace import Pace


@given(st.lists(st.floats(0, 10), min_size=1, max_size=40))
def test_it_is_the_median_of_the_last_and_what_all_but_two_kept_to(seconds: list[float]) -> None:
    pace = Pace()
    for value in seconds:
        pace.add(value)
    last = ([0.0] * 15 + seconds)[-15:]
    assert pace.usual == np.median(last)
    assert sum(value > pace.slow for value in last) <= 2
    assert pace.usual <= pace.slow


def test_a_first_part_that_hangs_says_nothing_of_the_next() -> None:
    pace = Pace()
    for _ in range(2):
        pace.add(10.0)
        assert (pace.usual, pace.slow) == (0.0, 0.0)


def test_hitches_change_nothing() -> None:
    pace = Pace()
    for value in (*[0.02] * 13, 9.0, 9.0):
        pace.add(value)
    assert (pace.usual, pace.slow) == (0.02, 0.02)
