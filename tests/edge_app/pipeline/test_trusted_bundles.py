"""A line with `[trust]`: what is not signed decides nothing, neither at the start nor after a switch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from softcore_edge_app.cli.command import main
from softcore_edge_app.configuration.options import Configuration
from softcore_edge_app.pipeline.assembly import assemble
from softcore_edge_app.pipeline.inspection_station import InspectionStation
from softcore_edge_app.pipeline.operator_service import OperatorService
from softcore_edge_app.shadow.shadow_line import add_shadow
from softcore_runtime import BundleUntrustedError, UsageError
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.threshold_change import set_threshold, sign_bundle
from softcore_runtime.signing.private_key import create_key

NEW = Threshold(value=15, provisional=False, method="by hand")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    create_key(tmp_path / "export.key")
    return tmp_path / "export.key"


@pytest.fixture
def other(tiny_bundle: Path) -> Path:
    """Another bundle, not signed."""
    return Path(shutil.copytree(tiny_bundle, tiny_bundle.with_name("other")))


def configure(key: Path, recordings: Path, **more: Any) -> Configuration:
    from softcore_runtime.signing.private_key import read_key

    return Configuration.model_validate(
        {
            "source": str(recordings / "pill"),
            "ledger": key.with_name("line.ledger"),
            "unchecked": True,
            "trust": {"keys": [read_key(key).public]},
            **more,
        }
    )


def test_a_recipe_that_is_not_signed_is_not_switched_to(
    tiny_bundle: Path, other: Path, key: Path, recordings: Path
) -> None:
    sign_bundle(tiny_bundle, key)
    recipes = {"a": str(tiny_bundle), "b": str(other)}
    station: InspectionStation = assemble(configure(key, recordings, recipes=recipes))
    try:
        with pytest.raises(BundleUntrustedError, match="other: the export isn't signed"):
            station.switch_recipe("b")
        assert station.describe().cameras[0].recipe == "a"
        sign_bundle(other, key)
        station.switch_recipe("b")
        assert station.describe().cameras[0].recipe == "b"
        set_threshold(tiny_bundle, NEW, read_manifest(tiny_bundle))
        with pytest.raises(BundleUntrustedError, match="tiny: the threshold isn't signed"):
            station.switch_recipe("a")
        assert station.describe().cameras[0].recipe == "b"
        with pytest.raises(UsageError, match="takes signed thresholds only"):
            OperatorService(station).change_threshold(15, None, None, "Ada")
        assert read_manifest(other).history == ()
    finally:
        station.stop()


def test_a_line_does_not_start_with_what_is_not_signed(
    tiny_bundle: Path, key: Path, recordings: Path
) -> None:
    with pytest.raises(BundleUntrustedError, match="tiny: the export isn't signed"):
        assemble(configure(key, recordings, bundle=str(tiny_bundle)))


def test_a_shadow_that_is_not_signed_says_nothing_and_the_line_runs_on(
    tiny_bundle: Path, other: Path, key: Path, recordings: Path
) -> None:
    sign_bundle(tiny_bundle, key)
    configuration = configure(key, recordings, bundle=str(tiny_bundle), shadow=str(other))
    station = assemble(configuration)
    try:
        add_shadow(station, configuration)
        status = station.describe().cameras[0].shadow
        assert status
        assert status.fault
        assert "the export isn't signed" in status.fault
    finally:
        station.stop()


def write_line(file: Path, key: Path, text: str) -> None:
    from softcore_runtime.signing.private_key import read_key

    file.write_text(f"{text}[trust]\nkeys = ['{read_key(key).public}']\n")


def test_check_and_the_command_refuse_in_a_line(
    tiny_bundle: Path, other: Path, key: Path, recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = key.with_name("line.toml")
    source = f"source = '{recordings / 'pill'}'\nunchecked = true\n"
    write_line(file, key, f"bundle = '{tiny_bundle}'\nshadow = '{other}'\n{source}")
    assert main(["check", str(file)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert ["isn't signed" in line for line in said] == [True, True]
    assert "bundle: " in said[0]
    assert "shadow: " in said[1]
    assert main(["--config", str(file)]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"softcore-edge: {tiny_bundle}: the export isn't signed")
    for path in (tiny_bundle, other):
        sign_bundle(path, key)
    assert main(["check", str(file)]) == 0


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("keys = []", "trust.keys: names no key"),
        ("keys = ['ed25519:AAAA']", "trust.keys: a public key is ed25519: and 44 characters"),
        ("calibration_keys = []", "trust.keys: is missing, and [trust] needs it"),
        ("key = []", "trust.key: no such key; did you mean trust.keys?"),
    ],
)
def test_a_table_without_a_key_is_a_mistake(
    tiny_bundle: Path, tmp_path: Path, recordings: Path, table: str, said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "line.toml"
    file.write_text(f"bundle = '{tiny_bundle}'\nsource = '{recordings / 'pill'}'\n[trust]\n{table}\n")
    assert main(["check", str(file)]) == 2
    assert said in capsys.readouterr().err
