"""A rule does what a few plain lines do that look at all parts anew; jumps are found, and noise isn't."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from softcore_edge_app.alarms.alarm_reading import AlarmPart
from softcore_edge_app.alarms.alarm_rule import AlarmRule
from softcore_edge_app.alarms.alarm_windows import ShiftWindow
from softcore_edge_app.configuration.alarm_options import DEFAULT_ALARMS, AlarmOptions
from softcore_edge_app.configuration.shift_calendar import ShiftCalendar
from softcore_runtime import Decision

Verdict = bool | None
ACKNOWLEDGE = "acknowledge"
MINUTE = 60 * 10**9
BEGIN = 20_000 * 24 * 60 * MINUTE  # midnight


@st.composite
def draw_rules(draw: st.DrawFn) -> AlarmOptions:
    parts = draw(st.integers(1, 8))
    return AlarmOptions(
        decisions=tuple(draw(st.sets(st.sampled_from(["FAIL", "REVIEW", "INVALID"]), min_size=1))),
        parts=parts,
        count=draw(st.integers(1, parts)),
        level=draw(st.sampled_from(["warning", "alarm"])),
        delay_parts=draw(st.integers(0, 3)),
        delay_seconds=draw(st.sampled_from([0.0, 2.0, 5.0])),
    )


PARTS = st.builds(
    AlarmPart, st.just("left"), st.just("pill"), st.sampled_from(Decision), st.just(0), st.booleans()
)
EVENTS = st.lists(PARTS | st.sampled_from([ACKNOWLEDGE, "tick"]), max_size=60)


def make_part(decision: str, **fields: Any) -> AlarmPart:
    return AlarmPart("left", "pill", Decision(decision), **fields)


@dataclass
class Oracle:
    """The same, from the list of all verdicts, without anything that is kept up to date."""

    options: AlarmOptions
    parts: list[AlarmPart] = field(default_factory=list)
    state: str = "cleared"
    cleared_at: int = 0  # how many verdicts there were then
    verdicts: list[tuple[float, bool, Verdict]] = field(default_factory=list)  # time, whether a part counts

    def judge(self) -> Verdict:
        wanted = set(self.options.decisions)
        last = self.parts[-self.options.parts :]
        matches = sum(str(part.decision) in wanted for part in last)
        assert self.options.count
        if matches >= self.options.count:
            return True
        return False if 2 * matches < self.options.count else None

    def counts(self, part: AlarmPart) -> bool:
        if part.decision is not Decision.INVALID:
            return True
        # A stopped line tells nothing; other INVALID count where they are watched.
        return not part.stopped and "INVALID" in self.options.decisions

    def look(self, now: float, part: AlarmPart | None) -> None:
        counted = part is not None and self.counts(part)
        if counted and part is not None:
            self.parts.append(part)
        self.verdicts.append((now, counted, self.judge()))
        if self.state == "cleared":
            holding = []
            for verdict in reversed(self.verdicts[self.cleared_at :]):
                if verdict[2] is not True:
                    break
                holding.insert(0, verdict)
            lasted = holding and now - holding[0][0] >= self.options.delay_seconds
            if lasted and sum(one[1] for one in holding[1:]) >= self.options.delay_parts:
                self.state = "raised"
            return
        clear = next((one[2] for one in reversed(self.verdicts) if one[2] is not None), None) is False
        if clear and (self.state == "acknowledged" or self.options.level == "warning"):
            self.state = "cleared"
            self.cleared_at = len(self.verdicts)

    def acknowledge(self) -> None:
        self.state = "acknowledged" if self.state == "raised" else self.state


@settings(max_examples=200, deadline=None)
@given(draw_rules(), EVENTS)
def test_any_sequence_of_decisions_gives_the_states_of_the_oracle(
    options: AlarmOptions, events: list[AlarmPart | str]
) -> None:
    rule, oracle = AlarmRule("left", "any", options), Oracle(options)
    for second, event in enumerate(events):
        now = float(second)
        if event == ACKNOWLEDGE:
            rule.acknowledge("somebody")
            oracle.acknowledge()
        elif isinstance(event, AlarmPart):
            # Only an INVALID part can be one of a stopped line.
            part = make_part(event.decision, stopped=event.stopped and event.decision is Decision.INVALID)
            rule.add(part, now)
            oracle.look(now, part)
        else:
            rule.check(now)
            oracle.look(now, None)
        assert rule.state.name == oracle.state
        status = rule.describe()
        assert (status.since is None) == (status.text == "") == (oracle.state == "cleared")
        assert (status.acknowledged_by is not None) == (oracle.state == "acknowledged")


def test_so_many_in_a_row_are_broken_by_one_that_passes() -> None:
    rule = AlarmRule("left", "fail-run", DEFAULT_ALARMS["fail-run"])
    for decision in ["FAIL"] * 9 + ["PASS"] + ["FAIL"] * 9:
        assert rule.add(make_part(decision), 0.0) is None
    assert rule.add(make_part("FAIL"), 0.0) == "raised"
    assert rule.text == "left: 10 of the last 10 parts are FAIL (rule fail-run)"


def test_parts_that_were_not_inspected_say_nothing_about_fail() -> None:
    rule = AlarmRule("left", "fail-run", DEFAULT_ALARMS["fail-run"])
    decisions = ["FAIL"] * 5 + ["INVALID"] * 60 + ["FAIL"] * 5
    assert [rule.add(make_part(decision), 0.0) for decision in decisions][-2:] == [None, "raised"]


@given(
    st.integers(1, 6),
    st.sampled_from([0.05, 0.25, 0.5, 1.0]),
    st.lists(
        st.tuples(st.integers(0, 26 * 60), st.sampled_from(Decision), st.booleans(), st.integers(1, 3)),
        max_size=60,
    ),
)
def test_a_share_is_of_the_parts_of_the_shift(
    least: int, share: float, parts: list[tuple[int, Decision, bool, int]]
) -> None:
    """By the list of all parts, of which those of the last one's shift are counted anew."""
    calendar = ShiftCalendar.read(["06:00", "14:00", "22:00"], "UTC")
    options = AlarmOptions(decisions=("FAIL", "INVALID"), parts=least, share=share)
    window = ShiftWindow(options, calendar)
    counted: list[tuple[int, bool]] = []
    for minute, decision, stopped, number in sorted(parts):
        stopped = stopped and decision is Decision.INVALID
        part = AlarmPart("left", "pill", decision, BEGIN + minute * MINUTE, stopped)
        assert window.add(part, number) is not stopped
        if not stopped:
            bad = decision in (Decision.FAIL, Decision.INVALID)
            counted += [((minute + 120) // 480, bad)] * number  # shifts of 8 hours begin at 22:00
        if counted:
            of_shift = [bad for shift, bad in counted if shift == counted[-1][0]]
            matches = sum(of_shift)
            reading = window.reading
            assert (reading.matches, reading.parts, reading.of_shift) == (matches, len(of_shift), True)
            expected: Verdict = None
            if len(of_shift) < least or 2 * matches < share * len(of_shift):
                expected = False
            elif matches >= share * len(of_shift):
                expected = True
            assert window.verdict is expected
        else:
            assert window.verdict is None


def test_an_alarm_of_a_shift_ends_with_it() -> None:
    calendar = ShiftCalendar.read(["06:00", "18:00"], "UTC")
    options = AlarmOptions(decisions="FAIL", parts=20, share=0.1, level="warning")
    rule = AlarmRule("left", "shift", options, calendar)
    rule.remember_shift(make_part("PASS", decided_at=BEGIN), 17)
    rule.remember_shift(make_part("FAIL", decided_at=BEGIN), 1)
    rule.remember(make_part("FAIL", decided_at=BEGIN))  # it is among those
    assert rule.add(make_part("PASS", decided_at=BEGIN + MINUTE), 0.0) is None
    assert rule.add(make_part("FAIL", decided_at=BEGIN + 2 * MINUTE), 0.0) == "raised"
    assert rule.text == "left: 2 of the 20 parts of this shift are FAIL (rule shift)"
    assert rule.add(make_part("FAIL", decided_at=BEGIN + 6 * 60 * MINUTE), 0.0) == "cleared"


def follow(rule: AlarmRule, values: list[float], **fields: Any) -> list[str]:
    """The changes of state that images of such brightness make."""
    parts = [make_part("FAIL", brightness=value, sharpness=value / 10, **fields) for value in values]
    return [state for part in parts if (state := rule.add(part, 0.0))]


def draw_values(count: int, spread: float, centre: float = 100.0, seed: int = 7) -> list[float]:
    return [float(value) for value in centre * np.exp(np.random.default_rng(seed).normal(0, spread, count))]


@pytest.mark.parametrize("name", ["brightness-jump", "sharpness-jump"])
@pytest.mark.parametrize("factor", [0.85, 1.15])
def test_a_jump_is_found_whatever_is_decided_and_ends_where_it_is_usual(name: str, factor: float) -> None:
    rule = AlarmRule("left", name, DEFAULT_ALARMS[name])
    assert follow(rule, draw_values(300, 0.01)) == []
    assert follow(rule, draw_values(25, 0.01, 100 * factor)) == ["raised"]
    assert rule.describe().change == pytest.approx(factor - 1, abs=0.02)
    assert follow(rule, draw_values(150, 0.01, 100 * factor)) == ["cleared"]


def test_three_percent_darker_is_found_where_light_is_steady() -> None:
    rule = AlarmRule("left", "brightness-jump", DEFAULT_ALARMS["brightness-jump"])
    assert follow(rule, draw_values(125, 0.005)) == []
    assert follow(rule, draw_values(90, 0.005, 97.0)) == ["raised", "cleared"]


@given(
    st.lists(st.floats(80, 120), min_size=30, max_size=30),
    st.lists(st.floats(60, 140), min_size=3, max_size=3),
)
def test_a_jump_is_found_by_the_formula(before: list[float], last: list[float]) -> None:
    options = AlarmOptions(image="brightness", change=0.05, parts=3, reference=30)
    x, newest = np.log(before), np.log(last)
    bound = max(3 * 1.4826 * np.median(abs(x - np.median(x))), 2 * math.log(1.05))
    y = np.clip(x - np.median(x), -bound, bound)
    difference = abs(np.clip(newest - np.median(x), -bound, bound).mean() - y.mean())
    needed = max(6 * y.std() * math.sqrt(1 / 3 + 1 / 30), math.log(1.05))
    assume(abs(difference - needed) > 1e-9)
    rule = AlarmRule("left", "jump", options)
    assert follow(rule, before) == []
    assert (follow(rule, last) == ["raised"]) is bool(difference > needed)


def test_single_odd_images_and_another_product_raise_nothing() -> None:
    rule = AlarmRule("left", "brightness-jump", DEFAULT_ALARMS["brightness-jump"])
    assert follow(rule, [*draw_values(150, 0.01), 10.0, 250.0, 10.0, *draw_values(150, 0.01)]) == []
    other = [
        AlarmPart("left", "cap", Decision.PASS, brightness=value) for value in draw_values(200, 0.01, 60)
    ]
    assert [state for part in other if (state := rule.add(part, 0.0))] == []


def test_another_product_ends_what_was_raised() -> None:
    rule = AlarmRule("left", "brightness-jump", DEFAULT_ALARMS["brightness-jump"])
    assert follow(rule, draw_values(125, 0.01) + draw_values(25, 0.01, 80)) == ["raised"]
    assert rule.add(AlarmPart("left", "cap", Decision.PASS, brightness=60.0), 0.0) == "cleared"
