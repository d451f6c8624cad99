from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_curve
from softcore_calibration.objective import Objective
from softcore_calibration.scores import Scores, count_wrong
from softcore_calibration.threshold_choice import ChosenThreshold, choose_threshold
from softcore_runtime.errors import DataError, UsageError

VALUES = st.lists(st.integers(1, 40).map(lambda n: n / 4), min_size=1, max_size=40)


def scores_of(good: list[float], bad: list[float]) -> Scores:
    return Scores(np.array(good, float), np.array(bad, float))


def choose(
    scores: Scores, kind: str, confidence: float | None = None, **parameters: float
) -> ChosenThreshold:
    return choose_threshold(Objective(kind, parameters, confidence), scores)


@given(VALUES, VALUES, st.floats(0, 12))
def test_wrong_ones_are_counted_as_the_line_decides(
    good: list[float], bad: list[float], threshold: float
) -> None:
    overkill, escape = count_wrong(np.array([threshold]), scores_of(good, bad))
    assert overkill[0] == sum(score > threshold for score in good)
    assert escape[0] == sum(score <= threshold for score in bad)


@given(st.lists(st.floats(0.1, 100), min_size=19, max_size=120))
def test_overkill_takes_the_smallest_threshold_that_keeps_the_promise(good: list[float]) -> None:
    found = choose(scores_of(good, []), "overkill", share=0.05).value
    n = len(good)
    above = sum(score > found for score in good)
    assert (above + 1) / (n + 1) <= 0.05 + 1e-12
    lower = [score for score in good if score < found]
    if lower:  # the next one down breaks it
        assert (sum(score > max(lower) for score in good) + 1) / (n + 1) > 0.05


@given(st.lists(st.floats(0.1, 100), min_size=9, max_size=120))
def test_escape_takes_the_largest_threshold_that_keeps_the_promise(bad: list[float]) -> None:
    found = choose(scores_of([], bad), "escape", share=0.1).value
    n = len(bad)
    passing = sum(score <= found for score in bad)
    assert (passing + 1) / (n + 1) <= 0.1 + 1e-12
    higher = sum(score <= np.nextafter(found, np.inf) for score in bad)
    assert (higher + 1) / (n + 1) > 0.1 or higher == passing


@pytest.mark.parametrize(
    ("kind", "option", "n", "share", "confidence", "said"),
    [
        ("overkill", "good", 98, 0.01, None, "98 good images can't carry --max-overkill 0.01 (99 can); "
         "add 1 more, or ask for --max-overkill 0.011"),
        ("overkill", "good", 30, 0.05, 0.95, "30 good images can't carry --max-overkill 0.05 with "
         "--confidence 0.95 (80 can); add 50 more, or ask for --max-overkill 0.134"),
        ("escape", "bad", 1, 0.05, None, "1 bad image can't carry --max-escape 0.05 (19 can); "
         "add 18 more, or ask for --max-escape 0.5"),
    ],
)  # fmt: skip
def test_a_small_sample_is_refused_with_what_it_lacks(
    kind: str, option: str, n: int, share: float, confidence: float | None, said: str
) -> None:
    values = list(np.linspace(1, 2, n))
    scores = scores_of(values, []) if option == "good" else scores_of([], values)
    with pytest.raises(DataError) as caught:
        choose(scores, kind, confidence, share=share)
    assert str(caught.value) == said


@settings(deadline=None)
@given(VALUES, VALUES)
def test_f1_and_youden_are_the_highest_there_are(good: list[float], bad: list[float]) -> None:
    scores = scores_of(good, bad)
    labels = np.repeat([0, 1], [len(good), len(bad)])
    both = np.array([*good, *bad])
    thresholds = [0.0, *both]
    best = max(f1_score(labels, both > threshold, zero_division=0.0) for threshold in thresholds)
    found = choose(scores, "f1").value
    assert f1_score(labels, both > found, zero_division=0.0) == pytest.approx(best)
    overkill, caught, _ = roc_curve(labels, both)
    found = choose(scores, "youden").value
    index = np.mean(np.array(bad) > found) - np.mean(np.array(good) > found)
    assert index == pytest.approx((caught - overkill).max())


@settings(deadline=None, max_examples=15)
@given(VALUES, VALUES, st.sampled_from([1.0, 20.0]), st.sampled_from([0.01, 0.3]))
def test_the_cost_is_the_least_there_is(
    good: list[float], bad: list[float], escape: float, defects: float
) -> None:
    def cost(threshold: float) -> float:
        fails, passes = np.mean(np.array(good) > threshold), np.mean(np.array(bad) <= threshold)
        return float((1 - defects) * 2 * fails + defects * escape * passes)

    chosen = choose(scores_of(good, bad), "cost", escape=escape, overkill=2.0, defects=defects)
    assert cost(chosen.value) == pytest.approx(min(cost(threshold) for threshold in [0.0, *good, *bad]))
    assert chosen.interval
    assert chosen.interval[0] <= chosen.interval[1]


def test_the_bootstrap_covers_the_threshold_of_the_population() -> None:
    """Normal classes of one width at even costs: the best threshold is the middle between them."""
    covered = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sample = Scores(rng.normal(4, 1, 300), rng.normal(6, 1, 300))
        interval = choose(sample, "cost", escape=1.0, overkill=1.0, defects=0.5).interval
        assert interval
        covered += interval[0] <= 5 <= interval[1]
    assert covered >= 34  # a percentile bootstrap of an argmin is a little narrow


def test_between_apart_classes_the_threshold_leaves_most_room() -> None:
    for kind in ("f1", "youden"):
        assert choose(scores_of([1, 2, 3], [7, 9]), kind).value == 5


def test_percentile_and_value() -> None:
    good = list(np.arange(1.0, 101))
    assert choose(scores_of(good, []), "percentile", percent=99).value == np.percentile(
        good, 99, method="higher"
    )
    assert choose(scores_of([], []), "value", value=3.25).value == 3.25


def test_two_promises_leave_a_grey_zone_between_them() -> None:
    good, bad = list(np.linspace(1, 5, 40)), list(np.linspace(3, 9, 40))
    chosen = choose(scores_of(good, bad), "band", overkill=0.05, escape=0.05)
    assert chosen.value == choose(scores_of(good, bad), "escape", share=0.05).value
    assert chosen.fail_above == choose(scores_of(good, bad), "overkill", share=0.05).value
    assert chosen.value < chosen.fail_above
    apart = choose(scores_of(good, [score + 10 for score in bad]), "band", overkill=0.05, escape=0.05)
    assert apart.value == apart.fail_above  # one threshold keeps both


def test_a_grey_zone_may_have_a_width() -> None:
    chosen = choose_threshold(Objective("value", {"value": 10.0}, band_width=0.2), scores_of([], []))
    assert (chosen.value, chosen.fail_above) == (8, 12)


@pytest.mark.parametrize(
    ("kind", "parameters", "good", "bad", "said"),
    [
        ("escape", {"share": 0.1}, [1.0], [], "--max-escape: needs bad images"),
        ("cost", {"escape": 1.0, "overkill": 1.0}, [1.0], [], "needs bad images"),
        ("f1", {}, [], [1.0], "--f1: needs good images"),
        ("percentile", {"percent": 50.0}, [], [], "--percentile: needs good images"),
    ],
)
def test_what_is_missing_is_named(
    kind: str, parameters: dict[str, float], good: list[float], bad: list[float], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        choose_threshold(Objective(kind, parameters), scores_of(good, bad))


def test_bad_parts_that_score_nothing_are_said() -> None:
    with pytest.raises(DataError, match="1 of the bad images score 0, and no threshold can catch those"):
        choose(scores_of([], [0.0, *np.linspace(1, 2, 20)]), "escape", share=0.05)


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.array([np.nan]), np.array([np.inf])])
def test_scores_are_finite_numbers_in_a_row(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="good must be finite float64"):
        Scores(values, np.zeros(0))
