from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from softcore_export.data.features import extract
from softcore_runtime.backends.ort import OnnxBackbone
from softcore_runtime.bundle import bundle
from softcore_runtime.images.preprocessing import Preprocessing

SMALL = Preprocessing(resize=36, crop=32)
CROPS = np.random.default_rng(0).integers(256, size=(5, 32, 32, 3), dtype=np.uint8)


def test_mapped_values_are_the_networks(tiny_bundle: Path, tmp_path: Path) -> None:
    network = tiny_bundle / bundle.BACKBONE
    features = extract(OnnxBackbone(network), SMALL, iter(CROPS), tmp_path / "features")
    assert isinstance(features, np.memmap)
    assert (features.shape, features.dtype) == ((5, 64, 3), np.float32)
    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(features, session.run(None, {"crop": CROPS})[0])
    cells = CROPS.reshape(5, 8, 4, 8, 4, 3).mean((2, 4)).reshape(5, 64, 3)
    np.testing.assert_allclose(features, cells, rtol=1e-5)


def test_they_are_read_only_and_outlive_their_file(tiny_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "features"
    features = extract(OnnxBackbone(tiny_bundle / bundle.BACKBONE), SMALL, CROPS, file)
    before = np.array(features)
    file.unlink()
    np.testing.assert_array_equal(features, before)
    with pytest.raises(ValueError, match="read-only"):
        features[0, 0, 0] = 1


def test_images_are_taken_one_at_a_time(tiny_bundle: Path, tmp_path: Path) -> None:
    class Watching(OnnxBackbone):
        batches: list[int]

        def features(self, crops: np.ndarray) -> np.ndarray:
            self.batches.append(len(crops))
            return super().features(crops)

    backbone = Watching(tiny_bundle / bundle.BACKBONE)
    backbone.batches = []

    def ask() -> Iterator[np.ndarray]:
        for number, crop in enumerate(CROPS):
            assert len(backbone.batches) == number  # the one before is done, so none piles up
            yield crop

    extract(backbone, SMALL, ask(), tmp_path / "features")
    assert backbone.batches == [1] * 5


def test_a_full_disk_is_an_error_not_a_crash(tiny_bundle: Path, small_disk: Callable[..., Path]) -> None:
    """A write through a memory map would be answered with SIGBUS."""
    disk = small_disk(64 * 1024)
    many = np.repeat(CROPS, 40, axis=0)  # 154 kB of features
    with pytest.raises(OSError, match="No space left"):
        extract(OnnxBackbone(tiny_bundle / bundle.BACKBONE), SMALL, many, disk / "features")
