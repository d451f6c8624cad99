"""`softcore-edge check`: every mistake of a file, and all that it names and isn't there."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from softcore_edge_app.cli.command import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "line.toml"


def check(file: Path, capsys: Capture, *options: str) -> tuple[int, list[str], list[str]]:
    """Give the exit code, and what is printed and said, without the file's name."""
    code = main(["check", str(file), *options])
    out, err = capsys.readouterr()
    said = [line.removeprefix(f"softcore-edge check: {file}: ") for line in err.splitlines()]
    return code, out.splitlines(), said


def test_what_is_right_is_printed_and_is_exit_0(
    file: Path, tiny_bundle: Path, recordings: Path, capsys: Capture
) -> None:
    file.write_text(f"bundle = '{tiny_bundle}'\nsource = '{recordings / 'pill'}'\nledger = 'line.ledger'\n")
    code, printed, said = check(file, capsys)
    assert (code, said) == (0, [])
    assert printed == [f"bundle = {tiny_bundle}", f"source = {recordings / 'pill'}", "ledger = line.ledger"]
    assert not Path("line.ledger").exists()  # nothing was opened


def test_what_is_likely_not_meant_is_a_warning_and_is_exit_0(
    file: Path, tiny_bundle: Path, capsys: Capture
) -> None:
    stream = f"bundle = '{tiny_bundle}'\nsource = 'rtsp://10.0.0.7/a'\ntrigger = 'external'\n"
    line = f"{stream}{{}}[http]\nport = 0\n"
    file.write_text(line.format(""))
    code, _, said = check(file, capsys)
    assert code == 0
    assert [one.partition(" not set")[0] for one in said] == [f"softcore-edge: warning: {file}: latency:"]
    file.write_text(line.format("latency = 0.4\n"))
    code, printed, said = check(file, capsys)
    assert (code, said) == (0, [])
    assert "latency = 0.4" in printed


def test_all_that_is_not_there_is_named_and_is_exit_2(file: Path, capsys: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file.write_text(
            "bundle = 'gone'\nsource = 'images/'\nledger = 'nowhere/line.ledger'\n"
            f"[http]\nport = {taken.getsockname()[1]}\n"
            "[mqtt]\nhost = 'broker'\nusername = 'line'\npassword_file = 'secret'\n"
        )
        code, _, said = check(file, capsys)
    assert code == 2
    assert [line.partition(": ")[0] for line in said] == [
        "source", "bundle", "ledger", "http.port", "mqtt.password_file",
    ]  # fmt: skip
    assert "no such file or folder" in said[0]
    assert "no bundle here" in said[1]
    assert "there is no folder nowhere" in said[2]
    assert "another program has this port" in said[3]
    assert "No such file or directory" in said[4]


def test_mistakes_of_both_kinds_are_told_together(file: Path, capsys: Capture) -> None:
    file.write_text("bundle = 'gone'\nsource = 'images/'\nqueue = 0\nthread = 2\n")
    code, _, said = check(file, capsys)
    assert code == 2
    assert set(said[:2]) == {
        "queue: must be from 1 to 10000, not 0", "thread: no such key; did you mean threads?",
    }  # fmt: skip
    assert [line.partition(": ")[0] for line in said[2:]] == ["source", "bundle"]


def test_a_file_for_another_machine_is_checked_by_its_keys(file: Path, capsys: Capture) -> None:
    file.write_text("bundle = 'gone'\nsource = 'images/'\n")
    assert check(file, capsys, "--keys-only")[::2] == (0, [])
    file.write_text("bundle = 'gone'\nsource = 'images/'\nqueue = 0\n")
    assert check(file, capsys, "--keys-only")[::2] == (2, ["queue: must be from 1 to 10000, not 0"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chekc", "line.toml"], "did you mean softcore-edge check?"),
        (["calibrat", "bundles/pill"], "did you mean the command softcore-calibrate?"),
        (["--sav", "seen", "--camera", "0"], "did you mean --save-overlays?"),
    ],
)
def test_the_nearest_command_is_named(arguments: list[str], said: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert said in capsys.readouterr().err


def test_the_nearest_key_and_bundle_are_named(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tiny_bundle.parents[1])
    assert main(["tini", "--source", "x.png", "--set", "mqtt.hots=broker"]) == 2
    said = capsys.readouterr().err
    assert "did you mean tiny?" in said
    assert "did you mean mqtt.host?" in said


def test_what_is_wrong_with_a_database_is_named(file: Path, tiny_bundle: Path, capsys: Capture) -> None:
    top = f"bundle = '{tiny_bundle}'\nsource = '{tiny_bundle / 'golden'}'\n"
    file.write_text(
        f"{top}ledger = 'line.ledger'\n[postgres]\nhost = 'db'\nline = 'line1'\npassword_file = 'secret'\n"
    )
    code, _, said = check(file, capsys)
    assert (code, said) == (2, ["postgres.password_file: secret: can't be read (No such file or directory)"])
    file.write_text(
        f"{top}[postgres]\nhost = 'db'\npassword = 'sesame'\nschema_name = 'My Schema'\ntls = true\n"
    )
    code, _, said = check(file, capsys)
    assert code == 2
    assert {line.partition(": ")[0] for line in said} == {
        "postgres.line", "postgres.schema_name", "postgres.password", "postgres",
    }  # fmt: skip
