"""Features: from frames to the features of their patches, by the network of a bundle."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.alignment.aligned_preprocessing import AlignedPreprocessing
from softcore_runtime.alignment.alignment import Registration
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.bundle.bundle import BACKBONE, Bundle
from softcore_runtime.errors import BundleCorruptError
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.inspection.replacements import find_replacements, find_uncovered

__all__ = ["FeatureExtractor", "compute_features"]


class FeatureExtractor:
    """Preprocesses frames and runs the network. Two threads must not use it at once.

    Args:
        bundle: the bundle, for its alignment, its preprocessing and its shapes.
        backbone: the bundle's network.

    Raises:
        BundleCorruptError: its windows don't give its grid.
    """

    def __init__(self, bundle: Bundle, backbone: Backbone) -> None:
        self._bundle = bundle
        self._backbone = backbone
        manifest = bundle.manifest
        grid = manifest.grid
        self._positions = grid.height * grid.width
        codes = np.empty((self._positions, 0), np.float32)
        self._side: int | None = None  # of a window's own grid
        self._order: NDArray[np.int64] | None = None
        if windows := manifest.preprocessing.windows:
            crop = manifest.preprocessing.crop
            self._side = _find_side(grid.height, windows.rows, windows.down, crop)
            try:
                self._order = windows.find_patches(crop, self._side)
            except ValueError as error:
                raise BundleCorruptError(f"{bundle.path}: {error}") from error
            if windows.grid(crop, self._side) != (grid.height, grid.width):
                raise BundleCorruptError(f"{bundle.path}: its windows don't give a grid of its size")
            codes = windows.codes[self._order // self._side**2]  # [P, k]
        self._codes = codes
        self._dim = manifest.bank.dim - codes.shape[1]  # of the network's features
        self._features = np.empty((0, self._positions, manifest.bank.dim), np.float32)
        self._parts = np.empty((0, 0, self._dim), np.float32)

    def compute(
        self, frames: Sequence[NDArray[np.generic]]
    ) -> tuple[NDArray[np.float32], list[Registration | None]]:
        """Align frames, where the bundle does, and compute their patch features.

        A patch of an aligned frame that shows nothing of the frame is replaced by an entry of the memory bank
        that gives it the least score.

        Args:
            frames: B frames, each as for `Inspector.decide`.

        Returns:
            the features, float32 `[B, P, d]`, which the next call overwrites, and where the parts lie, None
            where frames aren't aligned.

        Raises:
            AlignmentError: a part is not where it should be.
            FrameError: a frame has another dtype or shape, or is too small.
        """
        preprocessing = self._bundle.preprocessing
        if not isinstance(preprocessing, AlignedPreprocessing):
            return self._run(frames), [None] * len(frames)
        aligned = [preprocessing.align(frame) for frame in frames]
        features = self._run([one.image for one in aligned])
        for patches, one in zip(features, aligned, strict=True):
            grid, (height, width) = self._bundle.manifest.grid, one.image.shape[:2]
            window = preprocessing.window(height, width)
            outside = find_uncovered(one.registration, window, (grid.height, grid.width), height, width)
            patches[outside] = find_replacements(self._bundle, outside)
        return features, [one.registration for one in aligned]

    def _run(self, frames: Sequence[NDArray[np.generic]]) -> NDArray[np.float32]:
        """Cut frames and run the network on them, float32 `[B, P, d]`."""
        crops = [self._bundle.manifest.preprocessing.cut(frame) for frame in frames]
        batch = crops[0] if len(crops) == 1 else np.concatenate(crops)
        if len(self._features) < len(crops):  # new memory for every frame would take as long as a search
            self._features = np.empty((len(crops), *self._features.shape[1:]), np.float32)
        out = self._features[: len(crops)]
        out[:, :, self._dim :] = self._codes  # each time, since replacements overwrite them
        if self._order is None or self._side is None:
            return self._backbone.features(batch, out)
        if len(self._parts) < len(batch):
            self._parts = np.empty((len(batch), self._side**2, self._dim), np.float32)
        parts = self._backbone.features(batch, self._parts[: len(batch)])
        parts = parts.reshape(len(crops), -1, self._dim)
        if self._codes.size:
            out[:, :, : self._dim] = parts[:, self._order]
        else:
            np.take(parts, self._order, axis=1, out=out, mode="clip")
        return out

    def warm_up(self) -> None:
        """Run one black frame through the network, so that the first real one doesn't wait for lazy set-up.

        Raises:
            BundleCorruptError: the features have another shape or dtype than the manifest says.
        """
        preprocessing = self._bundle.manifest.preprocessing
        side = preprocessing.crop
        features = self._backbone.features(np.zeros((preprocessing.count, side, side, 3), np.uint8))
        positions = self._positions if self._side is None else self._side**2
        expected = (preprocessing.count, positions, self._dim)
        if features.shape != expected or features.dtype != np.float32:
            raise BundleCorruptError(
                f"{self._bundle.path / BACKBONE}: gives features {features.dtype} {list(features.shape)}, "
                f"the manifest says float32 {list(expected)}"
            )


def compute_features(
    backbone: Backbone, preprocessing: Preprocessing, seen: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """Compute the patch features of one frame, as `FeatureExtractor` does.

    Args:
        backbone: the network.
        preprocessing: of the frame.
        seen: uint8 BGR `[h, w, 3]`, the frame as `preprocessing.apply` gives it.

    Returns:
        float32 `[P, d]`.

    Raises:
        ValueError: the patches of neighbouring windows don't lie on one grid.

    Example:
        >>> preprocessing = inspector.manifest.preprocessing
        >>> compute_features(inspector.backbone, preprocessing, preprocessing.apply(frame)).shape
        (64, 3)
    """
    features = backbone.features(preprocessing.split(seen))
    patches = features.reshape(-1, features.shape[2])
    if preprocessing.windows:
        side = math.isqrt(features.shape[1])
        order = preprocessing.windows.find_patches(preprocessing.crop, side)
        patches = np.hstack([patches.take(order, axis=0), preprocessing.windows.codes[order // side**2]])
    return np.asarray(patches)


def _find_side(height: int, rows: int, down: int, crop: int) -> int:
    """Return the rows of one window's grid, from the rows of the joined one; 0 if there is no such number."""
    return height if rows == 1 else height * crop // ((rows - 1) * down + crop)
