from __future__ import annotations

from typing import Any

import httpx
import pytest
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.queries.parts import Part
from softcore_edge_app.web.preview import preview_threshold
from softcore_runtime import Decision
from softcore_runtime.bundle.threshold import Threshold

from .conftest import make_decided


def own(client: httpx.Client) -> dict[str, str]:
    """The header by which a browser says that the own page asks."""
    return {"Origin": str(client.base_url).rstrip("/")}


def test_a_threshold(client: httpx.Client, line: Any) -> None:
    body = {"value": 3.5, "fail_above": 4, "camera": "left"}
    answer = client.post("/api/limit", json=body, headers=own(client))
    assert answer.json() == {
        "old": {"value": 12.0, "fail_above": 13.0},
        "new": {"value": 3.5, "fail_above": 4.0},
    }
    assert client.post("/api/limit", json={"value": 3.5}).json()["new"] == {"value": 3.5, "fail_above": 3.5}
    assert line.asked == [("limit", 3.5, 4.0, "left", "page"), ("limit", 3.5, None, None, "http")]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"value": 0}, 422), ({"value": -1}, 422), ({"value": "NaN"}, 422), ({"value": 1e-9}, 422),
        ({"value": 1e300}, 422), ({}, 422), ({"value": 1, "fail_above": "x"}, 422), ({"value": None}, 422),
        ({"value": 2, "fail_above": 1}, 409), ({"value": 1, "camera": "right"}, 409),
        ({"value": 1, "max": 2}, 422), ({"value": [1]}, 422), ({"value": True, "camera": 1}, 422),
        ({"value": True}, 422), ({"value": 1, "fail_above": True}, 422), ({"value": "3.5"}, 422),
    ],
)  # fmt: skip
def test_a_threshold_that_is_none(client: httpx.Client, line: Any, body: dict[str, Any], status: int) -> None:
    answer = client.post("/api/limit", json=body)
    assert (answer.status_code, type(answer.json()["detail"])) == (status, str)
    assert line.asked == []
    if (
        "value" in body and len(body) == 1 and status == 422 and body["value"] != "3.5"
    ):  # which a query can't say otherwise
        assert client.get("/api/limit/preview", params={"value": str(body["value"])}).status_code == 422


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


def test_a_preview(stranger: httpx.Client) -> None:
    """Of 54 inspected parts 46 have a score of 6 and 8 one of 18."""
    counted = {"parts": 54, "known": 54, "now": {"PASS": 46, "REVIEW": 0, "FAIL": 8}}
    fails = [55, 48, 41, 34, 27, 20, 13, 6]

    def ask(**query: Any) -> dict[str, Any]:
        answer = stranger.get("/api/limit/preview", params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    higher = ask(value=20)
    changed = higher.pop("changed")
    assert higher == {**counted, "then": {"PASS": 54, "REVIEW": 0, "FAIL": 0}}
    assert [row["trigger"] for row in changed] == [f"t{number}" for number in fails]
    assert changed[0] == stranger.get("/api/decisions/t55").json()
    zone = ask(value=5, fail_above=18, camera="left")
    assert zone["then"] == {"PASS": 0, "REVIEW": 54, "FAIL": 0}
    assert len(zone["changed"]) == 20
    assert ask(value=7)["changed"] == []
    assert ask(value=20, parts=5)["parts"] == 5
    for query, status in (
        ({"value": 5, "camera": "right"}, 409), ({"value": 5, "fail_above": 4}, 409), ({}, 422),
        ({"value": 5, "parts": 0}, 422), ({"value": 5, "parts": 10**9}, 422),
    ):  # fmt: skip
        assert stranger.get("/api/limit/preview", params=query).status_code == status


def test_where_only_a_bound_is_known_a_decision_changes_only_if_that_is_certain() -> None:
    def judge(decision: str, score: float, bound: str, value: float, upper: float | None = None) -> str:
        entry = make_decided(1, decision=Decision(decision), score=score, bound=bound).record
        threshold = Threshold(value=value, fail_above=upper, provisional=False, method="x")
        part = Part(Row.chain(entry, 1, ""), None)
        preview = preview_threshold([part], threshold)
        assert preview.known == (bound == "exact")
        assert preview.changed == ([] if preview.then == preview.now else [part])
        (judged,) = (decision for decision, count in preview.then.items() if count)
        return str(judged)

    assert judge("PASS", 6.0, "exact", 5.0) == "FAIL"
    assert judge("PASS", 6.0, "upper", 5.0) == "PASS"  # it may be 4
    assert judge("PASS", 6.0, "upper", 7.0) == "PASS"
    assert judge("FAIL", 18.0, "lower", 17.0) == "FAIL"
    assert judge("FAIL", 18.0, "lower", 20.0) == "FAIL"  # it may be 21
    assert judge("FAIL", 18.0, "exact", 20.0) == "PASS"
    assert judge("FAIL", 18.0, "exact", 12.0, 18.0) == "REVIEW"
