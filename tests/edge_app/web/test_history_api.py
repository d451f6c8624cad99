from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from softcore_edge_app.configuration.options import HttpOptions
from softcore_edge_app.decisions.phrases import read_phrases
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.ledger import Ledger, verify_ledger
from softcore_edge_app.queries import part_index, part_search
from softcore_edge_app.web import ledger_queries
from softcore_edge_app.web.port.server import WebServer

from .conftest import SECOND, START

PARTS = range(60)


def ask(client: httpx.Client, **query: Any) -> list[int]:
    """The numbers of all parts that are found, page by page."""
    found: list[int] = []
    before = None
    while True:
        given = query if before is None else {**query, "before": before}
        answer = client.get("/api/decisions", params=given)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [int(row["trigger"][1:]) for row in page["rows"]]
        before = page["next"]
        if before is None:
            return found


def iso(number: float, zone: str = "Z") -> str:
    time = datetime.fromtimestamp((START + number * SECOND) / 1e9, timezone.utc)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f") + zone


def test_the_newest_come_first(stranger: httpx.Client) -> None:
    assert ask(stranger) == ask(stranger, limit=7) == [*PARTS][::-1]
    first = stranger.get("/api/decisions", params={"limit": 2}).json()
    assert [row["number"] for row in first["rows"]] == [60, 59]
    assert (first["next"], first["total"], first["newer"]) == (59, 60, 0)


def test_a_long_ledger_without_its_index_is_not_counted(
    stranger: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part_search, "ROWS_PER_QUERY", 59)
    first = stranger.get("/api/decisions", params={"limit": 2}).json()
    assert (first["next"], first["total"], first["newer"]) == (59, None, None)


def test_a_page_after_a_row_and_up_to_a_time(stranger: httpx.Client) -> None:
    def give(**query: Any) -> list[int]:
        rows = stranger.get("/api/decisions", params={"limit": 3, **query}).json()["rows"]
        return [row["number"] for row in rows]

    assert give(after=10) == [13, 12, 11]
    assert give(after=58) == [60, 59]
    assert give(after=60) == []
    assert give(at=iso(9.5)) == [10, 9, 8]
    assert give(at=iso(-5)) == []


def test_an_index_counts_what_is_found(
    line: Any, parts: list[PublishedDecision], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (part_index, part_search):
        monkeypatch.setattr(module, "BLOCK", 8)
    part_index.build_index(line.ledger.path)
    server = WebServer(HttpOptions(port=0), line, lambda: (b"", "x"), ledger=line.ledger.path)
    server.start()
    try:
        with httpx.Client(base_url=server.url) as client:
            page = client.get("/api/decisions", params={"limit": 2, "decision": "FAIL"}).json()
            fails = [one for one in parts if one.record.decision == "FAIL"]
            assert (page["total"], page["newer"], len(page["rows"])) == (len(fails), 0, 2)
            page = client.get("/api/decisions", params={"part": "part 5", "limit": 3}).json()
            assert ([row["part"] for row in page["rows"]], page["total"]) == (["part 5"], 1)  # not part 50
            page = client.get("/api/decisions", params={"part": "part", "before": 40, "limit": 3}).json()
            assert (page["total"], page["newer"], page["next"]) == (60, 21, 37)
            assert client.get("/api/decisions/t3").json()["number"] == 4
    finally:
        server.close()
        part_index.remove_index(line.ledger.path)


def test_each_filter(stranger: httpx.Client, parts: list[PublishedDecision]) -> None:
    def those(fits: Callable[[Any], bool]) -> list[int]:
        return [number for number in reversed(PARTS) if fits(parts[number].record)]

    assert ask(stranger, decision="FAIL") == those(lambda entry: entry.decision == "FAIL")
    assert ask(stranger, decision="INVALID", limit=1) == those(lambda entry: entry.decision == "INVALID")
    assert ask(stranger, camera="left", category="pill") == [*PARTS][::-1]
    assert ask(stranger, camera="right") == ask(stranger, category="x") == []
    assert ask(stranger, min_share=1.0, max_share=1.5) == those(lambda entry: entry.score == 18.0)
    assert ask(stranger, max_share=0.6) == those(lambda entry: entry.score == 6.0)
    assert ask(stranger, since=iso(50)) == [*range(59, 49, -1)]
    assert ask(stranger, since=iso(50, ""), until=iso(53, "+00:00")) == [52, 51, 50]
    assert ask(stranger, until="0001-01-01T00:00:00Z") == []
    assert ask(stranger, since="9999-12-31T23:59:59Z") == []


def test_what_a_row_says(stranger: httpx.Client, parts: list[PublishedDecision]) -> None:
    rows = stranger.get("/api/decisions", params={"limit": 60}).json()["rows"]
    for row, part in zip(reversed(rows), parts, strict=True):
        entry = part.record
        expected = {**entry.content(), "mark": None, "number": row["number"]}
        expected["share"] = entry.score and entry.score / entry.threshold
        expected["picture"] = entry.decision != "INVALID"
        expected["kind"] = "camera" if entry.decision == "INVALID" else None
        expected["phrases"] = [vars(phrase) for phrase in read_phrases(entry.reason or "")]
        assert row == expected
    for number in (0, 55):
        assert stranger.get(f"/api/decisions/t{number}").json() == rows[59 - number]
    answer = stranger.get("/api/decisions/t60")
    assert (answer.status_code, answer.json()["detail"][:27]) == (404, "no part of that trigger was")


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0}, {"limit": 501}, {"limit": "x"}, {"before": 0}, {"before": 2**63}, {"before": "'"},
        {"since": "yesterday"}, {"since": "1700000000"}, {"until": ""}, {"decision": "fail"},
        {"camera": ""}, {"camera": "x" * 201}, {"camera": "a\0b"}, {"min_share": "nan"},
        {"max_share": "inf"}, {"part": ""}, {"part": "a\nb"}, {"after": -1}, {"at": "12"},
        {"min_share": -1}, {"marked": "yes"},
    ],
)  # fmt: skip
def test_a_question_that_is_none(stranger: httpx.Client, query: dict[str, Any]) -> None:
    answer = stranger.get("/api/decisions", params=query)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize("text", ["' OR 1=1 --", "%", "left\\", "\U0001f600"])
def test_texts_are_only_texts(stranger: httpx.Client, text: str) -> None:
    for query in ({"camera": text}, {"category": text}):
        assert ask(stranger, **query) == []
    assert stranger.get(f"/api/decisions/{text.replace('%', '%25')}").status_code == 404


def test_marks_are_kept_as_notes(client: httpx.Client, line: Any) -> None:
    origin = {"Origin": str(client.base_url).rstrip("/")}

    def mark(number: int, mark: str | None, **headers: str) -> int:
        answer = client.post("/api/marks", json={"trigger": f"t{number}", "mark": mark}, headers=headers)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["note"])

    first = mark(6, "good", **origin)
    assert [mark(6, "bad"), mark(6, None), mark(13, "good"), mark(0, "bad")] == [
        first + 1, first + 2, first + 3, first + 4,
    ]  # fmt: skip
    assert ask(client, marked="good") == [13]
    assert ask(client, marked="bad") == [0]
    assert ask(client, marked="any") == [13, 0]
    assert client.get("/api/decisions/t13").json()["mark"] == "good"
    assert client.get("/api/decisions/t6").json()["mark"] is None
    notes = client.get("/api/notes", params={"limit": 3}).json()
    assert [(note["subject"], note["before"], note["after"], note["by"]) for note in notes["notes"]] == [
        ("t0", None, "bad", "http"), ("t13", None, "good", "http"), ("t6", "bad", None, "http"),
    ]  # fmt: skip
    older = client.get("/api/notes", params={"before": notes["next"]}).json()
    assert older["next"] is None
    assert older["notes"][:2] == [
        {
            "number": first + 1, "at": older["notes"][0]["at"], "kind": "mark", "camera": "left",
            "subject": "t6", "before": "good", "after": "bad", "by": "http",
        },
        {**older["notes"][1], "before": None, "after": "good", "by": "page"},
    ]  # fmt: skip
    assert verify_ledger(line.ledger.path).fault is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"trigger": "t60", "mark": "good"}, 404),
        ({"trigger": "../t1", "mark": "good"}, 404),
        ({"trigger": "t1", "mark": "fine"}, 422),
        ({"trigger": "t1"}, 422),
        ({"trigger": "t1", "mark": None, "by": "me"}, 422),
        ({"trigger": "", "mark": None}, 422),
    ],
)
def test_a_mark_that_is_none(client: httpx.Client, line: Any, body: dict[str, Any], status: int) -> None:
    before = verify_ledger(line.ledger.path).notes
    answer = client.post("/api/marks", json=body)
    assert (answer.status_code, type(answer.json()["detail"])) == (status, str)
    assert verify_ledger(line.ledger.path).notes == before


def test_without_a_ledger_there_is_nothing_to_look_back_at(
    serve: Callable[..., WebServer], token_file: Path
) -> None:
    server = serve(token_file=token_file)
    token = {"X-SoftCore-Token": token_file.read_text().strip()}
    with httpx.Client(base_url=server.url, headers=token) as client:
        for path in ("decisions", "decisions/t1", "notes", "report", "limit/preview?value=3"):
            answer = client.get(f"/api/{path}")
            assert (answer.status_code, "needs a ledger" in answer.json()["detail"]) == (409, True), path
        answer = client.post("/api/marks", json={"trigger": "t1", "mark": "good"})
        assert (answer.status_code, "needs a ledger" in answer.json()["detail"]) == (409, True)
        assert client.get("/api/status").json()["ledger"] is False


def test_a_ledger_that_can_not_be_read_is_said(line: Any, tmp_path: Path, token_file: Path) -> None:
    path = tmp_path / "line.ledger"
    with Ledger.open(path):
        pass
    path.write_bytes(b"the shopping list" * 1000)
    server = WebServer(HttpOptions(port=0, token_file=token_file), line, lambda: (b"", "x"), ledger=path)
    server.start()
    try:
        for asked in ("decisions", "notes", "report", "decisions/t1"):
            answer = httpx.get(f"{server.url}api/{asked}")
            assert answer.status_code == 409
            assert "can't be read" in json.loads(answer.text)["detail"]
    finally:
        server.close()


def test_an_answer_that_takes_too_long_is_broken_off(
    stranger: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_queries, "_POLL", 1)
    clock = SimpleNamespace(monotonic=iter(range(0, 10**9, 60)).__next__)  # of the reader, not of the server
    monkeypatch.setattr(ledger_queries, "time", clock)
    answer = stranger.get("/api/decisions", params={"camera": "none"})
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "the ledger has too many rows to be looked through; ask for a shorter time",
    )
