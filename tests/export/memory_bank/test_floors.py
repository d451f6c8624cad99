from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from softcore_export.contamination.comparison import compare
from softcore_export.memory_bank import floors
from softcore_export.memory_bank.floors import (
    FACTORS,
    Corroboration,
    FloorRule,
    choose_factor,
    corroborate,
)

CPU = torch.device("cpu")
GRID = (4, 5)  # not square, or rows and columns could be mixed up
P, D = 20, 9


def draw(n: int, seed: int = 0) -> np.ndarray:
    """Features of n images: each position has a mean of its own."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=(1, P, D)) * 3 + rng.normal(size=(n, P, D)), np.float32)


def choose_origins(n: int, count: int, seed: int = 1) -> np.ndarray:
    entries = np.random.default_rng(seed).permutation(n * P)[:count]
    return np.stack(np.unravel_index(entries, (n, *GRID)), axis=1).astype(np.int32)


def learn(
    features: np.ndarray,
    origins: np.ndarray,
    groups: np.ndarray | None = None,
    kept: np.ndarray | None = None,
    window: int = 3,
) -> Corroboration:
    """With so few dimensions and images the comparison knows all images, and all lengths exactly."""
    n = len(features)
    compared = compare(features, GRID, CPU, 0, window=window, references=100, share=0.5)
    image, row, column = origins.T
    candidates = compared.nearest_images[image, row * GRID[1] + column]
    groups = np.arange(n, dtype=np.int32) if groups is None else groups
    kept = np.ones((n, P), np.bool_) if kept is None else kept
    return corroborate(features, GRID, origins, candidates, kept, groups, window, CPU)


def list_vouchers(
    features: np.ndarray, origin: np.ndarray, groups: np.ndarray, kept: np.ndarray, window: int = 3
) -> list[tuple[float, int]]:
    """By scipy, in float64: distance and group of every other group, the nearest first."""
    image, row, column = origin.tolist()
    reach = window // 2
    around = [q for q in range(P) if abs(q // GRID[1] - row) <= reach and abs(q % GRID[1] - column) <= reach]
    entry = features[image, row * GRID[1] + column].astype(float)
    nearest: dict[int, float] = {}
    for other in range(len(features)):
        patches = features[other, [q for q in around if kept[other, q]]].astype(float)
        if groups[other] != groups[image] and len(patches):
            length = float(cdist([entry], patches).min())
            nearest[int(groups[other])] = min(length, nearest.get(int(groups[other]), np.inf))
    return sorted((length, group) for group, length in nearest.items())


@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize("excluded", [0.0, 0.4])
def test_distances_are_those_of_brute_force(window: int, excluded: float) -> None:
    n = 9
    features, origins = draw(n), choose_origins(n, 70)
    groups = np.array([0, 1, 1, 3, 4, 5, 4, 7, 1], np.int32)
    kept = np.random.default_rng(2).random((n, P)) >= excluded
    found = learn(features, origins, groups, kept, window)
    assert (found.distances.dtype, found.vouchers.dtype) == (np.float32, np.int32)
    for row, origin in enumerate(origins):
        expected = list_vouchers(features, origin, groups, kept, window)
        known = found.vouchers[row] >= 0
        assert known.sum() == len(expected)
        np.testing.assert_array_equal(found.vouchers[row, known], [group for _, group in expected])
        np.testing.assert_allclose(found.distances[row, known], [far for far, _ in expected], rtol=2e-6)
        assert np.isinf(found.distances[row, ~known]).all()
        assert found.measure()[row] == pytest.approx(expected[0][0] if expected else 0.0, rel=2e-6)


def test_the_nearest_of_the_candidates_are_found_in_all_dimensions() -> None:
    """In the projection of many dimensions another image may seem the nearest."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(8, P, 600)).astype(np.float32)
    origins = choose_origins(8, 40)
    found = learn(features, origins)
    groups, kept = np.arange(8, dtype=np.int32), np.ones((8, P), np.bool_)
    for row, origin in enumerate(origins):
        lengths = [length for length, _ in list_vouchers(features, origin, groups, kept)]
        np.testing.assert_allclose(found.distances[row], lengths, rtol=2e-6)


def test_near_copies_do_not_vouch_for_each_other() -> None:
    """A defect that was saved twice is vouched for by no one near; a third image with it vouches once."""
    features, origin = draw(8), np.array([[0, 1, 2]], np.int32)
    features[[0, 1, 2, 3], 7] += 30
    features[[1, 2, 3], 7] += 0.01
    groups = np.array([0, 0, 2, 2, 4, 5, 6, 7], np.int32)
    found = learn(features, origin, groups)
    assert found.vouchers[0, 0] == 2
    assert found.distances[0, 0] < 10 < found.distances[0, 1]
    assert sorted(found.vouchers[0].tolist()) == [-1, -1, 2, 4, 5, 6, 7]
    features[[2, 3], 7] -= 30
    assert learn(features, origin, groups).distances[0, 0] > 10


def test_without_an_image_is_as_if_it_had_never_been_there() -> None:
    features, origins = draw(10), choose_origins(10, 90)
    whole = learn(features, origins)
    for image in range(10):
        rest = np.delete(np.arange(10), image)
        mine = origins[:, 0] != image
        others = origins[mine].copy()
        others[:, 0] -= others[:, 0] > image
        again = learn(features[rest], others)
        np.testing.assert_allclose(whole.measure(without=image)[mine], again.measure(), rtol=2e-6)


def test_near_copies_are_left_out_together() -> None:
    features, origins = draw(9), choose_origins(9, 60)
    groups = np.array([0, 1, 2, 3, 4, 1, 6, 1, 8], np.int32)
    whole = learn(features, origins, groups)
    rest = np.flatnonzero(groups != 1)
    mine = groups[origins[:, 0]] != 1
    others = origins[mine].copy()
    others[:, 0] = np.searchsorted(rest, others[:, 0])
    again = learn(features[rest], others, groups[rest])
    np.testing.assert_allclose(whole.measure(without=1)[mine], again.measure(), rtol=2e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    features, origins = draw(9), choose_origins(9, 60)
    whole = learn(features, origins)
    monkeypatch.setattr(floors, "_CHUNK", 1)
    again = learn(features, origins)
    np.testing.assert_array_equal(again.distances, whole.distances)
    np.testing.assert_array_equal(again.vouchers, whole.vouchers)


def test_where_all_candidates_are_copies_others_are_asked() -> None:
    """A burst of images of one part: the nearest images know nothing about it."""
    n = 30
    features = draw(n)
    features[:20] = features[0]
    groups = np.where(np.arange(n) < 20, 0, np.arange(n)).astype(np.int32)
    origins = np.array([[3, 1, 1], [25, 1, 1]], np.int32)
    found = learn(features, origins, groups)
    assert found.is_known.all()
    expected = list_vouchers(features, origins[0], groups, np.ones((n, P), np.bool_))
    assert found.measure()[0] == pytest.approx(expected[0][0], rel=2e-6)  # ten others, all asked
    kept = np.ones((n, P), np.bool_)
    kept[20:] = False
    assert learn(features, origins, groups, kept).is_known.tolist() == [False, True]


def test_images_of_which_nothing_was_kept_are_not_asked() -> None:
    features, n = draw(50), 50
    groups = np.where(np.arange(n) < 20, 0, np.arange(n)).astype(np.int32)
    features[:20] = features[0]
    kept = np.ones((n, P), np.bool_)
    kept[20:] = False
    kept[32] = True
    found = learn(features, np.array([[3, 1, 1]], np.int32), groups, kept)
    assert found.vouchers[0].tolist() == [32] + 11 * [-1]


def test_without_any_other_image_there_is_no_floor() -> None:
    features, origins = draw(5), choose_origins(5, 10)
    found = learn(features, origins, np.zeros(5, np.int32))
    assert not found.is_known.any()
    np.testing.assert_array_equal(found.measure(), 0)


def test_equal_patches_are_at_distance_0() -> None:
    features = draw(6)
    features += 1000  # far from the origin a matrix product has no digit left
    features[4] = features[0]
    found = learn(features, np.array([[0, 2, 2]], np.int32))
    assert (found.distances[0, 0], found.vouchers[0, 0]) == (0, 4)


def test_features_may_be_mapped_read_only(tmp_path: Path) -> None:
    features, origins = draw(6), choose_origins(6, 10)
    mapped = np.memmap(tmp_path / "features", np.float32, mode="w+", shape=features.shape)
    mapped[:] = features
    mapped.flush()
    mapped = np.memmap(tmp_path / "features", np.float32, mode="r", shape=features.shape)
    np.testing.assert_array_equal(learn(mapped, origins).distances, learn(features, origins).distances)


def test_a_rule_scales_distances() -> None:
    known = Corroboration(
        np.array([[1, 2, 4], [3, np.inf, np.inf]], np.float32), np.array([[7, 5, 6], [5, -1, -1]], np.int32)
    )
    rule = FloorRule(known, np.arange(8, dtype=np.int32), factor=0.5)
    floors = rule.compute()
    assert floors.dtype == np.float32
    assert floors.tolist() == [0.5, 1.5]
    assert rule.compute(without=5).tolist() == [0.5, 0]
    assert replace(rule, factor=1.0).compute(without=7).tolist() == [2, 3]
    several = replace(rule, factor=1.0, evidence=1.0)  # the third voucher, or the last known
    assert several.compute().tolist() == [4, 3]
    assert several.compute(without=7).tolist() == [4, 3]
    assert several.compute(without=6).tolist() == [2, 3]
    assert several.compute(without=5).tolist() == [4, 0]
    assert replace(several, evidence=0.5).compute().tolist() == [2, 3]


@given(
    distances=st.lists(st.floats(0.0625, 64, width=32), min_size=3, max_size=8),
    less=st.floats(0, 1),
    more=st.floats(0, 1),
)
def test_evidence_only_raises_floors(distances: list[float], less: float, more: float) -> None:
    less, more = sorted((less, more))
    lengths = np.sort(np.array([distances], np.float32))
    known = Corroboration(lengths, np.arange(len(distances), dtype=np.int32)[None])
    low, high = known.measure(evidence=less)[0], known.measure(evidence=more)[0]
    assert lengths[0, 0] * (1 - 1e-6) <= low <= high * (1 + 1e-6)
    assert high <= lengths[0, 2] * (1 + 1e-6)


def test_it_validates_itself() -> None:
    with pytest.raises(ValueError, match=r"\[n, m\] both, not \[\[2, 3\], \[2, 4\]\]"):
        Corroboration(np.zeros((2, 3), np.float32), np.zeros((2, 4), np.int32))


def draw_scores(seed: int, images: int, spread: float) -> np.ndarray:
    """Scores with each of the factors: those of each image rise from a factor of its own on."""
    rng = np.random.default_rng(seed)
    without = rng.uniform(1, 3, images)
    rise = np.maximum(np.array(FACTORS)[:, None] - rng.uniform(0, spread, images), 0)
    return np.asarray(without * (1 + rng.uniform(0, 0.3, images) * rise))


def find_raised(scores: np.ndarray) -> np.ndarray:
    """Which images' scores floors raise by more than 2 %, bool `[factors, trusted images]`."""
    order = np.argsort(scores[0])
    trusted = order[: int(np.floor(0.7 * (len(order) - 1))) + 1]
    return np.asarray(scores[:, trusted] > 1.02 * scores[0, trusted])


DRAWN = {
    "seed": st.integers(0, 2**32 - 1),
    "images": st.integers(1, 90),
    "spread": st.floats(0.1, 6),
}


@settings(max_examples=80, deadline=None)
@given(**DRAWN, evidence=st.floats(0, 1))
def test_the_factor_is_the_largest_that_leaves_good_images_alone(
    seed: int, images: int, spread: float, evidence: float
) -> None:
    """Up to 7 % of them may change, and up to 20 % where there is full evidence of defects."""
    scores = draw_scores(seed, images, spread)
    factor = choose_factor(scores, evidence)
    allowed = np.interp(evidence, (0, 1), (0.07, 0.2))
    assert 0 <= factor <= max(FACTORS)
    shares = find_raised(scores).mean(axis=1)  # scores here rise with the factor
    assert (shares[np.array(FACTORS) <= factor] <= allowed).all()
    tried = np.linspace(0, max(FACTORS), 4001)
    largest = tried[np.interp(tried, FACTORS, shares) <= allowed].max()
    assert factor == pytest.approx(largest, abs=1e-3)


@settings(max_examples=80, deadline=None)
@given(**DRAWN, less=st.floats(0, 1))
def test_the_factor_is_no_smaller_where_scores_rise_less(
    seed: int, images: int, spread: float, less: float
) -> None:
    scores = draw_scores(seed, images, spread)
    rises = scores - scores[0]
    smaller = scores[0] + rises * np.random.default_rng(seed).uniform(less, 1, rises.shape)
    assert choose_factor(smaller) >= choose_factor(scores) - 1e-12


@settings(max_examples=80, deadline=None)
@given(**DRAWN, more=st.floats(1, 1000))
def test_defective_images_do_not_change_the_factor(
    seed: int, images: int, spread: float, more: float
) -> None:
    """However high the scores of less than a third of the images are, and however floors raise them."""
    scores = draw_scores(seed, images, spread)
    defective = np.argsort(scores[0])[int(np.floor(0.7 * (images - 1))) + 1 :]
    spoiled = scores.copy()
    spoiled[:, defective] *= more * np.linspace(1, more, len(FACTORS))[:, None]
    assert choose_factor(spoiled) == choose_factor(scores)


def test_a_share_that_falls_again_does_not_count() -> None:
    """Where the smaller of two factors raises too many scores, the greater doesn't do."""
    scores = np.ones((len(FACTORS), 20))
    scores[3] = 1.5
    assert choose_factor(scores) == pytest.approx(FACTORS[2] + 0.07 * (FACTORS[3] - FACTORS[2]))
    scores[1:] = 1.5
    assert choose_factor(scores) == pytest.approx(0.07 * FACTORS[1])
    assert choose_factor(np.zeros_like(scores)) == FACTORS[-1]
