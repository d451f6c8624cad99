"""Camera pipeline: the threads that give each trigger of a camera one decision, in order and in time."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
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
_QUEUED = 0.001  # seconds; what waits no longer is inspected however long that may take
_STUCK = 10.0  # seconds that an inspection may take; a real one takes well under one

_log = logging.getLogger(__name__)


class CameraPipeline:
    """One camera's parts: a trigger goes in, its one decision comes out.

    The *frame grabber*, a thread, takes a frame for each trigger and looks at it; the *inspection*, another,
    decides on it, while the frame grabber sees to the next. What has its decision is collected by the
    publisher, which also settles what is late: so a camera or a network that hangs holds up no decision.

    Args:
        name: the camera's.
        number: counts the process's cameras from 0.
        source: gives the frames.
        recipes: what decides.
        options: when, and how long it may take.
        run: makes the triggers' ids unique over all runs.
        wake: called whenever there may be something to collect; must return at once.
        fast: decide without maps.
        frames: how many triggers there may be; None for no end.

    Attributes:
        queue: its triggers.
        decisions: how many of them have their decision, in the ledger if there is one.
        error: what ended it, if anything did.
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
        self._number, self._wake, self._fast = number, wake, fast
        self._live = source.live
        self._accepts = options.trigger == "external"
        self._to_take: SimpleQueue[Trigger | None] = SimpleQueue()
        self._to_inspect = _Frames(options.queue)
        self._busy_since: float | None = None
        self._taking = Pace()
        self._shown: NDArray[np.uint8] | None = None
        # Parts of a recording wait for their turn; those in front of a camera don't.
        self._ticks = options.trigger == "interval" and self._live
        work = self._answer if self._ticks or options.trigger == "external" else self._follow
        self._grabber = threading.Thread(target=self._guard, args=[work], name=f"{name} frame grabber")
        self._inspection = threading.Thread(
            target=self._guard, args=[self._inspect_all], name=f"{name} inspection", daemon=True
        )
        self._clock = threading.Thread(target=self._tick, name=f"{name} clock")

    def start(self) -> None:
        """Begin; a camera that can't be opened at all ends the line with an `error`."""
        self._inspection.start()
        self._grabber.start()
        if self._ticks:
            self._clock.start()

    def trigger(self, part: str | None = None, by: Origin | None = None) -> str:
        """Ask for the decision on a part, and return the trigger's id; see `Controls.trigger`."""
        if part is not None:
            check_part(part)
        with self.queue.changed:
            if not self._accepts:
                why = "triggers itself" if self.options.trigger != "external" else "is just ending"
                raise UsageError(f"{self.name}: {why}")
            trigger = self._admit(part, by)
            self._accepts = not self.queue.full
        return trigger.id

    def switch(self, recipe: str, confirm: Callable[[], object] | None = None) -> None:
        """Let another recipe decide, from the next trigger on; see `Controls.switch_recipe`.

        Args:
            recipe: its name.
            confirm: called when it is ready; what it raises leaves the one in use.
        """
        before = self.recipes.current
        taken = self.recipes.switch(recipe, confirm)
        _log.info("%s: recipe %s instead of %s from here on", self.name, taken.name, before.name)

    def halt(self, *, running: bool) -> None:
        """Stop for a while, or go on: a camera that goes by itself pauses, an external trigger is INVALID."""
        self.queue.halt(running=running)
        _log.info("%s: %s", self.name, "goes on" if running else "stopped on the page")

    def reload_threshold(self) -> None:
        """Let a threshold that was set meanwhile hold now, and not only from the next part on."""
        self.recipes.current.reload_threshold(self._leaves)

    @property
    def image(self) -> NDArray[np.uint8] | None:
        """The newest image, decided on or not: of a recording the last one that was taken."""
        newest = self.source.newest
        return self._shown if newest is None else newest

    @property
    def stuck(self) -> str | None:
        """What hangs, in plain words, or None."""
        since = self._busy_since
        if since is None or time.monotonic() - since < _STUCK:
            return None
        return f"{self.name}: an inspection has taken {time.monotonic() - since:.0f} s"

    @property
    def ended(self) -> bool:
        """Whether there will be no more triggers, and all have been collected."""
        return not self._grabber.is_alive() and self._grabber.ident is not None and self.queue.empty

    def stop(self, until: float) -> None:
        """Take no more triggers; those that have no decision at `until` become INVALID. Returns at once."""
        with self.queue.changed:
            self._accepts = False
            self.queue.close(until)
        self._to_take.put(None)
        self.source.leave()

    def join(self, seconds: float) -> None:
        """Wait for the threads to end; one that hangs in a library is left to the process's end."""
        self._to_inspect.put(None)
        until = time.monotonic() + seconds
        for thread in (self._grabber, self._clock, self._inspection):
            if thread.ident is not None:
                thread.join(max(until - time.monotonic(), 0.01))

    def _guard(self, work: Callable[[], None]) -> None:
        """Keep what a thread raises for who waits for the line."""
        try:
            work()
        except BaseException as error:
            self.error = error
        finally:
            self._wake()

    def _admit(self, part: str | None = None, by: Origin | None = None) -> Trigger:
        """Let a trigger in for which a frame is to be taken (the queue is held, so that the order stays)."""
        trigger = self.queue.admit(self.recipes.current, time.monotonic(), part=part, by=by)
        if not trigger.settled:
            self._to_take.put(trigger)
        if self.queue.full:
            self._to_take.put(None)
        return trigger

    def _follow(self) -> None:
        """Let every frame of a source be a trigger: of a recording all, of a camera the newest."""
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
                    if self._leaves():
                        return  # a frame of after the end: nobody would collect its trigger
                    if not ran and self._live:
                        continue  # a frame of before the halt
                    at = time.monotonic() if frame.taken is None else frame.taken
                    trigger = self.queue.admit(self.recipes.current, at, frame=frame)
                self._hand_over(trigger, frame)

    def _answer(self) -> None:
        """Take a frame for each trigger, in their order."""
        with open_grabber(self.source) as take:
            while (trigger := self._to_take.get()) is not None:
                began = time.monotonic()
                waited = began - trigger.at
                if trigger.settled:
                    continue
                if self._comes_too_late(trigger, waited, began + self._taking.usual):
                    self.queue.refuse(trigger, "late", f"its turn came only after {waited:.2f} s")
                    continue
                frame = take(trigger)
                # Of one that waited: of another the time that passed before the first frame of its moment.
                if waited > _QUEUED:
                    self._taking.add(time.monotonic() - began)
                self._hand_over(trigger, frame)

    def _hand_over(self, trigger: Trigger, frame: Frame) -> None:
        """Look at the frame of a trigger, while the one before is inspected, and let it wait for its turn."""
        trigger.frame = frame
        trigger.recipe.reload_threshold(self._leaves)
        try:
            trigger.fault = find_fault(frame, trigger.recipe.checks)
        except Exception as error:
            self.queue.refuse_for(error, trigger)
        trigger.stages["frame"] = time.monotonic() - trigger.at
        self._to_inspect.put(trigger)

    def _tick(self) -> None:
        """Trigger every so many seconds, whatever the inspection carries."""
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

    def _comes_too_late(self, trigger: Trigger, waited: float, begins: float) -> bool:
        """Return whether a trigger that has waited can't be decided on in time any more.

        Were too many triggers inspected all the same, each would be until it is late, and none decided on.

        Args:
            trigger: which.
            waited: for how many seconds.
            begins: when its inspection would begin, in seconds of the monotonic clock.
        """
        if waited <= _QUEUED or trigger.deadline is None:
            return False
        return begins + self.queue.pace.slow + self.queue.margin > trigger.deadline

    def _inspect(self, trigger: Trigger, frame: Frame) -> None:
        self._shown = frame.image
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

    def _leaves(self) -> bool:
        """Return whether the end has come."""
        return self.queue.closing is not None


class _Frames:
    """Triggers whose frame waits for the inspection, in order; bounded though the inspection hangs.

    Those that have been refused meanwhile are left out, where they are more than may wait: their frames are
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
        """Take the first one, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            return self._waiting.popleft()
