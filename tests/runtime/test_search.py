from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist
from softcore_runtime import search
from softcore_runtime.hnsw import HnswIndex
from softcore_runtime.search import Search, exact_nearest

EPSILON = float(np.finfo(np.float32).eps)


@dataclass
class Draw:
    """A random bank with weights, patches, a limit, and an index that may be over something else."""

    bank: np.ndarray
    weights: np.ndarray
    patches: np.ndarray
    limit: float
    index: HnswIndex

    @property
    def search(self) -> Search:
        return Search(self.bank, self.weights, self.index)


@st.composite
def draws(draw: st.DrawFn) -> Draw:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, dim, q = draw(st.integers(1, 120)), draw(st.integers(1, 24)), draw(st.integers(1, 30))
    scale = draw(st.sampled_from([1e-3, 1.0, 50.0]))
    bank = scale * rng.normal(size=(n, dim)) + draw(st.sampled_from([0.0, 1.0])) * scale
    near = bank[rng.integers(n, size=q)] + 0.2 * scale * rng.normal(size=(q, dim))
    patches = np.where(rng.random((q, 1)) < 0.7, near, 2 * scale * rng.normal(size=(q, dim)))
    weights = {
        "even": np.ones(n),
        "soft": 1 + rng.exponential(0.3, n),
        "some zero": np.where(rng.random(n) < 0.5, 0, 1 + rng.random(n)),
        "all zero": np.zeros(n),
        "one huge": np.where(np.arange(n) == rng.integers(n), 1e6, 1 + rng.random(n)),
        "many scales": 10 ** rng.uniform(-6, 6, n),
    }[draw(st.sampled_from(["even", "soft", "some zero", "all zero", "one huge", "many scales"]))]
    bank, weights, patches = (array.astype(np.float32) for array in (bank, weights, patches))

    # Limits where they matter: around the scores. An index over the wrong rows gives wrong answers.
    distances = cdist(patches.astype(float), bank.astype(float))
    scores = weights[distances.argmin(1)] * distances.min(1)
    share = draw(st.floats(0.3, 3))
    limit = float(share * draw(st.sampled_from([scores.max(), np.median(scores), scale]))) or 1.0
    indexed = {
        "right": bank,
        "shuffled": rng.permutation(bank),
        "unrelated": rng.normal(size=bank.shape).astype(np.float32),
    }[draw(st.sampled_from(["right", "shuffled", "unrelated"]))]
    index = HnswIndex.build(indexed, m=draw(st.sampled_from([2, 8])), ef_construction=20, seed=0)
    index.ef_search = draw(st.integers(1, 50))
    return Draw(bank, weights, patches, limit, index)


def bounds(draw: Draw) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest float64 score of each patch over all entries that tie for the nearest.

    Which of two entries is nearer can't be told in float32 where ||p||^2 + ||m||^2 rounds to the same, and
    their weights may differ a millionfold. Any of them is a right answer.
    """
    patches, bank = draw.patches.astype(float), draw.bank.astype(float)
    distances = cdist(patches, bank)
    norms = (patches**2).sum(1)[:, None] + (bank**2).sum(1)[None]
    slack = 2 * (bank.shape[1] + 4) * EPSILON * norms
    squares = distances**2
    tied = squares - slack <= (squares + slack).min(1)[:, None]
    scores = draw.weights * distances
    return np.where(tied, scores, np.inf).min(1), np.where(tied, scores, -np.inf).max(1)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(draws())
def test_the_decision_is_that_of_an_exhaustive_search(draw: Draw) -> None:
    least, greatest = (scores.max() for scores in bounds(draw))
    must_fail, must_pass = least > draw.limit * (1 + 1e-5), greatest <= draw.limit * (1 - 1e-5)
    # In between, float32 and float64 may rightly fall on two sides of the limit. That margin is not
    # guarded yet: the search promises the decision of an exhaustive search in its own precision.
    assume(must_fail or must_pass)
    found = draw.search.score(draw.patches, draw.limit)
    assert bool(found.scores.max() > draw.limit) == must_fail
    assert found.scores.dtype == np.float32


@settings(max_examples=200, deadline=None)
@given(draws())
def test_every_score_above_the_limit_is_exact(draw: Draw) -> None:
    least, greatest = bounds(draw)
    found = draw.search.score(draw.patches, draw.limit)
    # Not only those that came out above it: also those that should have.
    for at in np.flatnonzero((found.scores > draw.limit) | (least > draw.limit * (1 + 1e-5))):
        assert least[at] * (1 - 1e-5) <= found.scores[at] <= greatest[at] * (1 + 1e-5)


@settings(max_examples=200, deadline=None)
@given(draws())
def test_the_highest_score_is_exact_whatever_the_limit(draw: Draw) -> None:
    least, greatest = (scores.max() for scores in bounds(draw))
    highest = draw.search.score(draw.patches, 1e30).scores.max()
    assert least * (1 - 1e-5) <= highest <= greatest * (1 + 1e-5)


@settings(max_examples=100, deadline=None)
@given(draws())
def test_below_the_limit_no_patch_is_reported_above_it(draw: Draw) -> None:
    """Every score, exact or not, is the weighted distance to some entry of the bank."""
    found = draw.search.score(draw.patches, draw.limit)
    candidates = draw.weights * cdist(draw.patches.astype(float), draw.bank.astype(float))
    nearest = candidates[np.arange(len(draw.patches)), abs(candidates - found.scores[:, None]).argmin(1)]
    np.testing.assert_allclose(found.scores, nearest, rtol=1e-5, atol=1e-30)


def test_only_what_the_index_cannot_certify_is_searched_exactly() -> None:
    rng = np.random.default_rng(0)
    bank = rng.normal(size=(500, 8)).astype(np.float32)
    index = HnswIndex.build(bank, m=16, ef_construction=100, seed=0)
    index.ef_search = 100
    weights = np.ones(500, np.float32)
    patches = np.concatenate([bank[:90] + np.float32(0.01), bank[:10] + np.float32(30)])
    found = Search(bank, weights, index).score(patches, limit=1.0)
    assert found.searched_exactly == 10
    assert (found.scores > 1).sum() == 10
    # With nothing above the limit, only what could be the highest score.
    assert Search(bank, weights, index).score(patches, limit=1e9).searched_exactly == 16


def test_a_heavy_entry_elsewhere_makes_the_search_exact_not_wrong() -> None:
    """W bounds every weight, so one heavy entry costs time for all patches; their scores stay their own."""
    bank = np.float32([[0, 0], [100, 100]])
    index = HnswIndex.build(bank, m=4, ef_construction=10, seed=0)
    found = Search(bank, np.float32([1, 1000]), index).score(np.float32([[0.5, 0]]), limit=1.0)
    assert found.searched_exactly == 1
    assert found.scores[0] == pytest.approx(0.5)


@pytest.mark.parametrize("block", [1, 7, 1000, 64_000, 1 << 24])
def test_exact_nearest_is_scipys_nearest_in_blocks_of_every_size(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(search, "_BLOCK", block)
    rng = np.random.default_rng(block)
    for n, dim, q in ((1, 3, 5), (640, 16, 101), (50, 384, 33), (7, 2, 0)):
        bank = rng.normal(size=(n, dim)).astype(np.float32)
        queries = rng.normal(size=(q, dim)).astype(np.float32)
        found = exact_nearest(queries, bank)
        assert found.dtype == np.int64
        assert found.shape == (q,)
        if q:
            np.testing.assert_array_equal(found, cKDTree(bank).query(queries)[1])
            np.testing.assert_array_equal(found, cdist(queries, bank).argmin(1))


def test_an_entry_of_the_bank_is_at_distance_zero() -> None:
    """Without cancellation: ||p||^2 - 2 p.m + ||m||^2 would leave a remainder at such lengths."""
    bank = (1000 + np.random.default_rng(0).normal(size=(50, 64))).astype(np.float32)
    index = HnswIndex.build(bank, m=8, ef_construction=50, seed=0)
    index.ef_search = 50
    found = Search(bank, np.ones(50, np.float32), index).score(bank, limit=1e-3)
    np.testing.assert_array_equal(found.scores, 0)
