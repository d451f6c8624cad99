from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.delivery import delivery_worker as worker_module
from softcore_edge_app.delivery.decision_log import DecisionLog
from softcore_edge_app.delivery.delivery_offsets import DeliveryOffsets
from softcore_edge_app.delivery.delivery_worker import DeliveryWorker
from softcore_edge_app.ledger.ledger import Ledger
from softcore_runtime import Decision, OutputError


def wait_until(happened: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it didn't happen"
        time.sleep(0.002)


def entry(number: int, decision: str = "PASS") -> DecisionRecord:
    return DecisionRecord(
        trigger=f"t{number}", part=f"p{number}", name="x", camera="left", category="pill", bundle="ab" * 32,
        decision=Decision(decision), score=1.0, bound="exact", threshold=2.0, fail_above=2.0,
        engine="onnxruntime", provider="CPU", precision="fp32", triggered_at=number, deadline_at=None,
        decided_at=number, milliseconds=1.0, reason=None,
    )  # fmt: skip


class Receiver:
    """An output that takes what it is told to."""

    name = "receiver"
    fault: str | None = None

    def __init__(self) -> None:
        self.got: list[str] = []
        self.refusals = 0
        self.error: type[Exception] = OutputError

    def deliver(self, entry: DecisionRecord, _following: Any = ()) -> None:
        if self.refusals:
            self.refusals -= 1
            raise self.error("not now")
        self.got.append(entry.trigger)


class InspectionStation:
    """A ledger, its decision log, and workers for it."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger.open(path)
        self.decision_log = DecisionLog(path, self.ledger.rows)
        self.offsets = DeliveryOffsets(path, self.ledger.id)
        self.workers: list[DeliveryWorker] = []
        self.open = True

    def send(self, receiver: Receiver) -> DeliveryWorker:
        worker = DeliveryWorker(receiver, self.decision_log, self.offsets)
        worker.start()
        self.workers.append(worker)
        return worker

    def enter(self, *entries: DecisionRecord) -> None:
        self.decision_log.add(self.ledger.append_all(entries), [])

    def end(self, seconds: float = 5.0) -> None:
        if not self.open:
            return
        self.open = False
        for worker in self.workers:
            worker.stop(time.monotonic() + seconds)
        for worker in self.workers:
            worker.join(30)
        self.offsets.close()
        self.ledger.close()


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., InspectionStation]]:
    stations: list[InspectionStation] = []

    def begin(name: str = "line.ledger") -> InspectionStation:
        stations.append(InspectionStation(tmp_path / name))
        return stations[-1]

    yield begin
    for station in stations:
        station.end(0)


def test_everything_is_brought_once_and_in_order(begin: Callable[..., InspectionStation]) -> None:
    station, receiver = begin(), Receiver()
    worker = station.send(receiver)
    for number in range(250):
        station.enter(entry(number))
    wait_until(lambda: len(receiver.got) == 250)
    station.end()
    assert receiver.got == [f"t{number}" for number in range(250)]
    assert (worker.status.delivered, worker.status.backlog, worker.status.fault) == (250, 0, None)


@pytest.mark.parametrize("error", [OutputError, RuntimeError])
def test_what_fails_is_tried_again_and_told(
    begin: Callable[..., InspectionStation], error: type[Exception]
) -> None:
    station, receiver = begin(), Receiver()
    receiver.refusals, receiver.error = 10**9, error
    worker = station.send(receiver)
    station.enter(*(entry(number) for number in range(5)))
    wait_until(lambda: worker.fault)
    assert "not now" in str(worker.status.fault)
    assert (worker.status.backlog, worker.status.failures) == (5, 1)
    receiver.refusals = 1
    wait_until(lambda: len(receiver.got) == 5)
    wait_until(lambda: worker.fault is None)
    assert receiver.got == [f"t{number}" for number in range(5)]


def test_an_output_that_would_take_nothing_is_a_fault_before_there_is_anything_to_take(
    begin: Callable[..., InspectionStation], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert worker_module._SETTLING + 2 * worker_module._POLL < 5
    monkeypatch.setattr(worker_module, "_POLL", 0.01)
    monkeypatch.setattr(worker_module, "_SETTLING", 0.1)
    caplog.set_level("INFO")
    station, receiver = begin(), Receiver()
    receiver.fault = "the PLC was not reached yet"
    worker = station.send(receiver)
    assert worker.status.fault == "the PLC was not reached yet"
    wait_until(lambda: "receiver: takes no decisions (the PLC was not reached yet)" in caplog.text)
    assert (worker.status.failures, worker.status.backlog) == (0, 0)
    receiver.fault = None
    wait_until(lambda: "receiver: takes decisions again" in caplog.text)
    assert worker.status.fault is None
    receiver.fault = "the PLC does not answer"  # no part comes: nobody else would notice
    wait_until(lambda: "takes no decisions (the PLC does not answer)" in caplog.text)
    time.sleep(0.2)
    assert caplog.text.count("takes no decisions") == 2
    receiver.fault = None
    station.enter(entry(0))
    wait_until(lambda: caplog.text.count("takes decisions again") == 2)


def test_what_was_left_is_brought_at_the_next_start(begin: Callable[..., InspectionStation]) -> None:
    station, receiver = begin(), Receiver()
    station.send(receiver)
    station.enter(entry(0), entry(1))
    wait_until(lambda: len(receiver.got) == 2)
    receiver.refusals = 10**9
    station.enter(*(entry(number) for number in range(2, 300)))
    station.end(0.1)
    receiver.refusals = 0
    again = begin()
    again.send(receiver)
    again.enter(entry(300))
    wait_until(lambda: len(receiver.got) == 301)
    assert receiver.got == [f"t{number}" for number in range(301)]


def test_one_that_is_new_gets_what_comes_from_here_on(begin: Callable[..., InspectionStation]) -> None:
    station, receiver = begin(), Receiver()
    station.enter(entry(0), entry(1))
    station.send(receiver)
    station.enter(entry(2))
    wait_until(lambda: receiver.got)
    assert receiver.got == ["t2"]


def test_a_mark_of_another_ledger_does_not_count(
    begin: Callable[..., InspectionStation], tmp_path: Path
) -> None:
    station, receiver = begin(), Receiver()
    station.send(receiver)
    station.enter(*(entry(number) for number in range(9)))
    station.end()
    for file in tmp_path.glob("line.ledger*"):
        if "deliveries" not in file.name:
            file.unlink()
    again = begin()
    again.send(receiver)
    again.enter(entry(100))
    wait_until(lambda: receiver.got[-1] == "t100")


def test_what_cannot_be_entered_is_brought_and_not_again_once_it_is(
    begin: Callable[..., InspectionStation],
) -> None:
    station, receiver = begin(), Receiver()
    station.send(receiver)
    station.enter(entry(0))
    owed = [entry(1, "INVALID"), entry(2, "INVALID")]
    station.decision_log.add([], owed)
    wait_until(lambda: len(receiver.got) == 3)
    receiver.refusals = 3
    station.decision_log.add([], [entry(3, "INVALID")])  # entered while it is on its way
    station.enter(*owed, entry(3, "INVALID"), entry(4))
    wait_until(lambda: len(receiver.got) == 5)
    station.end()
    assert receiver.got == [f"t{number}" for number in range(5)]


def test_marks_that_cannot_be_kept_stop_nothing(
    begin: Callable[..., InspectionStation], tmp_path: Path
) -> None:
    (tmp_path / "line.ledger.deliveries").mkdir()
    station, receiver = begin(), Receiver()
    station.send(receiver)
    station.enter(entry(0))
    wait_until(lambda: receiver.got)
    assert station.offsets.read("receiver") is None


NUMBERS = iter(range(10**9))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.sampled_from(["enter", "enter many", "owe", "refuse", "restart"]), min_size=1, max_size=12
    )
)
def test_whatever_fails_each_is_brought_once(
    begin: Callable[..., InspectionStation], steps: list[str]
) -> None:
    name = f"{next(NUMBERS)}.ledger"
    station, receiver, sent = begin(name), Receiver(), 0
    station.send(receiver)
    owed: list[DecisionRecord] = []

    def make(count: int, decision: str = "PASS") -> list[DecisionRecord]:
        nonlocal sent
        sent += count
        return [entry(number, decision) for number in range(sent - count, sent)]

    for step in steps:
        if step == "enter":
            station.enter(*owed, *make(1))
            owed = []
        elif step == "enter many":
            station.enter(*owed, *make(150))
            owed = []
        elif step == "owe":
            owed += (new := make(1, "INVALID"))
            station.decision_log.add([], new)
        elif step == "refuse":
            receiver.refusals += 2
        else:
            if owed:
                station.enter(*owed)
                owed = []
            wait_until(lambda: len(receiver.got) == sent)
            station.end()
            station = begin(name)
            station.send(receiver)
    wait_until(lambda: len(receiver.got) == sent)
    station.end()
    assert receiver.got == [f"t{number}" for number in range(sent)]


def test_the_disk_is_read_only_for_what_memory_lacks(
    begin: Callable[..., InspectionStation], monkeypatch: Any
) -> None:
    station = begin()
    station.enter(*(entry(number) for number in range(1200)))
    assert [row.number for row in station.decision_log.read(0)] == [*range(1, 101)]  # from the ledger
    assert [row.record.trigger for row in station.decision_log.read(1150)] == [
        f"t{n}" for n in range(1150, 1200)
    ]
    monkeypatch.setattr("softcore_edge_app.delivery.decision_log.connect_to_read", None)
    assert len(station.decision_log.read(1100)) == 100
    assert station.decision_log.read(1200) == []
