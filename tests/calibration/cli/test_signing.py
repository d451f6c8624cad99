"""`softcore-calibrate --sign`: a threshold of somebody who may set it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from softcore_calibration.cli.command import main
from softcore_calibration.cli.compare_command import main as compare
from softcore_runtime import BundleUntrustedError, read_bundle
from softcore_runtime.bundle.threshold_change import sign_bundle
from softcore_runtime.signing.private_key import create_key
from softcore_runtime.signing.trust import Trust

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def trust(tiny_bundle: Path, tmp_path: Path) -> Trust:
    """Both keys; the bundle is signed by that of the export."""
    keys = [create_key(tmp_path / f"{name}.key").public for name in ("export", "quality")]
    sign_bundle(tiny_bundle, tmp_path / "export.key")
    return Trust((keys[0],), (keys[1],))


def test_the_threshold_is_signed_and_one_that_is_not_is_warned_of(
    tiny_bundle: Path, category: Path, trust: Trust, tmp_path: Path, capsys: Capture
) -> None:
    command = [str(tiny_bundle), "--data", str(category), "--accept"]
    key = ["--sign", str(tmp_path / "quality.key")]
    warning = f"warning: {tiny_bundle}: the bundle is signed, this threshold isn't"
    assert main([*command, "--value", "10", *key]) == 0
    assert warning not in capsys.readouterr().err
    assert read_bundle(tiny_bundle, trust).manifest.threshold.value == 10
    assert main([*command, "--value", "11"]) == 0
    assert warning in capsys.readouterr().err
    with pytest.raises(BundleUntrustedError, match="the threshold was changed since it was signed"):
        read_bundle(tiny_bundle, trust)
    assert main([str(tiny_bundle), "--revert"]) == 0
    assert warning not in capsys.readouterr().err
    assert read_bundle(tiny_bundle, trust).manifest.threshold.value == 10
    assert main([*command, "--value", "9"]) == 0
    assert main([*command, "--value", "8"]) == 0
    assert main([str(tiny_bundle), "--revert", *key]) == 0
    assert read_bundle(tiny_bundle, trust).manifest.threshold.value == 9


def test_a_key_that_others_can_read_changes_nothing(
    tiny_bundle: Path, category: Path, trust: Trust, tmp_path: Path, capsys: Capture
) -> None:
    before = read_bundle(tiny_bundle, trust).manifest
    (tmp_path / "quality.key").chmod(0o644)
    command = [str(tiny_bundle), "--data", str(category), "--accept", "--value", "10"]
    assert main([*command, "--sign", str(tmp_path / "quality.key")]) == 2
    assert "others on this machine can read or write the key" in capsys.readouterr().err
    assert read_bundle(tiny_bundle, trust).manifest == before


@pytest.mark.usefixtures("trust")
def test_signed_bundles_are_compared(tiny_bundle: Path, category: Path, tmp_path: Path) -> None:
    other = shutil.copytree(tiny_bundle, tmp_path / "other")
    page = tmp_path / "compared.html"
    assert compare([str(tiny_bundle), str(other), "--data", str(category), "--report", str(page)]) == 0
