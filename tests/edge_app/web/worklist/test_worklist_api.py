"""The worklist over real HTTP: a server whose ledger has REVIEW parts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from softcore_edge_app.configuration.options import HttpOptions
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.web.port.server import WebServer
from softcore_runtime import Decision

from ..conftest import METRICS, TOKEN, FakeLine, make_decided


@pytest.fixture
def client(line: FakeLine, tmp_path: Path, token_file: Path) -> Iterator[httpx.Client]:
    parts = [
        make_decided(number, decision=Decision.REVIEW if number % 3 == 0 else Decision.PASS, score=12.5)
        for number in range(1, 13)
    ]
    with Ledger.open(tmp_path / "line.ledger") as ledger:
        ledger.append_all([part.record for part in parts])
        line.ledger = ledger
        options = HttpOptions(port=0, token_file=token_file)
        server = WebServer(options, line, lambda: METRICS, ledger=ledger.path)
        server.start()
        with httpx.Client(base_url=server.url, timeout=30, headers={"X-SoftCore-Token": TOKEN}) as made:
            yield made
        server.close()
        line.ledger = None


def list_open(client: httpx.Client, **query: Any) -> list[str]:
    answer = client.get("/api/worklist", params=query)
    assert answer.status_code == 200, answer.text
    return [row["trigger"] for row in answer.json()["rows"]]


def test_what_is_settled_leaves_the_list_and_is_a_mark(client: httpx.Client, line: FakeLine) -> None:
    assert list_open(client) == ["t3", "t6", "t9", "t12"]
    assert (list_open(client, limit=2), list_open(client, camera="right")) == (["t3", "t6"], [])
    whole = client.get("/api/worklist").json()
    assert whole["open"] == 4
    assert whole["rows"][0] == client.get("/api/decisions/t3").json()
    origin = {"Origin": str(client.base_url).rstrip("/")}
    settled = client.post("/api/worklist", json={"trigger": "t6", "mark": "bad"}, headers=origin)
    assert settled.json() == {"note": 1}
    assert list_open(client) == ["t3", "t9", "t12"]
    assert client.get("/api/decisions/t6").json()["mark"] == "bad"
    assert line.asked == [("mark", "t6", "left", None, "bad", "page")]
    # Taken back, it is open again.
    assert client.post("/api/marks", json={"trigger": "t6", "mark": None}).status_code == 200
    assert list_open(client) == ["t3", "t6", "t9", "t12"]


def test_what_can_not_be_settled_is_refused(client: httpx.Client, line: FakeLine) -> None:
    def settle(**body: Any) -> tuple[int, str]:
        answer = client.post("/api/worklist", json=body)
        return answer.status_code, answer.json().get("detail", "")

    assert settle(trigger="t4", mark="good") == (409, "this part is PASS, and only REVIEW is settled")
    assert settle(trigger="t3", mark="good")[0] == 200
    assert settle(trigger="t3", mark="bad") == (409, "this part is settled already: good")
    assert settle(trigger="t99", mark="bad")[0] == 404
    for body in ({"trigger": "t6"}, {"trigger": "t6", "mark": None}, {"trigger": "t6", "mark": "REVIEW"}):
        assert settle(**body)[0] == 422
    assert len(line.asked) == 1
    for query in ({"limit": 0}, {"limit": 201}, {"camera": ""}):
        assert client.get("/api/worklist", params=query).status_code == 422


def test_of_two_who_settle_a_part_at_the_same_moment_one_is_told(client: httpx.Client) -> None:
    codes = []

    def work(mark: str) -> None:
        codes.append(client.post("/api/worklist", json={"trigger": "t3", "mark": mark}).status_code)

    threads = [threading.Thread(target=work, args=("good" if n % 2 else "bad",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200] + [409] * 7


def test_without_a_ledger_there_is_no_list(serve: Any) -> None:
    assert httpx.get(f"{serve().url}api/worklist").status_code == 409
