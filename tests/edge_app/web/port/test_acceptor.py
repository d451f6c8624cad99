from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from softcore_edge_app.web import events as events_module
from softcore_edge_app.web.port import acceptor as module
from softcore_edge_app.web.port import connection as connection_module
from softcore_edge_app.web.port.acceptor import _shorten
from softcore_edge_app.web.port.server import WebServer

HALF = b"GET /healthz HTTP/1.1\r\nHost: local"
LISTEN = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
ASK = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
Serve = Callable[..., WebServer]


@contextmanager
def connected(
    server: WebServer, count: int, request: bytes = b"", come_from: str = "127.0.0.1"
) -> Iterator[list[socket.socket]]:
    url = httpx.URL(server.url)
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            one = stack.enter_context(
                socket.create_connection((url.host, url.port), 60, source_address=(come_from, 0))
            )
            one.sendall(request)
            made.append(one)
        yield made


def status(server: WebServer, path: str = "healthz", come_from: str = "127.0.0.1") -> int:
    with httpx.Client(transport=httpx.HTTPTransport(local_address=come_from), timeout=60) as client:
        return client.get(f"{server.url}{path}").status_code


def answers(server: WebServer) -> bool:
    """Tell whether health is answered; one who asks while others are let in may be dropped."""
    try:
        return status(server) == 200
    except httpx.TransportError:
        return False


def list_descriptors() -> set[int]:
    return {int(one.name) for one in Path("/proc/self/fd").iterdir()}


def wait_for(happened: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < until, "it doesn't happen"
        time.sleep(0.01)


@pytest.mark.parametrize("request_", [b"", HALF, LISTEN], ids=["silent", "half a request", "listening"])
def test_health_is_answered_however_many_clients_hold_connections(serve: Serve, request_: bytes) -> None:
    server = serve()
    with connected(server, 300, request_) as hostile:
        assert [status(server, path) for path in ("healthz", "readyz", "healthz")] == [200] * 3
        assert status(server, "api/status") == 503
        assert status(server, "api/status", "127.0.0.2") == 200  # another address has places of its own
        answer = httpx.get(f"{server.url}api/status")
        assert answer.json()["detail"] == "too many connections are open; close some, or ask again later"
        assert answer.headers["connection"] == "close"
        for one in hostile:
            one.close()
        wait_for(lambda: status(server, "api/status") == 200)  # places that are free again are given


def test_no_more_connections_than_there_are_places(serve: Serve) -> None:
    server = serve()
    before = len(list_descriptors())
    with connected(server, 150) as first, connected(server, 150, come_from="127.0.0.2"):
        with connected(server, 150, come_from="127.0.0.3"):
            assert status(server) == 200  # all those before it were looked at
            ours = len(list_descriptors()) - before
            assert ours - 450 <= module._MOST + module._RESERVE + 2
        assert first


@pytest.mark.parametrize("allowed", [64, 1024])
def test_descriptors_are_left_for_the_rest_of_the_line(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    before = list_descriptors()
    used = len(before)
    monkeypatch.setattr(module.resource, "getrlimit", lambda _which: (used + allowed, used + allowed))
    server = serve()
    silent: list[socket.socket] = []
    try:
        # From the far end on: what the test opens must not count as the line's.
        url = httpx.URL(server.url)
        for _ in range(120):
            one = socket.socket()
            moved = os.dup2(one.fileno(), 5000 + len(silent))
            one.close()
            silent.append(socket.socket(fileno=moved))
            silent[-1].connect((url.host, url.port))
        wait_for(lambda: answers(server))
        kept = min(module._KEPT, (used + allowed) // 4)
        low = [one for one in list_descriptors() - before if one < 5000]
        assert max(low) < used + allowed - kept // 2 + 4
    finally:
        for one in silent:
            one.close()


def test_a_line_without_descriptors_says_so_and_takes_clients_later(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    accept, refusals = socket.socket.accept, 3

    def run_out(self: socket.socket) -> Any:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise OSError(24, "Too many open files")
        return accept(self)

    monkeypatch.setattr(module, "_PAUSE", 0.05)
    monkeypatch.setattr(socket.socket, "accept", run_out)
    assert status(server) == 200
    assert caplog.messages == ["http: no further client can be let in (Too many open files)"] * 3


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"", b""),
        (HALF, b"HTTP/1.1 408 Request Timeout"),
        (b"POST /api/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{", None),
        (ASK, b"HTTP/1.1 200 OK"),
        (ASK + HALF, b"HTTP/1.1 200 OK"),
    ],
    ids=["nothing", "half a head", "half a body", "nothing more", "half of the next"],
)
def test_a_request_has_its_time(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, request_: bytes, answer: bytes | None
) -> None:
    assert connection_module._PATIENCE == 10
    monkeypatch.setattr(connection_module, "_PATIENCE", 0.3)
    server = serve()
    with connected(server, 1, request_) as (client,):
        came = b""
        while piece := client.recv(1000):  # to its end
            came += piece
        assert answer is None or came[: len(answer) or None] == answer


def test_a_head_that_comes_byte_by_byte_has_no_more_time(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "_PATIENCE", 0.3)
    server = serve()
    with connected(server, 1) as (client,):
        client.settimeout(0.02)
        until = time.monotonic() + 60
        try:
            for byte in ASK[:-2] + b"X: " + b"x" * 10_000:
                client.sendall(bytes([byte]))
                try:
                    assert client.recv(15) == b"HTTP/1.1 408 Re"
                    break
                except TimeoutError:
                    assert time.monotonic() < until
        except ConnectionError:
            pass  # it was ended


def test_a_stream_is_not_ended_by_the_time_of_a_request(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, decide: Callable[..., Any]
) -> None:
    monkeypatch.setattr(connection_module, "_PATIENCE", 0.2)
    server = serve()
    with connected(server, 1, LISTEN) as (client,):
        assert client.recv(15) == b"HTTP/1.1 200 OK"
        time.sleep(0.5)
        server.publish(decide(1))
        came = b""
        while b"event: decision" not in came:
            piece = client.recv(10_000)
            assert piece, "it was ended"
            came += piece


def test_listeners_leave_places_for_those_who_ask(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "_MOST", 3)
    server = serve()
    with connected(server, 3, LISTEN) as listening:
        for one in listening:
            assert one.recv(15) == b"HTTP/1.1 200 OK"
        assert status(server, "api/events") == 503
        assert status(server, "api/status") == 200
    wait_for(lambda: _listens(server))


def _listens(server: WebServer) -> bool:
    with connected(server, 1, LISTEN) as (client,):
        return client.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("address", "machine"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_machine_has_one_name_whatever_address_it_chooses(address: str, machine: str) -> None:
    assert _shorten(address) == machine
