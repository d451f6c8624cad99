"""Features: computes the patch features of the training images by the exported network, on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.backends.engine import Backbone
from softcore_runtime.images.preprocessing import Preprocessing
from softcore_runtime.inspection.features import compute_features

__all__ = ["extract"]


def extract(
    backbone: Backbone, preprocessing: Preprocessing, seen: Iterable[NDArray[np.uint8]], file: Path
) -> NDArray[np.float32]:
    """Run `backbone.onnx` over images as `preprocessing.apply` gives them, one at a time as the line does.

    Returns:
        float32 `[N, P, d]`, mapped read-only from `file`, so that memory doesn't grow with N.

    Raises:
        OSError: the disk is full. (Plain writes raise it; writing through a memory map would crash.)
    """
    shape = (0, 0)
    n = 0
    with file.open("wb") as stream:
        for image in seen:
            patches = compute_features(backbone, preprocessing, image)  # [P, d]
            stream.write(np.ascontiguousarray(patches).data)
            shape, n = patches.shape, n + 1
    return np.memmap(file, np.float32, mode="r", shape=(n, *shape))
