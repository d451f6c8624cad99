"""Live capture: the frames of a camera or stream that may fail at any time and come back."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_edge_app.cameras.capture import Capture
from softcore_edge_app.cameras.live_reader import CapturedFrame, LiveReader
from softcore_edge_app.cameras.sources import Frame

__all__ = ["LiveCapture"]

_BLACK = 8  # of 255; the noise of a sensor that sees anything at all exceeds it


class LiveCapture:
    """A camera, a stream or a pipeline: always its newest frame, and a reason where there is none.

    Args:
        target: what VideoCapture takes: a camera's index, a device, a URL or a pipeline.
        label: the target's name in messages and frames, without secrets.
        kind: what to call it in messages: "camera", "stream" or "pipeline".
        backend: the only one of OpenCV's backends to try.
        patience: seconds after which a frame is missed; more than the source's own pause between frames.
        frozen_after: seconds for which a source may give the very same bytes. The noise of a real sensor
            changes every image; a video encoder may keep a still scene up to its next key frame.
        latency: seconds from the moment that a frame shows until it comes, see `take`.
        properties: what to set at each opening, by OpenCV's numbers.
        required: whether it must be there at the start; else it is waited for, as after any later fault.
    """

    def __init__(
        self,
        target: int | str,
        label: str,
        kind: str,
        *,
        backend: int = cv2.CAP_ANY,
        patience: float = 2.0,
        frozen_after: float = 5.0,
        latency: float = 0.0,
        properties: Mapping[int, float] | None = None,
        required: bool = True,
    ) -> None:
        self.remark: str | None = None
        self.label = label
        self._target, self._kind, self._backend = target, kind, backend
        self._patience, self._frozen_after, self._latency = patience, frozen_after, latency
        self._properties, self._required = properties or {}, required
        self._recording = Capture(target, label, kind)
        self._reader = self._make_reader()
        self._seen = self._passed_over = 0
        self._last = 0.0
        self._opened = False

    @property
    def reopened(self) -> int:
        """How often it was opened again."""
        return self._reader.reopened

    @property
    def fault(self) -> str | None:
        """Why it gives no image of a part just now, in plain words; None where it does."""
        captured = self._reader.newest
        if captured is None:
            return self._tell_silence(time.monotonic() - self._last) if self._opened else None
        silent = time.monotonic() - captured.taken
        return self._tell_silence(silent) if silent > self._patience else self._find_fault(captured)

    @property
    def newest(self) -> NDArray[np.uint8] | None:
        """The newest image, taken or not; None before the first and after the end."""
        captured = self._reader.newest
        return None if captured is None else captured.image

    def open(self) -> bool:
        """Open it, and tell whether it is live: an address may serve a recorded video.

        Raises:
            SourceError: it is required, and can't be opened or gives no frame at all.
        """
        self._reader = self._make_reader()
        self._seen = self._passed_over = 0
        self._last = time.monotonic()
        self._opened = self._reader.start()
        return self._opened

    def leave(self) -> None:
        """Begin to leave it; returns at once, and who waits for a frame gets none."""
        self._reader.leave()

    def close(self) -> None:
        """Leave it, within a second."""
        self._opened = False
        self._reader.stop()
        self.remark = self._describe()

    def take(self, number: int, since: float, until: float) -> Frame:
        """Take the first frame that shows the moment `since` or a later one, and give no frame twice.

        OpenCV says of no frame when it was exposed. So it is the first that comes `latency` after `since`.

        Args:
            number: the frame's.
            since: in seconds of the monotonic clock.
            until: when to give up, likewise; before that, `patience` after the frame should have come.
        """
        since += self._latency
        until = min(until, since + self._patience)
        captured = self._reader.wait(self._seen, until - time.monotonic())
        while captured and captured.taken < since:
            self._note(captured, used=False)
            captured = self._reader.wait(self._seen, until - time.monotonic())
        if captured is None:
            return self._miss(number, time.monotonic())
        return self._give(number, captured)

    def read_frames(self) -> Generator[Frame, None, None]:
        """Open it and give its newest frame, each at most once, until the generator is closed.

        While the source is silent, there is a frame with the reason after `patience` seconds and then
        again every `patience` seconds: a part that passes meanwhile is accounted for. So is an image that
        is black or frozen. An address that serves a recorded video is gone through like a file.

        Raises:
            SourceError: it is required, and can't be opened or gives no frame at all; later failures are
                frames with a reason.
        """
        self.remark = None
        try:
            if self.open():
                yield from self._follow()
        finally:
            self.close()
        yield from self._recording.read_frames()
        self.remark = self._recording.remark

    def _follow(self) -> Generator[Frame, None, None]:
        number, told = 0, self._last
        while True:
            captured = self._reader.wait(
                self._seen, max(self._last, told) + self._patience - time.monotonic()
            )
            now = time.monotonic()
            number += 1
            if captured and now - captured.taken <= self._patience:
                yield self._give(number, captured)
            else:
                if captured:
                    self._note(captured, used=False)
                told = now
                yield self._miss(number, now)

    def _make_reader(self) -> LiveReader:
        return LiveReader(
            self._target,
            self.label,
            self._kind,
            backend=self._backend,
            patience=self._patience,
            frozen_after=self._frozen_after,
            properties=self._properties,
            required=self._required,
        )

    def _give(self, number: int, captured: CapturedFrame) -> Frame:
        self._note(captured, used=True)
        name = f"{self.label}#{number}"
        if fault := self._find_fault(captured):
            return Frame(number, name, reason=fault, taken=captured.taken)
        return Frame(number, name, image=captured.image, taken=captured.taken)

    def _miss(self, number: int, now: float) -> Frame:
        return Frame(number, f"{self.label}#{number}", reason=self._tell_silence(now - self._last))

    def _tell_silence(self, seconds: float) -> str:
        refused = f": {self._reader.refused}" if self._reader.refused else ""
        return f"no new frame for {seconds:.1f} s (the {self._kind} is being reopened){refused}"

    def _note(self, captured: CapturedFrame, *, used: bool) -> None:
        self._passed_over += captured.sequence - self._seen - used
        self._seen, self._last = captured.sequence, captured.taken

    def _find_fault(self, captured: CapturedFrame) -> str | None:
        still = captured.taken - captured.still_since
        if still > self._frozen_after:
            return f"the image has not changed for {still:.1f} s"
        if _is_black(captured.image):
            return "the image is black"
        shape, first = captured.image.shape, self._reader.shape
        if first is not None and shape != first:  # the part would have another scale
            return f"the image has {_describe_shape(shape)}, and at the start it had {_describe_shape(first)}"
        return None

    def _describe(self) -> str | None:
        parts = []
        if self._passed_over:
            parts.append(
                f"{self._passed_over} frames came while others were inspected; the newest was always taken"
            )
        if reopened := self.reopened:
            parts.append(f"the {self._kind} was reopened {'once' if reopened == 1 else f'{reopened} times'}")
        return f"{self.label}: {'; '.join(parts)}" if parts else None


def _describe_shape(shape: tuple[int, ...]) -> str:
    height, width, *channels = shape
    return f"{width} x {height} pixels" + (f" of {channels[0]} channels" if channels != [3] else "")


def _is_black(image: NDArray[np.uint8]) -> bool:
    return int(image[::16, ::16].max()) <= _BLACK and int(image.max()) <= _BLACK
