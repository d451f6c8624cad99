"""OpenCV camera: cameras, streams, pipelines and recorded videos, as cv2.VideoCapture opens them."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime import SourceError

from softcore_edge_app.cameras.camera import CameraKind
from softcore_edge_app.cameras.devices import identify_device
from softcore_edge_app.cameras.frame_source import Frame, Recording

__all__ = ["OpenCvCamera", "VideoSource"]

_PLAUSIBLE = 1e9  # frames; streams and damaged headers give numbers far outside


class OpenCvCamera:
    """A camera, a stream or a pipeline; see `Camera`.

    Args:
        target: an index, a device, a URL or a pipeline, as VideoCapture takes it.
        label: its name in messages and frames, without secrets.
        kind: "camera", "stream" or "pipeline".
        backend: the only one of OpenCV's backends to try.
        properties: what to set at each opening, by OpenCV's numbers.
    """

    def __init__(
        self,
        target: int | str,
        label: str,
        kind: CameraKind,
        *,
        backend: int = cv2.CAP_ANY,
        properties: Mapping[int, float] | None = None,
    ) -> None:
        self.target, self.label, self.kind, self.backend = target, label, kind, backend
        self.properties = properties or {}
        self.recording = VideoSource(target, label, kind) if kind == "stream" else None

    def identify(self) -> str | None:
        """Return a device's name and serial number; None if unknown, and for all but devices."""
        return identify_device(self.target) if self.kind == "camera" else None

    def connect(self, opening: float, reading: float) -> _OpenCvConnection:
        """Open it: see `Camera.connect`."""
        capture = open_capture(
            self.target, self.label, self.kind, backend=self.backend, opening=opening, reading=reading
        )
        for name, value in self.properties.items():
            capture.set(name, value)  # its result means nothing: some drivers return False and do it
        return _OpenCvConnection(capture, self.label, self.kind)


class _OpenCvConnection:
    """An opened VideoCapture; an address may turn out to serve a recorded video."""

    def __init__(self, capture: cv2.VideoCapture, label: str, kind: CameraKind) -> None:
        self._capture, self._label, self._kind = capture, label, kind
        self.recorded = kind == "stream" and count_promised(capture) > 0

    def read(self) -> NDArray[np.uint8] | None:
        return read_next(self._capture, self._label, self._kind)

    def release(self) -> None:
        self._capture.release()


class VideoSource(Recording):
    """A recorded video: a file, or an address that serves one.

    Args:
        target: the path or URL.
        label: its name in messages and frames, without secrets.
        kind: what messages call it: "video" or "stream".
    """

    def __init__(self, target: int | str, label: str, kind: str) -> None:
        self.target, self.label, self.kind = target, label, kind

    def read_frames(self) -> Generator[Frame, None, None]:
        """Open the video and yield all its frames.

        A video that ends before its header promises leaves a remark, not an error: OpenCV passes over
        frames that it can't decode, and in some formats the header's number is only an estimate.

        Raises:
            SourceError: it can't be opened, fails midway or gives no frame.
        """
        self.remark = None
        capture = open_capture(self.target, self.label, self.kind)
        try:
            promised = count_promised(capture)
            number = 0
            while (image := read_next(capture, self.label, self.kind)) is not None:
                number += 1
                yield Frame(number, f"{self.label}#{number}", image=image)
        finally:
            capture.release()
        if number == 0:
            raise SourceError(f"{self.label}: the {self.kind} was opened but gave no frame")
        if number < promised:
            self.remark = (
                f"{self.label}: its header promises {promised} frames, {number} could be decoded; "
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
        target: an index, a device, a path, a URL or a pipeline.
        label: its name in messages.
        kind: what messages call it: "camera", "video", "stream" or "pipeline".
        backend: the only one of OpenCV's backends to try.
        opening: seconds that the opening may take; None leaves it to OpenCV. Only FFmpeg and GStreamer
            obey it, and only if they are named as the backend.
        reading: the same for every frame; V4L2 obeys it too, in whole seconds.

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
        # The newest frame, not one that waited in a queue; drivers that can't do it return False.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def count_promised(capture: cv2.VideoCapture) -> int:
    """Return the number of frames that the header promises, 0 if it gives no plausible one."""
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return round(count) if 0 < count < _PLAUSIBLE else 0


def read_next(capture: cv2.VideoCapture, label: str, kind: str) -> NDArray[np.uint8] | None:
    """Read the next frame, uint8 BGR `[H, W, 3]`; None after the last one.

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
