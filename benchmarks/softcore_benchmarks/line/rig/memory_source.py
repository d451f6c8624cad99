"""Memory source: a frame source whose images are in memory, so that a line is measured without a camera."""

from __future__ import annotations

from collections.abc import Generator
from itertools import count

import numpy as np
from numpy.typing import NDArray
from softcore_edge_app.cameras.frame_source import Frame, Recording

__all__ = ["ImagesInMemory"]


class ImagesInMemory(Recording):
    """A recording that begins anew at its end, for ever.

    Args:
        images: uint8 BGR `[H, W, 3]`.
    """

    def __init__(self, images: list[NDArray[np.uint8]]) -> None:
        self._images = images

    def read_frames(self) -> Generator[Frame, None, None]:
        """Yield the images in turn, without a pause."""
        for number in count(1):
            yield Frame(number, "frame", image=self._images[number % len(self._images)])
