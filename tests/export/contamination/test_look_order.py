"""The order of looks, beside sums by hand and defects that were drawn."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from softcore_export.contamination import look_order
from softcore_export.contamination.estimate import ContaminationEstimate, estimate_contamination
from softcore_export.contamination.look_order import LookOrder, find_alike, update_chances, value_looks
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
    features: np.ndarray, estimate: ContaminationEstimate, kept: np.ndarray, answers: np.ndarray | None = None
) -> LookOrder:
    settings = ExportSettings(discriminator="auto", floor=0)
    learned = fit(features, GRID, settings, torch.device("cpu"), estimate, lambda _: kept)
    return value_looks(estimate, learned.kept, learned.origins, GRID).order(answers)


def find_chance(suspicion: float, power: int) -> float:
    return float(1 / (1 + suspicion**-power)) if suspicion else 0


@given(st.integers(0, 2**32 - 1))
def test_the_worth_is_the_sum_over_patches(estimate: ContaminationEstimate, seed: int) -> None:
    rng = np.random.default_rng(seed)
    images, patches = rng.gamma(1, 0.5, 60), rng.gamma(1, 0.5, (60, 64)).astype(np.float32)
    kept = rng.random((60, 64)) < 0.8
    origins = rng.permutation(np.argwhere(kept.reshape(60, *GRID)))[: rng.integers(1, 400)].astype(np.int32)
    drawn = replace(estimate, images=images, patches=patches)
    order = value_looks(drawn, kept, origins, GRID).order()
    entries, expected = len(origins), np.zeros(60)
    for image, row, column in origins.tolist():
        expected[image] += find_chance(images[image], 2) * find_chance(patches[image, 8 * row + column], 4)
    for image in range(60):
        excluded = 64 - kept[image].sum()
        expected[image] += (1 - find_chance(images[image], 2)) * excluded * entries / kept.sum()
    np.testing.assert_allclose(order.worth, expected / (entries / 60), rtol=1e-6)


def test_answers_tell_of_images_of_about_the_same_rank() -> None:
    suspicion = np.linspace(0.6, 0.1, 60)
    answers = np.full(60, np.nan)
    first = update_chances(suspicion, answers)
    np.testing.assert_allclose(first, [find_chance(one, 2) for one in suspicion])
    answers[:15] = 0
    good = update_chances(suspicion, answers)
    answers[12] = 1
    mixed = update_chances(suspicion, answers)
    assert (good < first).all()
    assert (mixed[15:] > good[15:]).all()
    assert good[15] < first[15] / 4
    assert good[59] > 0.99 * first[59]
    # As an average by weights: the suspicion's own is one.
    weights = np.exp(-(20 - np.arange(15)) / 5)
    assert mixed[20] == pytest.approx(np.average([*answers[:15], first[20]], weights=[*weights, 1]))


def test_looks_end_where_answers_say_so(features: np.ndarray, estimate: ContaminationEstimate) -> None:
    """Of a truthful person: all defects are found, and a part of the images is never asked about."""
    kept = np.ones(features.shape[:2], np.bool_)
    answers = np.full(60, np.nan)
    while (worthwhile := order_after_fit(features, estimate, kept, answers).worthwhile).size:
        answers[worthwhile[0]] = worthwhile[0] in DEFECTIVE
    assert not np.isnan(answers[list(DEFECTIVE)]).any()
    assert np.isnan(answers).sum() > 10


def test_images_with_the_same_defect_at_the_same_place_are_alike(estimate: ContaminationEstimate) -> None:
    alike = find_alike(estimate.images, estimate.patches, estimate.comparison).toarray()
    np.testing.assert_array_equal(alike, alike.T)
    for image in SAME:
        assert np.flatnonzero(alike[image]).tolist() == [other for other in SAME if other != image]
    assert not alike[[ELSEWHERE, LONE, TOUCHING, FURTHER]].any()
    assert alike.sum() == len(SAME) * (len(SAME) - 1)  # no good image is like another


def test_a_suspect_is_like_suspects_alone(estimate: ContaminationEstimate) -> None:
    """One key decides on all that are alike: a good image among them would be left out with them."""
    suspicion = estimate.images.copy()
    suspicion[SAME[0]] = 0.9
    alike = find_alike(suspicion, estimate.patches, estimate.comparison).toarray()
    assert not alike[SAME[0]].any()
    assert alike[SAME[1], SAME[2]]


def test_near_copies_are_alike(features: np.ndarray) -> None:
    twice = np.concatenate([features, features[:1] + np.float32(1e-3)])
    estimate = estimate_contamination(twice, GRID, torch.device("cpu"))
    alike = find_alike(estimate.images, estimate.patches, estimate.comparison).toarray()
    assert alike[0, 60]
    assert alike[60, 0]


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
    assert order.worth[good] == pytest.approx(1, abs=0.2)  # nearly all that an image has


def test_what_is_settled_comes_last(features: np.ndarray, estimate: ContaminationEstimate) -> None:
    kept = np.ones(features.shape[:2], np.bool_)
    settled = [SAME[0], LONE]
    answers = np.full(60, np.nan)
    answers[settled] = 1
    order = order_after_fit(features, estimate, kept, answers)
    assert not order.worth[settled].any()
    assert not np.isin(settled, order.worthwhile).any()
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
        order = value_looks(estimate, rng.random((60, 64)) < 0.7, origins, GRID).order()
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
