"""Image facts: what an export knows of one training image beside its features, and where to get the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.training import draw_thumbnail, measure_image_statistics
from softcore_runtime.folders.copies import hash_pixels
from softcore_runtime.images.compression import measure_compression
from softcore_runtime.images.preprocessing import Preprocessing

from softcore_export.data.near_copies import extract_grain

__all__ = ["ImageFacts", "SeenImage", "measure_facts"]


@dataclass(frozen=True, eq=False)
class ImageFacts:
    """What is measured of one image.

    Attributes:
        pixels: SHA-256 of its pixels.
        thumbnail: uint8 `[32, 32]`.
        image_statistics: float64 `[3]`, brightness, contrast and sharpness.
        traces: float64 `[2]`, traces of compression; None where the image is too small for them.
        grain: int8 `[128, 128]`.
    """

    pixels: str
    thumbnail: NDArray[np.uint8]
    image_statistics: NDArray[np.float64]
    traces: NDArray[np.float64] | None
    grain: NDArray[np.int8]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the same as arrays, to be stored."""
        return {
            "pixels": np.frombuffer(bytes.fromhex(self.pixels), np.uint8),
            "thumbnail": self.thumbnail,
            "image_statistics": self.image_statistics,
            "traces": np.empty(0) if self.traces is None else self.traces,
            "grain": self.grain,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ImageFacts:
        """Return what `to_arrays` has stored."""
        return cls(
            pixels=arrays["pixels"].tobytes().hex(),
            thumbnail=arrays["thumbnail"],
            image_statistics=arrays["image_statistics"],
            traces=arrays["traces"] if len(arrays["traces"]) else None,
            grain=arrays["grain"],
        )


@dataclass(frozen=True, eq=False)
class SeenImage:
    """A training image, as the network sees it.

    Attributes:
        path: its file.
        digest: SHA-256 of the file.
        preprocessing: brings it to what the network sees.
        crop: that, if the image was decoded; None where its facts were known without.
    """

    path: Path
    digest: str
    preprocessing: Preprocessing
    crop: NDArray[np.uint8] | None = None

    def read(self) -> NDArray[np.uint8]:
        """Return what the network sees, uint8 BGR `[h, w, 3]`.

        Raises:
            ImageError: the file has changed, and can no longer be read.
            FrameError: the file has changed, and no longer fits.
        """
        if self.crop is not None:
            return self.crop
        return self.preprocessing.apply(self.preprocessing.read(self.path))


def measure_facts(image: NDArray[np.uint8], crop: NDArray[np.uint8]) -> ImageFacts:
    """Measure an image.

    Args:
        image: uint8 BGR `[H, W, 3]`, as it was read.
        crop: uint8 BGR `[h, w, 3]`, what the network sees of it.
    """
    return ImageFacts(
        pixels=hash_pixels(image),
        thumbnail=draw_thumbnail(crop),
        image_statistics=measure_image_statistics(image),
        traces=measure_compression(image),
        grain=extract_grain(image),
    )
