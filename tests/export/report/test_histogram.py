from __future__ import annotations

import numpy as np
import pytest
from softcore_export.report.histogram import make_histogram


def test_each_image_is_in_one_bin() -> None:
    values, suspect = np.array([0.01, 0.95, 1.0, 1.01, 1.2, 9.0]), np.array([0, 0, 0, 1, 1, 1], np.bool_)
    histogram = make_histogram(values, suspect)
    assert sum(others for _, others, _, _ in histogram.columns) == 3
    assert sum(suspects for _, _, suspects, _ in histogram.columns) == 3
    assert all(others == 0 for bin_, others, _, _ in histogram.columns if bin_ >= histogram.threshold)
    assert histogram.columns[-1][3] == "3.95 to more x threshold: 1"
    assert histogram.ticks[-1] == (100.0, "4 and more")


def test_it_ends_above_the_threshold_even_if_all_values_are_low() -> None:
    histogram = make_histogram(np.full(3, 0.2), np.zeros(3, np.bool_))
    assert (histogram.bins, histogram.threshold, histogram.tallest) == (30, 20, 8)


@pytest.mark.parametrize("highest", [0.2, 1.3, 1.6, 2.2, 2.6, 3.2, 3.4, 3.9, 5.0])
def test_no_tick_lies_beyond_its_end(highest: float) -> None:
    """It would make the page scroll sideways."""
    histogram = make_histogram(np.array([0.1, highest]), np.array([0, 1], np.bool_))
    places = [place for place, _ in histogram.ticks]
    assert places == sorted(places)
    assert places[0] == 0
    assert 75 < places[-1] <= 100
