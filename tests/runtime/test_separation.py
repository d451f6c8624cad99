from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score
from softcore_runtime.separation import auroc


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 200),
    share=st.floats(0.01, 0.99),
    levels=st.integers(1, 50),
)
def test_auroc_is_scikit_learns_also_with_ties(seed: int, n: int, share: float, levels: int) -> None:
    rng = np.random.default_rng(seed)
    bad = rng.random(n) < share
    bad[:2] = True, False
    scores = rng.integers(levels, size=n).astype(np.float32)
    area = auroc(scores[~bad], scores[bad])
    assert area == pytest.approx(roc_auc_score(bad, scores), abs=1e-12)
    statistic = mannwhitneyu(scores[bad], scores[~bad], method="asymptotic").statistic
    assert area == float(statistic) / (int(bad.sum()) * int((~bad).sum()))
    assert auroc(scores[bad], scores[~bad]) == pytest.approx(1 - area, abs=1e-12)


def test_the_ends_are_exact() -> None:
    good, bad = np.linspace(0, 1, 997), np.linspace(2, 3, 991)
    assert (auroc(good, bad), auroc(bad, good), auroc(good, good)) == (1.0, 0.0, 0.5)


@pytest.mark.parametrize(("good", "bad"), [([], [1.0]), ([1.0], [])])
def test_one_kind_alone_has_no_curve(good: list[float], bad: list[float]) -> None:
    with pytest.raises(ValueError, match="both good and bad"):
        auroc(np.array(good), np.array(bad))
