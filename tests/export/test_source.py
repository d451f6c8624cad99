"""The source of a bundle comes back as it was written, whatever the settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from softcore_export.cli.options import build_parser
from softcore_export.cli.settings_options import read_settings
from softcore_export.source import BundleSource, read_source, source_path, write_source
from softcore_runtime import UsageError, read_bundle

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--backbone", "resnet18", "--weights", "/weights/r18.pth", "--layers", "layer1", "layer2"],
        ["--roi", "10%,0,80%,400", "--tile", "500", "--overlap", "20", "--bank-per", "auto"],
        ["--roi-image", "/regions/pill.png", "--crop", "320", "--align", "rigid"],
        ["--roi", "auto", "--resolution", "auto", "--budget", "12.5", "--labelled", "/labelled"],
        ["--discriminator", "lof", "--tau", "0.3", "--no-soft-weights", "--floor", "1.5", "--seed", "7"],
        ["--precision", "int8", "--dimensions", "128", "--grid", "14", "--no-keep-aspect"],
    ],
)
def test_all_settings_come_back(options: list[str], tiny_bundle: Path) -> None:
    settings = read_settings(build_parser().parse_args(options))
    source = BundleSource(
        fingerprint=read_bundle(tiny_bundle).manifest.dataset.fingerprint,
        folder=Path("/data/pill"),
        max_images=40,
        good=(Path("/good"), Path("/better")),
        settings=settings,
        images={DIGEST: "001.png"},
        defects={DIGEST: "grün.png"},
    )
    write_source(tiny_bundle, source)
    assert source_path(tiny_bundle).parent == tiny_bundle.parent
    assert read_source(tiny_bundle) == source
    assert read_source(tiny_bundle).settings == settings


def test_a_folder_that_is_not_utf8_is_told(tiny_bundle: Path) -> None:
    source = BundleSource(
        fingerprint=DIGEST,
        folder=Path("/data/gr\udcfcn"),
        settings=read_settings(build_parser().parse_args([])),
        images={},
    )
    with pytest.raises(UsageError, match="can't hold the name of a folder that isn't UTF-8"):
        write_source(tiny_bundle, source)
    assert not source_path(tiny_bundle).exists()
