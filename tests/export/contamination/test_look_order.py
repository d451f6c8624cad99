"""The order of looks, beside sums by hand and defects that were drawn."""

from __future__ import annotations

import subprocess
import sys
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from softcore_export.contamination import look_order
from softcore_export.contamination.estimate import ContaminationEstimate, estimate_contamination
from softcore_export.contamination.look_order import LookOrder, find_alike, measure_worth, order_looks
from softcore_export.settings import ExportSettings
from softcore_export.train import fit

GRID = (8, 8)
SAME = (3, 11, 25, 40)  # images with the same defect
ELSEWHERE, LONE, TOUCHING = 17, 30, 50  # with the same elsewhere, with another one, with a part of both
FURTHER = 55  # with the same, and a worse one beside it
DEFECTIVE = (*SAME, ELSEWHERE, LONE, TOUCHING, FURTHER)


def draw_features() -> np.ndarray:
    """Features of 60 images with defects, float32 [60, 64, 32]."""
    rng = np.random.default_rng(0)
    features = rng.normal(rng.normal(0, 1, (1, 64, 32)), 0.3, (60, 64, 32)).astype(np.float32)
    scratch, dent = rng.normal(0, 1.5, (2, 32))
    patches = [18, 19, 26, 27]
    for image in SAME:
        features[image, patches] += scratch
    features[ELSEWHERE, [53, 54, 61, 62]] += scratch
    features[LONE, patches] += dent
    features[TOUCHING, 18] += scratch
    features[TOUCHING, [45, 46]] += dent
    features[FURTHER, patches] += scratch
    features[FURTHER, [43, 44, 51]] += 2 * dent
    return features


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return draw_features()


@pytest.fixture(scope="module")
def estimate(features: np.ndarray) -> ContaminationEstimate:
    return estimate_contamination(features, GRID, torch.device("cpu"))


def order_after_fit(
    features: np.ndarray, estimate: ContaminationEstimate, kept: np.ndarray, settled: np.ndarray | None = None
) -> LookOrder:
    settings = ExportSettings(discriminator="auto", floor=0)
    learned = fit(features, GRID, settings, torch.device("cpu"), estimate, lambda _: kept)
    return order_looks(estimate, learned.kept, learned.origins, GRID, settled)


@given(st.integers(0, 2**32 - 1))
def test_the_worth_is_the_sum_over_patches(seed: int) -> None:
    rng = np.random.default_rng(seed)
    images, patches = rng.gamma(1, 0.5, 5), rng.gamma(1, 0.5, (5, 6)).astype(np.float32)
    kept = rng.random((5, 6)) < 0.8
    counts = np.where(kept, rng.integers(0, 3, (5, 6)), 0).astype(float)

    def odds(suspicion: float) -> float:
        return 1 / (1 + suspicion**-4) if suspicion else 0

    entries = counts.sum()
    expected = []
    for image in range(5):
        bad = sum(counts[image, p] * odds(float(patches[image, p])) for p in range(6))
        good = sum(entries / max(1, kept.sum()) for p in range(6) if not kept[image, p])
        chance = odds(images[image])
        expected.append((chance * bad + (1 - chance) * good) / max(entries / 5, 1e-12))
    np.testing.assert_allclose(measure_worth(images, patches, kept, counts), expected, rtol=1e-6)


def test_images_with_the_same_defect_at_the_same_place_are_alike(estimate: ContaminationEstimate) -> None:
    alike = find_alike(estimate.patches, estimate.comparison).toarray()
    np.testing.assert_array_equal(alike, alike.T)
    for image in SAME:
        assert np.flatnonzero(alike[image]).tolist() == [other for other in SAME if other != image]
    assert not alike[[ELSEWHERE, LONE, TOUCHING, FURTHER]].any()
    assert alike.sum() == len(SAME) * (len(SAME) - 1)  # no good image is like another


def test_near_copies_are_alike(features: np.ndarray) -> None:
    twice = np.concatenate([features, features[:1] + np.float32(1e-3)])
    alike = find_alike(*_judge(twice)).toarray()
    assert alike[0, 60]
    assert alike[60, 0]


def _judge(features: np.ndarray) -> tuple[np.ndarray, object]:
    estimate = estimate_contamination(features, GRID, torch.device("cpu"))
    return estimate.patches, estimate.comparison


def test_one_is_asked_for_all_that_look_alike(features: np.ndarray, estimate: ContaminationEstimate) -> None:
    kept = np.ones(features.shape[:2], np.bool_)  # the bank has learned every defect
    order = order_after_fit(features, estimate, kept)
    leader = int(order.rows[0])  # four for one look
    assert leader in SAME
    assert sorted([leader, *order.find_followers(leader)]) == list(SAME)
    assert set(order.worthwhile[:5].tolist()) == {leader, *DEFECTIVE[len(SAME) :]}
    assert sorted(order.rows.tolist()) == list(range(60))
    assert 0 <= order.rest < 0.01


def test_what_is_left_out_rightly_is_not_worth_a_look(
    features: np.ndarray, estimate: ContaminationEstimate
) -> None:
    kept = np.ones(features.shape[:2], np.bool_)
    everything = order_after_fit(features, estimate, kept)
    left_out = [image for image in DEFECTIVE if image != LONE]
    kept[left_out] = False
    order = order_after_fit(features, estimate, kept)
    assert order.rows[0] == LONE  # the only one that was learned
    assert (order.worth[left_out] < everything.worth[left_out]).all()


def test_of_good_and_bad_that_are_left_out_the_less_suspect_comes_first(
    features: np.ndarray, estimate: ContaminationEstimate
) -> None:
    kept = np.ones(features.shape[:2], np.bool_)
    good = int(np.argsort(estimate.images)[30])
    kept[[good, LONE]] = False
    order = order_after_fit(features, estimate, kept)
    assert order.worth[good] > order.worth[LONE]
    assert order.worth[good] == pytest.approx(1, abs=0.1)  # all that an image has


def test_what_is_settled_comes_last(features: np.ndarray, estimate: ContaminationEstimate) -> None:
    kept = np.ones(features.shape[:2], np.bool_)
    settled = np.isin(np.arange(60), [SAME[0], LONE])
    order = order_after_fit(features, estimate, kept, settled)
    assert not order.worth[settled].any()
    assert not np.isin([SAME[0], LONE], order.worthwhile).any()
    (leader,) = {int(order.leaders[image]) for image in SAME[1:]}
    assert leader in SAME[1:]
    assert order.leaders[SAME[0]] == SAME[0]  # it isn't asked about again


@given(st.integers(0, 2**32 - 1))
def test_each_image_has_one_leader_that_it_is_like(estimate: ContaminationEstimate, seed: int) -> None:
    rng = np.random.default_rng(seed)
    alike = np.triu(rng.random((60, 60)) < rng.choice([0.01, 0.05, 0.3]), 1)
    alike |= alike.T
    origins = np.argwhere(rng.random((60, *GRID)) < 0.1).astype(np.int32)
    with patch.object(look_order, "find_alike", lambda *_: csr_array(alike)):
        order = order_looks(estimate, rng.random((60, 64)) < 0.7, origins, GRID)
    assert sorted(order.rows.tolist()) == list(range(60))
    np.testing.assert_array_equal(order.leaders[order.leaders], order.leaders)
    for image, leader in enumerate(order.leaders.tolist()):
        assert leader == image or alike[image, leader]
        assert order.worth[leader] >= order.worth[image]

    together = np.bincount(order.leaders, order.worth, 60)
    first = [row for row in order.rows.tolist() if order.leaders[row] == row]
    assert (np.diff(together[first]) <= 1e-12).all()
    assert order.worthwhile.tolist() == first[: len(order.worthwhile)]
    blocks = [row for leader in first for row in (leader, *order.find_followers(leader))]
    assert order.rows.tolist() == blocks  # those alike stand together


def test_it_needs_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import softcore_export.contamination.look_order"
    subprocess.run([sys.executable, "-c", code], check=True)
