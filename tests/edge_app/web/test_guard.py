from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from softcore_edge_app.configuration.options import HttpOptions
from softcore_edge_app.web.guard import list_hosts
from softcore_edge_app.web.port.server import WebServer
from softcore_edge_app.web.schema import MAX_BODY_BYTES

TOKEN = "a-token-for-the-tests-0123456789"  # noqa: S105 - opens nothing else
CHANGES = (
    ("/api/trigger", {}),
    ("/api/recipe", {"recipe": "cap"}),
    ("/api/limit", {"value": 10.5}),
    ("/api/running", {"running": False}),
)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-SoftCore-Token": ""},
        {"X-SoftCore-Token": TOKEN[:-1]},
        {"X-SoftCore-Token": f"{TOKEN}0"},
        {"X-SoftCore-Token": b"\xff\xfe"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN} {TOKEN}"},
        {"Cookie": f"X-SoftCore-Token={TOKEN}"},
    ],
)
def test_without_the_token_nothing_is_changed(stranger: httpx.Client, line: Any, headers: Any) -> None:
    for path, body in CHANGES:
        answer = stranger.post(path, json=body, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["detail"].startswith("this needs the line's token")
    for path in ("/", "/api/status", "/api/token", "/api/marks", "/nowhere"):
        for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND"):
            assert stranger.request(method, path, headers=headers).status_code == 403
    # Nor is a body looked at.
    assert stranger.post("/api/trigger", content=b"{", headers=headers).status_code == 403
    assert line.asked == []


@pytest.mark.parametrize("headers", [{"X-SoftCore-Token": TOKEN}, {"Authorization": f"bearer {TOKEN}"}])
def test_with_the_token_it_is(stranger: httpx.Client, line: Any, headers: dict[str, str]) -> None:
    for path, body in CHANGES:
        assert stranger.post(path, json=body, headers=headers).status_code == 200
    assert line.asked == [
        ("trigger", None, None),
        ("recipe", None, "cap", "http"),
        ("limit", 10.5, None, None, "http"),
        ("running", False, None, "http"),
    ]


def test_where_there_is_no_token_nobody_changes_anything(serve: Callable[..., WebServer], line: Any) -> None:
    url = serve().url
    for token in ("", "None", TOKEN):
        answer = httpx.post(f"{url}api/trigger", json={}, headers={"X-SoftCore-Token": token})
        assert answer.status_code == 403
        assert "http.token_file" in answer.json()["detail"]
    assert httpx.get(f"{url}api/status").status_code == 200
    assert line.asked == []


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "http://localhost:1",
        "http://{host}.evil.example",
        "http://evil@{host}",
        "file://",
    ],
)
def test_a_page_of_another_site_is_refused(client: httpx.Client, line: Any, origin: str) -> None:
    headers = {"Origin": origin.format(host=client.base_url.netloc.decode())}
    for path, body in CHANGES:
        answer = client.post(path, json=body, headers=headers)
        assert (answer.status_code, "another site" in answer.json()["detail"]) == (403, True)
    assert client.get("/api/events", headers=headers).status_code == 403
    assert "access-control-allow-origin" not in client.get("/api/status", headers=headers).headers
    assert line.asked == []


def test_the_own_page_is_not(client: httpx.Client) -> None:
    own = str(client.base_url).rstrip("/")
    assert client.post("/api/trigger", json={}, headers={"Origin": own}).status_code == 200
    behind = {"Host": "line-3.factory", "Origin": "https://line-3.factory"}  # a proxy that adds TLS
    assert client.post("/api/trigger", json={}, headers=behind).status_code == 200


def test_it_answers_to_its_own_names_alone(client: httpx.Client) -> None:
    port = client.base_url.port
    for host in ("localhost", f"localhost:{port}", f"127.0.0.1:{port}", "[::1]", "LINE-3.factory:80"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "factory", "x.line-3.factory", "", "a b", "127.1"):
        answer = client.get("/healthz", headers={"Host": host})
        assert answer.status_code == 400
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_its_names_are() -> None:
    assert list_hosts(HttpOptions(host="10.0.0.7", names=("line-3",))) == [
        "10.0.0.7", "127.0.0.1", "[::1]", "line-3", "localhost",
    ]  # fmt: skip
    assert "[fe80::1]" in list_hosts(HttpOptions(host="fe80::1"))
    for name in ("*", "*.factory", "http://line-3", "line-3:80", ""):
        with pytest.raises(ValueError, match="names"):
            HttpOptions(names=(name,))


def test_a_body_that_is_too_large_is_refused(client: httpx.Client, line: Any) -> None:
    large = b'{"part": "' + b"x" * MAX_BODY_BYTES + b'"}'
    json = {"Content-Type": "application/json"}

    def chunks() -> Any:
        for start in range(0, len(large), 1000):
            yield large[start : start + 1000]

    for content in (large, chunks()):
        answer = client.post("/api/trigger", content=content, headers=json)
        assert answer.status_code == 413
    # Nor is there one where nothing is to be done with it.
    for path in ("/api/status", "/api/events"):
        for content in (large, chunks(), b"x"):
            assert client.request("GET", path, content=content).status_code in (400, 413)
    # One that says it is large is refused before it comes.
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as raw:
        raw.sendall(
            b"POST /api/trigger HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            + f"X-SoftCore-Token: {TOKEN}\r\nContent-Length: {10**15}\r\n\r\n".encode()
        )
        assert b" 413 " in raw.recv(100)
    assert line.asked == []
    assert client.get("/healthz").status_code == 200
