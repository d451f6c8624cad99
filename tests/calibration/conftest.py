"""Fixtures of the calibration's tests: images that `tiny_bundle` knows, and a cache of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from ..network_files import keep_networks

Draw = Callable[..., np.ndarray]


@pytest.fixture(scope="session", autouse=True)
def _networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Spare the seconds of the ONNX exporter where it has written the same network before."""
    base = tmp_path_factory.getbasetemp()
    with keep_networks((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "networks"):
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def draw_part(good_frame: np.ndarray) -> Draw:
    """A function that draws a part as `tiny_bundle` knows them, uint8 BGR [48, 48, 3], or with a spot."""

    def draw(seed: int, spot: float = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        frame = good_frame.astype(float) + rng.uniform(-5, 5) + rng.normal(0, 4, good_frame.shape)
        frame[20:28, 30:38] += spot
        return np.clip(frame, 0, 255).astype(np.uint8)

    return draw


@pytest.fixture(scope="session")
def _category(tmp_path_factory: pytest.TempPathFactory, draw_part: Draw) -> Path:
    root = tmp_path_factory.mktemp("data") / "tiny"
    for kind, count in (("good", 40), ("spot", 24)):
        (root / "test" / kind).mkdir(parents=True)
        for number in range(count):
            spot = 0 if kind == "good" else 10 + 4 * number
            image = draw_part(1000 * len(kind) + number, spot)
            assert cv2.imwrite(str(root / "test" / kind / f"{number:03}.png"), image)
    return root


@pytest.fixture
def category(_category: Path) -> Path:
    """A category in MVTec AD's layout: 40 good test images, 24 with spots from faint to plain."""
    return _category
