"""The choice of a resolution from what was measured."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_export.resolution.resolution_choice import (
    SIDES,
    USUAL,
    ChoiceRule,
    ResolutionChoice,
    Trial,
    choose_side,
)

SHARES = st.floats(0, 1)
MEASURED = st.tuples(
    st.lists(st.floats(0.1, 500), min_size=len(SIDES), max_size=len(SIDES)).map(sorted),
    st.lists(SHARES, min_size=len(SIDES), max_size=len(SIDES)),
)


def make_trials(times: list[float], shares: list[float]) -> list[Trial]:
    return [Trial(*row) for row in zip(SIDES, times, shares, strict=True)]


@given(MEASURED, st.floats(0.1, 500))
def test_a_choice_keeps_the_budget_and_never_shows_less_than_the_usual_size(
    measured: tuple[list[float], list[float]], budget: float
) -> None:
    times, shares = measured
    trials = {trial.side: trial for trial in make_trials(times, shares)}
    chosen = choose_side(list(trials.values()), budget)
    if times[0] <= budget:
        assert times[SIDES.index(chosen)] <= budget
    else:
        assert chosen == SIDES[0]
    if times[SIDES.index(USUAL)] <= budget:
        assert chosen >= USUAL
        assert shares[SIDES.index(chosen)] >= shares[SIDES.index(USUAL)]


@given(MEASURED)
def test_a_larger_size_must_gain(measured: tuple[list[float], list[float]]) -> None:
    times, shares = measured
    trials, rule = make_trials(times, shares), ChoiceRule(gain=0.05, equal=0.02)
    chosen = choose_side(trials, math.inf, rule)
    usual, taken = shares[SIDES.index(USUAL)], shares[SIDES.index(chosen)]
    assert chosen == USUAL or taken >= usual + rule.gain
    best = max(shares[SIDES.index(USUAL) :])
    if best >= usual + rule.gain:
        assert chosen != USUAL
        assert taken >= best - rule.equal


def test_of_equal_ones_the_largest_is_taken() -> None:
    trials = make_trials([1, 2, 4, 8], [0.7, 0.8, 0.905, 0.9])
    assert choose_side(trials, 10) == 448
    assert choose_side(trials, 5) == 320


def test_what_carries_a_note_is_not_chosen() -> None:
    trials = [Trial(224, 2, 0.8), Trial(320, 4, 0.9, "would enlarge the images 1.4 times"), Trial(448)]
    assert choose_side(trials, 10) == 224


def test_without_separations_the_largest_usual_size_within_the_budget_is_taken() -> None:
    assert choose_side([Trial(160, 1.0), Trial(224, 3.0)], 2) == 160


def test_nothing_to_choose_from() -> None:
    with pytest.raises(ValueError, match="no resolution"):
        choose_side([Trial(224)], 10)


def test_the_sentence_tells_what_the_budget_left_out() -> None:
    trials = (Trial(224, 7.0, 0.91), Trial(320, 14.0, 0.95), Trial(448, 60.0, 0.97))
    told = ResolutionChoice(320, trials, 40, True, 30, 50).describe()
    assert told == (
        "320 pixels: 50 labelled defects stand out with an AUROC of 0.950, at 224 with 0.910; "
        "14 ms a frame here, of the 40 that it may take; 448 would take more"
    )


def test_the_sentence_tells_that_even_the_smallest_is_too_slow() -> None:
    told = ResolutionChoice(160, (Trial(160, 50.0), Trial(224, 90.0, 0.9)), 40, False, 30, 90).describe()
    assert told == "160 pixels: 50 ms a frame here, more than the 40 that it may take; 224 would take more"


def test_confirmed_defects_decide_where_their_interval_tells() -> None:
    def trials(at_320: tuple[float, float], at_448: tuple[float, float]) -> list[Trial]:
        gains = [None, (0.0, 0.0), at_320, at_448]
        return [
            Trial(side, 1.0, share, gain=gain)
            for side, share, gain in zip(SIDES, [0.7, 0.8, 0.9, 0.9], gains, strict=True)
        ]

    assert choose_side(trials((-0.1, 0.1), (-0.1, 0.1)), 40) == 448  # they can't tell: synthetic ones do
    assert choose_side(trials((-0.1, 0.1), (-0.2, -0.01)), 40) == 320
    assert choose_side(trials((0.01, 0.1), (-0.1, 0.3)), 40) == 320
    assert choose_side(trials((0.01, 0.1), (0.02, 0.3)), 40) == 448
    assert choose_side(trials((-0.2, -0.1), (-0.2, -0.1)), 40) == USUAL
    chosen = ResolutionChoice(448, tuple(trials((0.01, 0.1), (0.02, 0.3))), 40, False, 60, 180, 8)
    assert "8 confirmed defects gain 0.020 to 0.300 by it" in chosen.describe()
    lost = ResolutionChoice(224, tuple(trials((-0.2, -0.1), (-0.2, -0.1))), 40, False, 60, 180, 1)
    assert "1 confirmed defect stands out less at 320 and 448" in lost.describe()
