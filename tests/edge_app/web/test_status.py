from __future__ import annotations

import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from softcore_edge_app.configuration.options import HttpOptions
from softcore_edge_app.health.drift_monitor import DriftReading
from softcore_edge_app.pipeline.controls import ShadowStatus
from softcore_edge_app.web.port import server as server_module
from softcore_edge_app.web.port.server import WebServer
from softcore_edge_app.web.shifts import shift as shift_module
from softcore_edge_app.web.shifts.shift import ShiftCounter
from softcore_edge_app.web.status import pick_health
from softcore_runtime import Decision

from .conftest import ALARM, METRICS
from .test_events import Listener

NONE = {"PASS": 0, "REVIEW": 0, "FAIL": 0, "INVALID": 0}


def test_the_status(stranger: httpx.Client, line: Any) -> None:
    line.change(fault="/dev/no\udcfftext: gone")  # a path may be no text
    status = stranger.get("/api/status").json()
    shift, disk = status.pop("shift"), status.pop("disk")
    assert status.pop("title") == socket.gethostname()
    assert status == {
        "ready": False,
        "reasons": ["camera left: /dev/no\\udcfftext: gone"],
        "cameras": [
            {
                "name": "left", "fault": "/dev/no\\udcfftext: gone", "reopened": 0, "recipe": "pill",
                "recipes": ["pill", "cap"], "category": "pill", "bundle": "0" * 64, "threshold": 12.0,
                "fail_above": 13.0, "waiting": 0, "capacity": 16, "triggers": 3, "decisions": 3,
                "running": True, "live": False, "trigger": "auto", "latency": 0.0, "shadow": None,
            }
        ],
        "outputs": [
            {"name": "mqtt", "fault": None, "delivered": 1, "backlog": 2, "failures": 3, "essential": True}
        ],
        "ledger_fault": None,
        "stuck": None,
        "alarms": ["scores drift"],
        "open_alarms": [],
        "ledger": True,
        "token": True,
        "people": False,
        "drift": [],
        "phrases": {},
    }  # fmt: skip
    assert (
        shift["counts"] == shift["cameras"]["left"]["counts"] == {**NONE, "PASS": 8, "FAIL": 1, "INVALID": 1}
    )
    assert shift["seq"] == 10
    assert disk == {
        "free_gigabytes": pytest.approx(shutil.disk_usage(tempfile.gettempdir()).free / 1e9, abs=1),
        "fault": None,
    }


def test_a_camera_that_was_stopped_is_not_ready(stranger: httpx.Client, line: Any) -> None:
    line.change(running=False)
    answer = stranger.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["camera left: stopped on the page"])
    phrases = stranger.get("/api/status").json()["phrases"]
    stopped = [{"key": "camera.stopped", "values": {"camera": "left"}}]
    assert phrases == {"camera left: stopped on the page": stopped}


def test_an_open_alarm_is_named_and_makes_nothing_unready(stranger: httpx.Client, line: Any) -> None:
    before = pick_health(stranger.get("/api/status").json())
    line.status = replace(line.status, open_alarms=(ALARM,))
    status = stranger.get("/api/status").json()
    assert status["open_alarms"] == [vars(ALARM)]
    assert pick_health(status) != before
    for path in ("/healthz", "/readyz"):
        answer = stranger.get(path)
        assert (answer.status_code, answer.json()["ok"], answer.json()["alarms"]) == (200, True, [ALARM.text])


def test_drift_and_disk(line: Any, tmp_path: Path) -> None:
    deviation = DriftReading("left", "pill", "score", "fast", 0.12, True, "at calibration")
    fault: list[str | None] = [None]
    server = WebServer(
        HttpOptions(port=0), line, lambda: METRICS, archive=tmp_path,
        list_drift=lambda: [deviation], find_fault=lambda: fault[0],
    )  # fmt: skip
    server.start()
    try:
        status = httpx.get(f"{server.url}api/status").json()
        assert (status["ledger"], status["token"]) == (False, False)
        assert status["drift"] == [vars(deviation)]
        assert status["disk"]["fault"] is None
        fault[0] = "archive: can't be written"
        assert httpx.get(f"{server.url}api/status").json()["disk"]["fault"] == fault[0]
        tmp_path.rename(tmp_path.with_name("gone"))
        assert "No such file" in httpx.get(f"{server.url}api/status").json()["disk"]["fault"]
    finally:
        server.close()


def test_a_disk_that_is_nearly_full_is_said(stranger: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=2 * 10**8)
    monkeypatch.setattr("softcore_edge_app.web.status.shutil.disk_usage", lambda _place: usage)
    disk = stranger.get("/api/status").json()["disk"]
    assert disk["free_gigabytes"] == 0.2
    assert disk["fault"].endswith("only 0.20 GB are free")


def test_where_nothing_is_written_there_is_no_disk(serve: Callable[..., WebServer]) -> None:
    assert httpx.get(f"{serve().url}api/status").json()["disk"] is None


def test_a_shift_counts_each_camera(decide: Callable[..., Any]) -> None:
    shift = ShiftCounter()
    cameras = ["left", "right", "left"]
    numbers = [
        shift.count(decide(number, camera=camera, decision=Decision("FAIL" if number == 2 else "PASS")))
        for number, camera in enumerate(cameras)
    ]
    assert numbers == [1, 2, 3]
    told = shift.describe()
    assert (told["seq"], told["counts"]) == (3, {**NONE, "PASS": 2, "FAIL": 1})
    assert told["cameras"]["right"]["counts"] == {**NONE, "PASS": 1}
    assert told["per_minute"] == pytest.approx(3 * 12)  # within the first five seconds
    assert told["run"] != ShiftCounter().describe()["run"]


def test_a_rate_is_that_of_the_last_minute(
    decide: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(shift_module.time, "monotonic", lambda: now[0])
    shift = ShiftCounter()
    for number in range(3000):  # 10 a second
        now[0] += 0.1
        shift.count(decide(number))
    assert shift.describe()["per_minute"] == pytest.approx(600, abs=15)
    now[0] += 30
    assert shift.describe()["per_minute"] == pytest.approx(300, abs=15)
    now[0] += 31
    assert shift.describe()["per_minute"] == 0
    assert len(shift._recent["left"]) <= 61


def test_a_shift_begins_anew_at_midnight(decide: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    shift = ShiftCounter()
    for number in range(3):
        shift.count(decide(number))
    since, midnight = shift.since, shift._ends
    assert since < midnight <= since + 25 * 3600 * 10**9
    monkeypatch.setattr(shift_module.time, "time_ns", lambda: midnight)
    told = shift.describe()
    assert (told["since"], told["seq"], told["counts"]) == (midnight, 3, NONE)
    assert shift.count(decide(4)) == 4
    assert shift.describe()["counts"] == {**NONE, "PASS": 1}


def test_a_clock_that_is_set_ends_a_shift_at_the_next_midnight_all_the_same(
    decide: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hour, began = 3600 * 10**9, time.time_ns()
    clock = [began]
    monkeypatch.setattr(shift_module.time, "time_ns", lambda: clock[0])
    shift = ShiftCounter()
    shift.count(decide(1))
    clock[0] += 365 * 24 * hour
    ahead = shift.describe()
    assert ahead["counts"] == NONE
    assert clock[0] - 25 * hour < ahead["since"] <= clock[0]
    shift.count(decide(2))
    clock[0] = began - hour
    assert shift.describe()["since"] == clock[0]
    assert shift.describe()["counts"] == {**NONE, "PASS": 1}
    clock[0] += 25 * hour
    assert shift.describe()["counts"] == NONE


def test_a_listener_gets_what_changes(
    serve: Callable[..., WebServer], line: Any, decide: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Semaphore(0)
    describe = type(line).describe

    def view(self: Any) -> Any:
        looked.release()
        return describe(self)

    monkeypatch.setattr(server_module, "_POLL", 0.02)
    monkeypatch.setattr(type(line), "describe", view)
    server = serve()
    listener = Listener(server.url, 4)
    listener.start()
    assert listener.connected.wait(30)
    assert looked.acquire(timeout=30)
    assert looked.acquire(timeout=30)
    server.publish(decide(1))
    line.change(triggers=4, decisions=4)  # no news to a person
    assert all(looked.acquire(timeout=30) for _ in range(5))
    line.change(fault="no frame for 2 s")
    assert all(looked.acquire(timeout=30) for _ in range(5))
    server.publish_note(line.note_mark("t1", "left", None, "good", "page"))
    line.status = replace(line.status, alarms=("the archive is full",))
    listener.join(60)
    assert [kind for kind, _, _ in listener.events] == ["decision", "status", "note", "status"]
    _, (_, first, name), (_, note, _), (_, second, _) = listener.events
    assert name is None
    assert first["reasons"] == ["camera left: no frame for 2 s"]
    assert first["shift"]["seq"] == 1
    assert first.keys() == httpx.get(f"{server.url}api/status").json().keys()
    assert (note["kind"], note["subject"], note["after"]) == ("mark", "t1", "good")
    assert second["alarms"] == ["the archive is full"]


def test_nobody_looks_where_nobody_listens(
    serve: Callable[..., WebServer], line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    describe = type(line).describe
    monkeypatch.setattr(server_module, "_POLL", 0.001)
    monkeypatch.setattr(type(line), "describe", lambda self: (asked.append(1), describe(self))[1])
    server = serve()
    for _ in range(20):
        assert httpx.get(f"{server.url}metrics").status_code == 200
    assert not asked


def test_another_part_on_which_the_shadow_differs_is_an_event(stranger: httpx.Client, line: Any) -> None:
    shadow = ShadowStatus("bundles/new", None, "cd" * 32, "pill", 12.0, False, 7, 2, 1)
    reports = []
    for changes in ({}, {"seen": 8}, {"differing": 3}, {"fault": "no bundle here"}):
        line.change(shadow=replace(shadow, **changes))
        reports.append(pick_health(stranger.get("/api/status").json()))
    assert reports[0] == reports[1]
    assert reports[1] != reports[2] != reports[3]


def test_the_line_has_a_name_for_people(serve: Callable[..., WebServer]) -> None:
    assert httpx.get(f"{serve(title='Line 3').url}api/status").json()["title"] == "Line 3"
    assert httpx.get(f"{serve().url}api/status").json()["title"] == socket.gethostname()
