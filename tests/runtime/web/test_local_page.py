from __future__ import annotations

import queue
import re
import socket
import threading
import time
import webbrowser
from collections.abc import Iterator

import httpx
import pytest
from fastapi import Depends
from softcore_runtime.errors import BundleCorruptError, DataError, UsageError
from softcore_runtime.web.local_page import make_app, make_token, open_browser, require_token, serve

ERRORS = {
    "usage": UsageError("can't be written"),
    "data": DataError("too few"),
    "bundle": BundleCorruptError("no\udcfftext: damaged"),
}


@pytest.fixture
def token() -> str:
    return make_token()


@pytest.fixture
def client(token: str) -> Iterator[httpx.Client]:
    app = make_app("default-src 'none'; img-src data:")

    @app.get("/double")
    def double(value: float) -> float:
        return 2 * value

    @app.post("/write", dependencies=[Depends(require_token(token, "reload it"))])
    def write() -> str:
        return "written"

    @app.get("/fail/{kind}")
    def fail(kind: str) -> None:
        raise ERRORS[kind]

    with serve(app, "a page") as url, httpx.Client(base_url=url, timeout=30) as made:
        yield made


@pytest.mark.parametrize("path", ["/double?value=2", "/double", "/nowhere", "/fail/data", "/write"])
def test_head_is_answered_as_get_without_the_body(client: httpx.Client, path: str) -> None:
    whole, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    for answer in (whole, head):
        del answer.headers["date"]
    assert head.headers == whole.headers
    assert head.headers["content-length"] == str(len(whole.content)) != "0"
    assert client.get("/double", params={"value": 3}).json() == 6  # the connection goes on


def test_every_answer_is_guarded(client: httpx.Client) -> None:
    for path, host in (
        ("/double?value=2", "localhost"),
        ("/double", "localhost"),
        ("/nowhere", "localhost"),
        ("/fail/usage", "localhost"),
        ("/double?value=2", "evil.example"),
    ):
        headers = client.get(path, headers={"Host": host}).headers
        assert headers["content-security-policy"] == (
            "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404


def test_it_answers_to_this_machines_names_alone(client: httpx.Client) -> None:
    port = client.base_url.port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", ""):
        assert client.get("/double?value=2", headers={"Host": host}).status_code == 400
    assert client.get("/double?value=2", headers={"Host": f"localhost:{port}"}).json() == 4
    with pytest.raises(OSError):  # noqa: PT011 - refused here, without a way elsewhere
        socket.create_connection(("127.0.0.2", port or 0), timeout=2).close()


def test_who_has_not_read_the_page_can_not_write(client: httpx.Client, token: str) -> None:
    for headers in (
        {},
        {"X-Softcore-Token": "x"},
        {"X-Softcore-Token": b"\xff"},
        {"X-Softcore-Token": token[1:]},
    ):
        answer = client.post("/write", headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (403, "reload it")
    assert client.post("/write", headers={"X-Softcore-Token": token}).json() == "written"
    assert len(token) > 40
    assert token != make_token()


def test_errors_are_one_line_of_text(client: httpx.Client) -> None:
    answers = {path: client.get(path) for path in ("/double?value=x", *(f"/fail/{kind}" for kind in ERRORS))}
    told = [(answer.status_code, answer.json()["detail"]) for answer in answers.values()]
    assert told == [
        (422, "Input should be a valid number, unable to parse string as a number"),
        (500, "can't be written"),
        (409, "too few"),
        (409, "no\\udcfftext: damaged"),
    ]


def test_it_ends_with_its_block() -> None:
    before = threading.active_count()
    with serve(make_app(), "a page") as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        assert "a page" in {thread.name for thread in threading.enumerate()}
        policy = httpx.get(url).headers["content-security-policy"]
        assert policy.startswith(
            "default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'"
        )
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
    assert "a page" not in {thread.name for thread in threading.enumerate()}
    assert threading.active_count() <= before + 1  # anyio's worker ends when it likes


def test_a_browser_opens_where_there_is_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: queue.SimpleQueue[str] = queue.SimpleQueue()
    monkeypatch.setattr(webbrowser, "open", opened.put)
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    open_browser("http://one")
    time.sleep(0.2)
    assert opened.empty()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    open_browser("http://two")
    assert opened.get(timeout=10) == "http://two"
