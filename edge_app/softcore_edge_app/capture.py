"""Capture: frames of a camera, a video file or a network stream, through OpenCV's VideoCapture."""

from __future__ import annotations

from collections.abc import Generator

import cv2
import numpy as np
from softcore_runtime import SourceError

from softcore_edge_app.sources import Frame

__all__ = ["Capture"]

_PLAUSIBLE = 1e9  # frames; streams and damaged headers give garbage far outside


class Capture:
    """What OpenCV can open: a camera, a video file or a URL.

    Args:
        target: what VideoCapture takes: a camera's index, a device, a path or a URL.
        label: the target's name in messages and frames, without secrets.
        kind: what to call it in messages: "camera", "video" or "stream".
    """

    def __init__(self, target: int | str, label: str, kind: str) -> None:
        self.remark: str | None = None
        self._target = target
        self._label = label
        self._kind = kind

    def read_frames(self) -> Generator[Frame, None, None]:
        """Open it and give its frames until a video's end.

        A video that ends before its header says so leaves a remark, not an error: OpenCV passes over
        frames that it can't decode, and in some formats the header's number is only an estimate.

        Raises:
            SourceError: it can't be opened or gives no frame, or it is live and stopped.
        """
        capture = self._open()
        try:
            promised = _count_frames(capture)
            number = 0
            while (picture := self._read(capture)) is not None:
                number += 1
                yield Frame(number, f"{self._label}#{number}", picture=picture)
        finally:
            capture.release()
        if number == 0:
            raise SourceError(f"{self._label}: the {self._kind} was opened but gave no frame")
        if self._kind != "video" and not promised:
            raise SourceError(f"{self._label}: the {self._kind} stopped after frame {number}")
        if number < promised:
            self.remark = (
                f"{self._label}: its header promises {promised} frames, {number} could be decoded; "
                "the rest is missing, or was damaged and is not among the decisions"
            )

    def _open(self) -> cv2.VideoCapture:
        try:
            capture = cv2.VideoCapture(self._target)
        except cv2.error as error:  # an index that is no C int
            raise SourceError(f"{self._label}: no such {self._kind}") from error
        if not capture.isOpened():
            raise SourceError(f"{self._label}: {_ADVICE[self._kind]}")
        if self._kind == "camera":
            # The newest frame, not one that waited in a queue; drivers that can't do it say False.
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return capture

    def _read(self, capture: cv2.VideoCapture) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None:
        try:
            read, picture = capture.read()
        except cv2.error as error:
            raise SourceError(f"{self._label}: the {self._kind} failed ({error.err})") from error
        return np.asarray(picture, np.uint8) if read and picture is not None else None


_ADVICE = {
    "camera": "this camera can't be opened; is it plugged in, free and readable for you?",
    "video": "neither a video nor a picture that OpenCV can read",
    "stream": "this stream can't be opened; is the address right and the sender running?",
}


def _count_frames(capture: cv2.VideoCapture) -> int:
    """Say how many frames the header promises, 0 where it says nothing sensible."""
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return round(count) if 0 < count < _PLAUSIBLE else 0
