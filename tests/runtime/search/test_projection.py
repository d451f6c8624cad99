from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from softcore_runtime.search.projection import Projection


def project(bank: np.ndarray) -> Projection:
    return Projection(bank, float(np.linalg.norm(bank.astype(np.float64), axis=1).max()))


def make_bank(rng: np.random.Generator, n: int, dim: int) -> np.ndarray:
    """Entries whose variance lies mostly in a few directions, as patches' does."""
    scales = 1 / (1 + np.arange(dim))
    rotation = np.linalg.qr(np.random.default_rng(dim).normal(size=(dim, dim)))[0]
    return (3 + (scales * rng.normal(size=(n, dim))) @ rotation).astype(np.float32)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 300),
    st.integers(1, 80),
    st.sampled_from([1e-25, 1e-6, 1.0, 1e12]),
    st.sampled_from([1e-3, 1.0, 1 - 2.0**-40, 1 + 2.0**-40]),
)
def test_no_entry_within_reach_is_ruled_out(seed: int, n: int, dim: int, scale: float, share: float) -> None:
    """Distances themselves, give or take a bit, are the reach."""
    rng = np.random.default_rng(seed)
    bank = (scale * make_bank(rng, n, dim)).astype(np.float32)
    queries = (scale * make_bank(rng, 7, dim)).astype(np.float32)
    queries[0] = bank[rng.integers(n)]
    distances = cdist(queries.astype(np.float64), bank.astype(np.float64))
    within = rng.choice(distances, axis=1) if n > 1 else distances[:, 0]
    within = share * np.asarray(within)[rng.integers(len(within), size=7)]
    found = project(bank).select(queries, within)
    if found is None:
        return
    rows, entries = found
    assert (np.diff(rows) >= 0).all()
    kept = np.zeros(distances.shape, bool)
    kept[rows, entries] = True
    assert kept[distances <= within[:, None]].all()


def test_few_entries_are_left_where_variance_lies_in_few_directions() -> None:
    rng = np.random.default_rng(0)
    bank, queries = make_bank(rng, 5000, 384), make_bank(rng, 20, 384)
    nearest = cdist(queries, bank).min(1)
    found = project(bank).select(queries, nearest * (1 + 1e-6))
    assert found is not None
    assert len(found[0]) < 0.01 * 20 * len(bank)
    assert project(bank).select(queries, np.full(20, 1e6)) is None  # all of them: not worth it


def test_what_cannot_be_told_is_not_ruled_out() -> None:
    bank = make_bank(np.random.default_rng(0), 50, 8)
    found = project(bank).select(np.full((1, 8), np.nan, np.float32), np.ones(1))
    assert found is not None
    assert found[1].tolist() == list(range(50))


@pytest.mark.parametrize("dim", [1, 3, 40, 384])
def test_a_sketchs_distance_is_no_longer_and_nearly_as_long(dim: int) -> None:
    rng = np.random.default_rng(0)
    bank, queries = make_bank(rng, 500, dim), make_bank(rng, 30, dim)
    projection = project(bank)
    sketches = cdist(projection.sketch(queries), projection.sketch_entries(np.arange(500)))
    distances = cdist(queries.astype(np.float64), bank.astype(np.float64))
    assert (sketches <= distances * 1.001 + 2e-3).all()
    assert np.median(sketches / distances) > 0.7


def test_entries_that_are_all_the_same_have_distance_zero() -> None:
    bank = np.full((100, 16), 1e4 + 0.1, np.float32)
    found = project(bank).select(bank[:3], np.zeros(3))
    assert found is None or len(found[0]) == 300
