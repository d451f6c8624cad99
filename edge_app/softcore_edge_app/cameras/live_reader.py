"""Live reader: threads that hold the newest frame of a live source and open it again when it fails."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime import SourceError

from softcore_edge_app.cameras.capture import count_promised, open_capture, read_next
from softcore_edge_app.cameras.devices import identify_device

__all__ = ["CapturedFrame", "LiveReader"]

_OPENING = 6.0  # seconds for OpenCV to open a source or to give a frame; some cameras need three
# A stream is opened again in less: FFmpeg opens one at a time in a process, so an attempt that an address
# left unanswered would keep the next one from a camera that is back. Every eighth has all the time, for a
# camera that has become slower.
_OPENING_AGAIN, _FULL = 1.2, 8
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0  # seconds between the beginnings of two attempts
# Seconds after which a connection that gives no frame gets a second one beside it. A network's may never
# learn that its camera was switched off and on again; a device can't be opened twice, so there the first
# one has all the time that OpenCV may take for a frame.
_SECOND_STREAM, _SECOND_DEVICE = 1.2, 6.5
_GRACE = 0.3  # seconds by which an opening may exceed its limit
_BUFFERED = 4  # images that a driver may have kept, with V4L2's usual buffers
_MANY, _RARELY = 8, 60.0  # that many blocked threads are a broken driver: from then on one a minute
_JOINING = 0.8  # seconds

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CapturedFrame:
    """A frame of a live source.

    Attributes:
        image: uint8 BGR `[H, W, 3]`.
        sequence: counts the source's frames from 1, also those that nobody asked for.
        taken: when it came, in seconds of the monotonic clock.
        still_since: when the first of the frames came that have had these very bytes ever since.
    """

    image: NDArray[np.uint8]
    sequence: int
    taken: float
    still_since: float


class LiveReader:
    """Holds the newest frame of a live source, whatever becomes of the source.

    Each connection is a thread that opens the source and reads until it fails; the watchdog, a thread too,
    starts the next one. OpenCV may block, so nothing ever waits for a connection: beside one that is
    silent another is tried, and the one that gives a frame first makes the others leave.

    Args:
        target: what VideoCapture takes.
        label: its name in messages.
        kind: "camera", "stream" or "pipeline".
        backend: the only one of OpenCV's backends to try.
        patience: seconds without a frame after which a connection is taken for silent.
        frozen_after: seconds of the same image after which the source is opened again.
        properties: what to set at each opening, by OpenCV's numbers.
        required: whether it must be there at the start; else it is waited for.
    """

    def __init__(
        self,
        target: int | str,
        label: str,
        kind: str,
        *,
        backend: int,
        patience: float,
        frozen_after: float,
        properties: Mapping[int, float],
        required: bool,
    ) -> None:
        self.label, self.kind = label, kind
        self.reopened = 0
        self.refused: str | None = None  # why what is there just now isn't opened
        self.shape: tuple[int, ...] | None = None  # of the first image
        self._identity: str | None = None
        self._target, self._backend, self._properties = target, backend, properties
        self._patience, self._frozen_after, self._required = patience, frozen_after, required
        self._second = _SECOND_STREAM if kind == "stream" else _SECOND_DEVICE
        self._changed = threading.Condition()  # guards all that follows
        self._connections: list[_Connection] = []
        self._current: _Connection | None = None
        self._shot: CapturedFrame | None = None
        self._connected = 0.0
        self._limit = self._needed = 0.0
        self._attempts = 0
        self._pause = _FIRST_PAUSE
        self._closed = False
        self._watchdog = threading.Thread(target=self._watch, name=f"{label} watchdog", daemon=True)

    def start(self) -> bool:
        """Open the source, and tell whether it is live; a recorded video is left to who reads it whole.

        Raises:
            SourceError: it is required, and can't be opened or gives no frame.
        """
        # A thread that comes back from OpenCV while Python takes itself down aborts the process.
        atexit.register(self.stop)
        with self._changed:
            first = self._connect()
            self._changed.wait_for(lambda: self._shot or first.ended or self._closed, 2 * _OPENING + 1)
            if first.recorded:
                return False
            if not self._shot:
                fault = first.fault or SourceError(f"{self.label}: the {self.kind} does not answer")
                if self._required:
                    raise fault
                if not self._closed:
                    _log.warning("%s (it is waited for)", fault)
            self._watchdog.start()
            return True

    @property
    def newest(self) -> CapturedFrame | None:
        """The newest frame; None before the first and after the end."""
        return self._shot

    def wait(self, after: int, seconds: float) -> CapturedFrame | None:
        """Give the newest frame as soon as its sequence number exceeds `after`.

        None if none comes in time, or the source is left meanwhile.

        Args:
            after: the last sequence number that was seen.
            seconds: how long to wait.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (self._shot and self._shot.sequence > after), max(seconds, 0)
            )
            return self._shot if self._shot and self._shot.sequence > after else None

    def stop(self) -> None:
        """Leave the source, within a second; a thread that OpenCV holds longer ends when it is let go."""
        atexit.unregister(self.stop)
        self.leave()
        with self._changed:
            threads: list[threading.Thread] = list(self._connections)
        if self._watchdog.ident is not None:
            threads.append(self._watchdog)
        until = time.monotonic() + _JOINING
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))
        with self._changed:
            self._shot = None

    def leave(self) -> None:
        """Begin to leave the source; returns at once, and who waits for a frame gets none."""
        with self._changed:
            self._closed = True
            for connection in self._connections:
                connection.leave = True
            self._changed.notify_all()

    def _connect(self) -> _Connection:
        short = self.kind == "stream" and self._attempts % _FULL
        self._limit = min(max(_OPENING_AGAIN, 2 * self._needed), _OPENING) if short else _OPENING
        self._attempts += 1
        connection = _Connection(self, self._limit)
        self._connections.append(connection)
        self._connected = connection.began
        connection.start()
        return connection

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                due = self._due() - time.monotonic()
                if due > 0:
                    self._changed.wait(due)
                    continue
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
                self._connect()

    def _due(self) -> float:
        """Say when to open the source once more, in seconds of the monotonic clock."""
        self._connections = [connection for connection in self._connections if not connection.ended]
        soonest = self._connected + self._pause
        if not self._connections:
            return soonest
        youngest = self._connections[-1]
        if len(self._connections) >= _MANY:
            return self._connected + _RARELY
        if youngest.opened is None:
            return self._connected + self._limit + _GRACE
        taken = self._shot.taken if self._shot else 0.0
        return max(taken + max(self._patience, self._second), youngest.opened + self._second, soonest)

    def take(self, connection: _Connection, image: NDArray[np.uint8]) -> None:
        """Let a connection's image be the newest, unless another one was faster."""
        taken = time.monotonic()
        with self._changed:
            if connection.leave or self._is_stale(connection, taken):
                return
            if connection is not self._current:
                self.reopened += self._current is not None
                self._current = connection
                for other in self._connections:
                    other.leave = other is not connection
            self._attempts = 1
            self.shape = self.shape or image.shape
            if taken - connection.began > _LONGEST_PAUSE:  # one that dies at once must not be hurried
                self._pause = _FIRST_PAUSE
            last = self._shot
            still = last is not None and _same(last.image, image)
            still_since = last.still_since if last and still else taken
            self._shot = CapturedFrame(image, last.sequence + 1 if last else 1, taken, still_since)
            # A driver that repeats itself is often cured by a new beginning.
            connection.leave = taken - max(still_since, connection.began) > self._frozen_after
            self._changed.notify_all()

    def _is_stale(self, connection: _Connection, taken: float) -> bool:
        """Tell whether what comes after a silence may have waited in a buffer, and show a part of long ago.

        That is so where the network, the sender or this process (SIGSTOP, a laptop's lid) stood still. A
        stream is opened anew; of a device, which would take seconds, some images are left out.
        """
        if self._shot and connection is self._current and taken - connection.heard > self._patience:
            connection.stale = _BUFFERED
        connection.heard = taken
        if connection.stale and self.kind != "camera":
            connection.leave = True
        stale, connection.stale = connection.stale > 0, max(connection.stale - 1, 0)
        return stale

    def end(self, connection: _Connection, fault: SourceError | None) -> None:
        """Learn that a connection has released its capture."""
        with self._changed:
            connection.ended, connection.fault = True, fault
            self._changed.notify_all()

    def open(self, limit: float) -> cv2.VideoCapture:
        """Open the source once, in `limit` seconds if OpenCV heeds that.

        Raises:
            SourceError: it can't be opened, or is another camera than the first time.
        """
        start = time.monotonic()
        if self.kind == "camera":
            self._require_same(identify_device(self._target))
        capture = open_capture(
            self._target, self.label, self.kind, backend=self._backend, opening=limit, reading=_OPENING
        )
        for name, value in self._properties.items():
            capture.set(name, value)  # drivers that can't do it say False, some that can do as well
        self._needed = max(self._needed, time.monotonic() - start)
        return capture

    def _require_same(self, identity: str | None) -> None:
        before, self._identity = self._identity, self._identity or identity
        if before is None or identity is None or identity == before:
            self.refused = None
            return
        fault = f"another camera has its name now ({identity}; at the start {before})"
        if self.refused is None:
            _log.error("%s: %s", self.label, fault)
        self.refused = fault
        raise SourceError(f"{self.label}: {fault}")


class _Connection(threading.Thread):
    """One opening of the source: reads until it fails or is to leave, then releases the capture."""

    def __init__(self, reader: LiveReader, limit: float) -> None:
        super().__init__(name=f"{reader.label} reader", daemon=True)
        self.began = time.monotonic()
        self.opened: float | None = None
        self.leave = self.ended = self.recorded = False
        self.heard = 0.0  # when its last image came
        self.stale = 0  # images that it may yet give from a buffer
        self.fault: SourceError | None = None
        self._reader, self._limit = reader, limit

    def run(self) -> None:
        fault = None
        try:
            self._read()
        except SourceError as error:
            fault = error
        finally:
            self._reader.end(self, fault)

    def _read(self) -> None:
        reader, number = self._reader, 0
        capture = reader.open(self._limit)
        self.opened = time.monotonic()
        try:
            self.recorded = reader.kind == "stream" and count_promised(capture) > 0
            if self.recorded:
                return
            while not self.leave:
                image = read_next(capture, reader.label, reader.kind)
                if image is None:
                    what = f"stopped after frame {number}" if number else "was opened but gave no frame"
                    raise SourceError(f"{reader.label}: the {reader.kind} {what}")
                number += 1
                reader.take(self, image)
        finally:
            capture.release()


def _same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Compare two images; a sample of their pixels settles it for nearly all that differ."""
    return np.array_equal(one[::16, ::16], other[::16, ::16]) and np.array_equal(one, other)
