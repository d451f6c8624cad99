"""Frame checks: whether a frame can show a part at all, by comparison with the training images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import FrameError
from softcore_runtime.bundle.training import Training, measure_image_statistics
from softcore_runtime.images.preprocessing import SMALLEST_SIDE

from softcore_edge_app.cameras.frame_source import Frame

__all__ = ["FrameChecks", "find_fault"]

_DARK, _BRIGHT = 1 / 3, 2 / 3  # of the way to black below the darkest, to white above the brightest
_FLAT, _BLURRED = 1 / 5, 1 / 4  # of the least contrast, of the least sharpness
_WHITE = 255.0


class FrameChecks:
    """Finds frames that can't show a part: dark, glaring, empty or blurred images.

    The bounds lie well outside all that was seen in training, so that an odd part is still inspected: they
    refuse a lamp that failed, a lid on the lens, a lens out of focus.

    Args:
        training: the bundle's measurements of its training images.
    """

    def __init__(self, training: Training) -> None:
        low, high = training.image_statistics.min(axis=0), training.image_statistics.max(axis=0)
        self._darkest, self._brightest = low[0], high[0]
        self._least_contrast, self._least_sharpness = low[1], low[2]

    def find_fault(self, frame: NDArray[np.generic]) -> str | None:
        """Return why a frame can't show a part; None if it can.

        A frame that is too small is left to the inspector to refuse.

        Args:
            frame: as for `Inspector.decide`.

        Raises:
            FrameError: the frame is no image.
        """
        if min(frame.shape[:2]) < SMALLEST_SIDE:
            return None
        brightness, contrast, sharpness = measure_image_statistics(frame)
        if brightness < _DARK * self._darkest:
            return (
                f"too dark: its mean grey level is {brightness:.0f}, that of the darkest training image "
                f"{self._darkest:.0f}"
            )
        if brightness > self._brightest + _BRIGHT * (_WHITE - self._brightest):
            return (
                f"too bright: its mean grey level is {brightness:.0f}, that of the brightest training "
                f"image {self._brightest:.0f}"
            )
        if contrast < _FLAT * self._least_contrast:
            return (
                f"without contrast: its grey levels differ by {contrast:.1f}, in training by "
                f"{self._least_contrast:.1f} at least"
            )
        if sharpness < _BLURRED * self._least_sharpness:
            return (
                f"blurred: its sharpness is {sharpness:.1f}, in training {self._least_sharpness:.1f} at least"
            )
        return None


def find_fault(frame: Frame, checks: FrameChecks | None) -> str | None:
    """Return why a frame can't be decided on: it couldn't be read, or fails the checks; None where it can."""
    if frame.image is None or checks is None:
        return frame.reason
    try:
        return checks.find_fault(frame.image)
    except FrameError as error:
        return str(error)
