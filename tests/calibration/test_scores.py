from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score
from softcore_calibration.scores import Scores, compute_auroc, compute_average_precision

SCORES = st.lists(st.integers(0, 9).map(float), min_size=1, max_size=30)


@settings(deadline=None)
@given(SCORES, SCORES)
def test_auroc_and_average_precision_are_scikit_learns(good: list[float], bad: list[float]) -> None:
    labels, both = np.repeat([0, 1], [len(good), len(bad)]), np.array([*good, *bad])
    scores = Scores(np.array(good), np.array(bad))
    auroc, precision = compute_auroc(scores), compute_average_precision(scores)
    assert auroc == pytest.approx(roc_auc_score(labels, both), rel=1e-12)
    assert precision == pytest.approx(average_precision_score(labels, both), rel=1e-12)


def test_neither_is_known_without_both_kinds() -> None:
    for scores in (Scores(np.ones(3), np.zeros(0)), Scores(np.zeros(0), np.ones(3))):
        assert compute_auroc(scores) is None
        assert compute_average_precision(scores) is None
