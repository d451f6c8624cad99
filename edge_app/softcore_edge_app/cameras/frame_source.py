"""Frame source: a camera, a stream or a recording, and a frame of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Frame", "FrameSource", "Recording"]


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame, or the reason why there is none: a frame that can't be read still counts.

    Attributes:
        number: counts from 1.
        name: where the frame comes from; unique within a source.
        image: uint8 BGR `[H, W, 3]`, or None.
        reason: why there is no image, or None.
        taken: when a live source gave it, in seconds of the monotonic clock; None for recordings.
        refused: the image that came, where it can't show a part (it is black); likewise, or None. Nothing
            inspects or keeps it: a person is shown it.

    Raises:
        ValueError: it has both an image and a reason, or neither.
    """

    number: int
    name: str
    image: NDArray[np.uint8] | None = None
    reason: str | None = None
    taken: float | None = None
    refused: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        if (self.image is None) == (self.reason is None):
            raise ValueError(f"frame {self.number}: needs either an image or the reason why there is none")

    @property
    def shown(self) -> NDArray[np.uint8] | None:
        """The image for a person: what was inspected, or what was refused; None if nothing came."""
        return self.refused if self.image is None else self.image


@runtime_checkable
class FrameSource(Protocol):
    """A source of frames. Either `read_frames` is iterated, or `take` is called between `open` and `close`.

    `cameras/registry.py` makes one from a camera's options. `fault`, `newest`, `reopened` and `leave` may be
    used from any thread, the rest from one.

    Attributes:
        remark: what a person should know about the frames once they have ended, or None.
    """

    remark: str | None

    @property
    def live(self) -> bool:
        """Whether parts pass in front of it now; False for a recording, of which every frame counts."""
        ...

    @property
    def fault(self) -> str | None:
        """Why it gives no image of a part now, in plain words; None if it does, and for a recording."""
        ...

    @property
    def newest(self) -> NDArray[np.uint8] | None:
        """Newest image, taken or not, uint8 BGR `[H, W, 3]`; None before the first, and for a recording."""
        ...

    @property
    def reopened(self) -> int:
        """Number of reconnections."""
        ...

    def follow_white(self, white: Callable[[], int]) -> None:
        """Scale images of 16 bits by `white()`, the grey level that is white, called for each image."""
        ...

    def open(self) -> None:
        """Open the source.

        Raises:
            SourceError: it must be there, and can't be opened or gives no frame.
        """
        ...

    def take(self, number: int, since: float, until: float) -> Frame:
        """Return the frame of a trigger; no frame is returned twice.

        A live source returns the first frame that shows the moment `since` or a later one, a recording its
        next frame. Where there is none, the frame has the reason.

        Args:
            number: the trigger's number, from 1.
            since: when the trigger came, in seconds of the monotonic clock.
            until: when to stop waiting, likewise.

        Raises:
            SourceError: a recording that can't be opened, gives no frame, or fails midway.
        """
        ...

    def read_frames(self) -> Generator[Frame, None, None]:
        """Open the source and yield its frames; closing the generator closes the source.

        Raises:
            SourceError: it can't be opened, gives no frame, or (a recording) fails midway.
        """
        ...

    def leave(self) -> None:
        """Make everything that waits for a frame return; returns at once itself."""
        ...

    def close(self) -> None:
        """Close the source."""
        ...


class Recording(ABC):
    """Base of recorded sources: a subclass defines `read_frames`, and each trigger takes the next frame.

    It is opened by its first frame.
    """

    remark: str | None = None
    live: bool = False
    fault: str | None = None
    newest: NDArray[np.uint8] | None = None
    reopened: int = 0
    _frames: Generator[Frame, None, None] | None = None

    @abstractmethod
    def read_frames(self) -> Generator[Frame, None, None]:
        """Open the recording and yield its frames; closing the generator closes it.

        Raises:
            SourceError: it can't be opened, gives no frame, or fails midway.
        """

    def follow_white(self, white: Callable[[], int]) -> None:  # noqa: B027 - a default, not a gap
        """Ignore the white level: most recordings have 8 bits a channel."""

    def open(self) -> None:
        """Begin with the first frame."""
        self._frames = self.read_frames()

    def take(self, number: int, since: float, until: float) -> Frame:  # noqa: ARG002 - frames wait
        """Return the next frame; after the last one a frame with the reason."""
        frame = next(self._frames, None) if self._frames else None
        return frame or Frame(number, f"#{number}", reason="the recording has come to its end")

    def leave(self) -> None:  # noqa: B027 - likewise
        """Do nothing: a recording is read without waiting."""

    def close(self) -> None:
        """Close the recording."""
        if self._frames:
            self._frames.close()
            self._frames = None
