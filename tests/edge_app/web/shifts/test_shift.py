from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softcore_edge_app.configuration.shift_calendar import ShiftCalendar
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.web.shifts import shift as shift_module
from softcore_edge_app.web.shifts.shift import ShiftCounter
from softcore_runtime import Decision

from ...records import make_record

BERLIN = ZoneInfo("Europe/Berlin")
CALENDAR = ShiftCalendar.read(["06:00", "14:00", "22:00"], "Europe/Berlin")
MINUTE = 60 * 10**9


def moment(text: str, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()) * 10**9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    now = [moment("2026-10-24T21:30")]
    monkeypatch.setattr(shift_module.time, "time_ns", lambda: now[0])
    return now


class Line:
    """A line that decides on a part a minute, and can be started again."""

    def __init__(self, path: Path, clock: list[int]) -> None:
        self.path, self.clock = path, clock
        self.rows: list[Any] = []
        self.start()

    def start(self) -> None:
        self.ledger = Ledger.open(self.path)
        self.counter = ShiftCounter(CALENDAR, self.path)

    def stop(self) -> None:
        self.ledger.close()

    def decide(self, decision: str, camera: str) -> None:
        record = make_record(
            len(self.rows), decision=Decision(decision), camera=camera, decided_at=self.clock[0]
        )
        row = self.ledger.append(record)
        self.rows.append(row.record)
        self.counter.count(PublishedDecision(row.record, None, None))

    def expect(self) -> dict[str, Counter[str]]:
        shift = CALENDAR.find(self.clock[0])
        found: dict[str, Counter[str]] = {}
        for record in self.rows:
            if shift.since <= record.decided_at < shift.until:
                found.setdefault(record.camera, Counter())[str(record.decision)] += 1
        return found


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["PASS", "FAIL", "INVALID"]),
        st.sampled_from(["left", "right"]),
        st.integers(1, 150),
        st.booleans(),
    ),
    max_size=25,
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
def test_the_counts_are_the_ledgers_through_restarts_and_the_repeated_hour(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int, bool]]
) -> None:
    clock = [moment("2026-10-24T21:30")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shift_module.time, "time_ns", lambda: clock[0])
        line = Line(tmp_path_factory.mktemp("shift") / "line.ledger", clock)
        for decision, camera, minutes, restart in steps:
            line.decide(decision, camera)
            clock[0] += minutes * MINUTE
            if restart:
                line.stop()
                line.start()
            told = line.counter.describe()
            assert told["since"] == CALENDAR.find(clock[0]).since
            counted = {name: +Counter(camera["counts"]) for name, camera in told["cameras"].items()}
            assert {name: counts for name, counts in counted.items() if counts} == line.expect()
            assert +Counter(told["counts"]) == sum(line.expect().values(), Counter())
        line.stop()


def test_a_restart_loses_nothing(tmp_path: Path, clock: list[int]) -> None:
    line = Line(tmp_path / "line.ledger", clock)
    line.decide("PASS", "left")
    clock[0] += MINUTE
    line.stop()
    line.start()
    told = line.counter.describe()
    assert (told["since"], told["until"]) == (moment("2026-10-24T14:00"), moment("2026-10-24T22:00"))
    assert (told["counts"]["PASS"], told["seq"], told["starts"]) == (1, 0, ["06:00", "14:00", "22:00"])
    assert told["cameras"]["left"]["counts"]["PASS"] == 1
    line.stop()


def test_a_part_decided_before_the_end_and_published_after_it_counts_as_the_report_has_it(
    clock: list[int],
) -> None:
    counter = ShiftCounter(CALENDAR)
    clock[0] = moment("2026-10-24T22:00")
    late = replace(make_record(1), decided_at=clock[0] - 1)
    assert counter.count(PublishedDecision(late, None, None)) == 1
    assert counter.describe()["counts"]["PASS"] == 0
    counter.count(PublishedDecision(replace(late, decided_at=clock[0]), None, None))
    assert counter.describe()["counts"]["PASS"] == 1


def test_a_corrected_row_is_counted_once(tmp_path: Path, clock: list[int]) -> None:
    with Ledger.open(tmp_path / "line.ledger") as ledger:
        row = ledger.append(make_record(1, decided_at=clock[0]))
        ledger.append(row.record.correct("late", "x", clock[0]))
        counts = ShiftCounter(CALENDAR, ledger.path).describe()["counts"]
    assert (counts["PASS"], counts["INVALID"]) == (0, 1)


def test_without_shifts_by_the_clock_it_begins_with_the_line(tmp_path: Path, clock: list[int]) -> None:
    with Ledger.open(tmp_path / "line.ledger") as ledger:
        ledger.append(make_record(1, decided_at=clock[0]))
        told = ShiftCounter(ShiftCalendar(), ledger.path).describe()
    assert (told["since"], told["counts"]["PASS"], told["starts"]) == (clock[0], 0, [])
