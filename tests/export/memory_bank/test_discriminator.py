from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from scipy.spatial.distance import mahalanobis, pdist, squareform
from sklearn.neighbors import LocalOutlierFactor
from softcore_export.memory_bank import discriminator
from softcore_export.memory_bank.discriminator import DISCRIMINATORS, denoise, outlier_factors, soft_weights
from softcore_export.settings import ExportSettings
from softcore_export.train import fit

CPU = torch.device("cpu")


def sklearns_factors(features: np.ndarray, k: int) -> np.ndarray:
    """Outlier factors `[N, P]` as scikit-learn has them, position by position."""
    columns = []
    for position in range(features.shape[1]):
        oracle = LocalOutlierFactor(n_neighbors=k)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "n_neighbors is greater than the number of samples"
            oracle.fit(features[:, position].astype(np.float64))
        columns.append(-oracle.negative_outlier_factor_)
    return np.stack(columns, axis=1)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 40),
    positions=st.integers(1, 6),
    dim=st.integers(1, 40),
    k=st.integers(1, 12),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    offset=st.sampled_from([0.0, 1.0, 100.0]),
)
def test_factors_are_scikit_learns(
    seed: int, n: int, positions: int, dim: int, k: int, scale: float, offset: float
) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, positions, dim)) + offset
    features[rng.random((n, positions)) < 0.1] *= 3  # some outliers
    features = (scale * features).astype(np.float32)
    factors = outlier_factors(features, "lof", k, CPU)
    assert factors.dtype == np.float64
    np.testing.assert_allclose(factors, sklearns_factors(features, k), rtol=1e-6)


@pytest.mark.parametrize("n", [2, 3, 6, 7, 8])
def test_with_few_images_everybody_is_a_neighbour(n: int) -> None:
    features = np.random.default_rng(n).normal(size=(n, 4, 8)).astype(np.float32)
    expected = sklearns_factors(features, 6)
    np.testing.assert_allclose(outlier_factors(features, "lof", 6, CPU), expected, rtol=1e-6)
    np.testing.assert_allclose(outlier_factors(features, "lof", 60, CPU), sklearns_factors(features, 60))


@settings(max_examples=150, deadline=None)
@given(
    st_numpy.arrays(
        np.float32,
        st.tuples(st.integers(2, 15), st.integers(1, 4), st.integers(1, 3)),
        elements=st.sampled_from(np.float32([-1e5, 0, 1e-20, 0.1, 1, 1e18]).tolist()),
    ),
    st.integers(1, 8),
)
def test_duplicates_give_finite_factors(features: np.ndarray, k: int) -> None:
    factors = outlier_factors(features, "lof", k, CPU)
    assert np.isfinite(factors).all()
    assert (factors > 0).all()


def test_patches_all_alike_are_no_outliers() -> None:
    features = np.full((10, 3, 4), 0.1, np.float32)
    np.testing.assert_array_equal(outlier_factors(features, "lof", 6, CPU), 1)
    # One that differs stands out from all that are alike, by far.
    features[4, 1] += 1
    factors = outlier_factors(features, "lof", 6, CPU)
    assert factors[4, 1] > 1e6
    assert (np.delete(factors[:, 1], 4) == 1).all()
    np.testing.assert_array_equal(factors[:, [0, 2]], 1)


@pytest.mark.parametrize("chunk", [1, 500, 2_000, 1 << 30])
def test_the_size_of_chunks_does_not_matter(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    features = np.random.default_rng(0).normal(size=(9, 11, 7)).astype(np.float32)
    expected = sklearns_factors(features, 4)
    steps: list[int] = []
    neighbours = discriminator._neighbours

    def count(x: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        steps.append(len(x))
        return neighbours(x, k)

    monkeypatch.setattr(discriminator, "_CHUNK", chunk)
    monkeypatch.setattr(discriminator, "_neighbours", count)
    np.testing.assert_allclose(outlier_factors(features, "lof", 4, CPU), expected, rtol=1e-9)
    assert sum(steps) == 11
    assert max(steps) * 9 * 9 <= max(chunk, 9 * 9)  # memory is bounded


@settings(max_examples=200, deadline=None)
@given(
    st_numpy.arrays(
        np.float64,
        st.tuples(st.integers(1, 12), st.integers(1, 12)),
        elements=st.one_of(st.floats(0, 1e12), st.sampled_from([1.0, 1.5])),
    ),
    st.floats(0, 1, exclude_max=True),
)
def test_denoise_takes_out_exactly_the_highest_share(factors: np.ndarray, tau: float) -> None:
    kept = denoise(factors, tau)
    assert kept.shape == factors.shape
    assert (~kept).sum() == int(tau * factors.size)
    assert kept.any()
    if not kept.all():
        assert factors[~kept].min() >= factors[kept].max()


def test_denoise_with_ties_keeps_the_earlier() -> None:
    kept = denoise(np.ones((4, 5)), 0.5)
    np.testing.assert_array_equal(kept.ravel(), np.arange(20) < 10)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(2, 12),
    height=st.integers(1, 3),
    width=st.integers(1, 3),
    values=st.sampled_from([2, 5, 0]),  # few values make duplicates; 0 means none
    tau=st.floats(0, 1, exclude_max=True),
    ratio=st.floats(0.01, 1),
)
def test_an_excluded_patch_is_never_in_a_bank(
    seed: int, n: int, height: int, width: int, values: int, tau: float, ratio: float
) -> None:
    rng = np.random.default_rng(seed)
    shape = (n, height * width, 4)
    features = (rng.integers(values, size=shape) if values else rng.normal(size=shape)).astype(np.float32)
    wanted = ExportSettings(discriminator="lof", tau=tau, coreset_ratio=ratio, seed=seed)
    learned = fit(features, (height, width), wanted, CPU)
    excluded = ~learned.kept
    assert excluded.sum() == int(tau * n * height * width)
    image, row, column = learned.origins.T
    assert not excluded[image, row * width + column].any()
    np.testing.assert_array_equal(learned.bank, features[image, row * width + column])


@settings(max_examples=60, deadline=None)
@given(
    st_numpy.arrays(
        np.float32,
        st.tuples(st.integers(2, 20), st.integers(1, 3), st.integers(1, 12)),
        elements=st.floats(-50, 50, width=32),
    )
)
@example(np.array([0, 1, 2.179606e-09, 2.179606e-09], np.float32).reshape(4, 1, 1))
def test_nearest_and_gaussian_are_scipys(features: np.ndarray) -> None:
    nearest = outlier_factors(features, "nearest", 6, CPU)
    gaussian = outlier_factors(features, "gaussian", 6, CPU)
    for position in range(features.shape[1]):
        x = features[:, position].astype(float)
        apart = squareform(pdist(x))
        np.fill_diagonal(apart, np.inf)
        # Which one is nearest is told by a^2 - 2 ab + b^2, of which the root is right to 1e-8 of the largest.
        near = 2e-7 * np.abs(x).max()
        np.testing.assert_allclose(nearest[:, position], apart.min(axis=1), rtol=1e-6, atol=near)
        covariance = np.atleast_2d(np.cov(x, rowvar=False)) + 0.01 * np.eye(x.shape[1])
        inverse, mean = np.linalg.inv(covariance), x.mean(axis=0)
        expected = [mahalanobis(row, mean, inverse) for row in x]
        np.testing.assert_allclose(gaussian[:, position], expected, rtol=1e-4, atol=1e-4)


def test_gaussian_is_scipys_on_both_sides_of_as_many_images_as_dimensions() -> None:
    for n in (8, 24, 25, 60):
        features = np.random.default_rng(n).normal(size=(n, 2, 24)).astype(np.float32)
        factors = outlier_factors(features, "gaussian", 6, CPU)
        x = features[:, 1].astype(float)
        inverse = np.linalg.inv(np.cov(x, rowvar=False) + 0.01 * np.eye(24))
        expected = [mahalanobis(row, x.mean(axis=0), inverse) for row in x]
        np.testing.assert_allclose(factors[:, 1], expected, rtol=1e-7)


@pytest.mark.parametrize("discriminator", DISCRIMINATORS)
def test_equal_images_give_finite_factors_and_bounded_weights(discriminator: str) -> None:
    rng = np.random.default_rng(0)
    alike = np.repeat(rng.normal(size=(1, 3, 5)), 12, axis=0)
    nearly = alike.copy()
    nearly[:3] += rng.normal(size=(3, 3, 5))
    for features in (alike, nearly, np.zeros((2, 1, 4))):
        factors = outlier_factors(features.astype(np.float32), discriminator, 6, CPU)
        assert np.isfinite(factors).all()
        weights = soft_weights(factors, discriminator)
        assert weights.dtype == np.float32
        assert ((weights >= 0.5) & (weights <= 2)).all()
    same = outlier_factors(alike.astype(np.float32), discriminator, 6, CPU)
    assert (soft_weights(same, discriminator) == 1).all()


@pytest.mark.parametrize("discriminator", ["nearest", "gaussian"])
def test_soft_weights_measure_by_what_is_usual_at_the_position(discriminator: str) -> None:
    """A position with ten times the texture weighs no more than another; half of its patches more than 1."""
    features = np.random.default_rng(0).normal(size=(41, 4, 6)).astype(np.float32)
    features[:, 2] *= 10
    factors = outlier_factors(features, discriminator, 6, CPU)
    weights = soft_weights(factors, discriminator)
    np.testing.assert_array_equal(np.median(weights, axis=0), 1)
    unbounded = (1 + factors / np.median(factors, axis=0)) / 2
    inside = unbounded < 2
    np.testing.assert_allclose(weights[inside], unbounded[inside], rtol=1e-6)


def test_the_local_outlier_factor_is_its_own_weight() -> None:
    features = np.random.default_rng(0).normal(size=(30, 4, 6)).astype(np.float32)
    factors = outlier_factors(features, "lof", 6, CPU)
    np.testing.assert_allclose(soft_weights(factors, "lof"), np.clip(factors, 0.5, 2), rtol=1e-6)
