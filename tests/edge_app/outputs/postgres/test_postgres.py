from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from softcore_benchmarks.line.rig.postgres_server import PASSWORD, PostgresServer, find_postgres
from softcore_edge_app.configuration.options import PostgresOptions
from softcore_edge_app.decisions.decision_record import CONTENT, DecisionRecord
from softcore_edge_app.delivery.copy_worker import CopyWorker
from softcore_edge_app.delivery.decision_log import DecisionLog
from softcore_edge_app.delivery.delivery_offsets import DeliveryOffsets
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.outputs.postgres import migrations
from softcore_edge_app.outputs.postgres.postgres import COLUMNS, PostgresCopy
from softcore_runtime import Decision

pytestmark = pytest.mark.skipif(
    not find_postgres(), reason="needs PostgreSQL's server: apt install postgresql"
)

WAIT = 60  # seconds until something that should happen has not
TIMES = ("triggered_at", "deadline_at", "decided_at", "published_at")
NOW = 1_790_000_000_123_456_789  # nanoseconds since 1970


def wait_until(happened: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT
    while not happened():
        assert time.monotonic() < until, "it didn't happen"
        time.sleep(0.01)


def make_record(number: int, **changed: Any) -> DecisionRecord:
    record = DecisionRecord(
        trigger=f"t{number}", part=f"p{number}", name="x", camera="left", category="pill", bundle="ab" * 32,
        decision=Decision.FAIL if number % 7 == 0 else Decision.PASS, score=number / 3, bound="exact",
        threshold=2.0, fail_above=2.0, engine="onnxruntime", provider="CPU", precision="fp32",
        triggered_at=NOW + number * 1_000_000, deadline_at=NOW + 10**9, decided_at=NOW + 10**8,
        milliseconds=1.5, reason=None, x=0.25, y=0.75,
    )  # fmt: skip
    return replace(record, **changed)


class Line:
    """A ledger, and a worker that copies it."""

    def __init__(self, ledger: Path, options: PostgresOptions) -> None:
        self.path = ledger
        self.ledger = Ledger.open(ledger)
        self.log = DecisionLog(ledger, self.ledger.rows)
        self.offsets = DeliveryOffsets(ledger, self.ledger.id)
        self.copy = PostgresCopy(options)
        self.worker = CopyWorker(self.copy, self.log, self.offsets)
        self.worker.start()

    def enter(self, *records: DecisionRecord) -> None:
        self.log.add(self.ledger.append_all(records), [])

    def end(self, seconds: float = 0.2) -> None:
        self.worker.stop(time.monotonic() + seconds)
        self.worker.join(WAIT)
        self.copy.close()
        self.offsets.close()
        self.ledger.close()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


@pytest.fixture
def options(server: PostgresServer, tmp_path: Path) -> Iterator[PostgresOptions]:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n")
    secret.chmod(0o600)
    yield PostgresOptions(host="127.0.0.1", port=server.port, line="hall 2/line1", password_file=secret)
    server.ask("DROP SCHEMA IF EXISTS softcore CASCADE", database="softcore")


@pytest.fixture
def begin(path: Path, options: PostgresOptions) -> Iterator[Callable[..., Line]]:
    lines: list[Line] = []

    def begin(ledger: Path = path, **changed: Any) -> Line:
        lines.append(Line(ledger, options.model_copy(update=changed)))
        return lines[-1]

    yield begin
    for line in lines:
        if line.ledger:
            line.end()


def read_table(server: PostgresServer) -> list[tuple[Any, ...]]:
    """Read the table as the ledger would have it, in the order of the numbers."""
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user="postgres", password=PASSWORD, dbname="softcore"
    ) as connection:
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        query = f"SELECT {names} FROM softcore.decisions ORDER BY line, number"  # noqa: S608
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def read_ledger(path: Path, line: str = "hall 2/line1") -> list[tuple[Any, ...]]:
    """Read the ledger as the table should have it, by SQLite alone."""
    names = ", ".join(f'"{name}"' for name in ("number", *CONTENT, "hash"))
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(f"SELECT {names} FROM rows ORDER BY number").fetchall()  # noqa: S608
    return [
        (line, *(show(name, value) for name, value in zip(COLUMNS[1:], row, strict=True))) for row in rows
    ]


def show(name: str, value: Any) -> Any:
    if name in TIMES and value is not None:
        return datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=value // 1000)
    return value


def test_decisions_arrive_as_they_are_in_the_ledger(
    begin: Callable[..., Line], server: PostgresServer, path: Path
) -> None:
    line = begin()
    line.enter(make_record(1), make_record(2, score=None, bound=None, reason="lens fell off", x=None))
    line.enter(make_record(3, part="Prüfteil 'ß' \U0001f9ff", deadline_at=None))
    wait_until(lambda: line.worker.delivered == 3)
    assert read_table(server) == read_ledger(path)
    assert line.worker.status.backlog == 0
    assert line.worker.status.fault is None
