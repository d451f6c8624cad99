from __future__ import annotations

import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.configuration.options import ModbusOptions
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.delivery import delivery_worker as worker_module
from softcore_edge_app.ledger.ledger import Ledger, verify_ledger
from softcore_edge_app.outputs.modbus import PlcLink
from softcore_edge_app.pipeline import camera_pipeline as pipeline_module
from softcore_edge_app.pipeline import recipes as recipes_module
from softcore_edge_app.pipeline.inspection_station import InspectionStation
from softcore_runtime import BundleError, Decision, Inspector, LedgerError, SourceError, UsageError

from .conftest import Build, Endless, Gate

INSPECT = Inspector.inspect
NUMBERS = count()


def wait_until(happened: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it didn't happen"
        time.sleep(0.002)


def read_decisions(path: Path) -> list[tuple[str, str]]:
    with Ledger.open(path) as ledger:
        return [(row.record.trigger, str(row.record.decision)) for row in ledger]


def test_each_trigger_has_its_one_decision_in_order(
    build: Build, decided: list[PublishedDecision], tmp_path: Path
) -> None:
    station = build(queue=1000, deadline=60)
    station.start()
    asked = [station.trigger(part=f"part {number}") for number in range(300)]
    wait_until(lambda: len(decided) == 300)
    station.stop()
    assert [one.record.trigger for one in decided] == asked == [f"run-left-{n}" for n in range(1, 301)]
    assert [one.record.part for one in decided] == [f"part {number}" for number in range(300)]
    assert {one.record.decision for one in decided} == {Decision.PASS}
    assert read_decisions(tmp_path / "line.ledger") == [(trigger, "PASS") for trigger in asked]
    stages = decided[0].record.stages
    assert stages.keys() == {"frame", "queue", "inspection", "ledger", "total"}
    assert sum(value for stage, value in stages.items() if stage != "total") <= stages["total"]


def test_what_does_not_fit_the_queue_is_invalid_in_its_place(
    build: Build, decided: list[PublishedDecision], gate: Gate
) -> None:
    gate.open.clear()
    station = build(queue=3, deadline=60)
    station.start()
    asked = [station.trigger() for _ in range(8)]
    assert station.describe().cameras[0].waiting == 3
    gate.open.set()
    wait_until(lambda: len(decided) == 8)
    assert [one.record.trigger for one in decided] == asked
    assert [str(one.record.decision) for one in decided] == ["PASS"] * 3 + ["INVALID"] * 5
    assert {one.record.reason for one in decided[3:]} == {"too many triggers: 3 wait for their decision"}
    status = station.describe().cameras[0]
    assert (status.triggers, status.decisions, status.waiting) == (8, 8, 0)


def test_an_inspection_that_hangs_is_invalid_before_the_deadline_and_stays_so(
    build: Build, decided: list[PublishedDecision], gate: Gate, tmp_path: Path
) -> None:
    gate.open.clear()
    station = build(deadline=0.3)
    station.start()
    asked = [station.trigger() for _ in range(3)]
    wait_until(lambda: len(decided) == 3)
    assert gate.reached.is_set()
    assert {one.record.decision for one in decided} == {Decision.INVALID}
    assert "late: still being inspected after " in str(decided[0].record.reason)
    for one in decided:
        assert one.record.deadline_at
        assert one.record.decided_at <= one.record.deadline_at + 0.25e9  # of a busy machine
        assert one.record.stages["total"] < 60
    gate.open.set()
    asked.append(station.trigger())
    wait_until(lambda: len(decided) == 4)
    station.stop()
    assert read_decisions(tmp_path / "line.ledger") == [
        *((trigger, "INVALID") for trigger in asked[:3]),
        (asked[3], "PASS"),
    ]


@pytest.mark.parametrize("queue", [16, 1000])
def test_of_a_hundred_times_too_many_triggers_nearly_all_are_decided_that_can_be(
    build: Build, decided: list[PublishedDecision], monkeypatch: pytest.MonkeyPatch, queue: int
) -> None:
    """Not each of them inspected until it is late: then none would be."""
    inspected = 0

    def inspect(self: Inspector, *given: Any) -> Any:
        nonlocal inspected
        inspected += 1
        time.sleep(0.05)
        return INSPECT(self, *given)

    monkeypatch.setattr(Inspector, "inspect", inspect)
    station = build(queue=queue, deadline=0.6, ledger=None)
    station.start()
    began, asked = time.monotonic(), []
    while (spent := time.monotonic() - began) < 2.0:
        asked += [station.trigger() for _ in range(int(2000 * spent) - len(asked))]
        time.sleep(0.002)
    wait_until(lambda: len(decided) == len(asked))
    assert [one.record.trigger for one in decided] == asked
    # How many inspections a machine has time for differs with what else it does. That they were made for
    # triggers which could still be decided does not: nearly all of them are on a quiet machine, and a quarter
    # to a half of them where triggers are inspected that became late.
    decisions = Counter(one.record.decision for one in decided)
    assert decisions.keys() == {Decision.PASS, Decision.INVALID}
    assert decisions[Decision.PASS] >= 0.6 * inspected
    reasons = {str(one.record.reason).partition(":")[0] for one in decided if one.record.reason}
    assert reasons <= {"too many triggers", "late"}


def test_frames_that_wait_for_an_inspection_that_hangs_are_bounded(
    build: Build, decided: list[PublishedDecision], gate: Gate, good_frame: np.ndarray
) -> None:
    """Those of triggers that became late meanwhile are let go: a camera's frames are megabytes each."""
    frames: WeakSet[Frame] = WeakSet()
    taken = 0

    class Counted(Endless):
        def read_frames(self) -> Any:
            nonlocal taken
            for frame in super().read_frames():
                taken += 1
                frames.add(frame)
                yield frame

    gate.open.clear()
    station = build(queue=2, deadline=0.01, source=Counted(good_frame), ledger=None)
    station.start()
    while taken < 30:
        decided.clear()
        station.trigger()
        wait_until(lambda: decided)
    assert len(frames) <= 10
    gate.open.set()


@pytest.mark.parametrize("hours", [-1, 365 * 24])
def test_a_clock_that_is_set_takes_nothing_from_a_decision(
    build: Build,
    decided: list[PublishedDecision],
    gate: Gate,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    hours: int,
) -> None:
    """Neither while a part is inspected nor after it; the ledger has each in time, and is whole."""
    ahead, now = [0], time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + ahead[0])
    station = build(deadline=60)
    station.start()
    gate.open.clear()
    asked = [station.trigger() for _ in range(2)]
    assert gate.reached.wait(60)
    ahead[0] = hours * 3600 * 10**9
    gate.open.set()
    asked.append(station.trigger())
    wait_until(lambda: len(decided) == 3)
    station.stop()
    assert read_decisions(tmp_path / "line.ledger") == [(trigger, "PASS") for trigger in asked]
    for one in decided:
        assert one.record.deadline_at
        assert one.record.triggered_at <= one.record.decided_at <= one.record.deadline_at
    assert decided[2].record.triggered_at - decided[1].record.triggered_at == pytest.approx(
        ahead[0], abs=60e9
    )
    assert verify_ledger(tmp_path / "line.ledger").rows == 3


def test_what_could_not_be_entered_in_time_is_invalid(
    build: Build, decided: list[PublishedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision is there in time; the disk delays the first, and the publisher, which takes the second."""
    slow, append_all = [0.6], Ledger.append_all

    def append_slowly(self: Ledger, entries: Any) -> Any:
        if entries:
            time.sleep(slow.pop() if slow else 0)
        return append_all(self, entries)

    monkeypatch.setattr(Ledger, "append_all", append_slowly)
    station = build(deadline=0.4)
    station.start()
    station.trigger()
    wait_until(lambda: not slow)
    station.trigger()
    wait_until(lambda: len(decided) == 2)
    assert {one.record.decision for one in decided} == {Decision.INVALID}
    assert "late: decided on, but entered only after" in str(decided[0].record.reason)
    assert "late: decided on, but not entered after" in str(decided[1].record.reason)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_hangs_and_fails_nothing_is_lost(
    build: Build,
    decided: list[PublishedDecision],
    tmp_path: Path,
    data: st.DataObject,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Inspections of every kind, pauses, bursts: one decision each, in order, before its deadline."""
    decided.clear()
    fates = iter(data.draw(st.lists(st.sampled_from(["quick", "slow", "hang", "raise"]), min_size=40)))
    pauses = data.draw(st.lists(st.sampled_from([0, 0, 0, 0.002, 0.02]), min_size=25, max_size=25))

    def inspect(self: Inspector, *given: Any) -> Any:
        fate = next(fates, "quick")
        time.sleep({"slow": 0.02, "hang": 0.2}.get(fate, 0))
        if fate == "raise":
            raise MemoryError("no memory for an image")
        return INSPECT(self, *given)

    monkeypatch.setattr(Inspector, "inspect", inspect)
    name = f"{next(NUMBERS)}.ledger"
    station = build(ledger=name, queue=4, deadline=0.1)
    station.start()
    asked = []
    for pause in pauses:
        asked.append(station.trigger())
        time.sleep(pause)
    wait_until(lambda: len(decided) == len(asked))
    station.stop()
    assert [one.record.trigger for one in decided] == asked
    for one in decided:
        if one.record.decision is not Decision.INVALID:
            assert one.record.deadline_at
            assert one.record.decided_at <= one.record.deadline_at + 0.25e9  # of a busy machine
    assert read_decisions(tmp_path / name) == [
        (one.record.trigger, str(one.record.decision)) for one in decided
    ]
    assert verify_ledger(tmp_path / name).closed


@pytest.mark.parametrize(
    ("owner", "where"), [(pipeline_module, "find_fault"), (recipes_module.Recipe, "inspect")]
)
def test_an_internal_error_is_invalid_and_the_line_goes_on(
    owner: object,
    where: str,
    build: Build,
    decided: list[PublishedDecision],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, faults = getattr(owner, where), [RuntimeError("out of everything")]

    def fail_once(*given: Any, **more: Any) -> Any:
        if faults:
            raise faults.pop()
        return real(*given, **more)

    monkeypatch.setattr(owner, where, fail_once)
    station = build()
    station.start()
    station.trigger()
    station.trigger()
    wait_until(lambda: len(decided) == 2)
    assert decided[0].record.reason == "internal error: RuntimeError: out of everything"
    assert decided[1].record.decision is Decision.PASS


def test_a_broken_listener_takes_nothing_from_the_others(
    build: Build, decided: list[PublishedDecision]
) -> None:
    station = build()
    station._listeners.insert(0, lambda _decided: 1 / 0)
    station.start()
    station.trigger()
    wait_until(lambda: decided)


def test_what_cannot_be_made_an_entry_of_is_invalid(
    build: Build, decided: list[PublishedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what can be is not held up by it, nor does the publisher end."""
    real, faults = Ledger.append_all, [ValueError("no such thing")]

    def append_all(self: Ledger, entries: Any) -> Any:
        if faults:
            raise faults.pop()
        return real(self, entries)

    station = build()
    monkeypatch.setattr(Ledger, "append_all", append_all)
    station.start()
    station.trigger()
    wait_until(lambda: decided)
    station.trigger()
    wait_until(lambda: len(decided) == 2)
    assert decided[0].record.reason == "internal error: ValueError: no such thing"
    assert decided[1].record.decision is Decision.PASS


def test_a_publisher_that_fails_ends_the_wait(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd starts the process anew; without that triggers would wait for ever."""
    station = build()
    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "append_all", lambda _self, _entries: 1 / 0)
        station.start()
        station.trigger()
        with pytest.raises(ZeroDivisionError):
            station.wait()
    station.stop()


def test_cameras_are_entered_in_one_step(
    build: Build, decided: list[PublishedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a slow disk costs doesn't grow with the cameras."""
    sizes, real, go = [], Ledger.append_all, threading.Event()

    def append_slowly(self: Ledger, entries: Any) -> Any:
        if entries:
            sizes.append(len(entries))
            assert go.wait(60)
        return real(self, entries)

    station = build("left", "right", queue=100, deadline=60)
    monkeypatch.setattr(Ledger, "append_all", append_slowly)
    station.start()
    station.trigger("left")
    wait_until(lambda: sizes)
    for _ in range(5):
        station.trigger("left")
        station.trigger("right")
    wait_until(lambda: not any(camera.waiting for camera in station.describe().cameras))
    go.set()
    wait_until(lambda: len(decided) == 11)
    assert sizes == [1, 10]


def test_the_publisher_is_woken_without_any_lock(build: Build) -> None:
    """Whoever settles a trigger may hold its line's lock, and another thread that of another line."""
    station = build("left", "right")
    station.start()
    with station.pipelines["left"].queue.changed, station.pipelines["right"].queue.changed:
        calling = threading.Thread(target=station.wake_publisher, daemon=True)
        calling.start()
        calling.join(30)
        assert not calling.is_alive()


def test_it_ends_after_the_last_trigger_though_that_was_one_too_many(
    build: Build, decided: list[PublishedDecision], gate: Gate
) -> None:
    gate.open.clear()
    station = build(frames=2, queue=1, deadline=60)
    station.start()
    asked = [station.trigger(), station.trigger()]
    with pytest.raises(UsageError, match="just ending"):
        station.trigger()
    gate.open.set()
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(station.wait)
        try:
            waiting.result(60)
        finally:
            station.stop()
    assert [one.record.trigger for one in decided] == asked
    assert [one.record.reason for one in decided] == [None, "too many triggers: 1 wait for their decision"]


def test_the_end_leaves_no_trigger_without_a_decision(
    build: Build, decided: list[PublishedDecision], gate: Gate, tmp_path: Path
) -> None:
    gate.open.clear()
    station = build(queue=100, deadline=60)
    station.start()
    asked = [station.trigger() for _ in range(20)]
    began = time.monotonic()
    station.stop()
    assert time.monotonic() - began < 5
    assert [one.record.trigger for one in decided] == asked
    assert {one.record.reason for one in decided} == {"the line was stopped before it was decided on"}
    assert len(read_decisions(tmp_path / "line.ledger")) == 20
    with pytest.raises(UsageError, match="just ending"):
        station.trigger()
    gate.open.set()


def test_a_camera_that_must_be_named(build: Build) -> None:
    station = build("left", "right", ledger=None)
    with pytest.raises(UsageError, match="name a camera; there are: left, right"):
        station.trigger()
    with pytest.raises(UsageError, match="no camera 'middle'"):
        station.trigger("middle")
    with pytest.raises(UsageError, match="1 to 200 characters"):
        station.trigger("left", "x" * 201)
    with pytest.raises(UsageError, match="1 to 200 characters"):
        station.trigger("left", "")
    for name in ("a\nb", "\0", "\x1b[31m", "\x7f", "\x9b", "\u2028", "\ud800"):
        with pytest.raises(UsageError, match="must not have control characters"):
            station.trigger("left", name, "mqtt")
    assert not any(camera.triggers for camera in station.describe().cameras)


def test_a_camera_that_triggers_itself_takes_no_triggers(build: Build) -> None:
    with pytest.raises(UsageError, match="left: triggers itself"):
        build(trigger="auto").trigger()


def test_cameras_share_an_inspector_and_keep_their_own_order(
    build: Build, decided: list[PublishedDecision], tmp_path: Path
) -> None:
    station = build("left", "right", queue=100, deadline=60)
    left, right = (pipeline.recipes.current for pipeline in station.pipelines.values())
    assert left.inspector is right.inspector
    station.start()
    for _ in range(40):
        station.trigger("left")
        station.trigger("right")
    wait_until(lambda: len(decided) == 80)
    for name in ("left", "right"):
        own = [one.record.trigger for one in decided if one.record.camera == name]
        assert own == [f"run-{name}-{number}" for number in range(1, 41)]
    station.stop()
    assert len(set(read_decisions(tmp_path / "line.ledger"))) == 80


class Some(Endless):
    """A source that ends."""

    def read_frames(self) -> Any:
        for number in range(1, 8):
            if number == 3:
                yield Frame(number, f"frame {number}", reason="torn")
            else:
                yield Frame(number, f"frame {number}", image=self.image)


@pytest.mark.parametrize(
    ("options", "number"), [({"trigger": "auto"}, 7), ({"trigger": "interval", "interval": 0.002}, 7)]
)
def test_a_recording_is_gone_through_to_its_end(
    build: Build,
    decided: list[PublishedDecision],
    good_frame: np.ndarray,
    options: dict[str, Any],
    number: int,
) -> None:
    station = build(source=Some(good_frame), deadline=60, **options)
    station.start()
    station.wait()
    station.stop()
    assert [one.record.name for one in decided][:number] == [f"frame {n}" for n in range(1, number + 1)]
    assert [one.record.reason for one in decided if one.record.reason][:1] == ["torn"]
    assert len(decided) == number


def test_triggers_after_a_recording_are_invalid(
    build: Build, decided: list[PublishedDecision], good_frame: np.ndarray
) -> None:
    station = build(source=Some(good_frame), queue=100, deadline=60)
    station.start()
    for _ in range(9):
        station.trigger()
    wait_until(lambda: len(decided) == 9)
    assert [one.record.reason for one in decided[7:]] == ["the recording has come to its end"] * 2


@pytest.mark.parametrize("how", [{"trigger": "auto"}, {"trigger": "interval", "interval": 0.001}, {}])
def test_so_many_frames_and_no_more(
    build: Build, decided: list[PublishedDecision], how: dict[str, Any]
) -> None:
    station = build(frames=5, deadline=60, **how)
    station.start()
    if not how:
        for _ in range(5):
            station.trigger()
        with pytest.raises(UsageError, match="just ending"):
            station.trigger()
    station.wait()
    station.stop()
    assert len(decided) == 5


def test_a_source_that_fails_ends_the_wait(build: Build, good_frame: np.ndarray) -> None:
    class Failing(Endless):
        def read_frames(self) -> Any:
            yield Frame(1, "frame 1", image=self.image)
            raise SourceError("the video broke off")

    station = build(source=Failing(good_frame), trigger="auto")
    station.start()
    with pytest.raises(SourceError, match="broke off"):
        station.wait()
    station.stop()
    assert station.describe().cameras[0].decisions == 1


@pytest.fixture
def bundles(tiny_bundle: Path) -> dict[str, Path]:
    strict = Path(shutil.copytree(tiny_bundle, tiny_bundle.with_name("strict")))
    damaged = Path(shutil.copytree(tiny_bundle, tiny_bundle.with_name("damaged")))
    (damaged / "bank.npy").write_bytes((damaged / "bank.npy").read_bytes()[:-1])
    return {"plain": tiny_bundle, "strict": strict, "damaged": damaged}


def test_a_recipe_holds_from_the_next_trigger_on(
    build: Build, decided: list[PublishedDecision], gate: Gate, bundles: dict[str, Path]
) -> None:
    gate.open.clear()
    station = build(bundles=bundles, queue=100, deadline=60)
    station.start()
    station.trigger()
    wait_until(gate.reached.is_set)
    before = station.pipelines["left"].recipes.current
    gate.open.set()  # the new bundle's self-test is an inspection, too
    station.switch_recipe("strict")
    station.trigger()
    wait_until(lambda: len(decided) == 2)
    assert station.describe().cameras[0].recipe == "strict"
    assert before.name == "plain"
    assert station.describe().cameras[0].recipes == ("plain", "strict", "damaged")


def test_no_trigger_is_lost_over_switches(
    build: Build, decided: list[PublishedDecision], bundles: dict[str, Path]
) -> None:
    station = build(bundles=bundles, queue=10_000, deadline=60)
    station.start()
    over, asked = threading.Event(), []

    def ask() -> None:
        while not over.is_set():
            asked.append(station.trigger())
            time.sleep(0.001)

    thread = threading.Thread(target=ask)
    thread.start()
    for recipe in ("strict", "plain", "strict"):
        station.switch_recipe(recipe)
    with pytest.raises(BundleError, match="bank"):
        station.switch_recipe("damaged")
    with pytest.raises(UsageError, match=r"no recipe 'x'; there are: plain, strict, damaged"):
        station.switch_recipe("x")
    assert station.describe().cameras[0].recipe == "strict"
    over.set()
    thread.join()
    wait_until(lambda: len(decided) == len(asked))
    assert [one.record.trigger for one in decided] == asked
    assert {one.record.decision for one in decided} == {Decision.PASS}


def test_what_hangs_is_told(build: Build, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_module, "_STUCK", 0.1)
    gate.open.clear()
    station = build(deadline=60)
    station.start()
    assert station.describe().stuck is None
    station.trigger()
    wait_until(lambda: station.describe().stuck)
    assert str(station.describe().stuck).startswith("left: an inspection has taken")
    assert not station.describe().ready
    gate.open.set()
    wait_until(lambda: station.describe().stuck is None)


@pytest.mark.parametrize("answer", [None, b"SSH-2.0-OpenSSH_9.2\r\n"], ids=["nobody", "no PLC"])
def test_a_plc_that_was_never_reached_is_not_healthy(
    build: Build, answer: bytes | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_module, "_POLL", 0.05)
    monkeypatch.setattr(worker_module, "_SETTLING", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if answer is None:
            server.close()
        else:
            threading.Thread(target=_answer_all, args=[server, answer], daemon=True).start()
        station = build()
        link = PlcLink(ModbusOptions(host="127.0.0.1", port=port, timeout=0.2), station)
        station.add_output(link)
        link.start()
        station.start()
        status = station.describe()
        assert (status.ready, status.outputs[0].fault) == (False, link.fault)
        wait_until(lambda: "modbus: takes no decisions (the PLC at 127.0.0.1" in caplog.text)
        assert not station.describe().ready
        link.close()


def _answer_all(server: socket.socket, answer: bytes) -> None:
    with suppress(OSError):  # once it is closed
        while True:
            with server.accept()[0] as connection:
                connection.sendall(answer)


def test_outputs_need_a_ledger(build: Build) -> None:
    class Nowhere:
        name = "nowhere"
        fault = None

        def deliver(self, entry: Any) -> None: ...

    with pytest.raises(UsageError, match=r"nowhere: needs a ledger \(--ledger FILE\)"):
        build(ledger=None).add_output(Nowhere())


def test_a_ledger_that_cannot_be_written_is_told(
    build: Build, decided: list[PublishedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    station: InspectionStation = build()
    station.start()
    real = Ledger.append_all

    def refuse(self: Ledger, _entries: Any) -> Any:
        raise LedgerError(f"{self.path}: database or disk is full")

    monkeypatch.setattr(Ledger, "append_all", refuse)
    asked = [station.trigger() for _ in range(3)]
    wait_until(lambda: len(decided) == 3)
    assert station.describe().ledger_fault == "the ledger can't be written (database or disk is full)"
    assert {one.record.decision for one in decided} == {Decision.INVALID}
    monkeypatch.setattr(Ledger, "append_all", real)
    asked.append(station.trigger())
    wait_until(lambda: len(decided) == 4)
    assert station.describe().ledger_fault is None
    station.stop()
    assert station.writer.ledger
    with Ledger.open(station.writer.ledger.path) as ledger:
        assert [row.record.trigger for row in ledger] == asked
