from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from softcore_benchmarks.line.rig.ports import find_free_port
from softcore_benchmarks.line.rig.postgres_server import PASSWORD, PostgresServer, find_postgres
from softcore_edge_app.configuration.options import PostgresOptions
from softcore_edge_app.decisions.decision_record import CONTENT, DecisionRecord
from softcore_edge_app.delivery import delivery_worker
from softcore_edge_app.delivery.copy_worker import CopyWorker
from softcore_edge_app.delivery.decision_log import DecisionLog
from softcore_edge_app.delivery.delivery_offsets import DeliveryOffsets
from softcore_edge_app.delivery.output import Position
from softcore_edge_app.ledger.ledger import Ledger
from softcore_edge_app.outputs.postgres import postgres
from softcore_edge_app.outputs.postgres.migrations import NEWEST
from softcore_edge_app.outputs.postgres.postgres import COLUMNS, PostgresCopy
from softcore_edge_app.pipeline.controls import Status
from softcore_runtime import Decision, OutputError

from tests.edge_app.records import make_record

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


def make_part(number: int, **changes: Any) -> DecisionRecord:
    failed = number % 7 == 0
    known: dict[str, Any] = {
        "decision": Decision.FAIL if failed else Decision.PASS, "score": number / 3, "x": 0.25, "y": 0.75,
        "triggered_at": NOW + number * 10**6, "deadline_at": NOW + 10**9, "decided_at": NOW + 10**8,
    }  # fmt: skip
    return make_record(number, **{**known, **changes})


class Line:
    """A ledger, and a worker that copies it."""

    def __init__(self, ledger: Path, options: PostgresOptions) -> None:
        self.ended = False
        self.ledger = Ledger.open(ledger)
        self.log = DecisionLog(ledger, self.ledger.rows)
        self.offsets = DeliveryOffsets(ledger, self.ledger.id)
        self.copy = PostgresCopy(options)
        self.worker = CopyWorker(self.copy, self.log, self.offsets)
        self.worker.start()

    def enter(self, *records: DecisionRecord) -> None:
        self.log.add(self.ledger.append_all(records), [])

    def correct(self, record: DecisionRecord) -> None:
        """Enter a decision that came too late, and what corrects it, as the publisher does."""
        (row,) = self.ledger.append_all([record])
        late = row.record.correct(None, "late: decided on", NOW + 2 * 10**9)
        self.log.add(self.ledger.append_all([late]), [])

    def end(self, seconds: float = 0.2) -> None:
        if self.ended:
            return
        self.ended = True
        self.worker.stop(time.monotonic() + seconds)
        self.worker.join(WAIT)
        self.copy.close()
        self.offsets.close()
        self.ledger.close()


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll often; nobody has a library's password file either."""
    monkeypatch.setattr(delivery_worker, "_POLL", 0.05)
    monkeypatch.setenv("PGPASSFILE", "/nonexistent")


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
    line.enter(make_part(1), make_part(2, score=None, bound=None, reason="lens fell off", x=None))
    line.enter(make_part(3, part="Prüfteil 'ß' \U0001f9ff", deadline_at=None))
    wait_until(lambda: line.worker.delivered == 3)
    assert read_table(server) == read_ledger(path)
    assert line.worker.status.backlog == 0
    assert line.worker.status.fault is None


def test_the_reasons_and_times_of_corrections_are_in_the_table_and_the_view_has_what_holds(
    begin: Callable[..., Line], server: PostgresServer, path: Path
) -> None:
    line = begin()
    line.enter(make_part(1))
    line.correct(make_part(2))
    line.enter(make_part(4))
    wait_until(lambda: line.worker.delivered == 4)
    assert read_table(server) == read_ledger(path)
    held = server.ask("SELECT number, decision, corrects FROM softcore.parts ORDER BY 1", database="softcore")
    assert held == [["1", "PASS", ""], ["3", "INVALID", "2"], ["4", "PASS", ""]]


def test_a_new_table_gets_what_the_ledger_has_already_in_batches(
    begin: Callable[..., Line], server: PostgresServer, path: Path
) -> None:
    with Ledger.open(path) as ledger:
        ledger.append_all([make_part(number) for number in range(1, 1501)])
    line = begin(batch=400)
    assert line.worker.status.backlog == 1500 or line.worker.delivered
    wait_until(lambda: line.worker.delivered == 1500)
    assert read_table(server) == read_ledger(path)


def test_nothing_is_lost_or_twice_when_the_server_is_killed_under_load_and_the_line_starts_again(
    begin: Callable[..., Line], server: PostgresServer, path: Path
) -> None:
    line = begin(batch=20)
    for number in range(1, 2001):
        line.enter(make_part(number))
        if number in (300, 1200):
            server.kill()
        elif number in (700, 1700):
            server.start()
        elif number in (500, 900, 1500):  # the first and the last while there is no server
            line.end(0.05)
            line = begin(batch=20)
        time.sleep(0.001)
    wait_until(lambda: line.worker.status.backlog == 0 and line.worker.status.fault is None)
    counted = server.ask(
        "SELECT count(*), count(DISTINCT (line, number)) FROM softcore.decisions", database="softcore"
    )
    assert counted == [["2000", "2000"]]
    assert read_table(server) == read_ledger(path)


def test_an_answer_that_is_lost_after_the_commit_makes_no_second_row(
    begin: Callable[..., Line], server: PostgresServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, copy = begin(), PostgresCopy.copy
    lost = iter([True, True])

    def lose(self: PostgresCopy, rows: Any) -> None:
        copy(self, rows)
        if next(lost, False):
            self._position = Position(0, "")  # nor does the process know it
            self._disconnect()
            raise OutputError("the connection is lost")

    monkeypatch.setattr(PostgresCopy, "copy", lose)
    line.enter(make_part(1), make_part(2))
    line.enter(make_part(3))
    wait_until(lambda: line.worker.status.backlog == 0 and not next(lost, False))
    assert read_table(server) == read_ledger(path)


def test_a_database_that_was_restored_from_a_backup_gets_again_what_it_lost(
    begin: Callable[..., Line], server: PostgresServer, path: Path
) -> None:
    line = begin()
    line.enter(*(make_part(number) for number in range(1, 11)))
    wait_until(lambda: line.worker.delivered == 10)
    line.end()
    server.ask("DELETE FROM softcore.decisions WHERE number > 4", database="softcore")
    begin()
    wait_until(lambda: read_table(server) == read_ledger(path))


def find_fault(line: Line) -> str:
    """Wait until the worker has a fault, and return it."""
    wait_until(lambda: line.worker.fault)
    return re.sub(r"127\.0\.0\.1:\d+", "SERVER", line.worker.status.fault or "")


def test_a_wrong_password_and_a_missing_database_are_named_and_wait(
    begin: Callable[..., Line], server: PostgresServer, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guess")
    line = begin(password_file=wrong)
    line.enter(make_part(1))
    refused = 'SERVER/softcore: refuses the connection (password authentication failed for user "softcore")'
    assert find_fault(line) == refused
    assert line.worker.status.backlog == 1
    line.end()
    line = begin(database="absent")
    assert find_fault(line) == 'SERVER/absent: refuses the connection (database "absent" does not exist)'
    server.ask("CREATE DATABASE absent OWNER softcore")
    wait_until(lambda: line.worker.delivered == 1)
    line.end()
    server.ask("DROP DATABASE absent WITH (FORCE)")


def test_a_password_in_the_environment_will_do(
    begin: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    line = begin(password_file=None)
    line.enter(make_part(1))
    wait_until(lambda: line.worker.delivered == 1)


def test_nobody_at_the_address_is_a_fault_before_the_first_decision(begin: Callable[..., Line]) -> None:
    line = begin(port=find_free_port())
    assert find_fault(line).startswith("SERVER/softcore: can't be reached (")
    assert "Connection refused" in find_fault(line)


def test_tables_of_a_newer_version_are_left_alone(begin: Callable[..., Line], server: PostgresServer) -> None:
    line = begin()
    wait_until(lambda: line.copy.fault is None)
    line.end()
    server.ask("INSERT INTO softcore.versions (version) VALUES (99)", database="softcore")
    line = begin()
    line.enter(make_part(1))
    assert find_fault(line) == (
        f"SERVER/softcore: its tables are of version 99, and this SoftCore knows {NEWEST}; "
        "update SoftCore here"
    )
    assert read_table(server) == []


def test_tables_that_an_administrator_made_need_no_right_to_create(
    begin: Callable[..., Line], server: PostgresServer
) -> None:
    server.ask(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
    line = begin(user="reader")
    assert "refuses the decisions (permission denied" in find_fault(line)
    other = begin(ledger=line.log.path.with_name("other.ledger"), line="other")
    wait_until(lambda: other.copy.fault is None)
    grants = (
        "GRANT USAGE ON SCHEMA softcore TO reader",
        "GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA softcore TO reader",
    )
    server.ask(*grants, database="softcore")
    line.enter(make_part(1))
    wait_until(lambda: line.worker.delivered == 1)
    line.end()
    other.end()
    server.ask("DROP OWNED BY reader", database="softcore")
    server.ask("DROP ROLE reader")


def test_a_database_of_another_encoding_is_refused(
    begin: Callable[..., Line], server: PostgresServer
) -> None:
    server.ask("CREATE DATABASE latin OWNER softcore ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C'")
    line = begin(database="latin")
    assert find_fault(line) == (
        "SERVER/latin: the database's encoding is LATIN1; create one with ENCODING 'UTF8'"
    )


def test_another_ledger_under_the_same_name_is_refused_and_changes_nothing(
    begin: Callable[..., Line], server: PostgresServer, path: Path, tmp_path: Path
) -> None:
    line = begin()
    line.enter(make_part(1), make_part(2))
    wait_until(lambda: line.worker.delivered == 2)
    other = begin(tmp_path / "other.ledger")
    other.enter(make_part(1), make_part(2), make_part(3))
    assert find_fault(other) == (
        "the table's last decision of this line, 2, is not in this ledger; "
        "give a line with another ledger another name (postgres.line)"
    )
    other.end()
    assert read_table(server) == read_ledger(path)
    renamed = begin(tmp_path / "other.ledger", line="line2")
    wait_until(lambda: renamed.worker.delivered == 3)
    assert read_table(server) == read_ledger(path) + read_ledger(tmp_path / "other.ledger", "line2")


def test_two_lines_that_begin_at_once_under_one_name_are_not_mixed(
    begin: Callable[..., Line], server: PostgresServer, path: Path, tmp_path: Path
) -> None:
    first, second = begin(), begin(tmp_path / "other.ledger")
    wait_until(lambda: first.copy.fault is None and second.copy.fault is None)
    first.enter(make_part(1), make_part(2))
    wait_until(lambda: first.worker.delivered == 2)
    second.enter(*(make_part(number) for number in range(1, 6)))
    assert "another line writes there" in find_fault(second) or "is not in this ledger" in find_fault(second)
    assert read_table(server) == read_ledger(path)


def test_a_character_that_no_text_of_postgres_can_hold_is_written_out(
    begin: Callable[..., Line], server: PostgresServer
) -> None:
    line = begin()
    line.enter(make_part(1, part="a\0b"))
    wait_until(lambda: line.worker.delivered == 1)
    assert server.ask("SELECT part FROM softcore.decisions", database="softcore") == [["a\\x00b"]]


def test_a_server_that_does_not_answer_is_a_fault_and_holds_up_nothing(
    begin: Callable[..., Line], server: PostgresServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_SLOW", 0.2)
    line = begin()
    line.enter(make_part(1))
    wait_until(lambda: line.worker.delivered == 1)
    holder = psycopg.connect(
        host="127.0.0.1", port=server.port, user="postgres", password=PASSWORD, dbname="softcore"
    )
    with holder:
        holder.execute("LOCK TABLE softcore.decisions")
        line.enter(*(make_part(number) for number in range(2, 100)))  # returns at once
        wait_until(lambda: "has not answered for" in (line.worker.status.fault or ""))
    wait_until(lambda: line.worker.status.backlog == 0)
    assert read_table(server) == read_ledger(path)
    assert line.worker.status.fault is None


def run_line(*options: str, without: str = "") -> subprocess.CompletedProcess[str]:
    """Run `softcore-edge` to the end of its images, in a process in which a library isn't there."""
    block = f"sys.modules[{without!r}] = None; " if without else ""
    code = f"import sys; {block}from softcore_edge_app.cli.command import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True)


def test_a_line_decides_without_its_database_and_brings_it_all_at_the_next_start(
    server: PostgresServer, options: PostgresOptions, tiny_bundle: Path, path: Path
) -> None:
    place = {"host": "127.0.0.1", "port": find_free_port(), "line": "hall 2/line1"}
    file = path.with_name("line.toml")

    def start() -> subprocess.CompletedProcess[str]:
        table = "".join(f"{key} = {json.dumps(value)}\n" for key, value in place.items())
        secret = f"password_file = {json.dumps(str(options.password_file))}\n"
        top = f"bundle = '{tiny_bundle}'\nsource = '{tiny_bundle / 'golden'}'\nledger = '{path}'\n"
        file.write_text(f"{top}json = true\n[postgres]\n{table}{secret}")
        return run_line("--config", str(file))

    away = start()
    assert away.returncode == 0, away.stderr
    assert [json.loads(line)["decision"] for line in away.stdout.splitlines()] == ["PASS", "FAIL"]
    assert server.ask("SELECT 1 FROM pg_namespace WHERE nspname = 'softcore'", database="softcore") == []
    place["port"] = server.port
    back = start()
    assert (back.returncode, back.stderr.count("takes no decisions")) == (0, 0)
    assert len(read_table(server)) == 4
    assert read_table(server) == read_ledger(path)


def test_without_the_extra_a_line_is_as_before_and_the_table_names_the_command(
    tiny_bundle: Path, path: Path
) -> None:
    words = [str(tiny_bundle), "--source", str(tiny_bundle / "golden"), "--ledger", str(path)]
    assert run_line(*words, without="psycopg").returncode == 0
    ended = run_line(*words, "--set", "postgres.host=db", "--set", "postgres.line=line1", without="psycopg")
    assert ended.returncode == 2
    assert ended.stderr == "softcore-edge: psycopg is not installed; run: pip install 'softcore[postgres]'\n"


def test_a_line_without_its_database_is_ready(begin: Callable[..., Line]) -> None:
    line = begin(port=find_free_port())
    assert find_fault(line)
    assert Status((), (line.worker.status,), None, None, ()).ready
    assert not Status((), (replace(line.worker.status, essential=True),), None, None, ()).ready
