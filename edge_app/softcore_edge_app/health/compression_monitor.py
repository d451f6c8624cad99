"""Compression watch: whether frames come compressed as the training images did; a score depends on it."""

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

_EVERY = 25  # parts to one whose frame is measured, after the first: that takes a millisecond or more
_COMPARED = 8  # of the frames that were measured, the latest


@dataclass
class _CameraTraces:
    """What was seen of a camera with one bundle."""

    bundle: str
    known: CompressionStatistics | None
    parts: int = 0
    traces: deque[NDArray[np.float64] | None] = field(default_factory=lambda: deque(maxlen=_COMPARED))
    alarm: str | None = None


class CompressionMonitor:
    """Compares the frames of each camera with the training images; says what it finds, and acts on nothing.

    The first frames are measured, and one now and then after them, whatever the decision. What differs is an
    alarm until the latest frames don't any more, and one line of the log.

    Args:
        find: gives, by camera and the seal of a manifest, what that bundle knows of its training images; None
            where it knows nothing, or the camera decides by another one by now. Must not read a disk.
    """

    def __init__(self, find: Callable[[str, str], CompressionStatistics | None]) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._seen: dict[str, _CameraTraces] = {}

    def add(self, decided: PublishedDecision) -> None:
        """Take a decision; at once, and never raises."""
        entry, frame = decided.record, decided.frame
        if entry.decision is Decision.INVALID or frame is None or frame.image is None:
            return
        with self._lock:
            seen = self._seen.get(entry.camera)
            if seen is None or seen.bundle != entry.bundle:
                seen = _CameraTraces(entry.bundle, self._find(entry.camera, entry.bundle))
                self._seen[entry.camera] = seen
            seen.parts += 1
            if seen.known is None or (seen.parts > ENOUGH and seen.parts % _EVERY):
                return
            seen.traces.append(measure_compression(frame.image))
            found = compare_compression(seen.known, seen.traces)
            place = f"{entry.camera}, {entry.category}"
            alarm = found and (
                f"{place}: the images {found}; scores may be higher for that: train and calibrate on images "
                "that come the way the line's do"
            )
            if alarm and alarm != seen.alarm:
                _log.warning("%s", alarm)
            elif seen.alarm and not alarm:
                _log.info("%s: the images are compressed as the training images are, again", place)
            seen.alarm = alarm

    def list_alarms(self) -> list[str]:
        """Say which camera's images come another way, in plain words."""
        with self._lock:
            return [seen.alarm for seen in self._seen.values() if seen.alarm]
