"""Fixtures of the benchmarks' tests: two tiny categories in MVTec AD's layout and what is made of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torchvision
from softcore_benchmarks.baselines.cflow import Environment
from softcore_benchmarks.data.category import Category
from softcore_benchmarks.data.feature_store import Network, load_features
from softcore_benchmarks.protocol.experiments import Experiment
from softcore_benchmarks.protocol.methods import Images
from softcore_export.settings import ExportSettings
from softcore_runtime.images.preprocessing import Preprocessing

from ..network_files import keep_networks

TRAIN, GOOD, BAD = 14, 5, 6
SMALL = Preprocessing(resize=72, crop=64)
# Of `make anomalib`; its tests are skipped where that was not run.
ANOMALIB = Path(__file__).parents[2] / ".venv-anomalib" / "bin" / "python"


@pytest.fixture(scope="session", autouse=True)
def _networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Spare the seconds of the ONNX exporter where it has written the same network before."""
    base = tmp_path_factory.getbasetemp()
    with keep_networks((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "networks"):
        yield


def draw(seed: int, spot: bool) -> tuple[np.ndarray, np.ndarray]:
    """Draw stripes uint8 BGR [80, 80, 3], with a dark spot if wanted, and the spot's mask."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:80, :80]
    light = 120 + 30 * np.sin(x / 7 + rng.normal(0, 0.1)) + rng.normal(0, 4, (80, 80))
    mask = np.zeros((80, 80), bool)
    if spot:
        middle = rng.uniform(25, 55, 2)
        mask = (x - middle[0]) ** 2 + (y - middle[1]) ** 2 < 60
        light[mask] -= 90
    image = np.clip(light[:, :, None] * (0.8, 0.9, 1.0), 0, 255).astype(np.uint8)
    return image, (255 * mask).astype(np.uint8)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with `stripes` (masks) and `waves` (none). Not to be changed."""
    folder = tmp_path_factory.mktemp("root")
    for shift, name in enumerate(("stripes", "waves")):
        for number in range(TRAIN):
            write(folder / name / "train/good" / f"{number:02}.png", draw(1000 * shift + number, False)[0])
        for number in range(GOOD):
            write(
                folder / name / "test/good" / f"{number:02}.png", draw(1000 * shift + 100 + number, False)[0]
            )
        for number in range(BAD):
            kind = ("hole", "spot")[number % 2]
            image, mask = draw(1000 * shift + 200 + number, True)
            write(folder / name / "test" / kind / f"{number:02}.png", image)
            if name == "stripes":
                write(folder / name / "ground_truth" / kind / f"{number:02}_mask.png", mask)
    return folder


@pytest.fixture(scope="session")
def resnet18(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-18's state dict with random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), path)
    return path


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where networks and features are kept from one test to the next."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="session")
def network(resnet18: Path, work: Path) -> Network:
    return Network.load("resnet18", resnet18, SMALL, work / "networks")


@pytest.fixture(scope="session")
def experiment(root: Path, network: Network, resnet18: Path, work: Path) -> Experiment:
    """`stripes`, ready to be computed on."""
    category = Category.find(root / "stripes")
    found = load_features(category, network, work / "features")
    return Experiment(
        category=category,
        train=Images(found.train, found.train, found.train_crops),
        test=Images(found.test, found.test, found.test_crops),
        masks=np.stack([category.read_mask(path, SMALL) for path in category.test]),
        settings=ExportSettings(backbone="resnet18", preprocessing=SMALL, device="cpu"),
        backbone=network.backbone,
        cflow=Environment(ANOMALIB, "resnet18", resnet18, steps=60, fiber_batch=64),
        described={"backbone": "random"},
    )
