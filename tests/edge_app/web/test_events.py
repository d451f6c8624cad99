from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from softcore_edge_app.web import events
from softcore_edge_app.web.events import KEPT
from softcore_edge_app.web.port.server import WebServer
from softcore_runtime import Decision

Event = tuple[str, dict[str, Any], str | None]


def read(answer: httpx.Response) -> Iterator[Event]:
    """Read events as a browser does; the first line of a stream is its word on reconnecting."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        else:
            if "event" in fields:
                yield fields["event"], json.loads(fields["data"]), fields.get("id")
            fields = {}


@pytest.fixture
def server(serve: Callable[..., WebServer]) -> WebServer:
    """One that knows of no decisions of other tests."""
    return serve()


class Listener(threading.Thread):
    """A client that reads as many events as it is told to."""

    def __init__(self, url: str, count: int, last: str | None = None) -> None:
        super().__init__(daemon=True)
        self.events: list[Event] = []
        self.headers = httpx.Headers()
        self.connected = threading.Event()
        self._url, self._count, self._last = url, count, last

    def run(self) -> None:
        headers = {"Last-Event-ID": self._last.encode()} if self._last else {}
        with httpx.stream("GET", f"{self._url}api/events", headers=headers, timeout=60) as answer:
            self.headers = answer.headers
            self.connected.set()
            for event in read(answer):
                self.events.append(event)
                if len(self.events) == self._count:
                    return

    @property
    def numbers(self) -> list[int]:
        return [int(data["trigger"][1:]) for kind, data, _ in self.events if kind == "decision"]


def listen(server: WebServer, count: int, last: str | None = None) -> Listener:
    listener = Listener(server.url, count, last)
    listener.start()
    assert listener.connected.wait(30)
    return listener


def test_each_listener_gets_each_decision_in_order(server: WebServer, decide: Callable[..., Any]) -> None:
    listeners = [listen(server, 2000) for _ in range(3)]
    for number in range(2000):
        server.publish(decide(number))
    for listener in listeners:
        listener.join(60)
        assert listener.numbers == list(range(2000))
        assert [name for _, _, name in listener.events] == [f"t{number}" for number in range(2000)]


def test_an_event_has_all_that_the_ledger_has(server: WebServer, decide: Callable[..., Any]) -> None:
    listener = listen(server, 2)
    passed = decide(1, name="Prüfteil 7\n")
    passed = replace(passed, record=replace(passed.record, number=7))
    server.publish(passed)
    nothing = {"score": None, "bound": None, "milliseconds": None}
    server.publish(decide(2, decision=Decision.INVALID, reason="the image is black", **nothing))
    listener.join(30)
    (_, good, _), (_, invalid, _) = listener.events
    beside = {"share": 0.5, "number": 7, "seq": 1, "picture": False, "kind": None, "phrases": []}
    assert good == {**passed.record.content(), **beside}
    assert (good["name"], good["score"], good["reason"]) == ("Prüfteil 7\n", 6.0, None)
    told = [invalid[key] for key in ("decision", "share", "reason", "kind", "phrases")]
    assert told == ["INVALID", None, "the image is black", "black", [{"key": "black", "values": {}}]]
    assert listener.headers["content-type"].startswith("text/event-stream")
    assert listener.headers["cache-control"] == "no-store"
    assert listener.headers["x-accel-buffering"] == "no"


def test_who_comes_back_gets_what_was_missed(server: WebServer, decide: Callable[..., Any]) -> None:
    listener = listen(server, 3)
    for number in range(3):
        server.publish(decide(number))
    listener.join(30)
    for number in range(3, 50):
        server.publish(decide(number))
    again = listen(server, 49, last=listener.events[-1][2])
    for number in range(50, 52):
        server.publish(decide(number))
    again.join(30)
    assert again.numbers == list(range(3, 52))


def test_a_trigger_of_any_letters_can_be_come_back_to(server: WebServer, decide: Callable[..., Any]) -> None:
    listener = listen(server, 1)
    server.publish(decide(0, trigger="Kästchen\r\n7/検査"))
    listener.join(30)
    name = listener.events[0][2]
    assert name == r"Kästchen\r\n7/検査"
    server.publish(decide(1))
    again = listen(server, 1, last=name)
    again.join(30)
    assert again.numbers == [1]


def test_a_listener_that_was_away_too_long_is_told_so(server: WebServer, decide: Callable[..., Any]) -> None:
    for number in range(KEPT + 10):
        server.publish(decide(number))
    for last in ("t3", "of another run"):
        listener = listen(server, KEPT + 1, last=last)
        listener.join(60)
        assert listener.events[0] == ("dropped", {"count": None}, None)
        assert listener.numbers == list(range(10, KEPT + 10))


def test_a_slow_listener_misses_the_oldest_and_gets_their_number(
    server: WebServer, decide: Callable[..., Any]
) -> None:
    asked = httpx.URL(server.url)
    other = listen(server, 1)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(60)
        slow.connect((asked.host, asked.port))
        slow.sendall(f"GET /api/events HTTP/1.1\r\nHost: {asked.netloc.decode()}\r\n\r\n".encode())
        assert b"200 OK" in slow.recv(64)
        total = 6 * KEPT
        publishing = 0.0
        for number in range(total):
            made = decide(number, reason="x" * 400)
            began = time.perf_counter()
            server.publish(made)
            publishing += time.perf_counter() - began
            if number % 100 == 0:
                time.sleep(0.005)  # the server's turn
        received = b""
        last = f'"trigger": "t{total - 1}"'.encode()
        while b"\n\n" not in received.partition(last)[2]:  # the whole event
            more = slow.recv(1 << 16)
            assert more, "it was cut off"
            received += more
    other.join(30)
    assert other.numbers == [0]
    assert publishing < 10, "publishing waits for who doesn't read"
    # Chunks of HTTP may end anywhere in an event; those events are left out.
    kinds = [line for line in received.decode().split("\r\n") for line in line.split("\n")]
    assert "event: dropped" in kinds
    data = [json.loads(line[6:]) for line in kinds if line.startswith("data: ") and line.endswith("}")]
    numbers = [int(one["trigger"][1:]) for one in data if "trigger" in one]
    dropped = sum(one["count"] for one in data if "count" in one)
    assert numbers == sorted(set(numbers))
    assert len(numbers) + dropped == total
    assert dropped > 0


def test_a_quiet_line_is_told_from_a_dead_one(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PING", 0.05)
    with httpx.stream("GET", f"{server.url}api/events", timeout=30) as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(6)] == ["retry: 1000", "", ": ping", "", ": ping", ""]


def test_who_is_gone_costs_nothing_more(server: WebServer, decide: Callable[..., Any]) -> None:
    listening = server._events._listeners
    for _ in range(3):
        with httpx.stream("GET", f"{server.url}api/events", timeout=30) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "retry: 1000"
            assert listening
    until = time.monotonic() + 30
    while listening and time.monotonic() < until:
        time.sleep(0.02)
    assert not listening
    server.publish(decide(1))
    assert not server._events._woken


def test_a_decision_before_the_start_and_after_the_end_hurts_nobody(
    server: WebServer, decide: Callable[..., Any]
) -> None:
    listener = listen(server, 2)
    server.publish(decide(1))
    server.close()
    server.publish(decide(2))
    listener.join(30)
    assert not listener.is_alive()
    assert listener.numbers == [1]
