"""Shared inspectors: one loaded bundle for all cameras that decide by it, in turns or in batches."""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import InspectionResult, Inspector, SoftCoreError
from softcore_runtime.backends.engine import Backbone

__all__ = ["SharedInspector", "SharedInspectors", "find_largest_batch"]

_POLL = 0.1  # seconds between two checks whether the line ends
_REPEATS = 5  # of which the fastest counts
_FASTER = 0.9  # of the time that the frames of a batch take one by one, so that a batch is worth it
_DECAY = 0.9  # of the longest time of a batch, from one batch to the next

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Request:
    """A frame that waits for its inspection; `result` or `error` once it is `done`."""

    image: NDArray[np.uint8]
    camera: int
    fast: bool
    until: float
    result: InspectionResult | None = None
    error: BaseException | None = None
    done: bool = False


class SharedInspector:
    """An inspector that several cameras share. They take turns in the order in which they came.

    Whoever has the turn also inspects the frames that wait behind its own, up to `largest_batch` in all, as
    far as every one of them is still decided in time; the results are those that each frame has alone.

    Args:
        inspector: the loaded bundle.
        largest_batch: number of frames that are inspected together at most; 1 where a batch isn't faster.

    Attributes:
        inspector: the one in use; another one of the same bundle may replace it between two turns.
    """

    def __init__(self, inspector: Inspector, largest_batch: int = 1) -> None:
        self.inspector = inspector
        self._largest_batch = largest_batch
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()  # the first one has the next turn
        self._busy = False
        self._seconds: dict[int, float] = {}  # of a batch by its size: the longest, which fades

    def inspect(
        self, image: NDArray[np.uint8], camera: int, *, fast: bool = False, until: float = float("inf")
    ) -> InspectionResult:
        """Inspect a frame as soon as it is its turn.

        Args:
            image: uint8 BGR `[H, W, 3]`.
            camera: number of the camera, from 0, unique in this process.
            fast: whether only the decision is needed, and no map.
            until: when the result is due, in seconds of the monotonic clock.

        Raises:
            FrameError: the frame can't be inspected.
        """
        request = _Request(image, camera, fast, until)
        with self._changed:
            self._waiting.append(request)
            self._changed.wait_for(lambda: request.done or self._is_next(request))
            batch = [] if request.done else self._choose_batch()
        if batch:
            try:
                self._inspect_batch(batch)
            finally:
                self._end_turn(batch)
        if request.error is not None:
            raise request.error
        if request.result is None:
            raise RuntimeError("the inspection of a batch was broken off")
        return request.result

    def reload_threshold(self, is_ending: Callable[[], bool]) -> None:
        """Use a threshold that was set meanwhile, between two inspections; one that can't be read is logged.

        Args:
            is_ending: whether the line is ending: then an inspection, which may hang, isn't waited for.
        """
        if not self.inspector.is_stale:
            return
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            while not self._changed.wait_for(lambda: self._is_next(ticket), _POLL):
                if is_ending():
                    self._waiting.remove(ticket)
                    self._changed.notify_all()
                    return
            self._waiting.popleft()
            self._busy = True
        try:
            if self.inspector.refresh():
                _log.info("the threshold is %.6g from here on", self.inspector.manifest.threshold.value)
        except SoftCoreError as error:  # a mask may be at fault, too
            _log.warning("%s", error)
        finally:
            self._end_turn([])

    def _is_next(self, ticket: object) -> bool:
        return not self._busy and self._waiting[0] is ticket

    def _choose_batch(self) -> list[_Request]:
        """Begin a turn, and return the frames that are inspected in it."""
        self._busy = True
        batch: list[_Request] = []
        now = time.monotonic()
        while self._waiting and len(batch) < self._largest_batch:
            following = self._waiting[0]
            if not isinstance(following, _Request):
                break
            if batch:
                due = min(request.until for request in (*batch, following))
                if following.fast != batch[0].fast or now + self._estimate(len(batch) + 1) > due:
                    break
            self._waiting.popleft()
            batch.append(following)
        return batch

    def _estimate(self, size: int) -> float:
        """Return the seconds that a batch takes: those of one like it, or those of single frames."""
        return self._seconds.get(size, size * self._seconds.get(1, float("inf")))

    def _inspect_batch(self, batch: Sequence[_Request]) -> None:
        began = time.monotonic()
        inspector, fast = self.inspector, batch[0].fast
        if len(batch) > 1:
            run = inspector.decide_batch if fast else inspector.inspect_batch
            try:
                results = run([one.image for one in batch], cameras=[one.camera for one in batch])
                for request, result in zip(batch, results, strict=True):
                    request.result = result
            except Exception:  # one frame must not take the decision from the others
                _log.debug("a batch of %d frames failed", len(batch), exc_info=True)
        for request in batch:
            if request.result is None:
                try:
                    inspect = inspector.decide if fast else inspector.inspect
                    request.result = inspect(request.image, request.camera)
                except Exception as error:
                    request.error = error
        spent, size = time.monotonic() - began, len(batch)
        self._seconds[size] = max(spent, _DECAY * self._seconds.get(size, 0.0))

    def _end_turn(self, batch: Sequence[_Request]) -> None:
        with self._changed:
            self._busy = False
            for request in batch:
                request.done = True
            self._changed.notify_all()


class SharedInspectors:
    """The inspectors of the bundles in use, one for each bundle. One that no camera uses is dropped.

    Args:
        load: opens a bundle's folder and repeats its self-test.
        cameras: number of cameras that may share one.
    """

    def __init__(self, load: Callable[[Path], Inspector], cameras: int = 1) -> None:
        self._load, self._cameras = load, cameras
        self._turn = threading.Lock()
        self._open: weakref.WeakValueDictionary[Path, SharedInspector] = weakref.WeakValueDictionary()

    def open(self, path: Path) -> SharedInspector:
        """Return the inspector of a bundle; load it where no camera uses it yet.

        Raises:
            BundleError: the bundle can't be used.
        """
        with self._turn:
            shared = self._open.get(path.resolve())
        return shared or self.load(path)

    def load(self, path: Path) -> SharedInspector:
        """Load a bundle as it is now. Cameras that use the same export of it use what was loaded, too.

        Raises:
            BundleError: the bundle can't be used.
        """
        inspector, place = self._load(path), path.resolve()
        with self._turn:
            shared = self._open.get(place)
            if shared is None or not inspector.manifest.same_export(shared.inspector.manifest):
                shared = SharedInspector(inspector, find_largest_batch(inspector, self._cameras))
                self._open[place] = shared
            shared.inspector = inspector
            return shared


def find_largest_batch(inspector: Inspector, most: int) -> int:
    """Return the largest number of frames that are worth a batch, by the golden frames.

    A batch must be faster than its frames one by one, and give the same features to the last bit: what it
    decides is replayed with single frames. On a CPU it isn't faster.

    Args:
        inspector: whose network it is.
        most: number of frames to measure at most.
    """
    backbone = inspector.backbone
    if most < 2 or backbone.provider == "cpu":
        return 1
    preprocessing, bundle = inspector.manifest.preprocessing, inspector.bundle
    golden = [preprocessing.cut(bundle.read_golden(one)) for one in bundle.golden]
    alone = [backbone.features(crops) for crops in golden]
    single = _measure_seconds(backbone, golden[0])
    for size in range(2, most + 1):
        places = [place % len(golden) for place in range(size)]
        crops = np.concatenate([golden[place] for place in places])
        same = np.array_equal(backbone.features(crops), np.concatenate([alone[place] for place in places]))
        if not same or _measure_seconds(backbone, crops) > _FASTER * size * single:
            return size - 1
    return most


def _measure_seconds(backbone: Backbone, crops: NDArray[np.uint8]) -> float:
    """Return the seconds that a run of the network takes on uint8 BGR crops `[B, crop, crop, 3]`."""
    times = []
    for _ in range(_REPEATS):
        began = time.perf_counter()
        backbone.features(crops)
        times.append(time.perf_counter() - began)
    return min(times)
