# ruff: noqa: S608 - the SQL here is the tests' own
from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.ledger.ledger import Change, Ledger, Row, verify_ledger
from softcore_edge_app.ledger.seal import seal_path
from softcore_runtime import Decision, LedgerError, UsageError

from .drafts import FLOATS, OTHER_COLUMNS, change, entry, write, write_noted

KILLS = int(os.environ.get("SOFTCORE_KILLS", "15"))


WRITER = """if True:
    import sys, itertools, signal
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    from pathlib import Path
    from softcore_edge_app.decisions.decision_record import DecisionRecord
    from softcore_edge_app.ledger.ledger import Change, Ledger
    with Ledger.open(Path(sys.argv[1])) as ledger:
        for number in itertools.count():
            row = ledger.append(DecisionRecord(
                f"{sys.argv[2]}-{number}", "part", "x" * (number % 3000), "camera", "pill", "0" * 64, "PASS",
                3.5, "exact", 12.0, 12.0, "onnxruntime", "CPU", "fp32", number, None, number + 1, 3.25, None,
                0.5, 0.5,
            ))
            print(row.number, row.hash, row.record.trigger, flush=True)
            if number % 3 == 0:
                note = ledger.note(Change("mark", "camera", row.record.trigger, None, "good", "page"))
                print(note.number, note.hash, "note", flush=True)
"""


TEXTS = st.text(max_size=20)


INTS = st.integers(-(2**63), 2**63 - 1)


ENTRIES = st.builds(
    DecisionRecord, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.sampled_from(Decision), st.none() | FLOATS,
    st.none() | TEXTS, FLOATS, FLOATS, TEXTS, TEXTS, TEXTS, INTS, st.none() | INTS, INTS,
    st.none() | FLOATS, st.none() | TEXTS, st.none() | FLOATS, st.none() | FLOATS,
)  # fmt: skip


@example(runs=[[entry(0, score=-0.0, threshold=3, milliseconds=2**60)]])
@settings(max_examples=40, deadline=None)
@given(runs=st.lists(st.lists(ENTRIES, max_size=4), max_size=3))
def test_what_is_entered_is_there(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[DecisionRecord]]
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "a"
    rows: list[Row] = []
    for run in runs:
        with Ledger.open(path) as ledger:
            rows += [ledger.append(one) for one in run]
            assert list(ledger) == rows
            assert verify_ledger(path).fault is None
    with Ledger.open(path) as ledger:
        assert [row.record for row in ledger] == [one for run in runs for one in run]
        assert (ledger.rows, ledger.head) == (len(rows), rows[-1].hash if rows else ledger.head)
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (len(rows), True, None)
    assert [row.number for row in rows] == [*range(1, len(rows) + 1)]


def test_the_chain_is_sha256_over_json(path: Path) -> None:
    """Recomputed from what SQLite alone gives: nobody needs SoftCore to check it."""
    write_noted(path, 4)
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        (header,) = connection.execute("SELECT * FROM ledger").fetchall()
        rows = [dict(row) for row in connection.execute("SELECT * FROM rows ORDER BY number")]
        notes = [dict(row) for row in connection.execute("SELECT * FROM notes ORDER BY number")]
    for table, links, head in (("rows", rows, "head"), ("notes", notes, "notes_head")):
        content = {"format": 4, "ledger": header["id"], "table": table}
        for link in [*links, None]:
            text = json.dumps(content, sort_keys=True, separators=(",", ":"))
            digest = hashlib.sha256(text.encode()).hexdigest()
            if link:
                assert link["previous"] == digest
                content = {name: value for name, value in link.items() if name != "hash"}
        assert (header[table], header[head]) == (len(links), digest)
        assert links[-1]["hash"] == digest
    assert [(note["row"], note["row_hash"]) for note in notes[1:]] == [
        (row["number"], row["hash"]) for row in rows
    ]
    assert (notes[0]["row"], notes[0]["row_hash"]) == (0, rows[0]["previous"])


@pytest.mark.parametrize(
    "changes",
    [
        {"score": float("nan")}, {"threshold": float("inf")}, {"decided_at": 2**63}, {"name": "\udcff"},
        {"decision": "MAYBE"},
    ],
)  # fmt: skip
def test_what_would_not_come_back_is_no_entry(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"finite|64 bits|surrogates|MAYBE"):
        entry(**changes)


CHANGES = st.builds(
    Change, st.just("limit"), TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS, TEXTS,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(turns=st.lists(st.integers(0, 3) | CHANGES, max_size=8))
def test_what_is_noted_is_there(tmp_path_factory: pytest.TempPathFactory, turns: list[int | Change]) -> None:
    path = tmp_path_factory.mktemp("ledger") / "a"
    noted, rows = [], 0
    for turn in turns:
        with Ledger.open(path) as ledger:
            if isinstance(turn, Change):
                note = ledger.note(turn)
                assert (note.change, note.row) == (turn, rows)
                noted.append(note)
            else:
                rows += len(ledger.append_all([entry(rows + number) for number in range(turn)]))
            assert ledger.read_notes() == noted
        verified = verify_ledger(path, noted[-1].hash if noted else None)
        assert (verified.rows, verified.notes, verified.closed, verified.fault) == (
            rows, len(noted), True, None,
        )  # fmt: skip
    assert [note.number for note in noted] == [*range(1, len(noted) + 1)]


def test_a_change_says_what_it_is() -> None:
    with pytest.raises(ValueError, match="mark, limit, recipe, running, trigger"):
        change(kind="theft")
    assert change(camera="\udcff").camera == "\\udcff"
    assert change(before="bad", after="good").undo() == change(before="good", after="bad")


def test_threads_take_turns(path: Path) -> None:
    with Ledger.open(path) as ledger:

        def work(thread: int) -> None:
            for number in range(50):
                if thread % 2:
                    ledger.note(change(number, by=f"{thread}"))
                else:
                    ledger.append(entry(1000 * thread + number))

        threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    verified = verify_ledger(path)
    assert (verified.rows, verified.notes, verified.fault) == (100, 100, None)


def measure_start(path: Path) -> float:
    """Seconds until a writer has published its first row, on this machine, as busy as it is."""
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), "first"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        process.kill()
    return time.monotonic() - began


def test_kill_9_loses_no_published_row(tmp_path: Path) -> None:
    """At random moments, of its start too; a ledger goes on through ten of them."""
    rng = np.random.default_rng()
    published: dict[Path, set[tuple[str, ...]]] = {}
    start = measure_start(tmp_path / "first.ledger")
    for kill in range(KILLS):
        path = tmp_path / f"{kill // 10}.ledger"
        command = [sys.executable, "-c", WRITER, str(path), str(kill)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            with suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.7, 1.0) * start + rng.uniform(0, 0.4))
            process.send_signal(signal.SIGKILL)
            out, err = process.communicate()
        assert process.returncode == -signal.SIGKILL, err
        lines = [tuple(line.split()) for line in out.splitlines(keepends=True) if line.endswith("\n")]
        published.setdefault(path, set()).update(lines)
        if not path.exists():
            assert not lines
            continue
        assert (verified := verify_ledger(path)).fault is None
        with Ledger.open(path) as ledger:
            there = {(str(row.number), row.hash, row.record.trigger) for row in ledger}
            noted = {(str(note.number), note.hash, "note") for note in ledger.read_notes()}
        assert published[path] <= there | noted
        assert (len(there), len(noted)) == (verified.rows, verified.notes)
    assert sum(map(len, published.values())) > 10
    print(f"{KILLS} kills, {sum(map(len, published.values()))} rows published")  # noqa: T201


def test_a_row_that_is_refused_leaves_nothing_behind(path: Path) -> None:
    """Here because another program has taken its number."""
    with Ledger.open(path) as ledger, closing(sqlite3.connect(path)) as connection:
        ledger.append(entry(0))
        connection.execute(f"INSERT INTO rows SELECT 2, {OTHER_COLUMNS} FROM rows")
        connection.commit()
        with pytest.raises(LedgerError, match="UNIQUE"):
            ledger.append(entry(1))
        connection.execute("DELETE FROM rows WHERE number = 2")
        connection.commit()
        ledger.append(entry(2))
    assert verify_ledger(path).rows == 2


def fill(ledger: Ledger) -> None:
    while True:
        ledger.append(entry(ledger.rows))


def test_a_full_disk_takes_nothing_back(small_disk: Callable[..., Path]) -> None:
    disk = small_disk(1_000_000)
    path = disk / "line.ledger"
    ledger = Ledger.open(path)
    with pytest.raises(LedgerError, match=r"full|disk I/O"):
        fill(ledger)
    count = ledger.rows
    assert count > 100
    for _ in range(3):
        with pytest.raises(LedgerError):
            ledger.append_all([entry(count + number) for number in range(500)])
    assert (ledger.rows, len(list(ledger))) == (count, count)
    assert verify_ledger(path).rows == count
    subprocess.run(["mount", "-o", "remount,size=4000000", disk], check=True)
    ledger.append(entry(count))
    ledger.close()
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (count + 1, True, None)


def test_a_ledger_that_can_not_be_sealed_is_as_after_a_power_cut(small_disk: Callable[..., Path]) -> None:
    disk = small_disk(1_000_000)
    path = disk / "line.ledger"
    ledger = Ledger.open(path)
    rows = ledger.append_all([entry(number) for number in range(200)])
    with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(4096))
    with pytest.raises(LedgerError, match="closed without a seal"):
        ledger.close()
    (disk / "ballast").unlink()
    verified = verify_ledger(path)
    assert (verified.rows, verified.head, verified.closed) == (200, rows[-1].hash, False)
    assert verified.fault is None
    write(path, 1)
    assert verify_ledger(path).closed


def test_a_threshold_on_the_size_of_files_is_an_error_too(path: Path) -> None:
    """Which SQLite reports as an I/O error, not as a full disk."""
    with Ledger.open(path) as ledger:
        ledger.append(entry(1))
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            with pytest.raises(LedgerError):
                ledger.append_all([entry(number, name="x" * 1000) for number in range(50)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            signal.signal(signal.SIGXFSZ, before)
        ledger.append(entry(2))
    assert verify_ledger(path).rows == 2


def test_a_second_writer_is_refused_and_the_first_not_disturbed(path: Path) -> None:
    write(path, 3)
    command = [sys.executable, "-c", WRITER, str(path), "other"]
    with Ledger.open(path) as ledger:
        ledger.append(entry(3))
        done = subprocess.run(command, capture_output=True, text=True)
        assert "LedgerError" in done.stderr
        assert done.stderr.rstrip().endswith("another process is writing this ledger; give each line its own")
        with pytest.raises(LedgerError, match="another process"):
            Ledger.open(path)
        ledger.append(entry(4))
    assert verify_ledger(path).rows == 5


def test_a_ledger_by_another_name_is_the_same(path: Path) -> None:
    """Its lock, its head file and its seal lie beside the file, not beside a link to it."""
    write(path, 3)
    other = path.parent / "elsewhere" / "other.ledger"
    other.parent.mkdir()
    other.symlink_to(path)
    with Ledger.open(other) as ledger:
        with pytest.raises(LedgerError, match="another process is writing this ledger"):
            Ledger.open(path)
        ledger.append(entry(3))
        assert verify_ledger(other).rows == 4
    verified = verify_ledger(other)
    assert (verified.rows, verified.closed, verified.fault) == (4, True, None)
    assert [file.name for file in other.parent.iterdir()] == ["other.ledger"]


def test_readers_beside_a_writer(path: Path) -> None:
    """A writer in a process of its own, past several checkpoints; each reader sees a whole ledger, and later
    ones no less."""
    command = [sys.executable, "-c", WRITER, str(path), "live"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        rows = 0
        for turn in range(12):
            last = [process.stdout.readline().split() for _ in range(150)]
            verified = verify_ledger(path, head=last[-1][1])
            assert (verified.fault, verified.closed) == (None, False), turn
            assert verified.rows >= max(rows, *(int(line[0]) for line in last if line[2] != "note"))
            rows = verified.rows
        process.send_signal(signal.SIGINT)
        process.communicate()
    verified = verify_ledger(path)
    assert (verified.fault, verified.closed) == (None, True)


def test_an_open_ledger_has_no_seal_and_a_closed_one_no_log(path: Path) -> None:
    write(path, 2)
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "line.ledger", "line.ledger.head", "line.ledger.lock", "line.ledger.seal",
    ]  # fmt: skip
    with Ledger.open(path):
        assert not seal_path(path).exists()


def test_what_is_no_ledger_is_not_written_to(path: Path) -> None:
    path.write_text("the shopping list")
    with pytest.raises(LedgerError, match="not a database"):
        Ledger.open(path)
    assert path.read_text() == "the shopping list"
    with pytest.raises(UsageError, match="no place"):
        Ledger.open(path.parent)
    with pytest.raises(UsageError, match="no place"):
        Ledger.open(path / "gone" / "a")
    with pytest.raises(UsageError, match="no such ledger"):
        verify_ledger(path.with_name("gone"))


def test_rows_are_on_the_disk_when_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite is told to wait for the disk; what the disk does then no test can see."""
    monkeypatch.setattr(os, "fsync", lambda _file: None)
    with Ledger.open(path) as ledger:
        assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert ledger._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("noted", [True, False])
def test_ctrl_c_after_a_commit_leaves_a_ledger_that_is_sealed(
    path: Path, noted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger.open(path)
    ledger.append(entry(0))
    before = ledger._counts

    def interrupt(_self: Ledger, _added: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(Ledger, "_write_head", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ledger.append(entry(1))
    if not noted:  # it came a step earlier
        ledger._counts = before
    ledger.close()
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (2, True, None)
