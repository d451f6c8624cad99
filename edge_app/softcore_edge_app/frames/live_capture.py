"""Live capture: the frames of a camera or stream that may fail at any time and come back."""

from __future__ import annotations

import time
from collections.abc import Generator

import cv2
import numpy as np
from numpy.typing import NDArray

from softcore_edge_app.frames.capture import Capture
from softcore_edge_app.frames.live_reader import LiveReader, Shot
from softcore_edge_app.frames.sources import Frame

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
            changes every picture; a video encoder may keep a still scene up to its next key frame.
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
    ) -> None:
        self.remark: str | None = None
        self._target = target
        self._label = label
        self._kind = kind
        self._backend = backend
        self._patience = patience
        self._frozen_after = frozen_after

    def read_frames(self) -> Generator[Frame, None, None]:
        """Open it and give its newest frame, each at most once, until the generator is closed.

        While the source is silent, there is a frame with the reason after `patience` seconds and then
        again every `patience` seconds: a part that passes meanwhile is accounted for. So is a picture that
        is black or frozen. An address that serves a recorded video is gone through like a file.

        Raises:
            SourceError: it can't be opened or gives no frame at all; later failures are frames with a reason.
        """
        self.remark = None
        reader = LiveReader(
            self._target,
            self._label,
            self._kind,
            backend=self._backend,
            patience=self._patience,
            frozen_after=self._frozen_after,
        )
        try:
            if reader.start():
                yield from self._follow(reader)
        finally:
            reader.stop()
        recording = Capture(self._target, self._label, self._kind)
        yield from recording.read_frames()
        self.remark = recording.remark

    def _follow(self, reader: LiveReader) -> Generator[Frame, None, None]:
        number = seen = passed_over = 0
        last = told = time.monotonic()
        try:
            while True:
                shot = reader.wait(seen, max(last, told) + self._patience - time.monotonic())
                now = time.monotonic()
                fresh = shot is not None and now - shot.taken <= self._patience
                if shot:
                    passed_over += shot.sequence - seen - fresh
                    seen, last = shot.sequence, shot.taken
                number += 1
                name = f"{self._label}#{number}"
                if shot and fresh:
                    fault = self._find_fault(shot)
                    picture = None if fault else shot.picture
                    yield Frame(number, name, picture=picture, reason=fault, taken=shot.taken)
                else:
                    told = now
                    silence = f"no new frame for {now - last:.1f} s"
                    yield Frame(number, name, reason=f"{silence} (the {self._kind} is being reopened)")
        finally:
            self.remark = self._describe(passed_over, reader.reopened)

    def _find_fault(self, shot: Shot) -> str | None:
        still = shot.taken - shot.still_since
        if still > self._frozen_after:
            return f"the picture has not changed for {still:.1f} s"
        return "the picture is black" if _is_black(shot.picture) else None

    def _describe(self, passed_over: int, reopened: int) -> str | None:
        parts = []
        if passed_over:
            parts.append(
                f"{passed_over} frames came while others were inspected; the newest was always taken"
            )
        if reopened:
            parts.append(f"the {self._kind} was reopened {'once' if reopened == 1 else f'{reopened} times'}")
        return f"{self._label}: {'; '.join(parts)}" if parts else None


def _is_black(picture: NDArray[np.uint8]) -> bool:
    return int(picture[::16, ::16].max()) <= _BLACK and int(picture.max()) <= _BLACK
