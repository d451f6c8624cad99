from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score
from softcore_calibration.curves import (
    Costs,
    bound_share,
    draw_roc,
    expect_cost,
    find_steps,
    find_thresholds,
)
from softcore_calibration.scores import Scores, count_wrong

NONE = np.empty(0)


def draw(seed: int) -> Scores:
    """Scores with ties within and between the kinds, and some at 0."""
    rng = np.random.default_rng(seed)
    good, bad = rng.integers(1, 12, 2)
    return Scores(rng.integers(0, 8, good) / 4, rng.integers(1, 14, bad) / 4)


def count(threshold: float, scores: Scores) -> tuple[int, int]:
    return int((scores.good > threshold).sum()), int((scores.bad <= threshold).sum())


@pytest.mark.parametrize("seed", range(30))
def test_a_threshold_for_each_outcome(seed: int) -> None:
    scores = draw(seed)
    thresholds = find_thresholds(scores)
    everywhere = {count(threshold, scores) for threshold in np.arange(1, 80) / 16}
    found = [count(threshold, scores) for threshold in thresholds]
    assert set(found) == everywhere
    assert len(found) == len(everywhere)
    assert (np.diff(thresholds) > 0).all()
    assert thresholds[0] > 0


@pytest.mark.parametrize("seed", range(30))
def test_a_mark_stands_for_its_outcome(seed: int) -> None:
    scores = draw(seed)
    marks = np.random.default_rng(seed).uniform(0.01, 4, 2)
    thresholds = find_thresholds(scores, *marks)
    assert marks[1] in thresholds
    assert (marks[0] in thresholds) == (count(marks[0], scores) != count(marks[1], scores))
    assert len(thresholds) == len(find_thresholds(scores))
    assert (np.diff(thresholds) > 0).all()
    for score in scores.bad:  # a threshold that is just a score, as --max-overkill finds it
        thresholds = find_thresholds(scores, score)
        assert score in thresholds
        assert len({count(threshold, scores) for threshold in thresholds}) == len(find_thresholds(scores))


def test_thresholds_without_scores_to_tell_apart() -> None:
    assert find_thresholds(Scores(NONE, NONE), 2.0, 1.0).tolist() == [1.0, 2.0]
    assert find_thresholds(Scores(np.zeros(3), NONE), 2.0).tolist() == [2.0]
    assert find_thresholds(Scores(np.array([1e-45]), NONE), 1.0)[0] > 0


@pytest.mark.parametrize("seed", range(10))
def test_steps_hold_up_to_the_next(seed: int) -> None:
    scores = draw(seed)
    edges, overkill, escape = find_steps(scores, 2.1)
    assert (edges[0], edges[-1]) == (0, 2.1)
    for threshold in np.linspace(0, 2.1, 200):
        place = np.flatnonzero(edges <= threshold)[-1]
        assert (overkill[place], escape[place]) == count(threshold, scores)


@pytest.mark.parametrize("parts", [1, 2, 17, 250])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_bounds_are_scipys(parts: int, confidence: float) -> None:
    low, high = bound_share(parts, confidence)
    assert len(low) == len(high) == parts + 1
    for wrong in range(parts + 1):
        expected = binomtest(wrong, parts).proportion_ci(confidence, method="exact")
        assert low[wrong] == pytest.approx(expected.low, rel=1e-9)
        assert high[wrong] == pytest.approx(expected.high, rel=1e-9)


def test_bounds_without_parts() -> None:
    low, high = bound_share(0, 0.95)
    assert (low.tolist(), high.tolist()) == ([0.0], [1.0])


@pytest.mark.parametrize("seed", range(10))
def test_the_roc_has_the_area_and_only_points_that_a_threshold_gives(seed: int) -> None:
    scores = draw(seed)
    found = draw_roc(scores)
    assert found is not None
    labels = np.repeat([0, 1], [len(scores.good), len(scores.bad)])
    area = roc_auc_score(labels, np.concatenate([scores.good, scores.bad]))
    assert np.trapezoid(found[1], found[0]) == pytest.approx(area)
    given = {(1.0, 1.0)}  # below every score, where one of 0 would fail too
    for threshold in [*(find_thresholds(scores)), 0.0]:
        overkill, escape = count(threshold, scores)
        given.add((overkill / len(scores.good), 1 - escape / len(scores.bad)))
    for point in zip(*found, strict=True):
        assert np.abs(np.array(list(given)) - point).sum(axis=1).min() < 1e-12


def test_the_expected_cost_is_that_of_a_thousand_parts() -> None:
    scores = Scores(np.array([1.0, 2, 3, 4]), np.array([2.5, 3.5, 5, 6, 7]))
    costs = Costs(escape=30, overkill=2, defects=0.1, example=False)
    thresholds = np.array([0.5, 2.6, 3.5, 9])
    found = expect_cost(*count_wrong(thresholds, scores), scores, costs)
    assert found is not None
    # Of 1000 parts 900 are good, 225 like each of the four, and 100 bad, 20 like each of the five.
    for threshold, cost in zip(thresholds, found, strict=True):
        spent = sum(225 * 2 for score in scores.good if score > threshold)
        spent += sum(20 * 30 for score in scores.bad if score <= threshold)
        assert cost == pytest.approx(spent / 1000)


def test_one_kind_has_no_roc_and_no_cost() -> None:
    costs = Costs(escape=1, overkill=1, defects=0.1, example=True)
    for scores in (Scores(np.ones(2), NONE), Scores(NONE, np.ones(2))):
        assert draw_roc(scores) is None
        assert expect_cost(*count_wrong(np.ones(1), scores), scores, costs) is None
