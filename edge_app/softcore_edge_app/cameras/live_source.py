"""Live source: the frames of a camera or stream that may fail at any time and come back."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator

import numpy as np
from numpy.typing import NDArray

from softcore_edge_app.cameras.camera import Camera
from softcore_edge_app.cameras.frame_source import Frame, FrameSource
from softcore_edge_app.cameras.live_reader import CapturedFrame, LiveReader

__all__ = ["LiveSource"]

_BLACK = 8  # of 255; the noise of a sensor that gets any light exceeds it


class LiveSource:
    """A camera's newest frame, and the reason if there is none; see `FrameSource`.

    Args:
        camera: opens the camera.
        patience: seconds after which a frame is missed; more than the camera's own pause between frames.
        frozen_after: seconds for which a camera may give the very same bytes. The noise of a real sensor
            changes every image; a video encoder may keep a still scene up to its next key frame.
        latency: seconds from the moment that a frame shows until it arrives, see `take`.
        required: whether the camera must be there at the start; else it is waited for, as after any later
            fault.
    """

    live = True

    def __init__(
        self,
        camera: Camera,
        *,
        patience: float = 2.0,
        frozen_after: float = 5.0,
        latency: float = 0.0,
        required: bool = True,
    ) -> None:
        self.camera = camera
        self.remark: str | None = None
        self._patience, self._frozen_after, self._latency = patience, frozen_after, latency
        self._required = required
        self._reader = self._make_reader()
        self._recording: FrameSource | None = None  # what is read instead, once it proves to be recorded
        self._used = self._skipped = 0  # sequence number of the last frame used; number of frames passed over
        self._last_frame_at = 0.0
        self._opened = False

    @property
    def reopened(self) -> int:
        """Number of reconnections."""
        return self._reader.reopened

    @property
    def fault(self) -> str | None:
        """Why it gives no image of a part now, in plain words; None if it does."""
        captured = self._reader.newest
        if captured is None:
            return self._describe_silence(time.monotonic() - self._last_frame_at) if self._opened else None
        silent = time.monotonic() - captured.taken
        return self._describe_silence(silent) if silent > self._patience else self._find_fault(captured)

    @property
    def newest(self) -> NDArray[np.uint8] | None:
        """Newest image, taken or not, uint8 BGR `[H, W, 3]`; None before the first and after the end."""
        captured = self._reader.newest
        return None if captured is None else captured.image

    def follow_white(self, white: Callable[[], int]) -> None:
        """Ignore the white level: a `Connection` gives 8 bits a channel."""

    def open(self) -> None:
        """Open the camera; an address may prove to serve a recorded video, which is read like a file.

        Raises:
            SourceError: it is required, and can't be opened or gives no frame at all.
        """
        self.remark = self._recording = None
        self._reader = self._make_reader()
        self._used = self._skipped = 0
        self._last_frame_at = time.monotonic()
        self._opened = self._reader.start()
        if not self._opened:
            self._reader.stop()
            self._recording = self.camera.recording
        if self._recording:
            self._recording.open()

    def leave(self) -> None:
        """Begin to close the camera; returns at once, and whatever waits for a frame gets none."""
        self._reader.leave()

    def close(self) -> None:
        """Close the camera, within a second."""
        self._opened = False
        self._reader.stop()
        self.remark = self._describe_losses()
        if self._recording:
            self._recording.close()
            self.remark = self._recording.remark

    def take(self, number: int, since: float, until: float) -> Frame:
        """Return the first frame that shows the moment `since` or a later one; no frame is returned twice.

        Cameras don't say when a frame was exposed. So it is the first that comes `latency` after `since`.

        Args:
            number: the frame's.
            since: in seconds of the monotonic clock.
            until: when to give up, likewise; before that, `patience` after the frame should have come.
        """
        if self._recording:
            return self._recording.take(number, since, until)
        since += self._latency
        until = min(until, since + self._patience)
        captured = self._reader.wait(self._used, until - time.monotonic())
        while captured and captured.taken < since:
            self._count(captured, used=False)
            captured = self._reader.wait(self._used, until - time.monotonic())
        if captured is None:
            return self._make_missing_frame(number, time.monotonic())
        return self._make_frame(number, captured)

    def read_frames(self) -> Generator[Frame, None, None]:
        """Open the camera and yield its newest frame, each at most once, until the generator is closed.

        While the camera is silent, there is a frame with the reason after `patience` seconds and then
        again every `patience` seconds: a part that passes meanwhile is accounted for. So is an image that
        is black or frozen. An address that serves a recorded video is read like a file.

        Raises:
            SourceError: it is required, and can't be opened or gives no frame at all; later failures are
                frames with a reason.
        """
        try:
            self.open()
            yield from self._recording.read_frames() if self._recording else self._follow()
        finally:
            self.close()

    def _follow(self) -> Generator[Frame, None, None]:
        number, reported = 0, self._last_frame_at
        while True:
            due = max(self._last_frame_at, reported) + self._patience
            captured = self._reader.wait(self._used, due - time.monotonic())
            now = time.monotonic()
            number += 1
            if captured and now - captured.taken <= self._patience:
                yield self._make_frame(number, captured)
            else:
                if captured:
                    self._count(captured, used=False)
                reported = now
                yield self._make_missing_frame(number, now)

    def _make_reader(self) -> LiveReader:
        return LiveReader(
            self.camera, patience=self._patience, frozen_after=self._frozen_after, required=self._required
        )

    def _make_frame(self, number: int, captured: CapturedFrame) -> Frame:
        self._count(captured, used=True)
        name = f"{self.camera.label}#{number}"
        if fault := self._find_fault(captured):
            return Frame(number, name, reason=fault, taken=captured.taken, refused=captured.image)
        return Frame(number, name, image=captured.image, taken=captured.taken)

    def _make_missing_frame(self, number: int, now: float) -> Frame:
        reason = self._describe_silence(now - self._last_frame_at)
        return Frame(number, f"{self.camera.label}#{number}", reason=reason)

    def _describe_silence(self, seconds: float) -> str:
        refused = f": {self._reader.refused}" if self._reader.refused else ""
        return f"no new frame for {seconds:.1f} s (the {self.camera.kind} is being reopened){refused}"

    def _count(self, captured: CapturedFrame, *, used: bool) -> None:
        """Count the frames that were passed over up to this one."""
        self._skipped += captured.sequence - self._used - used
        self._used, self._last_frame_at = captured.sequence, captured.taken

    def _find_fault(self, captured: CapturedFrame) -> str | None:
        """Return why a frame can't show a part: it is frozen, black, or of another size than the first."""
        still = captured.taken - captured.still_since
        if still > self._frozen_after:
            return f"the image has not changed for {still:.1f} s"
        if _is_black(captured.image):
            return "the image is black"
        shape, first = captured.image.shape, self._reader.shape
        if first is not None and shape != first:  # the part would have another scale
            return f"the image has {_describe_shape(shape)}, and at the start it had {_describe_shape(first)}"
        return None

    def _describe_losses(self) -> str | None:
        parts = []
        if self._skipped:
            parts.append(
                f"{self._skipped} frames came while others were inspected; the newest was always taken"
            )
        if reopened := self.reopened:
            times = "once" if reopened == 1 else f"{reopened} times"
            parts.append(f"the {self.camera.kind} was reopened {times}")
        return f"{self.camera.label}: {'; '.join(parts)}" if parts else None


def _describe_shape(shape: tuple[int, ...]) -> str:
    height, width, *channels = shape
    return f"{width} x {height} pixels" + (f" of {channels[0]} channels" if channels != [3] else "")


def _is_black(image: NDArray[np.uint8]) -> bool:
    return int(image[::16, ::16].max()) <= _BLACK and int(image.max()) <= _BLACK
