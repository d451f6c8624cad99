from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from softcore_edge_app.configuration.options import HttpOptions
from softcore_edge_app.web.port.server import WebServer
from softcore_runtime.errors import UsageError

TOKEN = "a-token-for-the-tests-0123456789"  # noqa: S105 - opens nothing else
IN_TIME = 5.0  # seconds; half a second is promised where a computer isn't busy, for ever is the fault


def connect(server: WebServer, request: bytes = b"", buffer: int | None = None) -> socket.socket:
    url = httpx.URL(server.url)
    made = socket.socket()
    if buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    made.settimeout(30)
    made.connect((url.host, url.port))
    made.sendall(request)
    return made


def close(server: WebServer) -> float:
    began = time.monotonic()
    server.close()
    took = time.monotonic() - began
    assert not [thread for thread in threading.enumerate() if thread.name == "softcore http"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
    return took


def test_it_serves_and_ends(serve: Callable[..., WebServer]) -> None:
    server = serve()
    assert server.url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{server.url}healthz").status_code == 200
    assert close(server) < IN_TIME
    server.close()


def test_one_that_was_not_started_can_be_closed(line: Any, decide: Callable[..., Any]) -> None:
    server = WebServer(HttpOptions(port=0), line, lambda: (b"", ""))
    server.publish(decide(1))
    server.close()


def test_one_that_is_closed_at_once(serve: Callable[..., WebServer]) -> None:
    assert close(serve()) < IN_TIME


def test_it_ends_though_its_clients_do_not(
    serve: Callable[..., WebServer],
    token_file: Path,
    line: Any,
    decide: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = serve(token_file=token_file)
    line.goes_on.clear()
    head = b"Host: localhost\r\nContent-Type: application/json\r\nX-SoftCore-Token: " + TOKEN.encode()
    body = b'{"recipe":"cap"}'
    listen = b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n"
    hanging = [
        connect(server),
        connect(server, b"GET /healthz HT"),
        connect(server, b"POST /api/trigger HTTP/1.1\r\n" + head + b"\r\nContent-Length: 9\r\n\r\n{"),
        connect(server, b"POST /api/recipe HTTP/1.1\r\n" + head + b"\r\nContent-Length: 16\r\n\r\n" + body),
        *(connect(server, listen) for _ in range(3)),
        connect(server, listen, buffer=4096),
    ]  # fmt: skip
    try:
        for client in hanging[4:]:
            assert client.recv(8) == b"HTTP/1.1"
        assert line.switching.wait(30)
        for number in range(10_000):  # more than the last one's buffers take
            server.publish(decide(number, reason="x" * 400))
            if number % 100 == 0:
                time.sleep(0.002)
        assert close(server) < IN_TIME
        assert caplog.messages == []  # nor is it an error
    finally:
        for client in hanging:
            client.close()


def test_an_address_that_is_not_to_be_had(serve: Callable[..., WebServer]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError) as caught:
            serve(port=port)
    assert str(caught.value) == (
        f"http: can't listen at 127.0.0.1 port {port} (another program has this port, or this line is "
        "running already); "
        "choose another with http.host and http.port"
    )
    with pytest.raises(UsageError, match=r"192\.0\.2\.1 port 0 \(no address of this machine\)"):
        serve(host="192.0.2.1")
    with pytest.raises(UsageError, match=r"can't listen at no\.such\.host\.invalid"):
        serve(host="no.such.host.invalid")
    with pytest.raises(UsageError, match="can't listen at"):
        serve(host="x" * 300)


def test_an_open_port_is_reported(serve: Callable[..., WebServer], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    serve(host="127.0.0.2")
    assert caplog.messages == []
    server = serve(host="0.0.0.0")  # noqa: S104 - that is the point
    assert httpx.get(f"{server.url}healthz").status_code == 200
    assert [record.name for record in caplog.records] == ["softcore_edge_app.web"]
    assert "open to the network at 0.0.0.0 port" in caplog.text


def test_ipv6(serve: Callable[..., WebServer]) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs IPv6 on the loopback")
    server = serve(host="::1")
    assert server.url.startswith("http://[::1]:")
    assert httpx.get(f"{server.url}healthz").status_code == 200


def test_without_its_libraries_it_says_what_to_install() -> None:
    code = """
import sys
from softcore_runtime.errors import MissingLibraryError
sys.modules["fastapi"] = None
try:
    import softcore_edge_app.web.port.server
except MissingLibraryError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "FastAPI is not installed; run: pip install 'softcore[edge]'\n", done.stderr
