from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors
from softcore_export.memory_bank import index
from softcore_export.memory_bank.index import LEAST_RECALL, BuiltIndex, build_index, choose_queries
from softcore_runtime.errors import ExportError


def gauss(seed: int, n: int, dim: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def recall(built: BuiltIndex, bank: np.ndarray, queries: np.ndarray) -> float:
    """The share of queries whose nearest entry, by scikit-learn's exhaustive search, is what is found."""
    least = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(bank.astype(float)).kneighbors(queries)[0]
    found = np.linalg.norm(queries.astype(float) - bank[built.index.nearest(queries)], axis=1)
    return float(np.mean(found <= least[:, 0] * (1 + 1e-6)))


@pytest.mark.parametrize(("n", "dim"), [(1, 4), (5, 3), (400, 16), (1500, 48)])
def test_the_recall_is_that_against_brute_force(n: int, dim: int) -> None:
    bank, queries = gauss(0, n, dim), gauss(1, 300, dim)
    built = build_index(bank, queries, seed=0)
    assert built.record.recall == pytest.approx(recall(built, bank, queries), abs=1 / 300)
    assert built.record.recall >= LEAST_RECALL == 0.99
    assert built.index.ef_search == built.record.ef_search


def test_ef_is_raised_until_the_recall_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start too low for hard data (48 dimensions without any structure)."""
    bank, queries = gauss(0, 1500, 48), gauss(1, 300, 48)
    monkeypatch.setattr(index, "_LEAST_EF", 1)
    built = build_index(bank, queries, seed=0)
    assert built.record.ef_search > 1
    assert built.record.m == 16
    assert recall(built, bank, queries) >= LEAST_RECALL
    built.index.ef_search = built.record.ef_search // 2  # the last that was not enough
    assert recall(built, bank, queries) < LEAST_RECALL


def test_more_links_where_no_ef_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two links an entry of a graph made carelessly, parts of it can't be reached at all."""
    bank, queries = gauss(0, 800, 32), gauss(1, 300, 32)
    monkeypatch.setattr(index, "_EF_CONSTRUCTION", 1)
    monkeypatch.setattr(index, "_M", (2,))
    with pytest.raises(ExportError, match=r"recall@1 of 0\.\d+, 0\.99 is needed"):
        build_index(bank, queries, seed=0)
    monkeypatch.setattr(index, "_M", (2, 64))
    built = build_index(bank, queries, seed=0)
    assert built.record.m == 64
    assert recall(built, bank, queries) >= LEAST_RECALL


def test_a_recall_out_of_reach_is_an_export_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "LEAST_RECALL", 1.01)
    with pytest.raises(ExportError, match=r"recall@1 of 1\.000"):
        build_index(gauss(0, 50, 8), gauss(1, 20, 8), seed=0)


def test_a_tie_is_as_good() -> None:
    bank = np.repeat(gauss(0, 100, 6), 4, axis=0)
    assert build_index(bank, gauss(1, 300, 6), seed=0).record.recall >= LEAST_RECALL


def test_two_builds_are_byte_identical(tmp_path: Path) -> None:
    bank, queries = gauss(0, 600, 24), gauss(1, 100, 24)
    for name, seed in (("a", 0), ("b", 0), ("c", 7)):
        build_index(bank, queries, seed=seed).index.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_recall_is_measured_with_kept_patches_that_are_not_in_the_bank() -> None:
    features = np.arange(24, dtype=np.float32).reshape(3, 4, 2)
    kept = np.ones((3, 4), np.bool_)
    kept[1] = False
    entries = np.array([0, 1, 9])
    queries = choose_queries(features, kept, entries, seed=0)
    rows = [2, 3, 8, 10, 11]
    np.testing.assert_array_equal(queries, features.reshape(12, 2)[rows])
    all_kept = choose_queries(features, kept, np.flatnonzero(kept), seed=0)
    np.testing.assert_array_equal(all_kept, features.reshape(12, 2)[np.flatnonzero(kept)])
