from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.delivery.decision_log import DecisionLog
from softcore_edge_app.ledger import head as ledger_head
from softcore_edge_app.ledger.check import open_ledger
from softcore_edge_app.ledger.ledger import Ledger, verify_ledger
from softcore_edge_app.pipeline import decision_publisher as publisher_module
from softcore_edge_app.pipeline.inspection_station import InspectionStation
from softcore_edge_app.pipeline.ledger_writer import LedgerWriter
from softcore_edge_app.pipeline.trigger import Trigger
from softcore_edge_app.queries.parts import PartFilter, find_part, read_parts
from softcore_runtime import LedgerError

from .conftest import Build
from .test_inspection_station import wait_until

LATE = "late: decided on, but entered only after "
Step = Callable[[list[Trigger]], None]


class Receiver:
    """An output that takes everything."""

    name = "receiver"
    fault: str | None = None

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []

    def deliver(self, entry: DecisionRecord, _following: Any = ()) -> None:
        self.got.append((entry.trigger, str(entry.decision)))


class Disk:
    """A ledger's disk: enters three triggers in one step, and lets something happen before each later step.

    Attributes:
        triggers: those three.
        steps: what happens in the step of those three, and in those that follow.
    """

    def __init__(self, station: InspectionStation, monkeypatch: pytest.MonkeyPatch) -> None:
        self.triggers: list[Trigger] = []
        self.steps: list[Step] = []
        self.station = station
        self._reached, self._go = threading.Event(), threading.Event()
        enter, append_all = LedgerWriter.enter, Ledger.append_all

        def note_and_enter(writer: LedgerWriter, triggers: list[Trigger]) -> Any:
            self.triggers = triggers
            return enter(writer, triggers)

        def append(ledger: Ledger, entries: Any) -> Any:
            if not self._reached.is_set():
                self._reached.set()
                assert self._go.wait(60)
                return append_all(ledger, entries)
            if entries and self.steps:
                self.steps.pop(0)(self.triggers)
            return append_all(ledger, entries)

        monkeypatch.setattr(LedgerWriter, "enter", note_and_enter)
        monkeypatch.setattr(Ledger, "append_all", append)

    def enter_three(self, *steps: Step) -> list[str]:
        self.station.start()
        self.station.trigger()
        assert self._reached.wait(60)
        asked = [self.station.trigger() for _ in range(3)]
        wait_until(lambda: not self.station.describe().cameras[0].waiting)
        self.steps = list(steps)
        self._go.set()
        return asked


def let_pass(*places: int) -> Step:
    """Let the deadlines of triggers pass while the disk takes its time."""

    def step(triggers: list[Trigger]) -> None:
        for place in places:
            triggers[place].deadline = time.monotonic() - 0.001

    return step


def refuse(_triggers: list[Trigger]) -> None:
    raise LedgerError("disk I/O error")


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def disk(build: Build, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Disk:
    station = build(queue=100, deadline=60)
    station.add_output(receiver)
    return Disk(station, monkeypatch)


def read_rows(path: Path) -> list[DecisionRecord]:
    with Ledger.open(path) as ledger:
        return [row.record for row in ledger]


@pytest.mark.parametrize("late", [[0], [1], [2], [0, 1, 2]])
def test_what_is_entered_too_late_is_invalid_everywhere(
    disk: Disk, decided: list[PublishedDecision], receiver: Receiver, tmp_path: Path, late: list[int]
) -> None:
    """The first, a middle and the last decision of a stall that ends after their deadlines."""
    asked = disk.enter_three(let_pass(*late))
    wait_until(lambda: len(decided) == 4)
    before = time.time_ns()
    wait_until(lambda: len(receiver.got) == 4)
    disk.station.stop()
    expected = ["INVALID" if place in late else "PASS" for place in range(3)]
    assert [one.record.trigger for one in decided[1:]] == asked
    assert [str(one.record.decision) for one in decided[1:]] == expected
    for place in late:
        one = decided[1 + place]
        assert str(one.record.reason).startswith(LATE)
        assert (one.record.score, one.record.share, one.record.kind, one.result) == (None, None, "late", None)
    assert sorted(receiver.got[1:]) == sorted(zip(asked, expected, strict=True))
    rows = read_rows(tmp_path / "line.ledger")
    assert [str(row.decision) for row in rows[:4]] == ["PASS"] * 4  # as they were decided
    assert [(row.trigger, str(row.decision), row.corrects) for row in rows[4:]] == [
        (asked[place], "INVALID", 2 + place) for place in late
    ]
    for row in rows[4:]:
        first = rows[int(row.corrects or 0) - 1]
        assert row.decided_at == first.decided_at
        assert row.published_at
        assert first.decided_at <= row.published_at <= before
        assert first.published_at is None
    assert verify_ledger(tmp_path / "line.ledger").fault is None
    with Ledger.open(tmp_path / "line.ledger") as ledger:
        holding = {row.record.trigger: str(row.record.decision) for row in ledger.read_holding()}
    assert holding == {"run-left-1": "PASS", **dict(zip(asked, expected, strict=True))}


def test_what_becomes_late_while_others_are_corrected_is_invalid_too(
    disk: Disk, decided: list[PublishedDecision], receiver: Receiver, tmp_path: Path
) -> None:
    asked = disk.enter_three(let_pass(0), let_pass(2))
    wait_until(lambda: len(decided) == 4)
    wait_until(lambda: len(receiver.got) == 4)
    disk.station.stop()
    assert [str(one.record.decision) for one in decided[1:]] == ["INVALID", "PASS", "INVALID"]
    assert dict(receiver.got[1:]) == dict(zip(asked, ["INVALID", "PASS", "INVALID"], strict=True))
    assert [row.corrects for row in read_rows(tmp_path / "line.ledger")[4:]] == [2, 4]


def test_a_correction_that_can_not_be_entered_is_published_and_entered_first(
    disk: Disk, decided: list[PublishedDecision], receiver: Receiver, tmp_path: Path
) -> None:
    """No output ever gets the row that is wrong, be it read from the disk."""
    asked = disk.enter_three(let_pass(0, 1), refuse, refuse)
    wait_until(lambda: len(decided) == 4)
    wait_until(lambda: len(receiver.got) == 4)
    assert [one.record.number for one in decided[1:]] == [None, None, 4]
    assert disk.station.describe().ledger_fault == "the ledger can't be written (disk I/O error)"
    decision_log = disk.station._decision_log
    assert decision_log
    decision_log._recent.clear()
    assert [row.number for row in decision_log.read(0)] == [1, 4]
    asked.append(disk.station.trigger())
    wait_until(lambda: len(decided) == 5)
    assert str(decided[4].record.decision) == "INVALID"
    asked.append(disk.station.trigger())
    wait_until(lambda: len(receiver.got) == 6)
    disk.station.stop()
    assert dict(receiver.got) == {"run-left-1": "PASS", **{name: str(one.record.decision) for name, one in
                                  zip(asked, decided[1:], strict=True)}}  # fmt: skip
    path = tmp_path / "line.ledger"
    rows = read_rows(path)
    assert [(row.trigger, str(row.decision), row.corrects) for row in rows[4:]] == [
        (asked[0], "INVALID", 2), (asked[1], "INVALID", 3), (asked[3], "INVALID", None),
        (asked[4], "PASS", None),
    ]  # fmt: skip
    # After a restart all is read from the disk.
    assert [row.number for row in DecisionLog(path, len(rows)).read(0)] == [1, 4, 5, 6, 7, 8]
    with open_ledger(path) as connection:
        page = read_parts(connection, PartFilter(), 99)
        assert [part.row.number for part in page.parts] == [8, 7, 6, 5, 4, 1]
        found = find_part(connection, asked[0], row=2)
        assert found
        assert found.row.number == 5


def test_an_output_gets_nothing_that_is_not_published_yet(
    disk: Disk, decided: list[PublishedDecision], receiver: Receiver
) -> None:
    """Though it reads the ledger, where rows are for a moment that will be corrected."""
    seen: list[list[int]] = []

    def view(triggers: list[Trigger]) -> None:
        decision_log = disk.station._decision_log
        assert decision_log
        with decision_log._changed:
            recent = list(decision_log._recent)
            decision_log._recent.clear()
        seen.append([row.number for row in decision_log.read(0)])
        with decision_log._changed:
            decision_log._recent.extend(recent)
        assert triggers

    disk.enter_three(let_pass(0), view)
    wait_until(lambda: len(decided) == 4)
    assert seen == [[1]]
    wait_until(lambda: len(receiver.got) == 4)


def test_what_can_not_be_proven_is_corrected(
    disk: Disk,
    decided: list[PublishedDecision],
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rows are in, and the head file that counts them isn't written."""
    flush, broken = ledger_head.os.fdatasync, threading.Event()

    def fail(file: int) -> None:
        if broken.is_set():
            raise OSError(5, "Input/output error")
        flush(file)

    monkeypatch.setattr(ledger_head.os, "fdatasync", fail)
    asked = disk.enter_three(lambda _triggers: broken.set())
    wait_until(lambda: len(decided) == 4)
    assert {str(one.record.decision) for one in decided[1:]} == {"INVALID"}
    assert "line.ledger.head: Input/output error" in str(disk.station.describe().ledger_fault)
    broken.clear()
    asked.append(disk.station.trigger())
    wait_until(lambda: len(receiver.got) == 5)
    disk.station.stop()
    assert dict(receiver.got[1:]) == dict(zip(asked, ["INVALID"] * 3 + ["PASS"], strict=True))
    rows = read_rows(tmp_path / "line.ledger")
    assert [(row.trigger, row.corrects) for row in rows[4:]] == [
        (asked[0], 2), (asked[1], 3), (asked[2], 4), (asked[3], None),
    ]  # fmt: skip


def test_without_a_ledger_too_late_is_invalid_as_well(
    build: Build, decided: list[PublishedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    enter = LedgerWriter.enter

    def enter_late(writer: LedgerWriter, triggers: list[Trigger]) -> Any:
        done = enter(writer, triggers)
        let_pass(0)(triggers)
        return done

    monkeypatch.setattr(LedgerWriter, "enter", enter_late)
    station = build(ledger=None, deadline=60)
    station.start()
    station.trigger()
    wait_until(lambda: decided)
    assert str(decided[0].record.reason).startswith(LATE)


def test_a_ledger_that_is_gone_is_told_before_the_next_part(
    build: Build, decided: list[PublishedDecision], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "_IDLE", 0.02)
    station, path = build(deadline=60), tmp_path / "line.ledger"
    station.start()
    station.trigger()
    wait_until(lambda: decided)
    path.rename(tmp_path / "away")
    wait_until(lambda: station.describe().ledger_fault)
    assert not station.describe().ready
    station.trigger()
    wait_until(lambda: len(decided) == 2)
    assert "line.ledger is gone" in str(decided[1].record.reason)
    assert str(decided[1].record.decision) == "INVALID"
    (tmp_path / "away").rename(path)
    wait_until(lambda: station.describe().ledger_fault is None)  # nobody triggers where it isn't ready
    assert station.describe().ready
    station.stop()
    assert [str(row.decision) for row in read_rows(path)] == ["PASS", "INVALID"]


def test_a_slow_flush_leaves_time_to_decide(build: Build, decided: list[PublishedDecision]) -> None:
    """Else what comes after a stall would be late before it is decided on, for many parts."""
    station = build(deadline=60)
    station.start()
    publisher = station._publisher
    assert publisher
    publisher._margin = 10_000.0  # as after a stall of a day
    station.trigger()
    wait_until(lambda: decided)
    assert publisher._margin == 30
