"""`softcore-export --sign`: the bundle is signed before it takes its place, and what unsigns it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from softcore_export.cli.command import main
from softcore_runtime import BundleUntrustedError, read_bundle
from softcore_runtime.signing.private_key import create_key, read_key
from softcore_runtime.signing.signatures import SIGNATURES
from softcore_runtime.signing.trust import Trust

Capture = pytest.CaptureFixture[str]
SMALL = [
    "--category", "disc", "--backbone", "filterbank", "--resize", "72", "--crop", "64", "--engine",
    "onnxruntime", "--precision", "fp32", "--device", "cpu",
]  # fmt: skip


@pytest.fixture
def key(tmp_path: Path) -> Path:
    create_key(tmp_path / "export.key")
    return tmp_path / "export.key"


@pytest.mark.usefixtures("quick_network")
def test_an_export_is_signed_and_its_update_says_where_it_is_not(
    discs: Path, tmp_path: Path, key: Path, capsys: Capture
) -> None:
    trust = Trust((read_key(key).public,))
    out = tmp_path / "bundles"
    command = [*SMALL, "--data", str(discs), "--out", str(out)]
    assert main([*command, "--sign", str(key)]) == 0
    assert f"signed     by {key}" in capsys.readouterr().out
    bundle = out / "disc"
    first = read_bundle(bundle, trust).manifest
    assert SIGNATURES not in first.files
    assert str(key) not in (out / "disc.source.json").read_text()
    assert main(["--update", str(bundle), "--sign", str(key)]) == 0
    assert read_bundle(bundle, trust).manifest.files["bank.npy"] == first.files["bank.npy"]
    capsys.readouterr()
    assert main(["--update", str(bundle)]) == 0
    assert f"warning: {bundle}: the bundle before was signed, this one isn't" in capsys.readouterr().err
    with pytest.raises(BundleUntrustedError):
        read_bundle(bundle, trust)


def test_a_key_that_cannot_be_used_is_said_before_any_work(
    discs: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "bundles"
    command = [*SMALL, "--data", str(discs), "--out", str(out), "--sign", str(tmp_path / "gone.key")]
    assert main(command) == 2
    assert "gone.key: the key can't be read" in capsys.readouterr().err
    assert not out.exists()
    assert main(["--convert", str(tmp_path), "--sign", str(tmp_path / "gone.key")]) == 2
    assert "leave out --sign" in capsys.readouterr().err
