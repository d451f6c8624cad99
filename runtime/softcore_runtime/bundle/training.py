"""Training: statistics of the training images in a bundle, to compare other images with them.

::

    training/scores.npy       float64 [T], scores of the images that aren't suspect, each against the bank
                              without its own entries
    training/thumbnails.npy   uint8 [N, 32, 32], grey, of all images
    training/looks.npy        float64 [N, 3], brightness, contrast and sharpness of all images
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_runtime.bundle.array_file import HEADER, read_array
from softcore_runtime.errors import BundleCorruptError
from softcore_runtime.images.image_file import check_frame, to_bgr8

__all__ = [
    "QUANTITIES",
    "SCORES",
    "STATISTICS",
    "THUMBNAILS",
    "Training",
    "draw_thumbnail",
    "limit_sizes",
    "measure_image_statistics",
    "read_training",
    "write_training",
]

SCORES, THUMBNAILS, STATISTICS = (f"training/{name}.npy" for name in ("scores", "thumbnails", "looks"))
QUANTITIES = ("brightness", "contrast", "sharpness")  # of image statistics, in this order
_SIDE = 32
_ENOUGH = 256  # pixels of the shorter side that statistics are measured on
_BAND = 2**16  # number of pixels reduced at a time
_LARGEST = 2**30  # size limit of a file, in bytes


@dataclass(frozen=True, eq=False)
class Training:
    """Statistics of N training images.

    Attributes:
        scores: float64 `[T]`, T <= N, leave-one-image-out scores of the images that aren't suspect.
        thumbnails: uint8 `[N, 32, 32]`.
        image_statistics: float64 `[N, 3]`, see `measure_image_statistics`.
    """

    scores: NDArray[np.float64]
    thumbnails: NDArray[np.uint8]
    image_statistics: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.scores.ndim != 1 or self.scores.dtype != np.float64 or not np.isfinite(self.scores).all():
            raise ValueError("scores must be finite float64 [T]")
        if self.thumbnails.shape[1:] != (_SIDE, _SIDE) or self.thumbnails.dtype != np.uint8:
            raise ValueError(f"thumbnails must be uint8 [N, {_SIDE}, {_SIDE}]")
        shape = (len(self.thumbnails), 3)
        if (
            self.image_statistics.shape != shape
            or self.image_statistics.dtype != np.float64
            or not np.isfinite(self.image_statistics).all()
        ):
            raise ValueError(f"image statistics must be finite float64 {list(shape)}")


def draw_thumbnail(frame: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Shrink a frame to grey uint8 `[32, 32]`, which identifies an image however it is encoded."""
    grey = cv2.cvtColor(to_bgr8(frame), cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def measure_image_statistics(frame: NDArray[np.generic]) -> NDArray[np.float64]:
    """Measure brightness, contrast and sharpness of a frame, float64 `[3]`.

    These are the mean and the standard deviation of its grey levels, and the standard deviation of their
    Laplacian. A large frame is subsampled, which keeps its sharpness and takes a fraction of a millisecond.

    Raises:
        FrameError: the frame is no image (see `to_bgr8`).
    """
    check_frame(frame)
    grey = _subsample(frame, max(1, min(frame.shape[:2]) // _ENOUGH))
    mean, deviation = cv2.meanStdDev(grey)
    sharpness = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1]
    return np.array([mean[0, 0], deviation[0, 0], sharpness[0, 0]])


def _subsample(frame: NDArray[Any], step: int) -> NDArray[np.uint8]:
    """Return every `step`-th pixel of every `step`-th row as grey levels, uint8 `[H // step, W // step]`."""
    height, width = frame.shape[0] // step, frame.shape[1] // step
    grey = np.empty((height, width), np.uint8)
    # In bands small enough for one thread of OpenCV: others would spin for a while after each frame, and slow
    # down the network.
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        band = frame[top * step : min(top + rows, height) * step, : width * step]
        size = width, len(band) // step
        small = to_bgr8(cv2.resize(band, size, interpolation=cv2.INTER_NEAREST))
        cv2.cvtColor(small, cv2.COLOR_BGR2GRAY, dst=grey[top : top + rows])
    return grey


def write_training(path: Path, training: Training) -> None:
    """Write the files into the folder of a bundle."""
    (path / SCORES).parent.mkdir(exist_ok=True)
    np.save(path / SCORES, training.scores, allow_pickle=False)
    np.save(path / THUMBNAILS, training.thumbnails, allow_pickle=False)
    np.save(path / STATISTICS, training.image_statistics, allow_pickle=False)


def read_training(path: Path) -> Training:
    """Read the files from the folder of a bundle, which were verified.

    Raises:
        BundleCorruptError: a file is missing or has another content.
    """
    try:
        return Training(*(read_array(path / name, _LARGEST) for name in (SCORES, THUMBNAILS, STATISTICS)))
    except ValueError as error:
        raise BundleCorruptError(f"{(path / SCORES).parent}: {error}") from error


def limit_sizes(images: int) -> dict[str, int]:
    """Return the size limit of each file in bytes, by its name, for a number of training images."""
    return {
        SCORES: HEADER + 8 * images,
        THUMBNAILS: HEADER + _SIDE**2 * images,
        STATISTICS: HEADER + 8 * len(QUANTITIES) * images,
    }
