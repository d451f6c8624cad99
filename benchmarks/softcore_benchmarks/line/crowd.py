"""Crowd: how fast a line's port answers `/healthz` while clients hold idle connections.

    python -m softcore_benchmarks.line.crowd --out benchmarks

A process of its own holds the connections: silent ones, ones with half a request, and ones that follow the
events. Meanwhile another client requests `/healthz`, each time on a new connection. Times are milliseconds;
the one that is promised is the largest. Writes results/line_crowd.json into --out.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.request import urlopen

import numpy as np
from softcore_edge_app.configuration.options import HttpOptions
from softcore_edge_app.pipeline.controls import OperatorControls, Status
from softcore_edge_app.web.port.server import WebServer
from softcore_runtime.cli.command_line import run
from softcore_runtime.errors import SoftCoreError

from softcore_benchmarks.measuring.commands import make_parser
from softcore_benchmarks.measuring.machine import describe_machine
from softcore_benchmarks.measuring.results import print_results

__all__ = ["main", "measure_crowd"]

REQUESTS = {
    "silent": b"",
    "half a request": b"GET /healthz HTTP/1.1\r\nHost: local",
    "followers of events": b"GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n",
}
_SETTLE = 1.0  # seconds


class _Idle:
    """A healthy line without cameras."""

    def describe(self) -> Status:
        return Status((), (), None, None, ())


def measure_crowd(clients: int, requests: int) -> dict[str, dict[str, float]]:
    """Measure how long requests for `/healthz` take beside each kind of client: milliseconds."""
    found = {}
    for kind in ("nobody", *REQUESTS):
        server = WebServer(HttpOptions(port=0), cast(OperatorControls, _Idle()), lambda: (b"", ""))
        server.start()
        try:
            with _hold(server.url, kind, 0 if kind == "nobody" else clients):
                spent = [_time_request(f"{server.url}healthz") for _ in range(requests)]
        finally:
            server.close()
        found[kind] = {
            "median": round(float(np.median(spent)), 2),
            "p99": round(float(np.quantile(spent, 0.99)), 2),
            "largest": round(max(spent), 2),
        }
    return found


def _time_request(url: str) -> float:
    start = time.perf_counter()
    with urlopen(url, timeout=30) as answer:  # noqa: S310 - on this machine
        answer.read()
    return 1000 * (time.perf_counter() - start)


@contextmanager
def _hold(url: str, kind: str, clients: int) -> Iterator[None]:
    """Hold connections from another process inside the block."""
    command = [sys.executable, "-m", "softcore_benchmarks.line.crowd", "--hold", url, "--kind", kind]
    holder = subprocess.Popen(
        [*command, "--clients", str(clients)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        if holder.stdout is None or not holder.stdout.readline():
            raise SoftCoreError("the clients can't connect")
        time.sleep(_SETTLE)
        yield
        holder.communicate()


def _connect(url: str, kind: str, clients: int) -> None:
    """Connect, print a line when all are connected, and hold the connections until standard input ends."""
    host, port = url.rstrip("/").rpartition("/")[2].rsplit(":", 1)
    with ExitStack() as held:
        for number in range(clients):
            # From many addresses, since connections from one address are bounded.
            source = (f"127.0.0.{2 + number % 40}", 0)
            one = held.enter_context(socket.create_connection((host, int(port)), 60, source_address=source))
            one.sendall(REQUESTS[kind])
        print("ready", flush=True)
        sys.stdin.read()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the measurement; return the exit code."""
    parser = make_parser("line.crowd", __doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where results/line_crowd.json goes")
    parser.add_argument("--hold", metavar="URL", help=argparse.SUPPRESS)  # in the other process
    parser.add_argument("--kind", choices=["nobody", *REQUESTS], help=argparse.SUPPRESS)
    return run(parser, _work, arguments)


def _work(options: argparse.Namespace) -> int:
    if options.hold:
        _connect(options.hold, options.kind, options.clients)
        return 0
    found: dict[str, Any] = dict(measure_crowd(options.clients, options.requests))
    print_results(
        "line_crowd", {"machine": describe_machine(), "clients": options.clients, **found}, options.out
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
