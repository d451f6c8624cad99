"""Archive: writes the images of parts that didn't pass, and of a share of the rest, beside the line."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from softcore_runtime import Decision, UsageError, overlay
from softcore_runtime.atomic_file import write_atomically

from softcore_edge_app.configuration.options import ArchiveOptions
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.opened_files import OpenedFiles
from softcore_edge_app.outputs.archive_quota import ArchiveQuota
from softcore_edge_app.outputs.archive_record import (
    IMAGE,
    OVERLAY,
    SIDECAR,
    Kept,
    remove_files,
    size_on_disk,
    write_sidecar,
)

__all__ = ["Archive"]

_MOST, _MOST_BYTES = 64, 256 * 10**6  # parts that may wait for the disk, and bytes of their images
_IDLE = 60.0  # seconds between two searches for old parts, if no new ones come
_FULL = (errno.ENOSPC, errno.EDQUOT)
_UNFINISHED = ".unfinished"  # name of a file until it is whole; one thread writes one at a time
_GIGABYTE = 10**9
_NICE = 10  # the inspection's threads go first
_QUICK, _GOOD = [cv2.IMWRITE_PNG_COMPRESSION, 1], [cv2.IMWRITE_JPEG_QUALITY, 90]

_log = logging.getLogger(__name__)


class _GoneError(Exception):
    """The archive's folder isn't at its path any more."""


class Archive:
    """An archive's folder, made if missing, and the thread that writes to it.

    It never delays a decision: parts that can't be written in time, or at all, are counted as dropped, and
    logged. Files are whole or missing, unless the power fails: they aren't flushed to the disk, for which the
    ledger would have to wait.

    Attributes:
        kept: number of parts that were written.
        dropped: number of parts that could not be written.

    Raises:
        UsageError: the folder can't be made or written, or another line has it.
    """

    def __init__(self, options: ArchiveOptions) -> None:
        self.kept = self.dropped = 0
        self._folder = options.folder
        self._pass_share = options.pass_share
        self._lock: int | None = _take(options.folder)
        self._files = OpenedFiles(options.folder)
        self._quota = ArchiveQuota(options.folder, options.max_gigabytes * _GIGABYTE, options.max_days)
        self._scan = self._quota.scan()
        # Ages don't change if the clock is set while the line runs.
        self._began = time.time_ns() - time.monotonic_ns()
        self._change = threading.Condition()
        self._waiting: deque[PublishedDecision] = deque()
        self._waiting_bytes = 0
        self._crowded = self._closing = False
        self._faults: dict[str, str] = {}
        self._least_refused = 0
        self._thread = threading.Thread(target=self._work, name="archive", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str | None:
        """What can't be done now, in plain words, or None."""
        with self._change:
            return next(iter(self._faults.values()), None)

    def keep(self, decided: PublishedDecision) -> None:
        """Add a part, if it is to be kept; returns at once, and never raises."""
        if not self._is_kept(decided):
            return
        size = _count_bytes(decided)
        with self._change:
            full = len(self._waiting) >= _MOST or self._waiting_bytes + size > _MOST_BYTES
            if self._closing or (full and self._waiting):
                self.dropped += 1
                self._crowded = True
                return
            self._waiting.append(decided)
            self._waiting_bytes += size
            self._change.notify()

    def close(self, seconds: float) -> None:
        """Write what waits, for so long at most; what is left then is dropped, and logged."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join(seconds)
        with self._change:
            left = len(self._waiting)
            self._waiting.clear()
            self.dropped += left
        if left:
            _log.warning("archive %s: %d parts couldn't be written in time", self._folder, left)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _is_kept(self, decided: PublishedDecision) -> bool:
        if decided.record.decision is not Decision.PASS:
            return True
        digest = hashlib.sha256(decided.record.trigger.encode()).digest()
        return int.from_bytes(digest[:8], "big") < self._pass_share * 2**64

    def _work(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        scanning, crowded = True, False
        while (decided := self._wait_for_part(0 if scanning else _IDLE)) is not None or not self._closing:
            if decided is not None:
                self._write(decided)
            if scanning:
                scanning = next(self._scan, self) is not self
            try:
                self._quota.trim(self._began + time.monotonic_ns())
                self._end_fault("room", "what is too much is removed again")
            except OSError as error:
                self._begin_fault("room", f"{error.filename} can't be removed ({error.strerror})")
            if self._crowded and not crowded:
                crowded = True
                _log.error("alarm: archive %s: parts come faster than they can be written", self._folder)

    def _wait_for_part(self, patience: float) -> PublishedDecision | None:
        """Return the next part; None if there is none after so many seconds."""
        with self._change:
            if not self._waiting and not self._closing:
                self._change.wait(patience)
            if not self._waiting:
                return None
            decided = self._waiting.popleft()
            self._waiting_bytes -= _count_bytes(decided)
            return decided

    def _write(self, decided: PublishedDecision) -> None:
        """Write one part, and never raise; on a full disk in place of the oldest PASS."""
        kept, size = Kept.place(decided.record), 0
        try:
            files = _render(decided)
            size = sum(size_on_disk(len(content)) for content in files.values())
            try:
                self._store(kept, files)
            except OSError as error:
                if error.errno not in _FULL or not self._make_room(size):
                    raise
                self._store(kept, files)
        except Exception as error:  # an image that can't be drawn must not end the thread
            reason = (isinstance(error, OSError) and error.strerror) or f"{type(error).__name__}: {error}"
            if isinstance(error, _GoneError):
                reason = str(error)
            with self._change:
                self.dropped += 1
            self._least_refused = min(size, self._least_refused or size)
            self._begin_fault("disk", f"can't be written ({reason}); parts are not kept until it can")
            return
        self._quota.enter(kept, size)
        with self._change:
            self.kept += 1
        # On a full disk there may yet be room for a part without an image.
        if size >= self._least_refused:
            self._least_refused = 0
            self._end_fault("disk", "is written again")

    def _store(self, kept: Kept, files: dict[str, bytes]) -> None:
        unfinished = self._folder / _UNFINISHED
        if fault := self._files.find_fault():  # another folder there may be the system's own disk
            raise _GoneError(fault)
        try:
            for suffix, content in files.items():
                file = kept.file(self._folder, suffix)
                file.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(file, content, durable=False, draft=unfinished)
        except OSError:
            with suppress(OSError):
                remove_files(self._folder, kept)
            raise

    def _make_room(self, size: int) -> bool:
        for _ in self._scan:  # the oldest is known only when all are
            pass
        return self._quota.make_room(size)

    def _begin_fault(self, kind: str, words: str) -> None:
        with self._change:
            new = kind not in self._faults
            self._faults[kind] = f"archive {self._folder}: {words}"
        if new:
            _log.error("alarm: archive %s: %s", self._folder, words)

    def _end_fault(self, kind: str, words: str) -> None:
        with self._change:
            ended = self._faults.pop(kind, None)
        if ended:
            _log.warning("archive %s: %s; so far %d parts were not kept", self._folder, words, self.dropped)


def _take(folder: Path) -> int:
    """Make the folder, and keep others from it until the descriptor is closed, be it by the process's end."""
    lock = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        probe = folder / _UNFINISHED
        try:
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            if error.errno not in _FULL:  # a full disk may have room later
                raise
    except OSError as error:
        if lock is not None:
            os.close(lock)
        if isinstance(error, BlockingIOError):
            raise UsageError(f"archive {folder}: another process writes it; give each line its own") from None
        raise UsageError(f"archive {folder}: not a folder to write to ({error.strerror})") from error
    return lock


def _image(decided: PublishedDecision) -> NDArray[np.uint8] | None:
    return decided.frame.image if decided.frame else None


def _count_bytes(decided: PublishedDecision) -> int:
    image = _image(decided)
    return 0 if image is None else image.nbytes


def _render(decided: PublishedDecision) -> dict[str, bytes]:
    """Return a part's files by their suffixes, the sidecar last.

    Raises:
        cv2.error: the image can't be encoded.
    """
    image, inspection, record = _image(decided), decided.result, decided.record
    if image is None:
        return {SIDECAR: write_sidecar(record, None, None)}
    png = cv2.imencode(IMAGE, image, _QUICK)[1].tobytes()
    files = {IMAGE: png}
    if inspection and inspection.decision is record.decision:  # a late one's would say PASS
        files[OVERLAY] = cv2.imencode(".jpg", overlay(image, inspection), _GOOD)[1].tobytes()
    files[SIDECAR] = write_sidecar(record, image.shape, png)
    return files
