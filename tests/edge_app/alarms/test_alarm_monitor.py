"""Alarms of a line: what raises them, who acknowledges them, and what the ledger keeps of them."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from softcore_edge_app.alarms.alarm_monitor import AlarmMonitor
from softcore_edge_app.alarms.alarm_notes import AlarmHistory, read_history
from softcore_edge_app.alarms.alarm_reading import AlarmPart
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.configuration.alarm_options import DEFAULT_ALARMS, AlarmOptions
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.ledger import Ledger, verify_ledger
from softcore_edge_app.ledger.note import Change
from softcore_runtime import Decision, LedgerError, UsageError

from tests.edge_app.records import make_record


def feed(monitor: AlarmMonitor, decisions: Iterable[str], camera: str = "left") -> None:
    for decision in decisions:
        monitor.follow(AlarmPart(camera, "pill", Decision(decision)), time.monotonic())


def list_open(monitor: AlarmMonitor) -> list[tuple[str, str]]:
    return [(status.rule, status.state) for status in monitor.list_open()]


@pytest.fixture
def notes() -> list[Change]:
    return []


@pytest.fixture
def monitor(notes: list[Change]) -> AlarmMonitor:
    return AlarmMonitor(DEFAULT_ALARMS, ["left"], notes.append)


def test_45_red_of_the_last_50_raise_an_alarm(
    monitor: AlarmMonitor, notes: list[Change], caplog: pytest.LogCaptureFixture
) -> None:
    feed(monitor, ["PASS"] * 50)
    assert list_open(monitor) == []
    with caplog.at_level(logging.INFO):
        feed(monitor, [*["FAIL"] * 9, "PASS"] * 5)  # never ten in a row
    assert list_open(monitor) == [("fail-share", "raised")]
    assert [record.message for record in caplog.records] == [
        "left: 20 of the last 50 parts are FAIL (rule fail-share)"
    ]
    assert caplog.records[0].levelno == logging.ERROR
    assert notes == [Change("alarm", "left", "fail-share", "cleared", "raised: FAIL 20/50", "line")]


def test_90_good_parts_that_are_3_percent_darker_and_all_fail_raise_an_alarm(monitor: AlarmMonitor) -> None:
    """Through `add`, with images: what fails and why are told beside each other."""
    chance = np.random.default_rng(1)
    texture = chance.normal(100, 10, (64, 64, 3))

    def publish(decision: str, factor: float) -> None:
        image = np.clip(texture * factor * chance.normal(1, 0.003), 0, 255).astype(np.uint8)
        record = make_record(decision=decision, score=14.0 if decision == "FAIL" else 6.0)
        monitor.add(PublishedDecision(record, Frame(1, "a", image=image), None))
        while not monitor._arrived.empty():  # a queue that is long drops images
            time.sleep(0.0005)

    monitor.start()
    for _ in range(130):
        publish("PASS", 1.0)
    assert list_open(monitor) == []
    for _ in range(90):
        publish("FAIL", 0.97)
    monitor.stop()
    assert ("fail-run", "raised") in list_open(monitor)
    assert ("fail-share", "raised") in list_open(monitor)
    jumps = {status.rule: status.raises for status in monitor.describe()}
    assert jumps["brightness-jump"] == 1


def test_10000_parts_of_a_healthy_line_raise_nothing(monitor: AlarmMonitor) -> None:
    chance = random.Random(3)  # noqa: S311 - nothing is kept secret by it
    for _ in range(10_000):
        decision = Decision.FAIL if chance.random() < 0.02 else Decision.PASS
        light, focus = chance.gauss(100, 1), chance.gauss(10, 0.3)
        monitor.follow(AlarmPart("left", "pill", decision, False, light, focus), 0.0)
    assert [status.raises for status in monitor.describe()] == [0] * len(DEFAULT_ALARMS)


def test_invalid_parts_raise_their_own_and_a_stopped_line_none(monitor: AlarmMonitor) -> None:
    stopped = AlarmPart("left", "pill", Decision.INVALID, stopped=True)
    for _ in range(60):
        monitor.follow(stopped, 0.0)
    assert list_open(monitor) == []
    feed(monitor, ["INVALID"] * 10)
    assert list_open(monitor) == [("invalid-run", "raised"), ("invalid-share", "raised")]


def test_an_alarm_stays_until_it_is_acknowledged_by_name(monitor: AlarmMonitor, notes: list[Change]) -> None:
    feed(monitor, ["FAIL"] * 10 + ["PASS"] * 60)
    (status,) = monitor.list_open()
    assert (status.rule, status.state, status.holds) == ("fail-run", "raised", False)
    cleared = monitor.acknowledge("fail-run", "left", "shift leader (page)")
    assert (cleared.state, monitor.list_open()) == ("cleared", ())
    assert [(note.before, note.after, note.by) for note in notes] == [
        ("cleared", "raised: FAIL 10/10", "line"),
        ("raised", "acknowledged", "shift leader (page)"),
        ("acknowledged", "cleared", "line"),
    ]


def test_one_that_is_acknowledged_stays_open_until_it_is_over(monitor: AlarmMonitor) -> None:
    feed(monitor, ["FAIL"] * 10)
    acknowledged = monitor.acknowledge("fail-run", None, "page")
    assert (acknowledged.state, acknowledged.acknowledged_by, acknowledged.holds) == (
        "acknowledged", "page", True,
    )  # fmt: skip
    feed(monitor, ["FAIL"] * 5)
    feed(monitor, ["PASS"] * 5)  # five of the last ten: neither raised nor over
    assert ("fail-run", "acknowledged") in list_open(monitor)
    feed(monitor, ["PASS"])
    assert ("fail-run", "acknowledged") not in list_open(monitor)


def test_a_warning_ends_by_itself(notes: list[Change], caplog: pytest.LogCaptureFixture) -> None:
    rules = {"share": AlarmOptions(decisions="FAIL", parts=4, count=2, level="warning")}
    monitor = AlarmMonitor(rules, ["left"], notes.append)
    feed(monitor, ["FAIL", "FAIL", "PASS", "PASS", "PASS", "PASS"])
    assert [(note.after, note.by) for note in notes] == [("raised: FAIL 2/2", "line"), ("cleared", "line")]
    assert caplog.records[0].levelno == logging.WARNING


def test_a_delay_in_seconds_ends_without_a_further_part() -> None:
    late = AlarmMonitor({"run": AlarmOptions(decisions="FAIL", parts=2, count=2, delay_seconds=5)}, ["left"])
    part = AlarmPart("left", "pill", Decision.FAIL)
    for now in (0.0, 1.0):
        late.follow(part, now)
    late.check(5.9)
    assert list_open(late) == []
    late.check(6.0)
    assert list_open(late) == [("run", "raised")]


def test_cameras_have_alarms_of_their_own_and_the_most_urgent_is_first(notes: list[Change]) -> None:
    rules = {
        "few": AlarmOptions(decisions="FAIL", parts=2, count=2, level="warning"),
        "many": AlarmOptions(decisions="FAIL", parts=3, count=3),
        "none": AlarmOptions(decisions="FAIL", parts=1, count=1, enabled=False),
    }
    monitor = AlarmMonitor(rules, ["left", "right"], notes.append)
    feed(monitor, ["FAIL"] * 3)
    feed(monitor, ["FAIL"] * 3, "right")
    found = [(status.camera, status.rule) for status in monitor.list_open()]
    assert found == [("left", "many"), ("right", "many"), ("left", "few"), ("right", "few")]
    monitor.acknowledge("many", "left", "page")
    assert monitor.list_open()[0].camera == "right"
    assert monitor.list_open()[-1].state == "acknowledged"


@pytest.mark.parametrize(
    ("rule", "camera", "told"),
    [
        ("fail-rum", "left", "no alarm 'fail-rum'; did you mean fail-run?"),
        ("fail-run", "right", "no camera 'right'"),
        ("fail-run", "left", "left: alarm fail-run is not raised, but cleared"),
    ],
)
def test_what_is_not_raised_can_not_be_acknowledged(
    monitor: AlarmMonitor, rule: str, camera: str, told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        monitor.acknowledge(rule, camera, "page")


def test_of_several_cameras_one_must_be_named() -> None:
    with pytest.raises(UsageError, match="name the camera; there are: left, right"):
        AlarmMonitor(DEFAULT_ALARMS, ["left", "right"]).acknowledge("fail-run", None, "page")


def test_a_full_disk_holds_up_no_alarm_but_its_acknowledgement(notes: list[Change]) -> None:
    full = True

    def note(change: Change) -> None:
        if full:
            raise LedgerError("line.ledger: database or disk is full")
        notes.append(change)

    monitor = AlarmMonitor(DEFAULT_ALARMS, ["left"], note)
    feed(monitor, ["FAIL"] * 10)
    assert list_open(monitor) == [("fail-run", "raised")]
    with pytest.raises(LedgerError, match="disk is full"):
        monitor.acknowledge("fail-run", "left", "page")
    assert (list_open(monitor), notes) == ([("fail-run", "raised")], [])
    full = False
    monitor.acknowledge("fail-run", "left", "page")  # what was raised is noted before it
    assert [note.after for note in notes] == ["raised: FAIL 10/10", "acknowledged"]
    full = True
    feed(monitor, ["PASS"] * 10)
    assert (list_open(monitor), len(notes)) == ([], 2)
    full = False
    monitor.check(0.0)
    assert [note.after for note in notes[2:]] == ["cleared"]


# --- The ledger ------------------------------------------------------------------------------------------


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "line.ledger") as opened:
        yield opened
    assert verify_ledger(tmp_path / "line.ledger").fault is None


def enter(ledger: Ledger, monitor: AlarmMonitor, decisions: list[str]) -> None:
    """Enter and follow parts, as a line does with each."""
    for number, decision in enumerate(decisions, ledger.rows + 1):
        score = {"PASS": 6.0, "FAIL": 14.0}.get(decision)
        fields = {"score": score, "bound": score and "exact", "milliseconds": score and 1.0}
        record = make_record(
            number, decision=decision, reason=None if score else "the image is black", **fields
        )
        ledger.append(record)
        monitor.follow(AlarmPart("left", record.category, record.decision), 0.0)


def restart(ledger: Ledger, cameras: tuple[str, ...] = ("left",)) -> AlarmMonitor:
    history = read_history(ledger.path, cameras, 200)
    return AlarmMonitor(DEFAULT_ALARMS, cameras, ledger.note, history)


def test_alarms_survive_a_restart_with_their_time_and_who_acknowledged_them(ledger: Ledger) -> None:
    before = AlarmMonitor(DEFAULT_ALARMS, ["left"], ledger.note)
    enter(ledger, before, ["FAIL"] * 20)
    before.acknowledge("fail-run", "left", "page")
    old = {status.rule: status for status in before.list_open()}
    new = {status.rule: status for status in restart(ledger).list_open()}
    assert new.keys() == old.keys() == {"fail-run", "fail-share"}
    raised, acknowledged = (
        {
            note.change.subject: note.at
            for note in ledger.read_notes()
            if (note.change.after or "").startswith(one)
        }
        for one in ("raised", "acknowledged")
    )
    for rule, status in new.items():
        assert status.since == raised[rule]
        assert status.acknowledged_at == acknowledged.get(rule)
        noted = replace(old[rule], raises=0, since=status.since, acknowledged_at=status.acknowledged_at)
        assert status == noted
        assert abs((status.since or 0) - (old[rule].since or 0)) < 10**9


def test_after_a_restart_the_last_parts_count_on(ledger: Ledger) -> None:
    enter(ledger, AlarmMonitor(DEFAULT_ALARMS, ["left"], ledger.note), ["PASS", *["FAIL"] * 9])
    again = restart(ledger)
    assert list_open(again) == []
    enter(ledger, again, ["FAIL"])
    assert list_open(again) == [("fail-run", "raised")]
    again.acknowledge("fail-run", None, "page")
    enter(ledger, restart(ledger), ["PASS"] * 10)
    assert list_open(restart(ledger)) == []


def test_an_alarm_whose_rule_is_gone_is_cleared(ledger: Ledger) -> None:
    enter(ledger, AlarmMonitor(DEFAULT_ALARMS, ["left"], ledger.note), ["FAIL"] * 10)
    history = read_history(ledger.path, ["left"], 200)
    assert AlarmMonitor({}, ["left"], ledger.note, history).list_open() == ()
    assert ledger.read_notes()[-1].change == Change("alarm", "left", "fail-run", "raised", "cleared", "line")
    assert read_history(ledger.path, ["left"], 200).alarms == ()


def test_only_so_many_parts_of_each_camera_are_read(ledger: Ledger) -> None:
    ledger.append_all([make_record(number, camera="right") for number in range(1, 4)])
    ledger.append_all([make_record(number, camera="left") for number in range(4, 9)])
    history = read_history(ledger.path, ["left", "right", "gone"], 4)
    assert [part.camera for part in history.parts] == ["right"] * 3 + ["left"] * 4
    assert AlarmHistory() == AlarmHistory((), ())
