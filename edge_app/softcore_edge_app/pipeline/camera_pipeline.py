"""Camera pipeline: the threads that make one decision on each trigger of a camera, in order and in time."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import FrameError, UsageError

from softcore_edge_app.cameras.frame_checks import find_fault
from softcore_edge_app.cameras.frame_source import Frame, FrameSource
from softcore_edge_app.configuration.options import CameraOptions
from softcore_edge_app.decisions.origin import Origin
from softcore_edge_app.pipeline.frame_grabber import open_grabber
from softcore_edge_app.pipeline.pace import Pace
from softcore_edge_app.pipeline.recipes import Recipes
from softcore_edge_app.pipeline.trigger import Trigger, check_part
from softcore_edge_app.pipeline.trigger_queue import TriggerQueue

__all__ = ["CameraPipeline"]

_AHEAD = 2  # frames of a recording that are read while one is inspected
_QUEUED = 0.001  # seconds; a trigger that waited no longer is inspected however long that may take
_STUCK = 10.0  # seconds after which an inspection hangs; a real one takes well under one

_log = logging.getLogger(__name__)


class CameraPipeline:
    """The triggers of one camera, and their decisions.

    The *frame grabber*, a thread, takes a frame for each trigger and checks it; the *inspection*, another
    thread, decides on it, while the frame grabber takes the next frame. The publisher collects the triggers
    that have their decision, and makes those INVALID that are late: a camera or a network that hangs blocks
    no decision.

    Args:
        name: name of the camera.
        number: number of the camera in the process, from 0.
        source: where frames come from.
        recipes: what decides.
        options: when it triggers, and how long a decision may take.
        run: makes the triggers' ids unique over all runs.
        wake: called whenever there may be something to collect; must return at once.
        fast: decide without maps.
        frames: number of triggers after which it ends; None for no end.

    Attributes:
        queue: its triggers.
        decisions: number of them that have their decision, in the ledger if there is one.
        error: the error that ended it, or None.
        pause: called after each inspection with the trigger's id, before the next one begins; None for
            nothing. Only where `patient`.
        is_behind: whether `pause` would still wait for something, so that the camera hasn't ended.
    """

    def __init__(
        self,
        name: str,
        number: int,
        source: FrameSource,
        recipes: Recipes,
        options: CameraOptions,
        run: str,
        wake: Callable[[], None],
        *,
        fast: bool = False,
        frames: int | None = None,
    ) -> None:
        self.name, self.source, self.recipes, self.options = name, source, recipes, options
        self.queue = TriggerQueue(name, run, options.queue, options.time_allowed, frames, wake)
        self.decisions = 0
        self.error: BaseException | None = None
        self.pause: Callable[[str], None] | None = None
        self.is_behind: Callable[[], bool] = lambda: False
        self._number, self._wake, self._fast = number, wake, fast
        self._live = source.live
        self._accepts = options.trigger == "external"
        self._to_grab: SimpleQueue[Trigger | None] = SimpleQueue()
        self._to_inspect = _FrameQueue(options.queue)
        self._busy_since: float | None = None
        self._pausing = False  # from the beginning of an inspection to the end of its pause
        self._grabbing = Pace()
        self._last_image: NDArray[np.uint8] | None = None
        # Recorded parts wait until they are inspected; parts in front of a camera don't.
        self._by_clock = options.trigger == "interval" and self._live
        work = (
            self._grab_frames if self._by_clock or options.trigger == "external" else self._trigger_by_frames
        )
        self._grabber = threading.Thread(target=self._guard, args=[work], name=f"{name} frame grabber")
        self._inspection = threading.Thread(
            target=self._guard, args=[self._inspect_all], name=f"{name} inspection", daemon=True
        )
        self._clock = threading.Thread(target=self._trigger_by_clock, name=f"{name} clock")

    def start(self) -> None:
        """Begin; a camera that can't be opened at all sets `error`, which ends the line."""
        self._inspection.start()
        self._grabber.start()
        if self._by_clock:
            self._clock.start()

    def trigger(self, part: str | None = None, by: Origin | None = None) -> str:
        """Trigger the decision on a part, and return the trigger's id; see `Controls.trigger`."""
        if part is not None:
            check_part(part)
        with self.queue.changed:
            if not self._accepts:
                why = "triggers itself" if self.options.trigger != "external" else "is just ending"
                raise UsageError(f"{self.name}: {why}")
            trigger = self._admit(part, by)
            self._accepts = not self.queue.full
        return trigger.id

    @property
    def patient(self) -> bool:
        """Whether its parts may wait: they are recorded, and nobody waits for their decisions."""
        return not self._live and self.options.trigger != "external" and self.options.time_allowed is None

    def switch(self, recipe: str, confirm: Callable[[], object] | None = None) -> None:
        """Switch to another recipe from the next trigger on; see `Controls.switch_recipe`.

        Args:
            recipe: name of the recipe.
            confirm: called when it is ready; if that raises, the recipe in use stays.
        """
        before = self.recipes.current
        taken = self.recipes.switch(recipe, confirm)
        _log.info("%s: recipe %s instead of %s from here on", self.name, taken.name, before.name)

    def replace_bundle(self, path: Path, confirm: Callable[[], object] | None = None) -> None:
        """Put another bundle in the place of the one in use from the next trigger on; as `switch`."""
        before = self.recipes.current.inspector.bundle.path
        self.recipes.replace(path, confirm)
        _log.info("%s: bundle %s instead of %s from here on", self.name, path, before)

    def halt(self, *, running: bool) -> None:
        """Stop for a while, or go on: a camera that triggers itself pauses, external triggers are INVALID."""
        self.queue.halt(running=running)
        _log.info("%s: %s", self.name, "goes on" if running else "stopped on the page")

    def reload_threshold(self) -> None:
        """Use a threshold that was set meanwhile now, and not only from the next part on."""
        self.recipes.current.reload_threshold(self._is_ending)

    @property
    def image(self) -> NDArray[np.uint8] | None:
        """The newest image, decided on or not; of a recording the last one that was inspected."""
        newest = self.source.newest
        return self._last_image if newest is None else newest

    @property
    def stuck(self) -> str | None:
        """What hangs, in plain words, or None."""
        since = self._busy_since
        if since is None or time.monotonic() - since < _STUCK:
            return None
        return f"{self.name}: an inspection has taken {time.monotonic() - since:.0f} s"

    @property
    def idle(self) -> bool:
        """Whether nothing is inspected, and nothing waits for that."""
        return self._busy_since is None and not self.queue.waiting

    @property
    def ended(self) -> bool:
        """Whether there will be no more triggers, and all have been collected."""
        grabbed = not self._grabber.is_alive() and self._grabber.ident is not None
        return grabbed and self.queue.empty and not self._pausing and not self.is_behind()  # in this order

    def stop(self, until: float) -> None:
        """Accept no more triggers; those that have no decision at `until` become INVALID. Returns at once."""
        with self.queue.changed:
            self._accepts = False
            self.queue.close(until)
        self._to_grab.put(None)
        self.source.leave()

    def join(self, seconds: float) -> None:
        """Wait for the threads to end; one that hangs in a library is left to the process's end."""
        self._to_inspect.put(None)
        until = time.monotonic() + seconds
        for thread in (self._grabber, self._clock, self._inspection):
            if thread.ident is not None:
                thread.join(max(until - time.monotonic(), 0.01))

    def _guard(self, work: Callable[[], None]) -> None:
        """Run a thread's work, and keep what it raises in `error`."""
        try:
            work()
        except BaseException as error:
            self.error = error
        finally:
            self._wake()

    def _admit(self, part: str | None = None, by: Origin | None = None) -> Trigger:
        """Admit a trigger that needs a frame; the caller holds the queue, so that the order stays."""
        trigger = self.queue.admit(self.recipes.current, time.monotonic(), part=part, by=by)
        if not trigger.settled:
            self._to_grab.put(trigger)
        if self.queue.full:
            self._to_grab.put(None)
        return trigger

    def _trigger_by_frames(self) -> None:
        """Trigger by every frame of a source: of a recording all frames, of a camera the newest ones."""
        due, ahead = time.monotonic(), 1 if self._live else _AHEAD
        with closing(self.source.read_frames()) as frames:
            while self.queue.wait_for_room(ahead) and not self.queue.full:
                frame = next(frames, None)
                if frame is None:
                    return
                with self.queue.changed:
                    self.queue.wait_for_close(due)
                    due = time.monotonic() + (self.options.interval or 0)
                    ran = self.queue.wait_until_running()
                    if self._is_ending():
                        return  # a frame after the end: its trigger would never be collected
                    if not ran and self._live:
                        continue  # a frame from before the halt
                    at = time.monotonic() if frame.taken is None else frame.taken
                    trigger = self.queue.admit(self.recipes.current, at, frame=frame)
                self._check_frame(trigger, frame)

    def _grab_frames(self) -> None:
        """Take a frame for each trigger, in order."""
        with open_grabber(self.source) as take:
            while (trigger := self._to_grab.get()) is not None:
                began = time.monotonic()
                waited = began - trigger.at
                if trigger.settled:
                    continue
                if self._comes_too_late(trigger, waited, began + self._grabbing.usual):
                    self.queue.refuse(trigger, "late", f"its turn came only after {waited:.2f} s")
                    continue
                frame = take(trigger)
                # Only for triggers that waited: for others it includes the time until their first frame.
                if waited > _QUEUED:
                    self._grabbing.add(time.monotonic() - began)
                self._check_frame(trigger, frame)

    def _check_frame(self, trigger: Trigger, frame: Frame) -> None:
        """Check the frame of a trigger, while the one before is inspected, and queue it for inspection."""
        trigger.frame = frame
        trigger.recipe.reload_threshold(self._is_ending)
        try:
            trigger.fault = find_fault(frame, trigger.recipe.checks)
        except Exception as error:
            self.queue.refuse_for(error, trigger)
        trigger.stages["frame"] = time.monotonic() - trigger.at
        self._to_inspect.put(trigger)

    def _trigger_by_clock(self) -> None:
        """Trigger at the interval, however fast the inspection is."""
        due = time.monotonic()
        while True:
            with self.queue.changed:
                if self.queue.wait_for_close(due) or self.queue.full:
                    return
                if not self.queue.wait_until_running():
                    due = time.monotonic()
                    continue
                self._admit()
            due = max(due + (self.options.interval or 0), time.monotonic() - 1)  # after a suspension, not all

    def _inspect_all(self) -> None:
        while (trigger := self._to_inspect.get()) is not None:
            if trigger.settled or trigger.frame is None:
                continue
            self._pausing = self.pause is not None
            self._busy_since = began = time.monotonic()
            trigger.stages["queue"] = began - trigger.at - trigger.stages["frame"]
            try:
                if self._comes_too_late(trigger, trigger.stages["queue"], began):
                    waited = began - trigger.at
                    self.queue.refuse(trigger, "late", f"its turn came only after {waited:.2f} s")
                else:
                    self._inspect(trigger, trigger.frame)
            except Exception as error:
                self.queue.refuse_for(error, trigger)
            self._busy_since = None
            if self.pause:
                self.pause(trigger.id)
            self._pausing = False

    def _comes_too_late(self, trigger: Trigger, waited: float, begins: float) -> bool:
        """Return whether a trigger that has waited can't be decided on in time any more.

        Of too many triggers each would otherwise be inspected until it is late, and none decided on.

        Args:
            trigger: the trigger.
            waited: seconds for which it has waited.
            begins: when its inspection would begin, in seconds of the monotonic clock.
        """
        if waited <= _QUEUED or trigger.deadline is None:
            return False
        return begins + self.queue.pace.slow + self.queue.margin > trigger.deadline

    def _inspect(self, trigger: Trigger, frame: Frame) -> None:
        self._last_image = frame.image
        began = time.monotonic()
        reason, result = trigger.fault or frame.reason, None
        if frame.image is not None and reason is None:
            try:
                result = trigger.recipe.inspect(
                    frame.image, fast=self._fast, camera=self._number, until=self._find_due(trigger)
                )
            except FrameError as error:
                reason = str(error)
        trigger.stages["inspection"] = spent = time.monotonic() - began
        self.queue.pace.add(spent)
        if result is not None:
            self.queue.settle(trigger, result)
        else:
            self.queue.refuse(trigger, None, reason or "no image")

    def _find_due(self, trigger: Trigger) -> float:
        """Return when a trigger's inspection is due, in seconds of the monotonic clock."""
        return float("inf") if trigger.deadline is None else trigger.deadline - self.queue.margin

    def _is_ending(self) -> bool:
        """Return whether the line is ending."""
        return self.queue.closing is not None


class _FrameQueue:
    """Triggers whose frame waits for the inspection, in order; bounded even if the inspection hangs.

    If they are more than may wait, those that have been refused meanwhile are left out: their frames take
    megabytes each.
    """

    def __init__(self, capacity: int) -> None:
        self._most = 2 * capacity + _AHEAD
        self._waiting: deque[Trigger | None] = deque()
        self._changed = threading.Condition()

    def put(self, trigger: Trigger | None) -> None:
        """Add one; None is the end."""
        with self._changed:
            if len(self._waiting) >= self._most:
                self._waiting = deque(one for one in self._waiting if one is None or not one.settled)
            self._waiting.append(trigger)
            self._changed.notify()

    def get(self) -> Trigger | None:
        """Remove and return the first one, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            return self._waiting.popleft()
