from __future__ import annotations

import httpx
import pytest
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.decisions.shadow_opinion import ShadowBundle, ShadowOpinion
from softcore_edge_app.pipeline.controls import Difference, ShadowStatus
from softcore_runtime import Decision

from ..conftest import FakeLine


@pytest.fixture
def differing(parts: list[PublishedDecision]) -> Difference:
    shadow = ShadowBundle("cd" * 32, "bundles/pill-new", "pill", 20.0, 20.0, provisional=False)
    opinion = ShadowOpinion(7, "t6", Decision.PASS, 15.0, "exact", 3.5)
    return Difference(parts[6].record, shadow, opinion)


def test_the_parts_that_differ_are_listed_with_both_decisions(
    line: FakeLine, stranger: httpx.Client, differing: Difference
) -> None:
    assert stranger.get("/api/shadow").json() == {"rows": []}
    line.differences = [differing]
    (row,) = stranger.get("/api/shadow", params={"camera": "left"}).json()["rows"]
    assert (row["trigger"], row["decision"], row["share"]) == ("t6", "FAIL", 1.5)
    assert row["shadow"] == {
        "decision": "PASS", "score": 15.0, "bound": "exact", "share": 0.75, "threshold": 20.0,
        "fail_above": 20.0, "milliseconds": 3.5, "reason": None, "bundle": "cd" * 32,
        "path": "bundles/pill-new",
    }  # fmt: skip
    assert row["picture"] is True
    assert stranger.get(f"/api/pictures/{row['trigger']}/thumbnail").status_code == 200
    assert stranger.get("/api/shadow", params={"camera": "right"}).status_code == 409


def test_a_shadow_without_a_score_is_listed_too(
    line: FakeLine, stranger: httpx.Client, differing: Difference
) -> None:
    invalid = ShadowOpinion.invalid(None, "t6", "internal error: RuntimeError: \udcff")
    line.differences = [Difference(differing.record, differing.shadow, invalid)]
    (row,) = stranger.get("/api/shadow").json()["rows"]
    assert (row["number"], row["shadow"]["share"], row["shadow"]["decision"]) == (0, None, "INVALID")
    assert row["shadow"]["reason"] == "internal error: RuntimeError: \\udcff"


def test_a_promotion_needs_the_token(line: FakeLine, client: httpx.Client, stranger: httpx.Client) -> None:
    assert stranger.post("/api/promote", json={}).status_code == 403
    assert line.asked == []
    answer = client.post("/api/promote", json={"camera": "left", "bundle": "cd" * 32, "force": True})
    assert answer.json() == {"before": "bundles/pill", "bundle": "bundles/pill-new"}
    assert line.asked == [("promote", "left", None, "cd" * 32, True, "http")]
    assert client.post("/api/promote", json={"camera": "right"}).status_code == 409
    assert client.post("/api/promote", json={"force": 1}).status_code == 422


def test_the_status_tells_of_the_shadow(line: FakeLine, stranger: httpx.Client) -> None:
    assert stranger.get("/api/status").json()["cameras"][0]["shadow"] is None
    line.change(shadow=ShadowStatus("bundles/new", None, "cd" * 32, "pill", 12.0, False, 5, 2, 1))
    shadow = stranger.get("/api/status").json()["cameras"][0]["shadow"]
    assert (shadow["path"], shadow["seen"], shadow["differing"], shadow["skipped"]) == (
        "bundles/new",
        5,
        2,
        1,
    )
