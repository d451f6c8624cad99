from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from softcore_export.memory_bank import leave_one_out as leave_one_out_module
from softcore_export.memory_bank.floors import Corroboration, FloorRule
from softcore_export.memory_bank.leave_one_out import (
    NearestEntries,
    leave_one_out,
    score_left_out,
    score_others,
)

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


def test_some_of_the_images_may_be_compared() -> None:
    features, bank, owners, _ = draw(0, 5, 6, 8, 20)
    chosen = np.array([3, 1])
    found = leave_one_out(features[chosen], bank, owners, CPU, images=chosen)
    all_of_them = apart_from_others(features, bank, owners)
    np.testing.assert_array_equal(found.entries, all_of_them[chosen].argmin(axis=2))


class Corroborated:
    """A bank with vouchers of its entries at random, in three groups of two images and others alone."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.features, self.bank, self.owners, _ = draw(seed, 9, 7, 11, 40)
        self.groups = np.array([0, 1, 0, 3, 1, 5, 6, 5, 8], np.int32)
        names = np.array([0, 1, 3, 5, 6, 8], np.int32)
        vouchers = np.stack([rng.permutation(names) for _ in self.bank])
        distances = np.sort(rng.uniform(2, 6, vouchers.shape), axis=1).astype(np.float32)
        distances[vouchers == self.groups[self.owners][:, None]] = np.inf
        order = np.argsort(distances, axis=1)
        self.distances = np.take_along_axis(distances, order, axis=1)
        self.vouchers = np.take_along_axis(vouchers, order, axis=1)
        self.vouchers[np.isinf(self.distances)] = -1

    def rule(self, factor: float) -> FloorRule:
        return FloorRule(Corroboration(self.distances, self.vouchers), self.groups, factor)

    def apart(self, image: int, factor: float) -> np.ndarray:
        """max(||p - m||, F(m)) `[P, n]` by scipy, without all that is of the image's group."""
        group = self.groups[image]
        floors = [
            factor * min(d for d, name in zip(*row, strict=True) if name not in (group, -1))
            for row in zip(self.distances.tolist(), self.vouchers.tolist(), strict=True)
        ]
        apart = cdist(self.features[image].astype(float), self.bank.astype(float))
        own = self.groups[self.owners] == group
        return np.where(own, np.inf, np.maximum(apart, floors))


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.3])
def test_with_floors_neither_an_image_nor_its_near_copies_have_a_say(factor: float) -> None:
    drawn = Corroborated(3)
    found = leave_one_out(drawn.features, drawn.bank, drawn.owners, CPU, drawn.rule(factor))
    floored = 0
    for image in range(9):
        apart = drawn.apart(image, factor)
        np.testing.assert_allclose(found.distances[image], apart.min(axis=1), rtol=1e-5)
        named = apart[np.arange(7), found.entries[image]]
        np.testing.assert_allclose(named, apart.min(axis=1), rtol=1e-5)
        plain = cdist(drawn.features[image].astype(float), drawn.bank.astype(float))
        floored += int((plain[np.arange(7), found.entries[image]] < found.distances[image] - 1e-3).sum())
    assert floored > 5  # that floors do something here
    some = np.array([6, 2])
    again = leave_one_out(drawn.features[some], drawn.bank, drawn.owners, CPU, drawn.rule(factor), some)
    np.testing.assert_allclose(again.distances, found.distances[some], rtol=1e-6)


@pytest.mark.parametrize("nearest", [1, 2, 16, 64])
def test_scores_by_several_rules_are_those_by_each(monkeypatch: pytest.MonkeyPatch, nearest: int) -> None:
    drawn = Corroborated(4)
    rules = [drawn.rule(1.0), drawn.rule(1.7), drawn.rule(1.3)]
    weights = np.ones(len(drawn.bank), np.float32)
    expected = [
        leave_one_out(drawn.features, drawn.bank, drawn.owners, CPU, rule).scores(weights) for rule in rules
    ]
    everyone = np.arange(9)
    monkeypatch.setattr(leave_one_out_module, "_NEAREST", nearest)
    scores = score_left_out(drawn.features, drawn.bank, drawn.owners, rules, CPU, everyone)
    assert (scores.shape, scores.dtype) == ((3, 9), np.float64)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    some = np.array([7, 2])
    few = score_left_out(drawn.features, drawn.bank, drawn.owners, rules, CPU, some)
    np.testing.assert_array_equal(few, scores[:, some])
    assert len(np.unique(scores, axis=0)) == 3
    monkeypatch.setattr(leave_one_out_module, "_BLOCK", 1)
    again = score_left_out(drawn.features, drawn.bank, drawn.owners, rules, CPU, everyone)
    np.testing.assert_allclose(again, scores, rtol=1e-5)


def test_with_floors_an_image_that_owns_everything_says_nothing() -> None:
    drawn = Corroborated(5)
    owners = np.array([0, 2] * 20, np.int32)  # near copies
    found = leave_one_out(drawn.features, drawn.bank, owners, CPU, drawn.rule(1.0))
    for image in (0, 2):
        assert (found.entries[image] == -1).all()
        assert (found.distances[image] == 0).all()
    assert (found.entries[1] >= 0).all()
    assert (
        score_left_out(drawn.features, drawn.bank, owners, [drawn.rule(1.0)], CPU, np.array([0, 2])) == 0
    ).all()


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


def test_others_are_scored_with_floors() -> None:
    _, bank, _, _ = draw(0, 6, 8, 12, 30)
    rng = np.random.default_rng(1)
    others = rng.normal(size=(7, 10, 12)).astype(np.float32)
    floors = rng.uniform(0, 8, 30).astype(np.float32)
    scores = score_others(iter(others), bank, np.ones(30, np.float32), CPU, floors)
    apart = np.stack([cdist(patches, bank.astype(float)) for patches in others.astype(float)])
    expected = np.maximum(apart, floors).min(axis=2).max(axis=1)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert (scores > apart.min(axis=2).max(axis=1) + 0.1).any()
