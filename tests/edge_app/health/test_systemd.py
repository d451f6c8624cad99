from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from softcore_edge_app.delivery.output import OutputStatus
from softcore_edge_app.health.systemd import Watchdog, summarise_status
from softcore_runtime.errors import MissingLibraryError


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        monkeypatch.setenv("WATCHDOG_USEC", "20000")
        yield listening


def receive(manager: socket.socket) -> list[str]:
    return manager.recv(65536).decode().splitlines()


def test_ready_alive_and_stopping(manager: socket.socket, line: Any) -> None:
    watchdog = Watchdog(line)
    watchdog.start()
    assert receive(manager) == ["READY=1"]
    for _ in range(3):
        assert receive(manager) == ["STATUS=6 decisions of 10 triggers", "WATCHDOG=1"]
    watchdog.stop()
    said = receive(manager)
    while "STOPPING=1" not in said:
        said = receive(manager)
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):  # and then nothing
        receive(manager)


def test_a_line_that_hangs_says_so_and_gets_no_more_time(manager: socket.socket, line: Any) -> None:
    watchdog = Watchdog(line)
    watchdog.start()
    line.change(stuck="the inspection of front hangs")
    try:
        said = receive(manager)
        while "STATUS=6 decisions of 10 triggers; stuck: the inspection of front hangs" not in said:
            said = receive(manager)
        for _ in range(5):
            assert "WATCHDOG=1" not in receive(manager)
        line.change(stuck=None)
        while "WATCHDOG=1" not in said:
            said = receive(manager)
    finally:
        watchdog.stop()


def test_a_line_that_does_not_answer_gets_no_more_time_and_still_ends(
    manager: socket.socket, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(line, "describe", lambda: go_on.wait() and line.status)
    watchdog = Watchdog(line)
    watchdog.start()
    assert receive(manager) == ["READY=1"]
    began = time.monotonic()
    watchdog.stop()
    assert receive(manager) == ["STOPPING=1"]
    assert time.monotonic() - began < 30
    go_on.set()


def test_the_watchdog_of_another_process_is_left_alone(
    manager: socket.socket, line: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_PID", "1")
    watchdog = Watchdog(line)
    watchdog.start()
    assert receive(manager) == ["READY=1"]
    assert receive(manager) == ["STATUS=6 decisions of 10 triggers"]
    watchdog.stop()


def test_a_manager_that_goes_away_stops_nothing(manager: socket.socket, line: Any) -> None:
    watchdog = Watchdog(line)
    watchdog.start()
    assert receive(manager) == ["READY=1"]
    manager.close()
    watchdog.stop()


def test_without_systemd_nothing_is_done(line: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setitem(sys.modules, "sdnotify", None)
    before = threading.active_count()
    watchdog = Watchdog(line)
    watchdog.start()
    assert threading.active_count() == before
    watchdog.stop()
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    with pytest.raises(MissingLibraryError, match="sdnotify is not installed"):
        Watchdog(line)


def test_a_status_is_one_short_line(line: Any) -> None:
    broken = OutputStatus(name="plc", fault="no answer\nfor 3 s ° ü", delivered=0, backlog=0, failures=9)
    line.change(outputs=(broken,), ledger_fault="the disk is full", alarms=("drift " * 200,))
    text = summarise_status(line.describe())
    assert text.startswith(
        "6 decisions of 10 triggers; ledger: the disk is full; plc: no answer for 3 s ? ?; drift drift"
    )
    assert len(text) == 400
