from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from softcore_export.acceptance.agreement import MOST_FLIPPED, ImageScores, check_agreement, choose_held_back
from softcore_runtime.errors import ExportError

NONE = np.zeros(0, np.bool_)


def decide(scores: np.ndarray, trusted: np.ndarray) -> list[bool]:
    """Each image by the highest trusted score of the other half: every second image."""
    decisions = []
    for i, score in enumerate(scores):
        others = [s for j, s in enumerate(scores) if j % 2 != i % 2 and trusted[j]]
        decisions.append(bool(score > max(others, default=0.0)))
    return decisions


def labelled(scores: np.ndarray) -> ImageScores:
    """Scores of labelled images, with held-back ones that agree whatever the network."""
    return ImageScores(np.arange(1.0, 21), scores)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(2, 60),
    noise=st.floats(0, 0.3),
    good=st.integers(1, 20),
    bad=st.integers(1, 20),
    grid=st.sampled_from([0.01, 0.5]),
)
def test_flips_and_areas_are_those_of_brute_force_and_scikit_learn(
    seed: int, count: int, noise: float, good: int, bad: int, grid: float
) -> None:
    """`grid` makes ties, between the classes too."""
    rng = np.random.default_rng(seed)
    plain, others = rng.gamma(4, 0.3, count), rng.gamma(4, 0.3, good + bad)
    defective = np.arange(good + bad) < bad
    others[defective] += rng.uniform(0, 1)

    def disturb(scores: np.ndarray) -> np.ndarray:
        return np.asarray((scores * rng.normal(1, noise, len(scores)) / grid).round() * grid)

    fast = ImageScores(disturb(plain), disturb(others))
    slow = ImageScores(plain, (others / grid).round() * grid)
    trusted = rng.random(count) < 0.8
    expected = sum(
        one != other
        for one, other in zip(decide(fast.held_back, trusted), decide(slow.held_back, trusted), strict=True)
    )
    if expected > max(1, MOST_FLIPPED * count):
        with pytest.raises(ExportError, match=rf"^{expected} of {count} held-back images"):
            check_agreement(fast, slow, trusted, defective, max_loss=1)
        return
    agreement = check_agreement(fast, slow, trusted, defective, max_loss=1)
    assert (agreement.held_back, agreement.flipped) == (count, expected)
    assert agreement.labelled == good + bad
    assert agreement.auroc == pytest.approx(roc_auc_score(defective, fast.labelled), abs=1e-12)
    assert agreement.auroc_fp32 == pytest.approx(roc_auc_score(defective, slow.labelled), abs=1e-12)


def test_the_same_scores_agree_in_everything() -> None:
    scores = ImageScores(np.random.default_rng(0).gamma(4, 1, 30), np.zeros(0))
    agreement = check_agreement(scores, scores, np.ones(30, np.bool_), NONE, max_loss=0)
    assert (agreement.held_back, agreement.flipped, agreement.labelled) == (30, 0, 0)
    assert agreement.auroc is None
    assert agreement.auroc_fp32 is None


def test_another_scale_flips_nothing() -> None:
    """Fewer dimensions make every distance shorter: each network has thresholds of its own."""
    plain = np.random.default_rng(0).gamma(4, 1, 40)
    fast, slow = ImageScores(0.3 * plain, np.zeros(0)), ImageScores(plain, np.zeros(0))
    assert check_agreement(fast, slow, np.ones(40, np.bool_), NONE, max_loss=0).flipped == 0


@pytest.mark.parametrize(
    ("count", "flips", "passes"),
    [(12, 1, True), (12, 2, False), (40, 2, True), (40, 3, False), (60, 3, True), (60, 4, False)],
)
def test_one_flip_in_twenty_is_the_most(count: int, flips: int, passes: bool) -> None:
    """And a single one is never too many, however few images there are."""
    plain = np.full(count, 1.0)
    plain[:2] = 2.0  # the thresholds of the halves; both are trusted
    fast = plain.copy()
    fast[2 : 2 + flips] = 3.0  # these fail now
    trusted = np.zeros(count, np.bool_)
    trusted[:2] = True
    scores = ImageScores(fast, np.zeros(0)), ImageScores(plain, np.zeros(0))
    if passes:
        agreement = check_agreement(*scores, trusted, NONE, max_loss=0)
        assert (agreement.held_back, agreement.flipped) == (count, flips)
    else:
        with pytest.raises(ExportError) as caught:
            check_agreement(*scores, trusted, NONE, max_loss=0)
        assert str(caught.value) == (
            f"{flips} of {count} held-back images are decided otherwise than in FP32 (at most 5%); "
            "export with --precision fp32 and without --dimensions"
        )


@pytest.mark.parametrize(("max_loss", "passes"), [(0.1, False), (0.126, True)])
def test_an_area_may_fall_by_so_much_and_no_more(max_loss: float, passes: bool) -> None:
    defective = np.array([0, 0, 0, 0, 1, 1], np.bool_)
    plain = labelled(np.array([1.0, 2, 3, 4, 5, 6]))
    fast = labelled(np.array([1.0, 2, 3, 5, 4, 6]))  # one of eight pairs
    trusted = np.ones(20, np.bool_)
    if passes:
        agreement = check_agreement(fast, plain, trusted, defective, max_loss)
        assert (agreement.auroc, agreement.auroc_fp32) == (0.875, 1)
    else:
        with pytest.raises(ExportError) as caught:
            check_agreement(fast, plain, trusted, defective, max_loss)
        assert str(caught.value) == (
            "image AUROC falls from 1.0000 in FP32 to 0.8750, by more than --max-loss 0.1; "
            "export with --precision fp32 and without --dimensions"
        )
    assert check_agreement(plain, fast, trusted, defective, max_loss=0).auroc == 1  # it may rise


@pytest.mark.parametrize("value", [True, False])
def test_without_both_classes_there_is_no_area(value: bool) -> None:
    scores = labelled(np.array([1.0, 2, 3]))
    agreement = check_agreement(scores, scores, np.ones(20, np.bool_), np.full(3, value), max_loss=0)
    assert (agreement.labelled, agreement.auroc, agreement.auroc_fp32) == (3, None, None)


@pytest.mark.parametrize("n", [1, 2, 12, 59, 60, 61, 200, 1000])
def test_images_are_compared_from_the_lowest_score_to_the_highest(n: int) -> None:
    scores = np.random.default_rng(n).permutation(np.arange(n) ** 2.0)
    chosen = choose_held_back(scores)
    assert len(set(chosen)) == len(chosen) == min(n, 60)
    assert (np.diff(chosen) > 0).all()
    assert {scores.argmin(), scores.argmax()} <= set(chosen)
    ranks = np.sort(np.sqrt(scores[chosen]))  # of all there are
    assert np.diff(ranks, prepend=0).max(initial=0) <= np.ceil(n / 59)


def test_images_with_equal_scores_can_be_compared() -> None:
    chosen = choose_held_back(np.zeros(100))
    assert len(set(chosen)) == 60
