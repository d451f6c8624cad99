"""`softcore keys`: a key from its making to a bundle that a line takes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from softcore_runtime import read_bundle
from softcore_runtime.cli.keys_command import main
from softcore_runtime.signing.signatures import SIGNATURES
from softcore_runtime.signing.trust import Trust

Capture = pytest.CaptureFixture[str]


def test_a_key_is_made_shown_and_signs(tiny_bundle: Path, tmp_path: Path, capsys: Capture) -> None:
    key = tmp_path / "export.key"
    assert main(["new", str(key)]) == 0
    told, public = capsys.readouterr().out.splitlines()
    assert told.startswith(f"{key}: a new key, ")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert main(["show", str(key)]) == 0
    assert capsys.readouterr().out == f"{public}\n"
    assert main(["sign", str(key), str(tiny_bundle)]) == 0
    assert capsys.readouterr().out.startswith(f"{tiny_bundle}: signed by the key ")
    assert read_bundle(tiny_bundle, Trust((public,)))


@pytest.mark.parametrize("command", [["new"], ["show", "gone.key"], ["sign", "gone.key", "pill"]])
def test_a_mistake_is_a_line(
    command: list[str], tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if command == ["new"]:
        (tmp_path / "export.key").write_text("mine")
        command = ["new", "export.key"]
    assert main(command) in (2, 3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1


def test_a_wrong_key_signs_nothing(tiny_bundle: Path, tmp_path: Path, capsys: Capture) -> None:
    key = tmp_path / "garbage.key"
    key.write_bytes(b"garbage")
    key.chmod(0o600)
    assert main(["sign", str(key), str(tiny_bundle)]) == 2
    assert "no private key without a password" in capsys.readouterr().err
    assert not (tiny_bundle / SIGNATURES).exists()
