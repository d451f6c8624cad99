from __future__ import annotations

from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from softcore_edge_app.ledger.row import Row
from softcore_edge_app.queries.parts import Part
from softcore_edge_app.web.threshold.drastic_change import are_alike, is_drastic
from softcore_edge_app.web.threshold.preview import Preview, preview_threshold
from softcore_edge_app.web.threshold.threshold_api import AcceptedRates
from softcore_runtime import Decision
from softcore_runtime.bundle.threshold import Threshold

from ..conftest import make_decided


def own(client: httpx.Client) -> dict[str, str]:
    """The header by which a browser says that the own page asks."""
    return {"Origin": str(client.base_url).rstrip("/")}


def test_a_threshold(client: httpx.Client, line: Any) -> None:
    body = {"value": 10.5, "fail_above": 11, "camera": "left"}
    answer = client.post("/api/limit", json=body, headers=own(client))
    assert answer.json() == {
        "old": {"value": 12.0, "fail_above": 13.0},
        "new": {"value": 10.5, "fail_above": 11.0},
    }
    assert client.post("/api/limit", json={"value": 10.5}).json()["new"] == {
        "value": 10.5,
        "fail_above": 10.5,
    }
    assert line.asked == [("limit", 10.5, 11.0, "left", "page"), ("limit", 10.5, None, None, "http")]


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


def test_a_threshold_that_would_have_failed_nearly_all_parts_must_be_meant(
    client: httpx.Client, stranger: httpx.Client, line: Any
) -> None:
    """Of 54 inspected parts 46 have a score of 6 and 8 one of 18."""
    rates = {
        "parts": 54,
        "now": {"PASS": 46, "REVIEW": 0, "FAIL": 8},
        "then": {"PASS": 0, "REVIEW": 0, "FAIL": 54},
    }
    refused = client.post("/api/limit", json={"value": 5})
    assert (refused.status_code, refused.json()["rates"]) == (409, rates)
    assert refused.json()["detail"] == (
        "of the last 54 parts 54 would fail, 8 did; who means it sends these rates as accept"
    )
    for wrong in (
        {**rates, "then": rates["now"]},
        {**rates, "parts": 540},
        {**rates, "now": {}, "then": {}},
        {**rates, "then": {"PASS": 54}},
    ):
        assert client.post("/api/limit", json={"value": 5, "accept": wrong}).status_code == 409
    for malformed in (
        {},
        {**rates, "parts": 0},
        {**rates, "then": {"FAIL": -1}},
        True,
        {**rates, "sure": True},
    ):
        assert client.post("/api/limit", json={"value": 5, "accept": malformed}).status_code == 422
    assert client.post("/api/limit", json={"value": 20}).json()["rates"]["then"]["FAIL"] == 0
    zone = client.post("/api/limit", json={"value": 5, "fail_above": 13}).json()
    assert zone["detail"].startswith("of the last 54 parts 8 would fail, 8 did, and 46 be REVIEW, 0 were")
    assert line.asked == []
    assert stranger.get("/api/limit/preview", params={"value": 5}).json()["drastic"] is True
    assert stranger.get("/api/limit/preview", params={"value": 10.5}).json()["drastic"] is False
    # A few parts more are decided on while a person reads.
    seen = {**rates, "parts": 52, "now": {**rates["now"], "PASS": 44}, "then": {"FAIL": 52}}
    assert client.post("/api/limit", json={"value": 5, "accept": seen}).status_code == 200
    assert line.asked == [("limit", 5.0, None, None, "http")]


def count(passed: int, review: int, failed: int) -> dict[Decision, int]:
    return {Decision.PASS: passed, Decision.REVIEW: review, Decision.FAIL: failed}


@pytest.mark.parametrize(
    ("now", "then", "drastic"),
    [
        (count(318, 0, 10), count(31, 0, 297), True),
        (count(318, 0, 10), count(318, 0, 10), False),
        (count(318, 0, 10), count(306, 0, 22), False),  # 12 more are 4 %
        (count(318, 0, 10), count(301, 0, 27), True),  # 17 more are 5 %
        (count(318, 0, 10), count(323, 0, 5), True),  # half of the faults would have passed
        (count(318, 0, 10), count(322, 0, 6), False),
        (count(324, 0, 4), count(328, 0, 0), False),  # so few tell little
        (count(4, 0, 0), count(0, 0, 4), False),
        (count(5, 0, 0), count(0, 0, 5), True),
        (count(318, 0, 10), count(100, 218, 10), True),  # nobody can look at so many
        (count(300, 0, 28), count(300, 28, 0), True),  # none would fail any more
        (count(0, 0, 0), count(0, 0, 0), False),
    ],
)
def test_what_is_drastic(now: dict[Decision, int], then: dict[Decision, int], drastic: bool) -> None:
    preview = Preview(sum(now.values()), 0, [], now, then, [])
    assert is_drastic(preview) is drastic
    if preview.parts:
        told = [{str(decision): n for decision, n in counts.items()} for counts in (now, then)]
        assert are_alike(preview, preview.parts, *told)


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
    assert higher.pop("drastic") is True
    assert sorted(higher.pop("scores")) == [6.0] * 46 + [18.0] * 8
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


def test_the_schema_has_the_bounds_of_whole_numbers() -> None:
    schema = AcceptedRates.model_json_schema()["properties"]
    assert (schema["parts"]["minimum"], schema["parts"]["maximum"]) == (1, 10**9)
    assert schema["now"]["additionalProperties"]["minimum"] == 0
    assert AcceptedRates.model_validate({"parts": 3.0, "now": {}, "then": {}}).parts == 3
    with pytest.raises(ValidationError):
        AcceptedRates.model_validate({"parts": 3.5, "now": {}, "then": {}})
