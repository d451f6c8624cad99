from __future__ import annotations

from typing import Any

import httpx


def own(client: httpx.Client) -> dict[str, str]:
    """The header by which a browser says that the own page asks."""
    return {"Origin": str(client.base_url).rstrip("/")}


def test_an_alarm_is_acknowledged_by_name(client: httpx.Client, stranger: httpx.Client, line: Any) -> None:
    answer = client.post("/api/alarms/acknowledge", json={"rule": "fail-run"}, headers=own(client))
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["state"], found["acknowledged_by"], found["matches"]) == ("acknowledged", "page", 10)
    named = {"rule": "fail-run", "camera": "left", "by": "shift leader"}
    assert client.post("/api/alarms/acknowledge", json=named).json()["acknowledged_by"] == (
        "shift leader (http)"
    )
    assert line.asked == [
        ("alarm", "fail-run", None, "page"), ("alarm", "fail-run", "left", "shift leader (http)"),
    ]  # fmt: skip
    assert client.post("/api/alarms/acknowledge", json={"rule": "other"}).status_code == 409
    for body in (
        {},
        {"rule": ""},
        {"rule": 1},
        {"rule": "fail-run", "by": "a\nb"},
        {"rule": "x", "all": True},
    ):
        assert client.post("/api/alarms/acknowledge", json=body).status_code == 422
    assert stranger.post("/api/alarms/acknowledge", json={"rule": "fail-run"}).status_code == 403


def test_start_and_stop(client: httpx.Client, line: Any) -> None:
    assert client.post("/api/running", json={"running": False}, headers=own(client)).json() == {
        "running": False
    }
    assert client.post("/api/running", json={"running": True, "camera": "left"}).json() == {"running": True}
    assert client.post("/api/running", json={"running": True, "camera": "right"}).status_code == 409
    for body in ({}, {"running": "perhaps"}, {"running": None}, {"running": 1}, {"running": "off"}):
        assert client.post("/api/running", json=body).status_code == 422
    assert line.asked == [("running", False, None, "page"), ("running", True, "left", "http")]


def test_only_what_a_person_triggers_is_noted(client: httpx.Client, line: Any) -> None:
    assert client.post("/api/trigger", json={"part": "7"}, headers=own(client)).json() == {"trigger": "t1"}
    assert client.post("/api/trigger", json={"part": "8"}).json() == {"trigger": "t3"}
    assert line.asked == [("trigger", None, "7"), ("by hand", "page"), ("trigger", None, "8")]


def test_the_token_can_be_tried(client: httpx.Client, stranger: httpx.Client, line: Any) -> None:
    assert client.post("/api/token", json={}).json() == {"ok": True}
    assert client.post("/api/token", json={"token": "x"}).status_code == 422
    assert stranger.post("/api/token", json={}).status_code == 403
    assert line.asked == []
