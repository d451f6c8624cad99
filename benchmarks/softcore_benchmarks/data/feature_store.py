"""Feature store: the features of a category's images, computed once for all methods."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_export.backbone.backbone import load_backbone
from softcore_export.backbone.onnx_file import write_onnx
from softcore_export.data.features import map_features
from softcore_runtime.backends.ort import OnnxBackbone
from softcore_runtime.cli.progress import track
from softcore_runtime.images.image_file import read_image
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.inspection.features import compute_features

from softcore_benchmarks.data.category import Category

__all__ = ["ImageFeatures", "Network", "load_features"]


@dataclass(frozen=True, eq=False)
class Network:
    """A backbone as it ships, and its preprocessing.

    Attributes:
        backbone: the network.
        preprocessing: how a frame becomes a crop.
        key: hash of name, weights and preprocessing.
    """

    backbone: OnnxBackbone
    preprocessing: Preprocessing
    key: str

    @classmethod
    def load(cls, name: str, weights: Path | None, preprocessing: Preprocessing, folder: Path) -> Network:
        """Write a backbone's ONNX file into `folder`, unless it exists, and open it."""
        content = hashlib.sha256(weights.read_bytes()).hexdigest() if weights else "torchvision's"
        key = _digest(name, content, preprocessing.model_dump_json())
        path = folder / f"{name}-{key}.onnx"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            loaded = load_backbone(name, weights, crop=preprocessing.crop)
            write_onnx(loaded.network, preprocessing.crop, partial)
            partial.replace(path)
        return cls(OnnxBackbone(path), preprocessing, key)


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """Features of a category.

    Attributes:
        train: float32 `[N, P, d]`, mapped from disk.
        test: float32 `[M, P, d]`, mapped from disk.
        train_crops: uint8 BGR `[N, crop, crop, 3]`, mapped from disk.
        test_crops: uint8 BGR `[M, crop, crop, 3]`, mapped from disk.
        seconds: of the network for one image.
    """

    train: NDArray[np.float32]
    test: NDArray[np.float32]
    train_crops: NDArray[np.uint8]
    test_crops: NDArray[np.uint8]
    seconds: float


def load_features(category: Category, network: Network, folder: Path) -> ImageFeatures:
    """Load the features of all images of a category from `folder`, or compute them into it."""
    paths = [*category.train, *category.test]
    files = [f"{path}\0{path.stat().st_size}\0{path.stat().st_mtime_ns}" for path in paths]
    place = folder / f"{category.name}-{_digest(network.key, str(len(category.train)), *files)}"
    canvas = network.preprocessing.canvas
    record = place / "record.json"
    if not record.exists():
        place.mkdir(parents=True, exist_ok=True)
        crops = np.lib.format.open_memmap(place / "crops.npy", "w+", np.uint8, (len(paths), *canvas, 3))
        for row, path in enumerate(track(paths, f"{category.name}: images")):
            crops[row] = network.preprocessing.apply(read_image(path))
        start = time.perf_counter()
        tracked = track(crops, f"{category.name}: features")
        patches = (compute_features(network.backbone, network.preprocessing, crop) for crop in tracked)
        features = map_features(patches, place / "features")
        seconds = (time.perf_counter() - start) / len(paths)
        record.write_text(json.dumps({"shape": features.shape, "seconds": seconds}))
    known = json.loads(record.read_text())
    features = np.memmap(place / "features", np.float32, mode="r", shape=tuple(known["shape"]))
    all_crops = np.load(place / "crops.npy", mmap_mode="r")
    n = len(category.train)
    return ImageFeatures(features[:n], features[n:], all_crops[:n], all_crops[n:], known["seconds"])


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
