from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from softcore_export.exam.outcome import ExamOutcome, JudgedPart, Verdict, match_threshold
from softcore_runtime import Decision
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.exam.exam import Exam

OLD, NEW = 10.0, 5.0  # thresholds
GREY = np.zeros((48, 48, 3), np.uint8)


def decide(score: float, threshold: float) -> Verdict:
    if math.isinf(score):
        return Verdict(score, Decision.INVALID)
    return Verdict(score, Decision.PASS if score <= threshold else Decision.FAIL)


def make_part(name: str, label: str, old: float | None, new: float) -> JudgedPart:
    before = None if old is None else decide(old, OLD)
    return JudgedPart(name, label == "bad", before, decide(new, NEW), GREY)


def make_outcome(*parts: JudgedPart, provisional: bool = True) -> ExamOutcome:
    old, new = (Threshold(value=value, provisional=provisional, method="by hand") for value in (OLD, NEW))
    return ExamOutcome(Exam(), parts, (), (), (), new, old)


def name(parts: tuple[JudgedPart, ...]) -> list[str]:
    return [part.name for part in parts]


def test_which_parts_change_sides() -> None:
    outcome = make_outcome(
        make_part("stays", "good", 1, 1),
        make_part("fails now", "good", 1, 6),
        make_part("passes now", "good", 11, 1),
        make_part("found still", "bad", 12, 9),
        make_part("escapes now", "bad", 12, 4),
        make_part("found now", "bad", 3, 9),
        make_part("new", "bad", None, 1),
        provisional=False,
    )
    assert name(outcome.lost) == ["fails now", "escapes now"]
    assert name(outcome.gained) == ["passes now", "found now"]
    assert len(outcome.compared) == 6
    assert outcome.old
    assert outcome.old.overkill
    assert outcome.old.escape
    assert (outcome.old.overkill.count, outcome.old.overkill.parts) == (1, 3)
    assert (outcome.old.escape.count, outcome.old.escape.parts) == (1, 3)
    assert outcome.new.escape
    assert (outcome.new.escape.count, outcome.new.escape.parts) == (1, 3)  # of the compared ones


def test_a_low_threshold_hides_no_escape() -> None:
    # The defect scores above the new threshold, and below a good part that passed before.
    parts = (
        make_part("good", "good", 1, 8),
        make_part("plain", "bad", 12, 9),
        make_part("faint", "bad", 12, 7),
    )
    outcome = make_outcome(*parts, provisional=False)
    assert outcome.matched
    assert outcome.matched.threshold == 8
    assert outcome.matched.escape
    assert outcome.matched.escape.count == 1
    assert name(outcome.lost) == ["good", "faint"]
    assert outcome.old_matched
    assert outcome.old_matched.threshold == 1
    assert outcome.old_matched.escape
    assert outcome.old_matched.escape.count == 0


def test_a_provisional_threshold_loses_nothing_by_itself() -> None:
    # By its own threshold of 5 the new bundle fails the good part, and passes the bad one.
    low = make_outcome(make_part("good", "good", 1, 8), make_part("plain", "bad", 12, 9))
    high = make_outcome(make_part("good", "good", 1, 1), make_part("faint", "bad", 12, 4))
    assert low.lost == high.lost == ()
    faint = make_outcome(make_part("good", "good", 1, 8), make_part("faint", "bad", 12, 7))
    assert name(faint.lost) == ["faint"]
    found = make_outcome(make_part("good", "good", 1, 2), make_part("found now", "bad", 3, 4))
    assert name(found.gained) == ["found now"]
    without = make_outcome(make_part("faint", "bad", 12, 4))  # no good part to match
    assert name(without.lost) == ["faint"]


def test_a_grey_zone_loses_neither_kind() -> None:
    review = Verdict(6.0, Decision.REVIEW)
    parts = [
        replace(make_part("part", label, *scores), new=review)
        for label, scores in (("good", (1, 6)), ("bad", (12, 6)))
    ]
    assert not parts[0].fails
    assert not parts[1].fails


def test_what_cannot_be_inspected_is_lost_where_it_is_good() -> None:
    outcome = make_outcome(make_part("good", "good", 1, math.inf), make_part("bad", "bad", 12, math.inf))
    assert name(outcome.lost) == ["good"]
    assert outcome.matched is None  # no threshold lets it pass


def test_without_an_old_bundle_nothing_is_lost() -> None:
    outcome = make_outcome(make_part("a", "good", None, 9), make_part("b", "bad", None, 1))
    assert outcome.lost == outcome.gained == outcome.compared == ()
    assert outcome.old is None
    assert outcome.matched is None
    assert outcome.new.overkill
    assert outcome.new.overkill.count == 1


SCORE = st.integers(0, 20).map(float)
PARTS = st.lists(st.tuples(st.sampled_from(["good", "bad"]), SCORE, SCORE), min_size=1, max_size=15)


@given(PARTS)
def test_the_matched_threshold_is_the_lowest_that_fails_no_more_good_parts(
    rows: list[tuple[str, float, float]],
) -> None:
    parts = [make_part(str(number), *row) for number, row in enumerate(rows)]
    good = [(old, new) for label, old, new in rows if label == "good"]
    failed = sum(old > OLD for old, _ in good)
    found = match_threshold(parts, lambda part: part.new)
    if failed == len(good):
        assert found is None
        return
    assert found
    fitting = [t for _, t in good if sum(new > t for _, new in good) <= failed]
    assert found.threshold == min(fitting)


@given(PARTS, st.booleans())
def test_lost_is_right_before_and_wrong_now(rows: list[tuple[str, float, float]], provisional: bool) -> None:
    parts = (make_part(str(number), *row) for number, row in enumerate(rows))
    outcome = make_outcome(*parts, provisional=provisional)
    good, bad = NEW, NEW  # thresholds
    if outcome.matched:
        matched = outcome.matched.threshold
        good, bad = (matched, matched) if provisional else (NEW, max(NEW, matched))
    lost = [
        str(number)
        for number, (label, old, new) in enumerate(rows)
        if (label == "good" and old <= OLD and new > good) or (label == "bad" and old > OLD and new <= bad)
    ]
    assert name(outcome.lost) == lost
    assert not set(name(outcome.lost)) & set(name(outcome.gained))


@pytest.mark.parametrize("count", [1, 500])
def test_one_part_or_five_hundred(count: int) -> None:
    outcome = make_outcome(*(make_part(str(number), "bad", 12, 4) for number in range(count)))
    assert len(outcome.lost) == count
    assert outcome.old
    assert outcome.old.area is None
