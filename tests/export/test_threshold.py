from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from softcore_export.threshold import leave_one_out_scores, provisional_threshold

CPU = torch.device("cpu")


def brute_force(
    features: np.ndarray, bank: np.ndarray, weights: np.ndarray, owners: np.ndarray
) -> list[float]:
    scores = []
    for picture, patches in enumerate(features.astype(float)):
        others = owners != picture
        if not others.any():
            scores.append(0.0)
            continue
        apart = cdist(patches, bank[others].astype(float))
        scores.append(float((weights[others][apart.argmin(1)] * apart.min(1)).max()))
    return scores


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    pictures=st.integers(1, 6),
    positions=st.integers(1, 8),
    dim=st.integers(2, 30),
    n=st.integers(1, 40),
)
def test_scores_are_those_of_brute_force(seed: int, pictures: int, positions: int, dim: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(pictures, positions, dim)).astype(np.float32)
    # As in a bank: entries are patches of their owners, so a picture that isn't left out scores 0; and no
    # patch is in it twice, for which of two weights it has would be anybody's guess.
    entries = rng.permutation(pictures * positions)[:n]
    owners = (entries // positions).astype(np.int32)
    bank = features.reshape(-1, dim)[entries]
    weights = rng.uniform(0.9, 2, len(bank)).astype(np.float32)
    scores = leave_one_out_scores(features, bank, weights, owners, CPU)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, brute_force(features, bank, weights, owners), rtol=1e-4)


def test_a_picture_that_owns_everything_says_nothing() -> None:
    features = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    bank, owners = features[1], np.full(4, 1, np.int32)
    scores = leave_one_out_scores(features, bank, np.ones(4, np.float32), owners, CPU)
    assert scores[1] == 0
    np.testing.assert_allclose(scores, brute_force(features, bank, np.ones(4), owners), rtol=1e-5)
    assert (scores[[0, 2]] > 0).all()


def test_the_limit_is_the_highest_score_of_those_trusted() -> None:
    scores = np.array([1.0, 9.0, 3.0, 8.0, 2.0, 5.0, 4.0, 7.0])
    limit = provisional_threshold(scores, np.array([1, 0, 1, 1, 1, 1, 1, 0], np.bool_))
    assert limit.value == 8
    assert limit.provisional
    assert "6 least suspect" in limit.method
    assert provisional_threshold(scores, scores == 3).value == 3


def test_a_limit_is_above_zero_even_where_no_score_is() -> None:
    limit = provisional_threshold(np.zeros(8), np.ones(8, np.bool_))
    assert 0 < limit.value < 1e-30
    assert np.float32(limit.value) > 0
