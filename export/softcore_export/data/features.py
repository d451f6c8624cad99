"""Features: the features of all training images, in one array on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.inspection.features import compute_features
from softcore_runtime.regular_file import hash_file

from softcore_export.data.image_facts import SeenImage
from softcore_export.feature_store.feature_store import FeatureStore, StoreSection
from softcore_export.feature_store.identity import identify_network

__all__ = ["KnownFeatures", "map_features"]

_FEATURES = "features"  # name of the only array of an entry


class KnownFeatures:
    """The features of images by one network: those in a store, and others, which are stored then.

    Args:
        backbone: the network.
        network: its ONNX file.
        preprocessing: of the images.
        store: keeps the features of images; None keeps nothing.
    """

    def __init__(
        self, backbone: Backbone, network: Path, preprocessing: Preprocessing, store: FeatureStore | None
    ) -> None:
        self._backbone, self.preprocessing = backbone, preprocessing
        if backbone.provider == "tensorrt":  # chooses how it computes by timings, when its engines are built
            store = None
        self._known = StoreSection(store, identify_network(network, backbone, preprocessing))

    def map(self, images: Iterable[SeenImage], file: Path) -> NDArray[np.float32]:
        """Write the features of images to a file, one at a time as the line does.

        Returns:
            as `map_features`.

        Raises:
            ImageError, FrameError: as `SeenImage.read`.
            OSError: the disk is full.
        """
        return map_features(self._find(images), file)

    def _find(self, images: Iterable[SeenImage]) -> Iterator[NDArray[np.float32]]:
        shape: tuple[int, ...] | None = None
        for image in images:
            patches = self._get(image.digest)
            if patches is None or (shape and patches.shape != shape):
                patches = compute_features(self._backbone, self.preprocessing, image.read())
                # A file that was written to while it was decoded may have given either content's features.
                if image.crop is not None or hash_file(image.path) == image.digest:
                    self._known.put(image.digest, {_FEATURES: patches})
            shape = patches.shape
            yield patches

    def _get(self, digest: str) -> NDArray[np.float32] | None:
        found = (self._known.get(digest) or {}).get(_FEATURES)
        return found if found is not None and found.ndim == 2 and found.dtype == np.float32 else None


def map_features(features: Iterable[NDArray[np.float32]], file: Path) -> NDArray[np.float32]:
    """Write the features of images, float32 `[P, d]` each, to a file one at a time.

    Returns:
        float32 `[N, P, d]`, mapped read-only from `file`, so that memory doesn't grow with N.

    Raises:
        OSError: the disk is full. (Plain writes raise it; writing through a memory map would crash.)
    """
    shape = (0, 0)
    n = 0
    with file.open("wb") as stream:
        for patches in features:
            stream.write(np.ascontiguousarray(patches).data)
            shape, n = patches.shape, n + 1
    return np.memmap(file, np.float32, mode="r", shape=(n, *shape))
