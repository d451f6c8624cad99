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
from softcore_edge_app.ledger import seal as ledger_seal
from softcore_edge_app.ledger import wal as ledger_wal
from softcore_edge_app.ledger.ledger import Change, Entry, Flaw, Ledger, Note, Row, verify_ledger
from softcore_edge_app.ledger.note import NOTE_COLUMNS
from softcore_edge_app.ledger.row import COLUMNS
from softcore_edge_app.ledger.seal import seal_path
from softcore_runtime import Decision, LedgerError, UsageError

KILLS = int(os.environ.get("SOFTCORE_KILLS", "15"))
WRITER = """if True:
    import sys, itertools, signal
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    from pathlib import Path
    from softcore_edge_app.ledger.ledger import Change, Entry, Ledger
    with Ledger.open(Path(sys.argv[1])) as ledger:
        for number in itertools.count():
            row = ledger.append(Entry(
                f"{sys.argv[2]}-{number}", "part", "x" * (number % 3000), "camera", "pill", "0" * 64, "PASS",
                3.5, "exact", 12.0, 12.0, "onnxruntime", "CPU", "fp32", number, None, number + 1, 3.25, None,
                0.5, 0.5,
            ))
            print(row.number, row.hash, row.entry.trigger, flush=True)
            if number % 3 == 0:
                note = ledger.note(Change("mark", "camera", row.entry.trigger, None, "good", "page"))
                print(note.number, note.hash, "note", flush=True)
"""


def entry(number: int = 0, **changes: Any) -> Entry:
    fields = {
        "trigger": f"run-{number}", "part": f"part {number}", "name": f"line.avi#{number}",
        "camera": "camera 0", "category": "pill", "bundle": "ab" * 32,
        "decision": Decision.PASS, "score": 3.5 + number, "bound": "exact",
        "threshold": 12.0, "fail_above": 12.0, "engine": "onnxruntime", "provider": "CPUExecutionProvider",
        "precision": "fp32", "triggered_at": 10**18 + number, "deadline_at": 10**18 + number + 10**9,
        "decided_at": 10**18 + number + 7, "milliseconds": 3.25, "reason": None,
    }  # fmt: skip
    return Entry(**{**fields, **changes})


def change(number: int = 0, **changes: Any) -> Change:
    fields = {"kind": "mark", "camera": "camera 0", "subject": f"run-{number}", "before": None,
              "after": "good", "by": "page"}  # fmt: skip
    return Change(**{**fields, **changes})


def write_noted(path: Path, count: int = 5) -> list[Note]:
    """A closed ledger of so many notes, each but the first after a row of its own."""
    with Ledger.open(path) as ledger:
        notes = [ledger.note(change(0))]
        for number in range(1, count):
            ledger.append(entry(number))
            notes.append(ledger.note(change(number)))
    return notes


def write(path: Path, count: int, first: int = 0) -> list[Row]:
    """A closed ledger, with so many rows more."""
    with Ledger.open(path) as ledger:
        return ledger.append_all([entry(first + number) for number in range(count)])


def forge(path: Path, *statements: str) -> None:
    """Change a ledger as who has SQLite can; the seal is broken, so that the chain is all there is."""
    seal_path(path).unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def found(path: Path, head: str | None = None) -> tuple[Flaw, int | None]:
    fault = verify_ledger(path, head).fault
    assert fault, "nothing was found"
    return fault.flaw, fault.row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "line.ledger"


TEXTS = st.text(max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTS = st.integers(-(2**63), 2**63 - 1)
ENTRIES = st.builds(
    Entry, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, st.sampled_from(Decision), st.none() | FLOATS,
    st.none() | TEXTS, FLOATS, FLOATS, TEXTS, TEXTS, TEXTS, INTS, st.none() | INTS, INTS,
    st.none() | FLOATS, st.none() | TEXTS, st.none() | FLOATS, st.none() | FLOATS,
)  # fmt: skip


@example(runs=[[entry(0, score=-0.0, threshold=3, milliseconds=2**60)]])
@settings(max_examples=40, deadline=None)
@given(runs=st.lists(st.lists(ENTRIES, max_size=4), max_size=3))
def test_what_is_entered_is_there(tmp_path_factory: pytest.TempPathFactory, runs: list[list[Entry]]) -> None:
    path = tmp_path_factory.mktemp("ledger") / "a"
    rows: list[Row] = []
    for run in runs:
        with Ledger.open(path) as ledger:
            rows += [ledger.append(one) for one in run]
            assert list(ledger) == rows
            assert verify_ledger(path).fault is None
    with Ledger.open(path) as ledger:
        assert [row.entry for row in ledger] == [one for run in runs for one in run]
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
        content = {"format": 3, "ledger": header["id"], "table": table}
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


OTHERS: dict[str, st.SearchStrategy[Any]] = {
    name: st.integers(1, 2**62) if name.endswith("_at") else FLOATS if name in ("score", "milliseconds",
    "threshold", "fail_above", "x", "y") else st.sampled_from(["FAIL", "REVIEW", "INVALID", "fail", ""])
    if name == "decision" else st.text() | st.binary()
    for name in COLUMNS[1:]
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(data=st.data(), row=st.integers(1, 5), column=st.sampled_from(COLUMNS[1:]))
def test_one_changed_field_is_found_at_its_row(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, row: int, column: str
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "a"
    write(path, 5)
    seal_path(path).unlink()
    value = data.draw(OTHERS[column])
    with closing(sqlite3.connect(path)) as connection:
        (before,) = connection.execute(f'SELECT "{column}" FROM rows WHERE number = ?', [row]).fetchone()
        connection.execute(f'UPDATE rows SET "{column}" = ? WHERE number = ?', [value, row])
        (after,) = connection.execute(f'SELECT "{column}" FROM rows WHERE number = ?', [row]).fetchone()
        connection.commit()
    if (before, type(before)) == (after, type(after)):
        assert verify_ledger(path).fault is None
        return
    assert found(path) == (Flaw.CHANGED, row)
    assert verify_ledger(path).rows == row - 1


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


@settings(max_examples=60, deadline=None)
@given(data=st.data(), note=st.integers(1, 5), column=st.sampled_from(NOTE_COLUMNS[1:]))
def test_one_changed_field_of_a_note_is_found_there(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, note: int, column: str
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "a"
    write_noted(path)
    seal_path(path).unlink()
    value = data.draw(st.integers(0, 2**62) if column in ("at", "row") else st.text() | st.binary())
    with closing(sqlite3.connect(path)) as connection:
        ask = f'SELECT "{column}" FROM notes WHERE number = ?'
        (before,) = connection.execute(ask, [note]).fetchone()
        connection.execute(f'UPDATE notes SET "{column}" = ? WHERE number = ?', [value, note])
        (after,) = connection.execute(ask, [note]).fetchone()
        connection.commit()
    if (before, type(before)) == (after, type(after)):
        assert verify_ledger(path).fault is None
        return
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.flaw, fault.row, fault.table) == (Flaw.CHANGED, note, "notes")
    assert fault.detail.startswith(f"note {note} was changed")
    verified = verify_ledger(path)
    assert (verified.rows, verified.notes) == (4, note - 1)


COPY_NOTE = "INSERT INTO notes SELECT {}, " + ", ".join(f'"{c}"' for c in NOTE_COLUMNS[1:]) + " FROM notes"
SHIFT = ("UPDATE notes SET number = number + 100 WHERE number > {0}",
         "UPDATE notes SET number = number - {1} WHERE number > 100")  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "flaw", "note", "words"),
    [
        (["DELETE FROM notes WHERE number = 3"], Flaw.MISSING, 3, "note 3 is missing"),
        (["DELETE FROM notes WHERE number < 3"], Flaw.MISSING, 1, "notes 1 to 2 are missing"),
        (["DELETE FROM notes WHERE number > 3"], Flaw.TRUNCATED, 4, "the header counts 5"),
        (["DELETE FROM notes"], Flaw.TRUNCATED, 1, "notes 1 to 5 are missing"),
        (["DELETE FROM notes WHERE number = 2", *(s.format(2, 101) for s in SHIFT)],
         Flaw.MISSING, 2, "note 2 is missing"),
        (["UPDATE notes SET number = 99 WHERE number = 2", "UPDATE notes SET number = 2 WHERE number = 5",
          "UPDATE notes SET number = 5 WHERE number = 99"], Flaw.OUT_OF_ORDER, 2, "here stands note 5"),
        ([*(s.format(3, 99) for s in SHIFT), COPY_NOTE.format(4) + " WHERE number = 2"],
         Flaw.INSERTED, 4, "note 4 was inserted"),
        ([COPY_NOTE.format(6) + " WHERE number = 2"], Flaw.OUT_OF_ORDER, 6, "here stands note 2"),
        (["UPDATE ledger SET notes = 4"], Flaw.INSERTED, 5, "the header counts 4"),
        (["UPDATE ledger SET notes_head = hex(7)"], Flaw.CHANGED, 5, "or the header was changed"),
    ],
)  # fmt: skip
def test_notes_that_were_moved_are_found(
    path: Path, statements: list[str], flaw: Flaw, note: int, words: str
) -> None:
    write_noted(path)
    forge(path, *statements)
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.flaw, fault.row, fault.table) == (flaw, note, "notes")
    assert words in fault.detail
    with pytest.raises(LedgerError, match="damaged ledger"):
        Ledger.open(path)


def test_the_notes_hold_the_rows_that_they_were_made_after(path: Path) -> None:
    """Rows with hashes of their own, from some row to the end, and a header that says so."""
    with Ledger.open(path) as ledger:
        rows = ledger.append_all([entry(number) for number in range(10)])
        ledger.note(change(3))
    forged = [*rows[:7]]
    for number in range(7, 10):
        forged.append(Row.chain(entry(number, score=1.0), number + 1, forged[-1].hash))
    forge(
        path,
        "DELETE FROM rows WHERE number > 7",
        *(f"INSERT INTO rows VALUES ({', '.join(repr(v) if v is not None else 'NULL' for v in row.values())})"
          for row in forged[7:]),
        f"UPDATE ledger SET head = '{forged[-1].hash}'",
    )  # fmt: skip
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.flaw, fault.row) == (Flaw.CHANGED, 10)
    assert fault.detail == "row 10 has another hash than note 1 says: the rows were rewritten"
    forge(path, "DELETE FROM rows WHERE number > 7", f"UPDATE ledger SET rows = 7, head = '{rows[6].hash}'")
    assert found(path) == (Flaw.TRUNCATED, 8)


def test_a_note_that_was_moved_with_its_chain_is_found_by_its_row(path: Path) -> None:
    with Ledger.open(path) as ledger:
        row = ledger.append(entry(1))
        first, second = ledger.note(change(1)), ledger.note(change(2))
    back = Note.chain(second.change, 2, second.at, row=0, row_hash=row.previous, previous=first.hash)
    forge(
        path,
        f"UPDATE notes SET \"row\" = 0, row_hash = '{row.previous}', hash = '{back.hash}' WHERE number = 2",
        f"UPDATE ledger SET notes_head = '{back.hash}'",
    )
    fault = verify_ledger(path).fault
    assert fault
    assert (fault.flaw, fault.row, fault.table) == (Flaw.CHANGED, 2, "notes")


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


RENUMBER = "UPDATE rows SET number = number + 100 WHERE number > 5", "UPDATE rows SET number = number - {}"
OTHER_COLUMNS = ", ".join(f'"{name}"' for name in COLUMNS[1:])
COPY = f"INSERT INTO rows SELECT 6, {OTHER_COLUMNS} FROM rows"


@pytest.mark.parametrize(
    ("statements", "flaw", "row"),
    [
        (["DELETE FROM rows WHERE number = 4"], Flaw.MISSING, 4),
        (["DELETE FROM rows WHERE number IN (1, 2)"], Flaw.MISSING, 1),
        (["DELETE FROM rows WHERE number > 7"], Flaw.TRUNCATED, 8),
        (["DELETE FROM rows"], Flaw.TRUNCATED, 1),
        (["DELETE FROM rows WHERE number = 5", RENUMBER[0],
          RENUMBER[1].format(101) + " WHERE number > 100"], Flaw.MISSING, 5),
        (["UPDATE rows SET number = 99 WHERE number = 3", "UPDATE rows SET number = 3 WHERE number = 6",
          "UPDATE rows SET number = 6 WHERE number = 99"], Flaw.OUT_OF_ORDER, 3),
        ([RENUMBER[0], RENUMBER[1].format(99) + " WHERE number > 100", COPY + " WHERE number = 2"],
         Flaw.INSERTED, 6),
        ([COPY.replace("SELECT 6", "SELECT 11") + " WHERE number = 2"], Flaw.OUT_OF_ORDER, 11),
        (["UPDATE ledger SET id = '00'"], Flaw.CHANGED, 0),
        (["UPDATE ledger SET head = hex(7)"], Flaw.CHANGED, 10),
        (["UPDATE ledger SET rows = 9"], Flaw.INSERTED, 10),
        (["UPDATE ledger SET format = 1"], Flaw.CHANGED, 0),
        (["DROP TABLE notes"], Flaw.CHANGED, 0),
        (["UPDATE ledger SET notes = 'x'"], Flaw.CHANGED, 0),
        (["DELETE FROM ledger"], Flaw.CHANGED, 0),
        (["DROP TABLE rows"], Flaw.CHANGED, 0),
        (["CREATE INDEX more ON rows (name)"], Flaw.CHANGED, 0),
    ],
)  # fmt: skip
def test_rows_that_were_moved_are_found(path: Path, statements: list[str], flaw: Flaw, row: int) -> None:
    write(path, 10)
    forge(path, *statements)
    assert found(path) == (flaw, row)
    with pytest.raises(LedgerError, match="damaged ledger"):
        Ledger.open(path)


def test_a_row_rewritten_with_a_hash_of_its_own_is_found(path: Path) -> None:
    rows = write(path, 10)
    forged = Row.chain(entry(5, decision="FAIL"), 6, rows[4].hash)
    forge(path, f"UPDATE rows SET decision = 'FAIL', hash = '{forged.hash}' WHERE number = 6")
    assert found(path) == (Flaw.CHANGED, 6)


def test_only_a_noted_head_shows_a_tail_that_was_cut_with_its_record(path: Path) -> None:
    rows = write(path, 10)
    assert all(verify_ledger(path, row.hash).fault is None for row in rows)
    forge(path, "DELETE FROM rows WHERE number > 7", f"UPDATE ledger SET rows = 7, head = '{rows[6].hash}'")
    assert verify_ledger(path).fault is None
    assert verify_ledger(path, rows[6].hash).fault is None
    assert found(path, rows[7].hash) == (Flaw.TRUNCATED, None)


def test_each_changed_byte_of_a_closed_ledger_is_found(path: Path) -> None:
    """Every one of them, in the file and in its seal; and where: a row, or a page of 4096 bytes."""
    notes = write_noted(path, 4)
    assert verify_ledger(path, notes[-1].hash).fault is None
    for file in (path, seal_path(path)):
        whole = file.read_bytes()
        rng = np.random.default_rng(0)
        with file.open("r+b", buffering=0) as open_file:
            for place, byte in enumerate(whole):
                os.pwrite(open_file.fileno(), bytes([byte ^ 1 << int(rng.integers(8))]), place)
                fault = verify_ledger(path).fault
                assert fault, f"byte {place} of {file.name}"
                if file == path:
                    first = place // 4096 * 4096
                    assert f"page {place // 4096 + 1} (bytes {first} to {first + 4095})" in fault.detail
                os.pwrite(open_file.fileno(), bytes([byte]), place)
    assert verify_ledger(path).fault is None


@pytest.mark.parametrize(
    "change", [lambda data: data[:-4096], lambda data: data + bytes(4096), lambda _: b""]
)
def test_a_file_cut_off_or_prolonged_is_found(path: Path, change: Callable[[bytes], bytes]) -> None:
    write(path, 100)
    path.write_bytes(change(path.read_bytes()))
    assert verify_ledger(path).fault
    with pytest.raises(LedgerError):
        Ledger.open(path)


def crash(path: Path, count: int, at_once: int = 1) -> None:
    """A ledger whose last rows lie in the write-ahead log, as after kill -9."""
    other = path.with_name("source")
    with Ledger.open(other) as ledger:
        for first in range(0, count, at_once):
            ledger.append_all([entry(first + number) for number in range(at_once)])
        path.write_bytes(other.read_bytes())
        path.with_name(f"{path.name}-wal").write_bytes(other.with_name("source-wal").read_bytes())


def test_a_ledger_that_was_not_closed_is_whole_and_goes_on(path: Path) -> None:
    crash(path, 20)
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (20, False, None)
    write(path, 5, first=20)
    verified = verify_ledger(path)
    assert (verified.rows, verified.closed, verified.fault) == (25, True, None)


def test_a_changed_byte_of_the_write_ahead_log_is_found(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite would drop without a word all that follows; but the last two transactions can't be told."""
    monkeypatch.setattr(ledger_wal, "_TRIES", 1)  # nobody is writing
    crash(path, 12)
    wal = path.with_name(f"{path.name}-wal")
    whole = wal.read_bytes()
    # A transaction's last page gives the size of the file.
    ends = [place for place in range(32, len(whole), 4120) if any(whole[place + 4 : place + 8])]
    last_two = ends[-3] + 4120
    for place in [*range(40), *np.random.default_rng(0).integers(40, last_two, 60)]:
        wal.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
        assert verify_ledger(path).fault, place
        with pytest.raises(LedgerError):
            Ledger.open(path)
        assert wal.exists()
    wal.write_bytes(whole)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    assert verify_ledger(path).fault is None


def test_a_write_ahead_log_broken_off_by_a_power_cut_is_no_fault(path: Path) -> None:
    crash(path, 12)
    wal = path.with_name(f"{path.name}-wal")
    whole = wal.read_bytes()
    counts = set()
    for place in np.random.default_rng(0).integers(0, len(whole), 30):
        length = max(int(place), 32)  # the head is written first, and waited for
        for rest in (b"", bytes(len(whole) - length)):
            wal.write_bytes(whole[:length] + rest)
            path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
            verified = verify_ledger(path)
            assert verified.fault is None, length
            counts.add(verified.rows)
    assert len(counts) > 5


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
            there = {(str(row.number), row.hash, row.entry.trigger) for row in ledger}
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


def test_a_limit_on_the_size_of_files_is_an_error_too(path: Path) -> None:
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
        "line.ledger", "line.ledger.lock", "line.ledger.seal",
    ]  # fmt: skip
    with Ledger.open(path):
        assert not seal_path(path).exists()


def test_what_is_written_beside_the_seal_is_found(path: Path) -> None:
    write(path, 2)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE rows SET decision = 'FAIL'")
        connection.commit()
        assert found(path) == (Flaw.DAMAGED, None)
        with pytest.raises(LedgerError):
            Ledger.open(path)


def test_verify_leaves_a_closed_ledger_as_it_is(path: Path) -> None:
    write(path, 2)
    files = {file: file.read_bytes() for file in path.parent.iterdir()}
    assert verify_ledger(path).fault is None
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == files


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
    monkeypatch.setattr(ledger_seal.os, "fsync", lambda _file: None)
    with Ledger.open(path) as ledger:
        assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert ledger._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
