from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from softcore_edge_app.cli.command import main
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.ledger.ledger import Change, Ledger, Row
from softcore_edge_app.ledger.note import NOTE_COLUMNS
from softcore_edge_app.ledger.seal import seal_path
from softcore_runtime import Decision, UsageError

Capsys = pytest.CaptureFixture[str]
START = int(datetime(2026, 11, 1, tzinfo=timezone.utc).timestamp()) * 10**9
HOUR = 3600 * 10**9
DECISIONS = ["PASS", "FAIL", "REVIEW", "INVALID", "PASS", "INVALID", "INVALID", "PASS", "FAIL", "PASS"]


def entry(number: int) -> DecisionRecord:
    decision = Decision(DECISIONS[number])
    valid = decision is not Decision.INVALID
    return DecisionRecord(
        trigger=f"run-{number}",
        part=f"part {number}",
        name=f'a "quoted", name\n{number} é',
        camera="camera 0",
        category="pill" if number < 6 else "screw",
        bundle="ab" * 32,
        decision=decision,
        score=1 / 3 + number if valid else None,
        bound="exact" if valid else None,
        threshold=12.1,
        fail_above=12.1,
        engine="onnxruntime",
        provider="CPUExecutionProvider",
        precision="fp32",
        triggered_at=START + number * HOUR - 1,
        deadline_at=None,
        decided_at=START + number * HOUR,
        milliseconds=10.0 * number if valid else None,
        reason=None if valid else ("not an image" if number == 3 else "it froze"),
    )


@pytest.fixture
def rows(path: Path) -> list[Row]:
    with Ledger.open(path) as ledger:
        return ledger.append_all([entry(number) for number in range(10)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "line 1?.ledger"


def run(capsys: Capsys, *arguments: object) -> tuple[int, str, str]:
    code = main(["ledger", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_verify_gives_rows_and_head(rows: list[Row], path: Path, capsys: Capsys) -> None:
    whole = f"{path}: 10 rows, whole, closed; head {rows[-1].hash}\n"
    assert run(capsys, "verify", path) == (0, whole, "")
    assert run(capsys, "verify", path, "--head", rows[4].hash.upper()) == (0, whole, "")


def test_verify_counts_notes_and_takes_their_heads(path: Path, capsys: Capsys) -> None:
    with Ledger.open(path) as ledger:
        row = ledger.append(entry(0))
        notes = [ledger.note(Change("limit", "camera 0", "tiny", "11.0", "12.0", "page")) for _ in range(2)]
    heads = f"head {row.hash}, of the notes {notes[1].hash}"
    whole = f"{path}: 1 rows, 2 notes, whole, closed; {heads}\n"
    for note in notes:
        assert run(capsys, "verify", path, "--head", note.hash) == (0, whole, "")


def test_notes_come_back(path: Path, tmp_path: Path, capsys: Capsys) -> None:
    with Ledger.open(path) as ledger:
        notes = [
            ledger.note(Change("limit", 'a "quoted", camera', "tiny", "11.0", None, "page")),
            ledger.note(Change("running", "é", None, "true", "false", "mqtt")),
        ]
    out = tmp_path / "notes.csv"
    assert run(capsys, "export", path, "--out", out, "--notes") == (0, "", f"2 of 2 notes in {out}\n")
    expected = [dict(zip(NOTE_COLUMNS, note.values(), strict=True)) for note in notes]
    with out.open(encoding="utf-8", newline="") as file:
        back = list(csv.DictReader(file))
    assert back == [
        {name: "" if value is None else str(value) for name, value in note.items()} for note in expected
    ]
    since = datetime.fromtimestamp(notes[1].at / 10**9 + 1, timezone.utc).isoformat()
    assert run(capsys, "export", path, "--out", out, "--notes", "--since", since)[2].startswith("0 of 2")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install 'softcore[parquet]'")
    assert run(capsys, "export", path, "--out", tmp_path / "notes.parquet", "--notes")[0] == 0
    table = parquet.read_table(tmp_path / "notes.parquet")
    assert str(table.schema.field("at").type) == "timestamp[ns, tz=UTC]"
    column = table.schema.get_field_index("at")
    assert table.set_column(column, "at", table.column("at").cast("int64")).to_pylist() == expected


@pytest.mark.usefixtures("rows")
def test_verify_beside_a_line(path: Path, capsys: Capsys) -> None:
    with Ledger.open(path) as ledger:
        more = ledger.append(entry(0))
        code, out, _ = run(capsys, "verify", path)
    assert (code, out) == (0, f"{path}: 11 rows, whole, being written, or not closed; head {more.hash}\n")


def test_three_states_have_three_exit_codes(path: Path, tmp_path: Path, capsys: Capsys) -> None:
    """Whole, tail unprovable, and rows missing, of a ledger that wasn't closed."""
    files = {}
    with Ledger.open(path) as ledger:
        (row, *_) = ledger.append_all([entry(number) for number in range(10)])[-1:]
        for suffix in ("", "-wal", ".head"):
            files[suffix] = path.with_name(path.name + suffix).read_bytes()
    path = tmp_path / "killed.ledger"
    for suffix, content in files.items():
        path.with_name(path.name + suffix).write_bytes(content)
    out = f"{path}: 10 rows, whole, being written, or not closed; head {row.hash}\n"
    assert run(capsys, "verify", path) == (0, out, "")
    path.with_name(f"{path.name}.head").unlink()
    why = "there is no killed.ledger.head"
    out = f"{path}: 10 rows, unsealed, tail unprovable ({why}); head {row.hash}\n"
    assert run(capsys, "verify", path) == (4, out, "")
    code, out, err = run(capsys, "export", path, "--out", tmp_path / "rows.csv")
    warning = f"softcore-edge ledger: warning: {path}: unsealed, and {why}: rows may be missing at its end\n"
    assert (code, out) == (0, "")
    assert err.startswith(warning)
    assert run(capsys, "stats", path)[2] == warning
    path.with_name(f"{path.name}.head").write_bytes(files[".head"])
    path.with_name(f"{path.name}-wal").unlink()
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    code, out, err = run(capsys, "verify", path)
    assert (code, out) == (3, "")
    assert "truncated: rows 1 to 10 are missing (the head file counts 10)" in err


PARTS = [
    "=cmd|' /C calc'!A0", "+1", "-2", "@SUM(A1)", "\t=1", " =1", "\n=1", "\uff1d1", "a,b", 'a "quoted" one',
    "line\nbreak", "carriage\rreturn", "<script>alert(1)</script>", "'; DROP TABLE rows; --", "",
    "x" * 10_000, "\x00nul", "\x1b[31m", "\u202eright to left", "\U0001f600",
]  # fmt: skip


def test_whatever_a_part_is_called_comes_back(path: Path, tmp_path: Path, capsys: Capsys) -> None:
    """From the ledger as it is, from CSV harmless for a spreadsheet, and with --raw as it is."""
    with Ledger.open(path) as ledger:
        ledger.append_all([replace(entry(0), trigger=f"t{n}", part=part) for n, part in enumerate(PARTS)])
        assert [row.record.part for row in ledger] == PARTS
    read = {}
    for option in ([], ["--raw"]):
        out = tmp_path / "parts.csv"
        assert run(capsys, "export", path, "--out", out, *option)[0] == 0
        with out.open(encoding="utf-8", newline="") as file:
            read[bool(option)] = [row["part"] for row in csv.DictReader(file)]
    assert read[True] == PARTS
    assert read[False] == [f"'{part}" if n < 8 else part for n, part in enumerate(PARTS)]
    assert run(capsys, "verify", path)[0] == 0
    assert run(capsys, "stats", path)[1].startswith(f"{len(PARTS)} rows")


def test_what_was_corrected_is_exported_but_no_decision(path: Path, tmp_path: Path, capsys: Capsys) -> None:
    def read(*options: str) -> list[tuple[str, str, str]]:
        out = tmp_path / "rows.csv"
        assert run(capsys, "export", path, "--out", out, *options)[0] == 0
        with out.open(encoding="utf-8", newline="") as file:
            return [(row["trigger"], row["decision"], row["corrects"]) for row in csv.DictReader(file)]

    with Ledger.open(path) as ledger:
        first, second = ledger.append_all([entry(0), entry(4)])
        late = {"decision": Decision.INVALID, "score": None, "bound": None, "milliseconds": None}
        late |= {"reason": "late", "corrects": 1, "published_at": first.record.decided_at + 10**9}
        ledger.append(replace(first.record, **late))
    assert read() == [("run-0", "PASS", ""), ("run-4", "PASS", ""), ("run-0", "INVALID", "1")]
    assert read("--decision", "PASS") == [("run-4", "PASS", "")]
    assert read("--decision", "INVALID") == [("run-0", "INVALID", "1")]
    assert run(capsys, "stats", path)[1].splitlines()[0] == (
        "2 rows: 1 PASS (50.00%), 0 FAIL (0.00%), 1 INVALID (50.00%)"
    )
    assert second.record.corrects is None


@pytest.mark.usefixtures("rows")
def test_a_damaged_ledger_is_one_line_and_exit_3(path: Path, capsys: Capsys) -> None:
    data = path.read_bytes()
    place = data.index(b"run-4")
    path.write_bytes(data[:place] + b"R" + data[place + 1 :])
    for arguments in (["verify"], ["stats"], ["export", "--out", path.with_name("x.csv")]):
        code, out, err = run(capsys, arguments[0], path, *arguments[1:])
        assert (code, out, err.count("\n")) == (3, "", 1)
        assert err.startswith(f"softcore-edge ledger: {path}: row 5 was changed; page ")
        assert err.endswith("; the first 4 rows are whole\n")
    assert not path.with_name("x.csv").exists()


@pytest.mark.usefixtures("rows")
def test_a_noted_head_that_is_gone_is_exit_3(path: Path, capsys: Capsys) -> None:
    code, out, err = run(capsys, "verify", path, "--head", "0" * 64)
    assert (code, out) == (3, "")
    assert "no row and no note has the noted head" in err


def test_csv_comes_back(rows: list[Row], path: Path, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "rows.csv"
    out.write_text("an older one")
    assert run(capsys, "export", path, "--out", out) == (0, "", f"10 of 10 rows in {out}\n")
    with out.open(encoding="utf-8", newline="") as file:
        back = list(csv.DictReader(file))
    for read, row in zip(back, rows, strict=True):
        fields: dict[str, Any] = {"number": row.number, **row.record.content()}
        fields |= {"previous": row.previous, "hash": row.hash}
        assert read == {name: "" if value is None else str(value) for name, value in fields.items()}
        for name in ("score", "threshold", "milliseconds"):
            assert not read[name] or float(read[name]) == fields[name]
    assert not list(tmp_path.glob("*.part"))


def test_parquet_comes_back(rows: list[Row], path: Path, tmp_path: Path, capsys: Capsys) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install 'softcore[parquet]'")
    out = tmp_path / "rows.parquet"
    assert run(capsys, "export", path, "--out", out)[0] == 0
    table = parquet.read_table(out)
    assert str(table.schema.field("decided_at").type) == "timestamp[ns, tz=UTC]"
    for name in ("triggered_at", "decided_at"):
        column = table.column(name).cast("int64")
        table = table.set_column(table.schema.get_field_index(name), name, column)
    back = table.to_pylist()
    expected = [
        {"number": row.number, **row.record.content(), "previous": row.previous, "hash": row.hash}
        for row in rows
    ]
    assert back == expected


@pytest.mark.usefixtures("rows")
def test_a_choice_of_rows(path: Path, tmp_path: Path, capsys: Capsys) -> None:
    def chosen(*arguments: str) -> list[int]:
        out = tmp_path / "chosen.csv"
        assert run(capsys, "export", path, "--out", out, *arguments)[0] == 0
        with out.open(encoding="utf-8", newline="") as file:
            return [int(row["number"]) for row in csv.DictReader(file)]

    assert chosen("--decision", "FAIL") == [2, 9]
    assert chosen("--since", "2026-11-01T03:00Z") == [4, 5, 6, 7, 8, 9, 10]
    assert chosen("--since", "2026-11-01T04:00+01:00", "--until", "2026-11-01T05:00") == [4, 5]
    assert chosen("--since", "2026-11-01T05:00", "--decision", "INVALID") == [6, 7]
    assert chosen("--until", "2026-11-01T02:00:00.000001", "--decision", "REVIEW") == [3]
    assert chosen("--until", "2026-11-01T02:00:00", "--decision", "REVIEW") == []


def test_stats(rows: list[Row], path: Path, capsys: Capsys) -> None:
    times = [row.record.milliseconds for row in rows if row.record.milliseconds is not None]
    half, most = (np.percentile(times, percent, method="higher") for percent in (50, 95))
    assert run(capsys, "stats", path)[1].splitlines() == [
        "10 rows: 4 PASS (40.00%), 1 REVIEW (10.00%), 2 FAIL (20.00%), 3 INVALID (30.00%)",
        "decided from 2026-11-01T00:00:00.000Z to 2026-11-01T09:00:00.000Z",
        "category pill: 2 PASS (33.33%), 1 REVIEW (16.67%), 1 FAIL (16.67%), 2 INVALID (33.33%)",
        "category screw: 2 PASS (50.00%), 1 FAIL (25.00%), 1 INVALID (25.00%)",
        f"an inspection took {half:.1f} ms (p50), {most:.1f} ms (p95)",
        "INVALID 2 times: it froze",
        "INVALID 1 time: not an image",
    ]


def test_an_empty_ledger(path: Path, tmp_path: Path, capsys: Capsys) -> None:
    Ledger.open(path).close()
    assert run(capsys, "stats", path)[:2] == (0, "0 rows\n")
    for suffix in ("csv", "parquet"):
        out = tmp_path / f"none.{suffix}"
        assert run(capsys, "export", path, "--out", out)[0] == 0
        assert out.exists()


@pytest.mark.usefixtures("rows")
def test_without_pyarrow_one_line_names_the_extra(
    path: Path, tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    code, out, err = run(capsys, "export", path, "--out", tmp_path / "rows.parquet")
    assert (code, out) == (2, "")
    assert err == "softcore-edge ledger: pyarrow is not installed; run: pip install 'softcore[parquet]'\n"
    assert run(capsys, "export", path, "--out", tmp_path / "rows.csv")[0] == 0


def test_pyarrow_is_loaded_only_for_parquet() -> None:
    code = "import sys, softcore_edge_app.cli.command; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.usefixtures("rows")
def test_a_full_disk_leaves_no_half_export(path: Path, small_disk: Any, capsys: Capsys) -> None:
    out = small_disk(4096) / "rows.csv"
    out.with_name("ballast").write_bytes(bytes(4096))
    code, _, err = run(capsys, "export", path, "--out", out)
    assert (code, err) == (3, f"softcore-edge ledger: {out}: No space left on device\n")
    assert [file.name for file in out.parent.iterdir()] == ["ballast"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "LEDGER", "--out", "rows.txt"], "must end with .csv or .parquet"),
        (["export", "LEDGER", "--out", "LEDGER.csv"], "is the ledger"),
        (["verify", "gone"], "gone: no such ledger"),
    ],
)
@pytest.mark.usefixtures("rows")
def test_what_can_not_be_asked_is_exit_2(path: Path, capsys: Capsys, arguments: list[str], said: str) -> None:
    code, out, err = run(capsys, *[text.replace("LEDGER", str(path)) for text in arguments])
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert seal_path(path).exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: COMMAND"),
        (["verify"], "required: FILE"),
        (["verifi", "x"], "did you mean verify?"),
        (["verify", "x", "--head", "12"], "must be a hash of 64 hex digits"),
        (["verify", "x", "--decision", "FAIL"], "unknown option --decision"),
        (["export", "x"], "required: --out"),
        (["export", "x", "--out", "x.csv", "--since", "noon"], "must be a time"),
        (["export", "x", "--out", "x.csv", "--decision", "MAYBE"], "MAYBE"),
        (["export", "x", "--out", "x.csv", "--decision", "FAIL", "--notes"], "not allowed with"),
        (["labels", "x", "--out", "there"], "required: --archive"),
    ],
)
def test_mistakes_exit_2(capsys: Capsys, arguments: list[str], said: str) -> None:
    with pytest.raises(SystemExit) as left:
        main(["ledger", *arguments])
    assert left.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert said in err


def test_each_command_has_a_help_of_its_own(capsys: Capsys) -> None:
    helps = {}
    for command in ("verify", "stats", "export", "labels"):
        with pytest.raises(SystemExit) as left:
            main(["ledger", command, "--help"])
        assert left.value.code == 0
        helps[command] = capsys.readouterr().out
    assert len(set(helps.values())) == 4
    for command, text in helps.items():
        assert f"usage: softcore-edge ledger {command} " in text
        assert f"  softcore-edge ledger {command} line1.ledger" in text
        assert "  3  rows are missing" in text
        assert ("  4  unsealed, tail unprovable" in text) == (command == "verify")
    assert "--decision" in helps["export"]
    assert "--decision" not in helps["verify"]


@pytest.mark.parametrize("arguments", [["--debug", "ledger", "verify"], ["ledger", "--debug", "verify"]])
def test_a_traceback_may_be_asked_for_before_the_command(arguments: list[str], path: Path) -> None:
    with pytest.raises(UsageError, match="no such ledger"):
        main([*arguments, str(path)])
