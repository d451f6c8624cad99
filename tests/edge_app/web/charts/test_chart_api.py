from __future__ import annotations

from collections.abc import Callable

import httpx
from softcore_edge_app.queries.chart_figures import BINS
from softcore_edge_app.web.port.server import WebServer

from ..test_history_api import iso


def test_the_figures_of_a_time(stranger: httpx.Client) -> None:
    answer = stranger.get("/api/charts", params={"since": iso(0), "until": iso(60), "camera": "left"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["whole"]
    counts = {one: sum(hour["counts"][one] for hour in found["hours"]) for one in ("PASS", "FAIL", "INVALID")}
    assert counts == {"PASS": 46, "FAIL": 8, "INVALID": 6}
    assert sum(found["scores"]["PASS"]) == found["scores"]["PASS"][9] == 46
    assert sum(found["scores"]["FAIL"]) == found["scores"]["FAIL"][29] == 8
    assert len(found["scores"]["REVIEW"]) == BINS
    assert found["fields"][2][8] == sum(map(sum, found["fields"])) == 8
    assert found["reasons"] == [{"kind": "camera", "parts": 6}]
    assert {hour["between"]["median"] for hour in found["hours"] if hour["between"]} == {1.0}
    assert {hour["taken"]["p95"] for hour in found["hours"]} == {0.01}


def test_by_default_it_is_this_shift_and_all_cameras(stranger: httpx.Client) -> None:
    found = stranger.get("/api/charts").json()
    assert found["since"] == stranger.get("/api/status").json()["shift"]["since"]
    assert stranger.get("/api/charts", params={"camera": "right", "since": iso(0)}).json()["hours"] == []


def test_what_can_not_be_charted_is_refused(serve: Callable[..., WebServer], stranger: httpx.Client) -> None:
    assert stranger.get("/api/charts", params={"since": "3"}).status_code == 422
    assert httpx.get(f"{serve().url}api/charts").status_code == 409
