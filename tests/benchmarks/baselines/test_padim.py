from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from softcore_benchmarks.baselines.padim import Padim


@pytest.mark.parametrize("n", [3, 40])
def test_it_is_scipys_mahalanobis_distance(n: int) -> None:
    rng = np.random.default_rng(0)
    train = rng.normal(size=(n, 70, 12)).astype(np.float32)
    test = rng.normal(size=(5, 70, 12)).astype(np.float32)
    learned = Padim.fit(train)
    assert learned.axes.tolist() == list(range(12))
    scores = learned.score(test)
    for position in (0, 33, 69):
        covariance = np.cov(train[:, position].astype(float), rowvar=False) + 0.01 * np.eye(12)
        inverse = np.linalg.inv(covariance)
        mean = train[:, position].astype(float).mean(axis=0)
        expected = [mahalanobis(patch, mean, inverse) for patch in test[:, position].astype(float)]
        np.testing.assert_allclose(scores[:, position], expected, rtol=1e-5)


@pytest.mark.parametrize(("dim", "kept"), [(60, 60), (384, 100), (448, 100), (600, 550)])
def test_it_draws_the_authors_number_of_dimensions(dim: int, kept: int) -> None:
    train = np.random.default_rng(0).normal(size=(4, 2, dim)).astype(np.float32)
    learned = Padim.fit(train)
    assert len(set(learned.axes.tolist())) == kept
    assert Padim.fit(train).axes.tolist() == learned.axes.tolist()
    if kept < dim:
        assert Padim.fit(train, seed=1).axes.tolist() != learned.axes.tolist()
        changed = train.copy()
        changed[:, :, np.setdiff1d(np.arange(dim), learned.axes)] += 100
        np.testing.assert_array_equal(learned.score(changed), learned.score(train))


def test_constant_patches_are_judged_by_the_regular_part_alone() -> None:
    learned = Padim.fit(np.ones((5, 3, 4), np.float32))
    scores = learned.score(np.full((1, 3, 4), 1.5, np.float32))
    np.testing.assert_allclose(scores, np.sqrt(4 * 0.5**2 / 0.01), rtol=1e-6)
