"""A whole line: a bundle that fails parts, a ledger, a port; an alarm, its acknowledgement, and a restart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from softcore_edge_app.cli.connections import Connections
from softcore_edge_app.configuration.options import Configuration
from softcore_edge_app.ledger.ledger import verify_ledger
from softcore_edge_app.pipeline.assembly import assemble

TOKEN = "a-token-for-the-alarms-0123456789"  # noqa: S105 - opens nothing else


@pytest.fixture
def configuration(tiny_bundle: Path, bad_frame: np.ndarray, tmp_path: Path) -> Configuration:
    """A line of 12 parts, all of which FAIL."""
    frames = tmp_path / "frames"
    frames.mkdir()
    for number in range(12):
        cv2.imwrite(str(frames / f"{number:02}.png"), bad_frame)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    return Configuration(
        bundle=str(tiny_bundle),
        source=str(frames),
        ledger=tmp_path / "line.ledger",
        http={"port": 0, "token_file": token},
    )


@contextmanager
def running(configuration: Configuration, *, parts: bool = True) -> Iterator[httpx.Client]:
    station = assemble(configuration)
    connections = Connections(station, configuration)
    connections.start()
    if parts:
        station.start()
    try:
        headers = {"X-SoftCore-Token": TOKEN}
        with httpx.Client(base_url=str(connections.url), headers=headers, timeout=60) as client:
            yield client
    finally:
        if parts:
            station.stop()
        else:
            station.writer.close()
        connections.close()


def wait_for(ask: Callable[[], Any]) -> Any:
    until = time.monotonic() + 60
    while not (answer := ask()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return answer


def list_open(client: httpx.Client) -> list[dict[str, Any]]:
    return list(client.get("/api/status").json()["open_alarms"])


def test_parts_that_all_fail_raise_an_alarm_that_outlives_the_line(configuration: Configuration) -> None:
    with running(configuration) as client:
        (alarm,) = wait_for(lambda: list_open(client))
        assert (alarm["rule"], alarm["state"], alarm["acknowledged_by"]) == ("fail-run", "raised", None)
        assert client.get("/readyz").json()["alarms"] == [alarm["text"]]
        labels = f'{{camera="{alarm["camera"]}",level="alarm",rule="fail-run"}}'
        metrics = client.get("/metrics").text
        assert f"softcore_alarm_unacknowledged{labels} 1.0" in metrics
    with running(configuration, parts=False) as client:
        (again,) = list_open(client)
        assert {**again, "since": 0} == {**alarm, "since": 0, "raises": 0}
        wanted = {"rule": "fail-run", "by": "shift leader"}
        answer = client.post("/api/alarms/acknowledge", json=wanted)
        assert (answer.status_code, answer.json()["state"]) == (200, "acknowledged")
        assert client.post("/api/alarms/acknowledge", json=wanted).status_code == 409
        notes = client.get("/api/notes").json()["notes"]
        assert [(note["kind"], note["after"], note["by"]) for note in notes] == [
            ("alarm", "acknowledged", "shift leader (http)"),
            ("alarm", "raised: FAIL 10/10", "line"),
        ]
        report = client.get("/api/report", params={"since": "2020-01-01T00:00", "language": "de"}).text
        told = "ausgelöst: 10 der letzten 10 Teile sind n.\u00a0i.\u00a0O."
        assert f"<td>beendet</td><td>{told}</td><td>line</td>" in report
    with running(configuration, parts=False) as client:
        (last,) = list_open(client)
        assert (last["state"], last["acknowledged_by"]) == ("acknowledged", "shift leader (http)")
    assert configuration.ledger
    assert verify_ledger(configuration.ledger).fault is None
