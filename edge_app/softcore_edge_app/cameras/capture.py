"""Capture: every frame of a recorded video, and the opening that it shares with live sources."""

from __future__ import annotations

import os
from collections.abc import Generator

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime import SourceError

from softcore_edge_app.cameras.sources import Frame

__all__ = ["Capture", "count_promised", "open_capture", "read_next"]

_PLAUSIBLE = 1e9  # frames; streams and damaged headers give garbage far outside


class Capture:
    """A recorded video: a file, or an address that serves one.

    Args:
        target: the path or URL.
        label: the target's name in messages and frames, without secrets.
        kind: what to call it in messages: "video" or "stream".
    """

    def __init__(self, target: int | str, label: str, kind: str) -> None:
        self.remark: str | None = None
        self._target = target
        self._label = label
        self._kind = kind

    def read_frames(self) -> Generator[Frame, None, None]:
        """Open it and give all its frames.

        A video that ends before its header says so leaves a remark, not an error: OpenCV passes over
        frames that it can't decode, and in some formats the header's number is only an estimate.

        Raises:
            SourceError: it can't be opened, fails midway or gives no frame.
        """
        capture = open_capture(self._target, self._label, self._kind)
        try:
            promised = count_promised(capture)
            number = 0
            while (image := read_next(capture, self._label, self._kind)) is not None:
                number += 1
                yield Frame(number, f"{self._label}#{number}", image=image)
        finally:
            capture.release()
        if number == 0:
            raise SourceError(f"{self._label}: the {self._kind} was opened but gave no frame")
        if number < promised:
            self.remark = (
                f"{self._label}: its header promises {promised} frames, {number} could be decoded; "
                "the rest is missing, or was damaged and is not among the decisions"
            )


def open_capture(
    target: int | str,
    label: str,
    kind: str,
    *,
    backend: int = cv2.CAP_ANY,
    opening: float | None = None,
    reading: float | None = None,
) -> cv2.VideoCapture:
    """Open what OpenCV can open.

    Args:
        target: a camera's index, a device, a path, a URL or a pipeline.
        label: its name in messages.
        kind: what to call it in messages: "camera", "video", "stream" or "pipeline".
        backend: the only one of OpenCV's backends to try.
        opening: seconds that the opening may take; None leaves it to OpenCV. Only FFmpeg and GStreamer
            heed it, and only where they are named as the backend.
        reading: the same for every frame; V4L2 heeds it too, in whole seconds.

    Raises:
        SourceError: it can't be opened.
    """
    settings: list[int] = []
    if backend in (cv2.CAP_FFMPEG, cv2.CAP_GSTREAMER):
        if opening is not None:
            settings += [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(opening * 1000)]
        if reading is not None:
            settings += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(reading * 1000)]
    elif reading is not None and kind == "camera":
        # V4L2's own setting (ten seconds by default), which it reads once, at the first frame.
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(max(round(reading), 1)))
    try:
        capture = cv2.VideoCapture(target, backend, settings)
    except cv2.error as error:  # an index that is no C int
        raise SourceError(f"{label}: no such {kind}") from error
    if not capture.isOpened():
        raise SourceError(f"{label}: {_ADVICE[kind]}")
    if kind == "camera":
        # The newest frame, not one that waited in a queue; drivers that can't do it say False.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def count_promised(capture: cv2.VideoCapture) -> int:
    """Say how many frames the header promises, 0 where it says nothing sensible."""
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return round(count) if 0 < count < _PLAUSIBLE else 0


def read_next(capture: cv2.VideoCapture, label: str, kind: str) -> NDArray[np.uint8] | None:
    """Read the next frame, uint8 BGR `[H, W, 3]`; None where there is none any more.

    Raises:
        SourceError: OpenCV failed, or gives other than 8 bits a channel.
    """
    try:
        read, image = capture.read()
    except cv2.error as error:
        raise SourceError(f"{label}: the {kind} failed ({error.err})") from error
    if not read or image is None:
        return None
    if image.dtype != np.uint8:  # a raw format, by convert_rgb = 0 or a pipeline: its bytes would be garbage
        raise SourceError(f"{label}: gives images of {image.dtype}; choose a format of 8 bits a channel")
    return np.asarray(image)


_ADVICE = {
    "camera": "this camera can't be opened; is it plugged in, free and readable for you?",
    "video": "neither a video nor an image that OpenCV can read",
    "stream": "this stream can't be opened; is the address right and the sender running?",
    "pipeline": "this pipeline can't be opened; does gst-launch-1.0 run it?",
}
