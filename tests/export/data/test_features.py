from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
from softcore_export.data.features import KnownFeatures
from softcore_export.data.image_facts import SeenImage
from softcore_export.feature_store.feature_store import FeatureStore
from softcore_runtime.backends.ort import OnnxBackbone
from softcore_runtime.bundle import bundle
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.regular_file import hash_file

SMALL = Preprocessing(resize=36, crop=32)
CROPS = np.random.default_rng(0).integers(256, size=(5, 32, 32, 3), dtype=np.uint8)


def map_crops(
    network: Path, crops: Iterable[np.ndarray], file: Path, backbone: OnnxBackbone | None = None
) -> np.ndarray:
    """Map the features of crops as an export without a store does."""
    seen = (SeenImage(Path("unread.png"), "", SMALL, crop) for crop in crops)
    return KnownFeatures(backbone or OnnxBackbone(network), network, SMALL, None).map(seen, file)


def test_mapped_values_are_the_networks(tiny_bundle: Path, tmp_path: Path) -> None:
    network = tiny_bundle / bundle.BACKBONE
    features = map_crops(network, iter(CROPS), tmp_path / "features")
    assert isinstance(features, np.memmap)
    assert (features.shape, features.dtype) == ((5, 64, 3), np.float32)
    session = onnxruntime.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(features, session.run(None, {"crop": CROPS})[0])
    cells = CROPS.reshape(5, 8, 4, 8, 4, 3).mean((2, 4)).reshape(5, 64, 3)
    np.testing.assert_allclose(features, cells, rtol=1e-5)


def test_they_are_read_only_and_outlive_their_file(tiny_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "features"
    features = map_crops(tiny_bundle / bundle.BACKBONE, CROPS, file)
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

    map_crops(tiny_bundle / bundle.BACKBONE, ask(), tmp_path / "features", backbone)
    assert backbone.batches == [1] * 5


def test_a_full_disk_is_an_error_not_a_crash(tiny_bundle: Path, small_disk: Callable[..., Path]) -> None:
    """A write through a memory map would be answered with SIGBUS."""
    disk = small_disk(64 * 1024)
    many = np.repeat(CROPS, 40, axis=0)  # 154 kB of features
    with pytest.raises(OSError, match="No space left"):
        map_crops(tiny_bundle / bundle.BACKBONE, many, disk / "features")


class Counting(OnnxBackbone):
    computed = 0

    def features(self, crops: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        self.computed += len(crops)
        return super().features(crops, out)


@pytest.fixture
def images(tmp_path: Path) -> list[SeenImage]:
    found = []
    for number, crop in enumerate(CROPS):
        path = tmp_path / f"{number}.png"
        assert cv2.imwrite(str(path), cv2.resize(crop, (40, 40)))
        found.append(SeenImage(path, hash_file(path), SMALL))
    return found


@pytest.fixture
def find(tiny_bundle: Path, tmp_path: Path) -> Callable[..., tuple[np.ndarray, int]]:
    """A function that finds features: these, and how many images were computed."""

    def find(images: list[SeenImage], *, stored: bool = True) -> tuple[np.ndarray, int]:
        network = tiny_bundle / bundle.BACKBONE
        backbone = Counting(network)
        store = FeatureStore(tmp_path / "store", 10**9) if stored else None
        found = KnownFeatures(backbone, network, SMALL, store).map(images, tmp_path / "mapped")
        return np.array(found), backbone.computed

    return find


def test_known_features_are_those_that_would_be_computed(
    images: list[SeenImage], find: Callable[..., tuple[np.ndarray, int]]
) -> None:
    plain, computed = find(images, stored=False)
    assert computed == 5
    first, computed = find(images[:3])
    assert computed == 3
    again, computed = find(images)
    assert computed == 2
    np.testing.assert_array_equal(first, plain[:3])
    np.testing.assert_array_equal(again, plain)


def test_a_damaged_entry_is_computed_again(
    images: list[SeenImage], find: Callable[..., tuple[np.ndarray, int]], tmp_path: Path
) -> None:
    plain, _ = find(images)
    entries = sorted(path for path in (tmp_path / "store").rglob("*") if path.is_file())
    entries[1].write_bytes(entries[0].read_bytes()[:-9])
    again, computed = find(images)
    assert computed == 1
    np.testing.assert_array_equal(again, plain)
    assert find(images)[1] == 0


def test_an_image_that_was_changed_meanwhile_is_not_stored(
    images: list[SeenImage], find: Callable[..., tuple[np.ndarray, int]]
) -> None:
    kept = images[1].path.read_bytes()
    images[1].path.write_bytes(images[2].path.read_bytes())
    assert find(images)[1] == 5
    images[1].path.write_bytes(kept)
    plain, computed = find(images)
    assert computed == 1
    np.testing.assert_array_equal(plain, find(images, stored=False)[0])
