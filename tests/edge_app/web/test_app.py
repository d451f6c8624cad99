from __future__ import annotations

import json
import re
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from softcore_edge_app.delivery.output import OutputStatus
from softcore_edge_app.web.app import make_web_app
from softcore_edge_app.web.events import EventStream
from softcore_edge_app.web.image_cache import ImageCache
from softcore_edge_app.web.people.people import People
from softcore_edge_app.web.port.server import WebServer
from softcore_edge_app.web.shifts.shift import ShiftCounter
from softcore_edge_app.web.status import LineStatus

from .conftest import WELL

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "http.md"
TOKEN = "a-token-for-the-tests-0123456789"  # noqa: S105 - opens nothing else
NOBODY: Any = None  # describing the app asks for nothing
STATUS = LineStatus(NOBODY, ShiftCounter(), token=True)
schema = schemathesis.openapi.from_dict(
    make_web_app(
        STATUS, NOBODY, EventStream(), ImageCache(None), hosts=[], token=None, people=People(None, 1, 1)
    ).openapi()
)
COMMANDS = (
    "/api/alarms/acknowledge", "/api/limit", "/api/login", "/api/logout", "/api/marks", "/api/promote",
    "/api/recipe", "/api/running", "/api/token", "/api/trigger",
)  # fmt: skip
few = settings(
    max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def test_the_reference_of_the_port_lists_every_route_and_no_other() -> None:
    told = set(re.findall(r"^\| `(GET|POST) (/[^`]*)`", PAGE.read_text(), re.MULTILINE))
    unlisted = {("GET", "/"), ("GET", "/api/openapi.json")}
    routes = {(method.upper(), path) for path, item in schema.raw_schema["paths"].items() for method in item}
    assert told == routes | unlisted


@few
@schema.exclude(path="/api/events").parametrize()
def test_a_fuzzer_with_the_token_finds_nothing_that_is_not_described(case: Any, server: WebServer) -> None:
    answer = case.call_and_validate(server.url, headers={"X-SoftCore-Token": TOKEN})
    assert answer.status_code < 500


@few
@schema.exclude(path="/api/events").parametrize()
def test_a_fuzzer_without_it_changes_nothing(case: Any, server: WebServer, line: Any) -> None:
    answer = case.call(server.url, headers={"X-SoftCore-Token": "wrong", "Authorization": "wrong"})
    assert answer.status_code < 500
    # A foreign host is refused before the token is checked.
    elsewhere = any(name.lower() == "host" for name in case.headers or {})
    refusals = (400, 403) if elsewhere else (403,)
    assert case.method in ("GET", "HEAD", "OPTIONS") or answer.status_code in refusals
    assert line.asked == []


@few
@schema.include(path="/api/events").parametrize()
def test_a_fuzzer_finds_no_fault_in_the_events(case: Any, server: WebServer) -> None:
    # They never end, so the fuzzer's own call would wait for ever.
    asked = case.as_transport_kwargs(server.url)
    with requests.request(**asked, stream=True, timeout=30) as answer:
        assert answer.status_code < 500


def test_what_is_described(stranger: httpx.Client) -> None:
    described = stranger.get("/api/openapi.json").json()
    paths = {path: set(methods) for path, methods in described["paths"].items()}
    assert paths == {
        "/healthz": {"get"},
        "/readyz": {"get"},
        "/metrics": {"get"},
        "/api/status": {"get"},
        "/api/events": {"get"},
        "/api/decisions": {"get"},
        "/api/decisions/{trigger}": {"get"},
        "/api/focus": {"get"},
        "/api/focus/picture": {"get"},
        "/api/limit/preview": {"get"},
        "/api/notes": {"get"},
        "/api/pictures/{trigger}/{kind}": {"get"},
        "/api/report": {"get"},
        "/api/charts": {"get"},
        "/api/shadow": {"get"},
        "/api/session": {"get", "post"},
        "/api/worklist": {"get", "post"},
        "/api/shifts": {"get"},
        **{path: {"post"} for path in COMMANDS},
    }
    for path in COMMANDS:
        command = described["paths"][path]["post"]
        assert {"200", "400", "403", "409", "413", "422"} <= set(command["responses"])
        assert command["security"] == [{"APIKeyHeader": []}, {"HTTPBearer": []}]
    assert described["info"]["title"] == "SoftCore line"


def test_health_and_readiness(stranger: httpx.Client, line: Any) -> None:
    def ask() -> list[tuple[int, list[str]]]:
        answers = [stranger.get(path) for path in ("/healthz", "/readyz")]
        assert all(answer.json()["ok"] is (answer.status_code == 200) for answer in answers)
        return [(answer.status_code, answer.json()["reasons"]) for answer in answers]

    assert ask() == [(200, []), (200, [])]
    line.change(fault="no frame for 2 s")
    assert ask() == [(200, []), (503, ["camera left: no frame for 2 s"])]
    line.status = replace(line.status, ledger_fault="the disk is full", stuck="an inspection hangs")
    reasons = ["camera left: no frame for 2 s", "ledger: the disk is full", "an inspection hangs"]
    assert ask() == [(503, ["an inspection hangs"]), (503, reasons)]
    deaf = OutputStatus(
        name="modbus", fault="the PLC was not reached yet", delivered=0, backlog=0, failures=0
    )
    line.status = replace(WELL, outputs=(*WELL.outputs, deaf))
    assert ask() == [(200, []), (503, ["modbus: the PLC was not reached yet"])]


def test_head_is_answered_as_get(stranger: httpx.Client) -> None:
    for path in ("/", "/healthz", "/readyz", "/api/status", "/metrics", "/api/decisions", "/static/page.css"):
        whole, head = stranger.get(path), stranger.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["content-type"] == whole.headers["content-type"]
    events = stranger.head("/api/events")  # and the events have an end
    assert (events.status_code, events.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert stranger.head("/api/trigger").status_code == 405


def test_the_metrics_are_handed_on(stranger: httpx.Client) -> None:
    answer = stranger.get("/metrics")
    assert answer.text == "# TYPE softcore_up gauge\nsoftcore_up 1.0\n"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_a_trigger(client: httpx.Client, line: Any) -> None:
    assert client.post("/api/trigger").json() == {"trigger": "t1"}
    assert client.post("/api/trigger", json={}).json() == {"trigger": "t2"}
    answer = client.post("/api/trigger", json={"camera": "left", "part": "Dose 7/検"})
    assert answer.json() == {"trigger": "t3"}
    answer = client.post("/api/trigger", json={"camera": "right"})
    assert (answer.status_code, answer.json()) == (
        409,
        {"detail": "there is no camera right; there are: left"},
    )
    assert line.asked == [("trigger", None, None)] * 2 + [("trigger", "left", "Dose 7/検")]


def test_a_recipe(client: httpx.Client, line: Any) -> None:
    answer = client.post("/api/recipe", json={"recipe": "cap", "camera": "left"})
    assert answer.json() == {"recipe": "cap"}
    refused = {recipe: client.post("/api/recipe", json={"recipe": recipe}) for recipe in ("torn", "none")}
    assert {recipe: (answer.status_code, answer.json()["detail"]) for recipe, answer in refused.items()} == {
        "torn": (409, "no\\udcfftext/bank.npy: changed"),
        "none": (409, "there is no recipe none; there are: pill, cap"),
    }
    assert line.asked == [("recipe", "left", "cap", "http")]


def test_the_line_is_seen_while_a_recipe_is_switched(
    client: httpx.Client, server: WebServer, line: Any
) -> None:
    line.goes_on.clear()
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as waiting:
        body = b'{"recipe": "cap"}'
        waiting.sendall(
            b"POST /api/recipe HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + f"X-SoftCore-Token: {TOKEN}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        assert line.switching.wait(30)
        assert client.get("/healthz").status_code == 200
        assert client.post("/api/trigger").status_code == 200
        line.goes_on.set()
        assert b" 200 " in waiting.recv(100)
    assert line.asked == [("trigger", None, None), ("recipe", None, "cap", "http")]
    assert server.url


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 422),
        (b"[]", 422),
        (b"null", 422),
        (b"1", 422),
        (b'"x"', 422),
        (b'{"part": 7}', 422),
        (b'{"part": ""}', 422),
        (b'{"part": "' + b"x" * 201 + b'"}', 422),
        (b'{"part": "two\\nlines"}', 422),
        (b'{"part": "\\ud800"}', 422),
        (b'{"part": "\\u0000"}', 422),
        (b'{"part": "x", "parts": 2}', 422),
        (b'{"part": NaN}', 422),
        (b"\xff\xfe\x00", 400),
        (b"[" * 60_000, 400),
        (b"[" * 30_000 + b"]" * 30_000, 400),
        (b'{"part": ' + b"9" * 60_000 + b"}", 400),
    ],
)
def test_a_body_that_says_nothing(client: httpx.Client, line: Any, content: bytes, status: int) -> None:
    for path in COMMANDS:
        answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code in {status, 400, 422}, answer.text
        assert isinstance(answer.json()["detail"], str)
    assert line.asked == []


def test_a_form_is_no_command(client: httpx.Client, line: Any) -> None:
    """What a plain form of another site could send."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = client.post("/api/trigger", content=b'{"part": "x"}', headers={"Content-Type": kind})
        assert answer.status_code == 422
    assert line.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd",
        "/api/..%5c..%5ctoken", "/api/status/../../etc/passwd", "/api//status", "/%00", "/api/status%00",
        "/api/%ff", "/docs", "/redoc", "/openapi.json",
        "/api/pictures/..%2f..%2fetc%2fpasswd/frame", "/api/pictures/t1/../../../etc/passwd",
        "/static/..%2fpage.py", "/static/../page.py",
    ],
)  # fmt: skip
def test_there_is_nothing_beside_the_routes(client: httpx.Client, path: str) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 404 " in head
    assert json.loads(body) == {"detail": "Not Found"}


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"POST /api/trigger HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/trigger HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /api/trigger HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
    ],
)
def test_what_is_no_http_is_refused(client: httpx.Client, request_bytes: bytes) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as raw:
        try:
            raw.sendall(request_bytes)
            raw.shutdown(socket.SHUT_WR)
            answer = raw.recv(100)
        except OSError:  # it was cut off meanwhile
            answer = b""
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403")), answer
    assert client.get("/healthz").status_code == 200


def test_every_answer_is_guarded(client: httpx.Client) -> None:
    for method, path in (("GET", "/healthz"), ("GET", "/nowhere"), ("POST", "/api/trigger"), ("PUT", "/")):
        headers = client.request(method, path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_a_method_that_there_is_not_names_those_there_are(stranger: httpx.Client) -> None:
    methods = {"/api/session": "GET, POST", "/api/report": "GET", "/api/limit": "POST", "/": "GET"}
    for path, allowed in methods.items():
        answer = stranger.delete(path, headers={"X-SoftCore-Token": TOKEN})
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
