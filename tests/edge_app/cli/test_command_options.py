from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from softcore_edge_app.cli.command_options import build_line_parser, gather_options
from softcore_edge_app.configuration.configuration import configure


def gather(*arguments: str) -> dict[str, Any]:
    return gather_options(build_line_parser().parse_args(arguments))


def test_what_is_not_given_is_left_open() -> None:
    assert gather("--camera", "0") == {"camera": "0"}


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--mqtt", "broker"], {"mqtt": {"host": "broker"}}),
        (["--mqtt", "broker:1884"], {"mqtt": {"host": "broker", "port": 1884}}),
        (["--modbus", "[fe80::1]:1502"], {"modbus": {"host": "fe80::1", "port": 1502}}),
        (["--modbus", "[fe80::1]"], {"modbus": {"host": "fe80::1"}}),
        (["--http", "80"], {"http": {"port": 80}}),
        (["--http", "0.0.0.0:80"], {"http": {"host": "0.0.0.0", "port": 80}}),  # noqa: S104
        (["--http", "80", "--token-file", "t"], {"http": {"port": 80, "token_file": "t"}}),
        (["--archive", "seen"], {"archive": {"folder": "seen"}}),
        (["--recipe", "a=b", "--recipe", "c=d"], {"recipes": {"a": "b", "c": "d"}}),
        (["--interval", "0.5"], {"trigger": "interval", "interval": 0.5}),
        (["--set", "mqtt.host=x", "--set", "mqtt.port=9"], {"mqtt": {"host": "x", "port": 9}}),
        (["--mqtt", "x", "--set", "mqtt.topic=line 1"], {"mqtt": {"host": "x", "topic": "line 1"}}),
        (["--set", "cameras.left.queue=4"], {"cameras": {"left": {"queue": 4}}}),
    ],
)
def test_options_become_keys(arguments: list[str], wanted: dict[str, Any]) -> None:
    assert gather(*arguments) == wanted


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "x"],
        ["--set", "=1"],
        ["--set", "a b=1"],
        ["--recipe", "a"],
        ["--mqtt", "x:y"],
        ["--http", "0"],
    ],
)
def test_mistakes_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        gather(*arguments)
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_command_goes_before_the_file_key_by_key(tmp_path: Path) -> None:
    file = tmp_path / "line.toml"
    file.write_text('camera = 0\nledger = "x"\n[mqtt]\nhost = "broker"\nkeepalive = 5\n')
    found = configure(file, gather("--mqtt", "other", "--set", "queue=3"))
    assert found.mqtt
    assert (found.mqtt.host, found.mqtt.keepalive, found.queue, found.camera) == ("other", 5, 3, "0")
