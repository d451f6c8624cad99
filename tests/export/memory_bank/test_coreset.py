from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from softcore_export.memory_bank import coreset
from softcore_export.memory_bank.coreset import PROJECTION, draw_coreset, draw_random

CPU = torch.device("cpu")


def project(features: np.ndarray, seed: int) -> np.ndarray:
    """Rows `[N * P, ...]` as the draw sees them, in float64.

    Up to 128 dimensions the projection is a rotation, so the features themselves have the same distances.
    """
    dim = features.shape[2]
    rows = features.reshape(-1, dim).astype(float)
    if dim <= PROJECTION:
        return rows
    axes = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, PROJECTION)))[0]
    return np.asarray(rows @ axes)


def greedy(points: np.ndarray, candidates: np.ndarray, size: int, first: int) -> list[int]:
    """Plain greedy k-centre."""
    chosen = [first]
    while len(chosen) < size:
        nearest = [min(np.linalg.norm(points[i] - points[j]) for j in chosen) for i in candidates]
        chosen.append(int(candidates[int(np.argmax(nearest))]))
    return chosen


def all_kept(features: np.ndarray) -> np.ndarray:
    return np.ones(features.shape[:2], bool)


def test_it_is_greedy_k_centre() -> None:
    rng = np.random.default_rng(3)
    features = rng.normal(size=(8, 6, 10)).astype(np.float32)
    kept = rng.random((8, 6)) < 0.8
    chosen = draw_coreset(features, kept, 15, 7, CPU)
    assert chosen.dtype == np.int64
    expected = greedy(project(features, 7), np.flatnonzero(kept), 15, int(chosen[0]))
    assert chosen.tolist() == expected


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 12),
    positions=st.integers(1, 8),
    dim=st.integers(1, 200),
    share=st.floats(0.02, 1),
    wanted=st.integers(1, 120),
    ahead=st.sampled_from([1, 2, 9, 1024]),
    block=st.sampled_from([7, 8192]),
)
def test_each_entry_is_the_farthest_from_those_before(
    seed: int, n: int, positions: int, dim: int, share: float, wanted: int, ahead: int, block: int
) -> None:
    """However many rows are looked at ahead and measured at a time."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, positions, dim)).astype(np.float32)
    kept = rng.random((n, positions)) < share
    kept.flat[rng.integers(kept.size)] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coreset, "_AHEAD", ahead)
        patch.setattr(coreset, "_BLOCK", block)
        chosen = draw_coreset(features, kept, wanted, seed, CPU)

    assert len(set(chosen.tolist())) == len(chosen) <= wanted
    assert kept.ravel()[chosen].all()
    points = project(features, seed)
    apart = cdist(points, points)
    rounding = 3e-3 * np.linalg.norm(points - points[kept.ravel()].mean(axis=0), axis=1).max()
    for step in range(1, len(chosen)):
        nearest = apart[:, chosen[:step]].min(axis=1)
        assert nearest[chosen[step]] >= nearest[kept.ravel()].max() - rounding
    if len(chosen) < min(wanted, kept.sum()):  # then all others equal chosen ones
        assert apart[:, chosen].min(axis=1)[kept.ravel()].max() <= rounding
    if dim >= 20:  # where no two are near each other by chance
        assert len(chosen) == min(wanted, kept.sum())


def test_the_projection_keeps_neighbourhoods() -> None:
    """Whatever the projection: of 20 tight clusters far from each other, 20 centres take one each."""
    rng = np.random.default_rng(0)
    clusters = rng.integers(20, size=(30, 20))
    middles = rng.normal(size=(20, 600))
    features = (middles[clusters] + 0.05 * rng.normal(size=(30, 20, 600))).astype(np.float32)
    for seed in range(3):
        chosen = draw_coreset(features, all_kept(features), 20, seed, CPU)
        assert sorted(clusters.ravel()[chosen]) == list(range(20))


def test_it_is_repeatable_and_the_seed_matters() -> None:
    features = np.random.default_rng(0).normal(size=(10, 10, 20)).astype(np.float32)
    first, again, other = (draw_coreset(features, all_kept(features), 30, s, CPU) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert set(first.tolist()) != set(other.tolist())


def test_the_first_entry_is_drawn_among_the_kept() -> None:
    features = np.random.default_rng(0).normal(size=(10, 10, 4)).astype(np.float32)
    kept = np.zeros((10, 10), bool)
    kept[3:6, 2:9] = True
    firsts = {int(draw_coreset(features, kept, 1, seed, CPU)[0]) for seed in range(40)}
    assert len(firsts) > 5
    assert firsts <= set(np.flatnonzero(kept).tolist())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0])
@pytest.mark.parametrize("offset", [0.0, 1.0])
@pytest.mark.parametrize("dim", [3, 384])
def test_duplicates_end_it_early(dim: int, offset: float, scale: float) -> None:
    rng = np.random.default_rng(0)
    different = scale * (rng.normal(size=(12, dim)) + offset).astype(np.float32)
    features = different[rng.permutation(np.repeat(np.arange(12), 50)).reshape(30, 20)]
    chosen = draw_coreset(features, all_kept(features), 200, 0, CPU)
    bank = features.reshape(-1, dim)[chosen]
    assert len(np.unique(bank, axis=0)) == 12
    assert len(bank) == 12


def test_patches_all_alike_give_one_entry() -> None:
    features = np.full((4, 5, 6), 0.3, np.float32)
    assert len(draw_coreset(features, all_kept(features), 10, 0, CPU)) == 1


def test_mapped_features_will_do(tmp_path: object) -> None:
    features = np.random.default_rng(0).normal(size=(6, 9, 5)).astype(np.float32)
    features.tofile(f"{tmp_path}/features")
    mapped = np.memmap(f"{tmp_path}/features", np.float32, "r", shape=features.shape)
    expected = draw_coreset(features, all_kept(features), 9, 0, CPU)
    np.testing.assert_array_equal(draw_coreset(mapped, all_kept(features), 9, 0, CPU), expected)


def test_a_random_coreset_is_repeatable_without_repeats_and_only_of_kept_patches() -> None:
    kept = np.random.default_rng(0).random((9, 20)) < 0.5
    drawn = draw_random(kept, 40, seed=3)
    assert len(set(drawn.tolist())) == 40
    assert kept.ravel()[drawn].all()
    np.testing.assert_array_equal(drawn, draw_random(kept, 40, seed=3))
    assert set(drawn.tolist()) != set(draw_random(kept, 40, seed=4).tolist())
    assert sorted(draw_random(kept, 10_000, seed=0).tolist()) == np.flatnonzero(kept).tolist()
