"""Fixtures of the export's tests: a tiny category, its bundle, and reviews of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_export.backbone.backbone import PatchFeatures
from softcore_export.backbone.onnx_file import write_onnx
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, PreparedExport, export, prepare
from softcore_export.settings import ExportSettings
from softcore_runtime import Preprocessing
from softcore_runtime.bundle import bundle
from torch import nn

from ..network_files import keep_networks

IMAGES = 12


@pytest.fixture(scope="session", autouse=True)
def _networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Spare the seconds of the ONNX exporter where it has written the same network before."""
    base = tmp_path_factory.getbasetemp()
    with keep_networks((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "networks"):
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def draw_disc() -> Callable[..., np.ndarray]:
    """A function that draws a noisy disc on stripes, uint8 BGR [80, 80, 3], with a dark spot if wanted."""

    def draw(seed: int, spot: bool = False) -> np.ndarray:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:80, :80] + rng.normal(0, 0.5, (2, 1, 1))
        light = 100 + 30 * np.sin(x / 7) + 20 * np.cos(y / 11)
        light += 40 * ((x - 40) ** 2 + (y - 40) ** 2 < 900)
        if spot:
            light -= 80 * ((x - 50) ** 2 + (y - 34) ** 2 < 40)
        colours = light[:, :, None] * (0.8, 0.9, 1.0) + rng.normal(0, 4, (80, 80, 3))
        return np.clip(colours, 0, 255).astype(np.uint8)

    return draw


@pytest.fixture(scope="session")
def discs(tmp_path_factory: pytest.TempPathFactory, draw_disc: Callable[..., np.ndarray]) -> Path:
    """A root with the category `disc` in it: 12 images, `05.png` with a defect. Not to be changed."""
    root = tmp_path_factory.mktemp("discs")
    (root / "disc").mkdir()
    for number in range(IMAGES):
        assert cv2.imwrite(str(root / "disc" / f"{number:02}.png"), draw_disc(number, spot=number == 5))
    return root


@pytest.fixture
def own_discs(discs: Path, tmp_path: Path) -> Path:
    """The same, to be spoiled at will."""
    return Path(shutil.copytree(discs, tmp_path / "own"))


@pytest.fixture(scope="session")
def labelled_discs(tmp_path_factory: pytest.TempPathFactory, draw_disc: Callable[..., np.ndarray]) -> Path:
    """Labelled images: `good`, and `spot` with defects from faint to plain. Not to be changed."""
    folder = tmp_path_factory.mktemp("labelled")
    for name in ("good", "spot"):
        (folder / name).mkdir()
    for number, strength in enumerate(np.linspace(0.05, 1, 8)):
        good, bad = (draw_disc(400 + number, spot=spot).astype(float) for spot in (False, True))
        part = good + strength * (bad - good)
        assert cv2.imwrite(str(folder / "spot" / f"{number}.png"), part.round().astype(np.uint8))
        assert cv2.imwrite(str(folder / "good" / f"{number}.png"), draw_disc(500 + number))
    return folder


@pytest.fixture(scope="session")
def small() -> ExportSettings:
    """Settings for quick exports, by the paper."""
    return ExportSettings(
        backbone="filterbank",
        discriminator="lof",
        preprocessing=Preprocessing(resize=72, crop=64),
        engine="onnxruntime",
        precision="fp32",
        device="cpu",
    )


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, discs: Path, small: ExportSettings) -> Export:
    """The finished export of `discs` with `small`. Not to be changed."""
    target = tmp_path_factory.mktemp("exported") / "disc"
    return export(TrainingImages.find(discs / "disc"), target, small)


@pytest.fixture
def bundles(exported: Export, tmp_path: Path) -> Path:
    """A folder with a copy of that bundle in it."""
    shutil.copytree(exported.path, tmp_path / "bundles" / "disc")
    return tmp_path / "bundles"


@pytest.fixture
def quick_network(exported: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the seconds of the ONNX exporter: take the file that it wrote for `exported`.

    Another network, in fewer dimensions, is written all the same.
    """
    file = (exported.path / bundle.BACKBONE).read_bytes()

    def write_quickly(network: nn.Module, crop: int, path: Path) -> None:
        assert crop == 64
        if isinstance(network, PatchFeatures):
            path.write_bytes(file)
        else:
            write_onnx(network, crop, path)

    monkeypatch.setattr("softcore_export.backbone.network.write_onnx", write_quickly)


@pytest.fixture(scope="module")
def prepared(
    exported: Export, discs: Path, small: ExportSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PreparedExport]:
    """`prepare` of `discs`, judged by default; real but for the ONNX exporter. Not to be changed."""
    network = (exported.path / bundle.BACKBONE).read_bytes()
    target = tmp_path_factory.mktemp("prepared") / "disc"
    settings = small.model_copy(update={"discriminator": "auto"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "softcore_export.backbone.network.write_onnx",
            lambda _network, _crop, path: path.write_bytes(network),
        )
        with prepare(TrainingImages.find(discs / "disc"), target, settings) as made:
            yield made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where a bundle may be put, in a folder of its own."""
    (tmp_path / "bundles").mkdir()
    return tmp_path / "bundles" / "disc"


@pytest.fixture(scope="session")
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """A function that reads everything under a folder: contents by relative name, folders too."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"folder"
            for path in sorted(folder.rglob("*"))
        }

    return read
