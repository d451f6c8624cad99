from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from softcore_export.memory_bank.leave_one_out import NearestEntries, leave_one_out, score_others

CPU = torch.device("cpu")


def apart_from_others(features: np.ndarray, bank: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Distances float64 `[N, P, n]` by scipy, infinite to an image's own entries."""
    apart = np.stack([cdist(patches, bank.astype(float)) for patches in features.astype(float)])
    own = owners == np.arange(len(features))[:, None]  # [N, n]
    return np.where(own[:, None], np.inf, apart)


def draw(seed: int, images: int, positions: int, dim: int, n: int) -> tuple[np.ndarray, ...]:
    """Features, a bank of some of their patches, its owners, and weights.

    As in a bank: entries are patches of their owners, so an image that isn't left out scores 0; and no
    patch is in it twice, for which of two weights it has would be anybody's guess.
    """
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(images, positions, dim)).astype(np.float32)
    entries = rng.permutation(images * positions)[:n]
    weights = rng.uniform(0.9, 2, len(entries)).astype(np.float32)
    return features, features.reshape(-1, dim)[entries], (entries // positions).astype(np.int32), weights


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 6),
    positions=st.integers(1, 8),
    dim=st.integers(2, 30),
    n=st.integers(1, 40),
)
def test_entries_distances_and_scores_are_those_of_scipy(
    seed: int, images: int, positions: int, dim: int, n: int
) -> None:
    features, bank, owners, weights = draw(seed, images, positions, dim, n)
    apart = apart_from_others(features, bank, owners)
    found = leave_one_out(features, bank, owners, CPU)
    assert (found.entries.dtype, found.distances.dtype) == (np.int32, np.float32)
    assert found.entries.shape == found.distances.shape == (images, positions)

    alone = np.isinf(apart).all(axis=2)
    np.testing.assert_array_equal(found.entries == -1, alone)
    nearest = np.where(alone, 0, apart.min(axis=2))
    np.testing.assert_allclose(found.distances, nearest, rtol=1e-4)
    # The entry that is named is that far away; at a tie it may be another than scipy's first.
    named = np.take_along_axis(apart, np.maximum(found.entries, 0)[:, :, None], axis=2)[:, :, 0]
    np.testing.assert_allclose(np.where(alone, 0, named), nearest, rtol=1e-4)

    weighted = np.where(alone, 0, weights.astype(float)[found.entries] * named)
    scores = found.scores(weights)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, weighted.max(axis=1), rtol=1e-5)


def test_an_image_that_owns_everything_says_nothing() -> None:
    features = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    bank, owners = features[1], np.full(4, 1, np.int32)
    found = leave_one_out(features, bank, owners, CPU)
    assert (found.entries[1] == -1).all()
    assert (found.distances[1] == 0).all()
    assert (found.entries[[0, 2]] >= 0).all()
    scores = found.scores(np.full(4, 2, np.float32))
    expected = 2 * np.stack([cdist(features[i], bank).min(axis=1) for i in (0, 2)])
    np.testing.assert_allclose(scores, [expected[0].max(), 0, expected[1].max()], rtol=1e-5)


def test_entries_of_nobody_are_everybodys() -> None:
    """Owners that aren't among the images, as where only some of them are compared."""
    features, bank, owners, _ = draw(0, 5, 6, 8, 20)
    chosen = np.array([3, 1])
    number = np.array([-1, 1, -1, 0, -1], np.int32)  # image 3 is the first of those compared
    found = leave_one_out(features[chosen], bank, number[owners], CPU)
    all_of_them = apart_from_others(features, bank, owners)
    np.testing.assert_array_equal(found.entries, all_of_them[chosen].argmin(axis=2))


def test_features_may_be_mapped_read_only() -> None:
    features, bank, owners, _ = draw(0, 4, 6, 8, 20)
    before = features.copy()
    features.flags.writeable = False
    found = leave_one_out(features, bank, owners, CPU)
    np.testing.assert_array_equal(features, before)
    np.testing.assert_array_equal(found.entries, apart_from_others(features, bank, owners).argmin(axis=2))


def test_the_weight_is_that_of_the_nearest_not_the_largest_product() -> None:
    """s(p) = w(m*) ||p - m*||, and of the patches the highest."""
    left_out = NearestEntries(np.array([[0, 1], [1, 1]], np.int32), np.array([[3, 1], [0.5, 2]], np.float32))
    np.testing.assert_array_equal(left_out.scores(np.array([1, 4], np.float32)), [4, 8])


def test_others_are_scored_against_the_whole_bank() -> None:
    _, bank, _, weights = draw(0, 6, 8, 12, 30)
    others = np.random.default_rng(1).normal(size=(7, 10, 12)).astype(np.float32)
    scores = score_others(iter(others), bank, weights, CPU)
    expected = []
    for patches in others.astype(float):
        apart = cdist(patches, bank.astype(float))
        expected.append((weights[apart.argmin(axis=1)] * apart.min(axis=1)).max())
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert score_others(iter([]), bank, weights, CPU).shape == (0,)
