"""Live reader: threads that grab a camera's frames, keep the newest one, and reconnect when it fails."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import SourceError

from softcore_edge_app.cameras.camera import Camera, Connection

__all__ = ["CapturedFrame", "LiveReader"]

_OPENING = 6.0  # seconds for a library to open a camera or to give a frame; some cameras need three
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
    """A frame of a live camera.

    Attributes:
        image: uint8 BGR `[H, W, 3]`.
        sequence: counts the camera's frames from 1, also those that were never used.
        taken: when it arrived, in seconds of the monotonic clock.
        still_since: when the first of the frames arrived that have had these very bytes ever since.
    """

    image: NDArray[np.uint8]
    sequence: int
    taken: float
    still_since: float


class LiveReader:
    """Keeps the newest frame of a live camera, whatever becomes of the camera.

    Each connection has a grabber, a thread that opens the camera and reads until it fails; the watchdog, a
    thread too, starts the next one. A library may block, so nothing ever waits for a grabber: beside one
    that is silent another is started, and the one that gives a frame first makes the others leave.

    Args:
        camera: opens the camera.
        patience: seconds without a frame after which a connection counts as silent.
        frozen_after: seconds of the same image after which the camera is opened again.
        required: whether it must be there at the start; else it is waited for.

    Attributes:
        reopened: number of reconnections.
        refused: why the camera that is there now isn't opened, or None.
        shape: of the first image; None before it.
    """

    def __init__(self, camera: Camera, *, patience: float, frozen_after: float, required: bool) -> None:
        self.camera = camera
        self.reopened = 0
        self.refused: str | None = None
        self.shape: tuple[int, ...] | None = None
        self._identity: str | None = None
        self._patience, self._frozen_after, self._required = patience, frozen_after, required
        self._second = _SECOND_STREAM if camera.kind == "stream" else _SECOND_DEVICE
        self._changed = threading.Condition()  # guards all that follows
        self._grabbers: list[_Grabber] = []
        self._current: _Grabber | None = None  # the one that gives frames
        self._frame: CapturedFrame | None = None
        self._attempted = 0.0  # when the last grabber was started
        self._limit = 0.0  # seconds that it may take to open the camera
        self._slowest = 0.0  # seconds that the slowest opening took
        self._attempts = 0
        self._pause = _FIRST_PAUSE
        self._closed = False
        self._watchdog = threading.Thread(target=self._watch, name=f"{camera.label} watchdog", daemon=True)

    def start(self) -> bool:
        """Open the camera, and return whether it is live; a recorded video is left to `Camera.recording`.

        Raises:
            SourceError: it is required, and can't be opened or gives no frame.
        """
        # A thread that comes back from a library while Python takes itself down aborts the process.
        atexit.register(self.stop)
        with self._changed:
            first = self._start_grabber()
            self._changed.wait_for(lambda: self._frame or first.ended or self._closed, 2 * _OPENING + 1)
            if first.recorded:
                return False
            if not self._frame:
                label, kind = self.camera.label, self.camera.kind
                fault = first.fault or SourceError(f"{label}: the {kind} does not answer")
                if self._required:
                    raise fault
                if not self._closed:
                    _log.warning("%s (it is waited for)", fault)
            self._watchdog.start()
            return True

    @property
    def newest(self) -> CapturedFrame | None:
        """Newest frame; None before the first and after the end."""
        return self._frame

    def wait(self, after: int, seconds: float) -> CapturedFrame | None:
        """Return the newest frame as soon as its sequence number exceeds `after`.

        None if none comes in time, or the camera is left meanwhile.

        Args:
            after: the sequence number of the last frame that was used.
            seconds: how long to wait.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or (self._frame and self._frame.sequence > after), max(seconds, 0)
            )
            return self._frame if self._frame and self._frame.sequence > after else None

    def stop(self) -> None:
        """Leave the camera, within a second; a thread that a library holds longer ends once it is let go."""
        atexit.unregister(self.stop)
        self.leave()
        with self._changed:
            threads: list[threading.Thread] = list(self._grabbers)
        if self._watchdog.ident is not None:
            threads.append(self._watchdog)
        until = time.monotonic() + _JOINING
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))
        with self._changed:
            self._frame = None

    def leave(self) -> None:
        """Begin to leave the camera; returns at once, and whatever waits for a frame gets none."""
        with self._changed:
            self._closed = True
            for grabber in self._grabbers:
                grabber.leaving = True
            self._changed.notify_all()

    def _start_grabber(self) -> _Grabber:
        short = self.camera.kind == "stream" and self._attempts % _FULL
        self._limit = min(max(_OPENING_AGAIN, 2 * self._slowest), _OPENING) if short else _OPENING
        self._attempts += 1
        grabber = _Grabber(self, self._limit)
        self._grabbers.append(grabber)
        self._attempted = grabber.began
        grabber.start()
        return grabber

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                due = self._find_next_attempt() - time.monotonic()
                if due > 0:
                    self._changed.wait(due)
                    continue
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
                self._start_grabber()

    def _find_next_attempt(self) -> float:
        """Return when to open the camera once more, in seconds of the monotonic clock."""
        self._grabbers = [grabber for grabber in self._grabbers if not grabber.ended]
        soonest = self._attempted + self._pause
        if not self._grabbers:
            return soonest
        youngest = self._grabbers[-1]
        if len(self._grabbers) >= _MANY:
            return self._attempted + _RARELY
        if youngest.opened is None:
            return self._attempted + self._limit + _GRACE
        taken = self._frame.taken if self._frame else 0.0
        return max(taken + max(self._patience, self._second), youngest.opened + self._second, soonest)

    def connect(self, limit: float) -> Connection:
        """Open the camera once, in `limit` seconds if its library obeys that; called by a grabber.

        Raises:
            SourceError: it can't be opened, or is another camera than the first time.
        """
        start = time.monotonic()
        self._require_same(self.camera.identify())
        connection = self.camera.connect(limit, _OPENING)
        self._slowest = max(self._slowest, time.monotonic() - start)
        return connection

    def add(self, grabber: _Grabber, image: NDArray[np.uint8]) -> None:
        """Make a grabber's image the newest frame, unless another grabber was faster."""
        taken = time.monotonic()
        with self._changed:
            if grabber.leaving or self._is_outdated(grabber, taken):
                return
            if grabber is not self._current:
                self.reopened += self._current is not None
                self._current = grabber
                for other in self._grabbers:
                    other.leaving = other is not grabber
            self._attempts = 1
            self.shape = self.shape or image.shape
            if taken - grabber.began > _LONGEST_PAUSE:  # one that dies at once must not be hurried
                self._pause = _FIRST_PAUSE
            last = self._frame
            still = last is not None and _are_equal(last.image, image)
            still_since = last.still_since if last and still else taken
            self._frame = CapturedFrame(image, last.sequence + 1 if last else 1, taken, still_since)
            # A driver that repeats itself is often cured by a reconnection.
            grabber.leaving = taken - max(still_since, grabber.began) > self._frozen_after
            self._changed.notify_all()

    def remove(self, grabber: _Grabber, fault: SourceError | None) -> None:
        """Note that a grabber has closed its connection, and why."""
        with self._changed:
            grabber.ended, grabber.fault = True, fault
            self._changed.notify_all()

    def _is_outdated(self, grabber: _Grabber, taken: float) -> bool:
        """Return whether an image after a silence may have waited in a buffer, and show a part of long ago.

        That is so if the network, the sender or this process (SIGSTOP, a laptop's lid) stood still. A
        stream is opened anew; of a device, which would take seconds, some images are left out.
        """
        if self._frame and grabber is self._current and taken - grabber.last_image_at > self._patience:
            grabber.outdated = _BUFFERED
        grabber.last_image_at = taken
        if grabber.outdated and self.camera.kind != "camera":
            grabber.leaving = True
        outdated, grabber.outdated = grabber.outdated > 0, max(grabber.outdated - 1, 0)
        return outdated

    def _require_same(self, identity: str | None) -> None:
        before, self._identity = self._identity, self._identity or identity
        if before is None or identity is None or identity == before:
            self.refused = None
            return
        fault = f"another camera has its name now ({identity}; at the start {before})"
        if self.refused is None:
            _log.error("%s: %s", self.camera.label, fault)
        self.refused = fault
        raise SourceError(f"{self.camera.label}: {fault}")


class _Grabber(threading.Thread):
    """One connection to the camera: reads until it fails or is told to leave, then closes it.

    Attributes:
        began: when it was started, in seconds of the monotonic clock.
        opened: when the camera was open, likewise; None before.
        leaving: whether it is to end.
        ended: whether it has closed its connection.
        recorded: whether the camera proved to be a recorded video.
        last_image_at: when its last image came.
        outdated: number of images that it may yet give from a buffer.
        fault: why it ended, if it failed.
    """

    def __init__(self, reader: LiveReader, limit: float) -> None:
        super().__init__(name=f"{reader.camera.label} reader", daemon=True)
        self.began = time.monotonic()
        self.opened: float | None = None
        self.leaving = self.ended = self.recorded = False
        self.last_image_at = 0.0
        self.outdated = 0
        self.fault: SourceError | None = None
        self._reader, self._limit = reader, limit

    def run(self) -> None:
        fault = None
        try:
            self._grab()
        except SourceError as error:
            fault = error
        finally:
            self._reader.remove(self, fault)

    def _grab(self) -> None:
        reader, number = self._reader, 0
        connection = reader.connect(self._limit)
        self.opened = time.monotonic()
        try:
            self.recorded = connection.recorded
            if self.recorded:
                return
            while not self.leaving:
                image = connection.read()
                if image is None:
                    what = f"stopped after frame {number}" if number else "was opened but gave no frame"
                    raise SourceError(f"{reader.camera.label}: the {reader.camera.kind} {what}")
                number += 1
                reader.add(self, image)
        finally:
            connection.release()


def _are_equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Compare two images; a sample of their pixels decides for nearly all that differ."""
    return np.array_equal(one[::16, ::16], other[::16, ::16]) and np.array_equal(one, other)
