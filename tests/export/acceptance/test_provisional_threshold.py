from __future__ import annotations

import numpy as np
from softcore_export.acceptance.provisional_threshold import provisional_threshold


def test_the_threshold_is_the_highest_score_of_those_trusted() -> None:
    scores = np.array([1.0, 9.0, 3.0, 8.0, 2.0, 5.0, 4.0, 7.0])
    threshold = provisional_threshold(scores, np.array([1, 0, 1, 1, 1, 1, 1, 0], np.bool_))
    assert threshold.value == 8
    assert threshold.provisional
    assert "6 least suspect" in threshold.method
    assert provisional_threshold(scores, scores == 3).value == 3


def test_a_threshold_is_above_zero_even_where_no_score_is() -> None:
    threshold = provisional_threshold(np.zeros(8), np.ones(8, np.bool_))
    assert 0 < threshold.value < 1e-30
    assert np.float32(threshold.value) > 0
