"""Camera: what a live source needs of a kind of camera; the rest is the same for all kinds.

`LiveSource` keeps the newest frame, reconnects, and finds frozen, black or late frames. A library for cameras
(GigE Vision, GenICam) is one module with a `Camera` and its `Connection`.
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from softcore_edge_app.cameras.frame_source import FrameSource

__all__ = ["Camera", "CameraKind", "Connection"]

# A device can be opened once at a time; a stream comes over a network, and may be opened twice.
CameraKind = Literal["camera", "stream", "pipeline"]


class Connection(Protocol):
    """An opened camera, used by one thread."""

    @property
    def recorded(self) -> bool:
        """Whether it turned out to be a recorded video."""
        ...

    def read(self) -> NDArray[np.uint8] | None:
        """Wait for the next frame and return it, uint8 BGR `[H, W, 3]`; None after the last one.

        Raises:
            SourceError: the camera failed.
        """
        ...

    def release(self) -> None:
        """Close it."""
        ...


class Camera(Protocol):
    """A camera that can be opened, again and again."""

    @property
    def label(self) -> str:
        """Its name in messages and frames, without secrets."""
        ...

    @property
    def kind(self) -> CameraKind:
        """What messages call it; also how it may be reconnected, see `CameraKind`."""
        ...

    @property
    def recording(self) -> FrameSource | None:
        """What reads all frames if a `Connection` is `recorded`; None if none ever is."""
        ...

    def identify(self) -> str | None:
        """Return which camera it is now, such as its name and serial number; None if that is unknown."""
        ...

    def connect(self, opening: float, reading: float) -> Connection:
        """Open it; may block longer than it should.

        Args:
            opening: seconds that it may take to open.
            reading: seconds that it may take to give a frame.

        Raises:
            SourceError: it can't be opened.
        """
        ...
