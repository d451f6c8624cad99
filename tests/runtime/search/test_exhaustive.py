from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from softcore_runtime.search import exhaustive
from softcore_runtime.search.exhaustive import ExhaustiveSearch


@pytest.mark.parametrize("products", [1, 7, 1000, 64_000, 1 << 24])
def test_the_nearest_is_scipys_in_blocks_of_every_size(
    monkeypatch: pytest.MonkeyPatch, products: int
) -> None:
    monkeypatch.setattr(exhaustive, "_PRODUCTS", products)
    monkeypatch.setattr(exhaustive, "_QUERIES", 16)
    rng = np.random.default_rng(products)
    for n, dim, q in ((1, 3, 5), (640, 16, 101), (50, 384, 33), (7, 2, 0)):
        bank = rng.normal(size=(n, dim)).astype(np.float32)
        queries = rng.normal(size=(q, dim)).astype(np.float32)
        entries, distances = ExhaustiveSearch(bank).nearest(queries)
        assert (entries.dtype, distances.dtype) == (np.int64, np.float64)
        assert entries.shape == distances.shape == (q,)
        if q:
            np.testing.assert_array_equal(entries, cKDTree(bank).query(queries)[1])
            np.testing.assert_allclose(distances, cdist(queries, bank).min(1), rtol=1e-13)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.integers(1, 12),
    st.sampled_from([1e-25, 1e-3, 1.0, 1e6, 1e18]),
    st.sampled_from([0.0, 1.0, 1e3, 1e6]),
)
def test_float64_decides_however_float32_cancels(
    seed: int, n: int, dim: int, scale: float, offset: float
) -> None:
    """Far from the origin ||p||^2 - 2 p.m + ||m||^2 leaves nothing in float32 of what tells entries apart."""
    rng = np.random.default_rng(seed)
    bank = (scale * (offset + rng.normal(size=(n, dim)))).astype(np.float32)
    queries = (scale * (offset + rng.normal(size=(9, dim)))).astype(np.float32)
    entries, distances = ExhaustiveSearch(bank).nearest(queries)
    every = cdist(queries.astype(np.float64), bank.astype(np.float64))
    # cdist sums in another order, so the last digit may differ; no more than that.
    np.testing.assert_allclose(distances, every.min(1), rtol=1e-14)
    np.testing.assert_allclose(every[np.arange(9), entries], every.min(1), rtol=1e-14)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(1, 6))
def test_the_first_of_those_at_the_same_distance_wins(seed: int, n: int, dim: int) -> None:
    """On whole numbers all distances are exact, and most are ties."""
    rng = np.random.default_rng(seed)
    bank = rng.integers(-2, 3, (n, dim)).astype(np.float32)
    queries = rng.integers(-2, 3, (20, dim)).astype(np.float32)
    entries, _ = ExhaustiveSearch(bank).nearest(queries)
    np.testing.assert_array_equal(entries, cdist(queries, bank, "sqeuclidean").argmin(1))


def brute_force(bank: np.ndarray, floors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Distances max(||p - m||, F(m)) in float64, [q, n]."""
    apart = queries[:, None].astype(np.float64) - bank.astype(np.float64)
    return np.maximum(np.sqrt(np.einsum("qnd,qnd->qn", apart, apart)), floors.astype(np.float64))


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.integers(1, 12),
    st.sampled_from([1e-25, 1e-3, 1.0, 1e6, 1e18]),
    st.sampled_from([0.0, 1.0, 1e3]),
    st.sampled_from([1e-6, 1e-3, 1.0]),
    st.sampled_from(["distances", "typical", "huge", "one low", "even"]),
)
def test_with_floors_it_is_a_brute_force(
    seed: int, n: int, dim: int, scale: float, offset: float, spread: float, kind: str
) -> None:
    """The floors of `distances` are those of the patches, give or take a unit in the last place."""
    rng = np.random.default_rng(seed)
    bank = (scale * (offset + spread * rng.normal(size=(n, dim)))).astype(np.float32)
    queries = (scale * (offset + rng.normal(size=(9, dim)))).astype(np.float32)
    distances = brute_force(bank, np.zeros(n), queries)
    with np.errstate(over="ignore"):
        floors = {
            "distances": rng.choice(distances.ravel(), n) * (1 + rng.integers(-2, 3, n) * 2.0**-23),
            "typical": rng.uniform(0, distances.max(), n),
            "huge": distances.max() * 10 ** rng.uniform(0, 20, n),
            "one low": np.where(np.arange(n) == rng.integers(n), distances.min(), 1e30 * distances.max()),
            "even": np.full(n, np.median(distances)),
        }[kind]
        floors = np.minimum(floors, 3e38).astype(np.float32)
    entries, found = ExhaustiveSearch(bank, floors).nearest(queries)
    every = brute_force(bank, floors, queries)
    np.testing.assert_array_equal(found, every.min(1))
    np.testing.assert_array_equal(entries, every.argmin(1))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 300), st.integers(1, 6))
def test_with_floors_too_the_first_at_the_same_distance_wins(seed: int, n: int, dim: int) -> None:
    rng = np.random.default_rng(seed)
    bank = rng.integers(-2, 3, (n, dim)).astype(np.float32)
    floors = rng.integers(0, 4, n).astype(np.float32)
    queries = rng.integers(-2, 3, (20, dim)).astype(np.float32)
    entries, distances = ExhaustiveSearch(bank, floors).nearest(queries)
    every = np.maximum(cdist(queries, bank, "sqeuclidean"), floors**2)
    np.testing.assert_array_equal(entries, every.argmin(1))
    np.testing.assert_array_equal(distances, np.sqrt(every.min(1)))


@pytest.mark.parametrize("products", [1, 1000, 64_000, 1 << 24])
@pytest.mark.parametrize("q", [1, 8, 9, 40])
def test_with_floors_blocks_of_every_size(monkeypatch: pytest.MonkeyPatch, products: int, q: int) -> None:
    monkeypatch.setattr(exhaustive, "_PRODUCTS", products)
    monkeypatch.setattr(exhaustive, "_QUERIES", 16)
    rng = np.random.default_rng(products)
    bank, queries = (rng.normal(size=(rows, 16)).astype(np.float32) for rows in (333, q))
    floors = rng.uniform(0, 8, 333).astype(np.float32)
    entries, distances = ExhaustiveSearch(bank, floors).nearest(queries)
    every = brute_force(bank, floors, queries)
    np.testing.assert_array_equal(entries, every.argmin(1))
    np.testing.assert_allclose(distances, every.min(1), rtol=1e-14)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 200),
    st.integers(1, 40),
    st.sampled_from([1e-25, 1e-3, 1.0, 1e6, 1e18]),
    st.sampled_from([0.0, 1.0, 1e3, 1e6]),
    st.sampled_from(["right", "wrong", "outside"]),
    st.booleans(),
)
def test_guesses_change_no_answer(
    seed: int, n: int, dim: int, scale: float, offset: float, guessed: str, floored: bool
) -> None:
    """Whether the projection rules entries out or not: near queries, far ones, copies of entries, ties."""
    rng = np.random.default_rng(seed)
    low = rng.normal(size=(n, 2)) @ rng.normal(size=(2, dim))  # most variance in two dimensions
    bank = (scale * (offset + low + 0.1 * rng.normal(size=(n, dim)))).astype(np.float32)
    spread = rng.choice([0, 0.01, 1, 30], size=(20, 1))
    queries = (bank[rng.integers(n, size=20)] + scale * spread * rng.normal(size=(20, dim))).astype("f4")
    bank[rng.integers(n)] = bank[rng.integers(n)]
    distances = brute_force(bank, np.zeros(n), queries)
    floors = np.zeros(n, np.float32)
    if floored:
        floors = np.minimum(rng.choice(distances.ravel(), n) * rng.uniform(0, 2, n), 3e38).astype("f4")
    every = brute_force(bank, floors, queries)
    guesses = {"right": every.argmin(1), "wrong": rng.integers(n, size=20), "outside": np.full(20, n + 5)}
    entries, found = ExhaustiveSearch(bank, floors).nearest(queries, guesses[guessed])
    np.testing.assert_array_equal(found, every.min(1))
    np.testing.assert_array_equal(entries, every.argmin(1))


def test_a_measured_distance_is_no_less_than_the_nearest_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    bank = rng.normal(size=(50, 384)).astype(np.float32)
    queries = rng.normal(size=(300, 384)).astype(np.float32)
    floors = rng.uniform(0, 30, 50).astype(np.float32)
    search = ExhaustiveSearch(bank, floors)
    entries, distances = search.nearest(queries)
    np.testing.assert_array_equal(search.measure(queries, entries), distances)
    for row in range(0, 300, 7):  # alone as in company
        np.testing.assert_array_equal(
            search.measure(queries[row : row + 1], entries[row : row + 1]), distances[row]
        )


def test_lengths_that_overflow_float32_are_searched_all_the_same() -> None:
    bank = np.float32([[3e38, 0], [0, 3e38], [-3e38, 1]])
    entries, distances = ExhaustiveSearch(bank).nearest(np.float32([[1e38, 2e38], [0, 0], [-3e38, 0]]))
    np.testing.assert_array_equal(entries, [1, 0, 2])
    np.testing.assert_allclose(distances, cdist(np.float32([[1e38, 2e38], [0, 0], [-3e38, 0]]), bank).min(1))


def test_a_bank_mapped_from_disk_is_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "bank.npy", np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32))
    bank = np.load(tmp_path / "bank.npy", mmap_mode="r")
    assert np.shares_memory(ExhaustiveSearch(bank)._bank, bank)
