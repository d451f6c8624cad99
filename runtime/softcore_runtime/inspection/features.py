"""Features: from frames to the features of their patches, by the network of a bundle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.engine import Backbone
from softcore_runtime.bundle.bundle import BACKBONE, Bundle
from softcore_runtime.errors import BundleCorruptError

__all__ = ["FeatureExtractor"]


class FeatureExtractor:
    """Preprocesses frames and runs the network. Two threads must not use it at once.

    Args:
        bundle: the bundle, for its preprocessing and its shapes.
        backbone: the bundle's network.
    """

    def __init__(self, bundle: Bundle, backbone: Backbone) -> None:
        self._bundle = bundle
        self._backbone = backbone
        grid, dim = bundle.manifest.grid, bundle.manifest.bank.dim
        self._features = np.empty((0, grid.height * grid.width, dim), np.float32)

    def compute(self, frames: Sequence[NDArray[np.generic]]) -> NDArray[np.float32]:
        """Compute patch features, float32 `[B, P, d]`; the next call overwrites them.

        Args:
            frames: B frames, each as for `Inspector.decide`.

        Raises:
            FrameError: a frame has another dtype or shape, or is too small.
        """
        crops = [self._bundle.manifest.preprocessing.apply(frame) for frame in frames]
        if len(self._features) < len(crops):  # new memory for every frame would take as long as a search
            self._features = np.empty((len(crops), *self._features.shape[1:]), np.float32)
        batch = crops[0][None] if len(crops) == 1 else np.stack(crops)
        return self._backbone.features(batch, self._features[: len(crops)])

    def warm_up(self) -> None:
        """Run one black frame through the network, so that the first real one doesn't wait for lazy set-up.

        Raises:
            BundleCorruptError: the features have another shape or dtype than the manifest says.
        """
        side = self._bundle.manifest.preprocessing.crop
        features = self._backbone.features(np.zeros((1, side, side, 3), np.uint8))
        expected = (1, *self._features.shape[1:])
        if features.shape != expected or features.dtype != np.float32:
            raise BundleCorruptError(
                f"{self._bundle.path / BACKBONE}: gives features {features.dtype} {list(features.shape)}, "
                f"the manifest says float32 {list(expected)}"
            )
