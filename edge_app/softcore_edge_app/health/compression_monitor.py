"""Compression monitor: whether frames are compressed as the training images were; scores depend on it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import Decision
from softcore_runtime.images.compression import ENOUGH, compare_compression, measure_compression
from softcore_runtime.images.compression_statistics import CompressionStatistics

from softcore_edge_app.decisions.published_decision import PublishedDecision

__all__ = ["CompressionMonitor"]

_log = logging.getLogger(__name__)

_EVERY = 25  # parts to one whose frame is measured, after the first ones; it takes a millisecond or more
_COMPARED = 8  # latest measured frames


@dataclass
class _CameraTraces:
    """The measurements of a camera with one bundle."""

    bundle: str
    known: CompressionStatistics | None
    parts: int = 0
    traces: deque[NDArray[np.float64] | None] = field(default_factory=lambda: deque(maxlen=_COMPARED))
    alarm: str | None = None


class CompressionMonitor:
    """Compares the frames of each camera with the training images; reports, and acts on nothing.

    The first frames are measured, and every 25th after them, whatever the decision. A difference is one line
    of the log, and an alarm until the latest frames have none.

    Args:
        find: returns the traces of a bundle's training images, by camera and the seal of its manifest; None
            if there are none, or the camera uses another bundle by now. Must not read a disk.
    """

    def __init__(self, find: Callable[[str, str], CompressionStatistics | None]) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._traces: dict[str, _CameraTraces] = {}

    def add(self, published: PublishedDecision) -> None:
        """Add a decision; at once, and never raises."""
        record, frame = published.record, published.frame
        if record.decision is Decision.INVALID or frame is None or frame.image is None:
            return
        with self._lock:
            measured = self._traces.get(record.camera)
            if measured is None or measured.bundle != record.bundle:
                measured = _CameraTraces(record.bundle, self._find(record.camera, record.bundle))
                self._traces[record.camera] = measured
            measured.parts += 1
            if measured.known is None or (measured.parts > ENOUGH and measured.parts % _EVERY):
                return
            measured.traces.append(measure_compression(frame.image))
            found = compare_compression(measured.known, measured.traces)
            place = f"{record.camera}, {record.category}"
            alarm = found and (
                f"{place}: the images {found}; scores may be higher for that: train and calibrate on images "
                "that come the way the line's do"
            )
            if alarm and alarm != measured.alarm:
                _log.warning("%s", alarm)
            elif measured.alarm and not alarm:
                _log.info("%s: the images are compressed as the training images are, again", place)
            measured.alarm = alarm

    def list_alarms(self) -> list[str]:
        """Describe in plain words which cameras' images are compressed otherwise."""
        with self._lock:
            return [measured.alarm for measured in self._traces.values() if measured.alarm]
