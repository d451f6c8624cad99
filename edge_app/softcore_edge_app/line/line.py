"""Line: one camera, and the threads that give each of its triggers one decision, in order and in time."""

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
from softcore_runtime import BundleError, UsageError

from softcore_edge_app.frames.live_capture import LiveCapture
from softcore_edge_app.frames.sources import Frame, Source
from softcore_edge_app.line.recipes import Recipe, Recipes
from softcore_edge_app.line.shutter import open_shutter
from softcore_edge_app.line.trigger import Trigger
from softcore_edge_app.options import CameraOptions
from softcore_edge_app.verdict import decide, examine, refuse

__all__ = ["Line"]

_AHEAD = 2  # frames of a recording that are read while one is inspected
_LONGEST_PART = 200  # characters of a part's name
_QUEUED = 0.001  # seconds; what waits no longer is inspected however long that may take
_LOOK = 0.1  # seconds between two looks whether the line ends
_STUCK = 10.0  # seconds that an inspection may take; a real one takes well under one

_STOPPED = "the line was stopped before it was decided on"
_HALTED = "the line was stopped on the page"

_log = logging.getLogger(__name__)


class Line:
    """One camera's parts: a trigger goes in, its one decision comes out.

    The *shutter*, a thread, takes a frame for each trigger and looks at it; the *inspection*, another,
    decides on it, while the shutter sees to the next. What has its decision is collected by the clerk, who
    also settles what is late: so a camera or a network that hangs holds up no decision.

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
    """

    def __init__(
        self,
        name: str,
        number: int,
        source: Source,
        recipes: Recipes,
        options: CameraOptions,
        run: str,
        wake: Callable[[], None],
        *,
        fast: bool = False,
        frames: int | None = None,
    ) -> None:
        self.name, self.source, self.recipes, self.options = name, source, recipes, options
        self.error: BaseException | None = None
        self.running = True  # until a person stops it for a while
        self.triggers = self.decisions = 0
        self._number, self._run, self._wake, self._fast, self._frames = number, run, wake, fast, frames
        self._live = isinstance(source, LiveCapture)
        self._deadline = options.deadline
        if self._deadline is None and options.trigger != "auto":
            self._deadline = 1.0
        self._deciding = threading.Lock()  # a limit changes between two decisions, never during one
        self._changed = threading.Condition()  # guards all that follows
        self._pending: deque[Trigger] = deque()  # without a decision, or not collected yet
        self._undecided = 0
        self._accepts = options.trigger == "external"
        self._closing: float | None = None
        self._to_take: SimpleQueue[Trigger | None] = SimpleQueue()
        self._to_inspect: SimpleQueue[Trigger | None] = SimpleQueue()
        self._busy_since: float | None = None
        self._usual = 0.0  # seconds of an inspection
        self._shown: NDArray[np.uint8] | None = None
        # Parts of a recording wait for their turn; those in front of a camera don't.
        self._ticks = options.trigger == "interval" and self._live
        work = self._answer if self._ticks or options.trigger == "external" else self._follow
        self._shutter = threading.Thread(target=self._guard, args=[work], name=f"{name} shutter")
        self._inspection = threading.Thread(
            target=self._guard, args=[self._inspect_all], name=f"{name} inspection", daemon=True
        )
        self._clock = threading.Thread(target=self._tick, name=f"{name} clock")

    def start(self) -> None:
        """Begin; a camera that can't be opened at all ends the line with an `error`."""
        self._inspection.start()
        self._shutter.start()
        if self._ticks:
            self._clock.start()

    def trigger(self, part: str | None = None) -> str:
        """Ask for the decision on a part, and return the trigger's id; see `Controls.trigger`."""
        if part is not None and not 0 < len(part) <= _LONGEST_PART:
            raise UsageError(f"a part's name has 1 to {_LONGEST_PART} characters, not {len(part)}")
        with self._changed:
            if not self._accepts:
                why = "triggers itself" if self.options.trigger != "external" else "is just ending"
                raise UsageError(f"{self.name}: {why}")
            self._accepts = self._frames != self.triggers + 1
            return self._admit(time.monotonic(), part).id

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
        with self._changed:
            self.running = running
            self._changed.notify_all()
        _log.info("%s: %s", self.name, "goes on" if running else "stopped on the page")

    def take_up_limit(self) -> None:
        """Let a limit that was set meanwhile hold now, and not only from the next part on."""
        self._take_up_limit(self.recipes.current)

    @property
    def picture(self) -> NDArray[np.uint8] | None:
        """The newest picture, decided on or not: of a recording the last one that was taken."""
        newest = self.source.newest if isinstance(self.source, LiveCapture) else None
        return self._shown if newest is None else newest

    @property
    def waiting(self) -> int:
        """How many triggers have no decision."""
        return self._undecided

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
        with self._changed:
            return not self._shutter.is_alive() and self._shutter.ident is not None and not self._pending

    def expire(self, now: float) -> float | None:
        """Settle what can't be in time any more, and say when to ask again.

        Args:
            now: in seconds of the monotonic clock; a little ahead of it, to leave the ledger its time.
        """
        with self._changed:
            pending = list(self._pending)
        for trigger in pending:
            if trigger.settled:
                continue
            if self._closing is not None and now >= self._closing:
                self._refuse(trigger, _STOPPED)
            elif trigger.deadline is None:
                continue
            elif now >= trigger.deadline:
                waits = "waiting for its turn" if trigger.frame else "without a frame"
                what = "being inspected" if "queue" in trigger.stages else waits
                self._refuse(trigger, f"late: still {what} after {now - trigger.at:.2f} s")
            else:  # those after it came later, and their deadlines are later
                return min(trigger.deadline, self._closing or trigger.deadline)
        return self._closing if self._undecided else None

    def collect(self) -> list[Trigger]:
        """Take the triggers that have their decision, the first one first, up to the first that has none."""
        settled = []
        with self._changed:
            crowded = len(self._pending) >= self.options.queue
            while self._pending and self._pending[0].settled:
                settled.append(self._pending.popleft())
            if settled and crowded:  # else nobody waits for it, and to wake a thread for nothing costs
                self._changed.notify_all()
        return settled

    def stop(self, until: float) -> None:
        """Take no more triggers; those that have no decision at `until` become INVALID. Returns at once."""
        with self._changed:
            self._accepts = False
            self._closing = until
            for trigger in [one for one in self._pending if one.frame is None]:
                self._refuse(trigger, _STOPPED)
            self._changed.notify_all()
        self._to_take.put(None)
        if isinstance(self.source, LiveCapture):
            self.source.leave()

    def join(self, seconds: float) -> None:
        """Wait for the threads to end; one that hangs in a library is left to the process's end."""
        self._to_inspect.put(None)
        until = time.monotonic() + seconds
        for thread in (self._shutter, self._clock, self._inspection):
            if thread.ident is not None:
                thread.join(max(until - time.monotonic(), 0.01))

    def _admit(self, at: float, part: str | None = None, frame: Frame | None = None) -> Trigger:
        """Let a trigger in (the lock is held); one that is too many, and has no frame, is settled here."""
        self.triggers += 1
        number = self.triggers
        trigger = Trigger(
            id=f"{self._run}-{number}",
            camera=self.name,
            number=number,
            part=part or f"{self._run}-{number}",
            recipe=self.recipes.current,
            at=at,
            wall=time.time_ns() - int(1e9 * (time.monotonic() - at)),
            deadline=None if self._deadline is None else at + self._deadline,
            frame=frame,
        )
        self._undecided += 1
        self._pending.append(trigger)
        if not self.running:
            self._refuse(trigger, _HALTED)
        elif frame is None and self._undecided > self.options.queue:
            self._refuse(trigger, f"too many triggers: {self.options.queue} wait for their decision")
        elif frame is None:
            self._to_take.put(trigger)
            if trigger.deadline is not None:
                self._wake()  # the clerk, to note the deadline
        return trigger

    def _guard(self, work: Callable[[], None]) -> None:
        """Keep what a thread raises for who waits for the line."""
        try:
            work()
        except BaseException as error:
            self.error = error
        finally:
            self._wake()

    def _follow(self) -> None:
        """Let every frame of a source be a trigger: of a recording all, of a camera the newest."""
        due = time.monotonic()
        with closing(self.source.read_frames()) as frames:
            while self._wait_for_room() and self._frames != self.triggers:
                frame = next(frames, None)
                if frame is None:
                    return
                with self._changed:
                    self._changed.wait_for(lambda: self._closing is not None, max(due - time.monotonic(), 0))
                    due = time.monotonic() + (self.options.interval or 0)
                    ran = self._wait_until_running()
                    if self._closing is not None:
                        return  # a frame of after the end: nobody would collect its trigger
                    if not ran and self._live:
                        continue  # a frame of before the halt
                    at = time.monotonic() if frame.taken is None else frame.taken
                    trigger = self._admit(at, frame=frame)
                self._hand_over(trigger, frame)

    def _wait_until_running(self) -> bool:
        """Wait while a person has stopped the line (the lock is held), and tell whether it ran all along."""
        ran = self.running
        self._changed.wait_for(lambda: self.running or self._closing is not None)
        return ran

    def _wait_for_room(self) -> bool:
        """Wait until the next frame may be read; False when the line ends."""
        ahead = 1 if self._live else _AHEAD
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._closing is not None
                    or (self._undecided < ahead and len(self._pending) < self.options.queue + ahead)
                )
            )
            return self._closing is None

    def _answer(self) -> None:
        """Take a frame for each trigger, in their order."""
        with open_shutter(self.source) as take:
            while (trigger := self._to_take.get()) is not None:
                if trigger.settled:
                    continue
                self._hand_over(trigger, take(trigger))
                if trigger.number == self._frames:
                    return

    def _hand_over(self, trigger: Trigger, frame: Frame) -> None:
        """Look at the frame of a trigger, while the one before is inspected, and let it wait for its turn."""
        trigger.frame = frame
        self._take_up_limit(trigger.recipe)
        try:
            trigger.fault = examine(frame, trigger.recipe.checks)
        except Exception as error:
            self._refuse_for(error, trigger)
        trigger.stages["frame"] = time.monotonic() - trigger.at
        self._to_inspect.put(trigger)

    def _tick(self) -> None:
        """Trigger every so many seconds, whatever the inspection carries."""
        due = time.monotonic()
        while True:
            with self._changed:
                ended = self._changed.wait_for(
                    lambda: self._closing is not None, max(due - time.monotonic(), 0)
                )
                if ended or self._frames == self.triggers:
                    return
                if not self._wait_until_running():
                    due = time.monotonic()
                    continue
                self._admit(time.monotonic())
            due = max(due + (self.options.interval or 0), time.monotonic() - 1)  # after a suspension, not all

    def _inspect_all(self) -> None:
        while (trigger := self._to_inspect.get()) is not None:
            if trigger.settled or trigger.frame is None:
                continue
            self._busy_since = began = time.monotonic()
            trigger.stages["queue"] = began - trigger.at - trigger.stages["frame"]
            try:
                if self._comes_too_late(trigger, began):
                    self._refuse(trigger, f"late: its turn came only after {began - trigger.at:.2f} s")
                else:
                    self._inspect(trigger, trigger.frame)
            except Exception as error:
                self._refuse_for(error, trigger)
            self._busy_since = None

    def _comes_too_late(self, trigger: Trigger, now: float) -> bool:
        """Tell whether a trigger that has waited can't be decided on in time any more.

        Were too many triggers inspected all the same, each would be until it is late, and none decided on.
        """
        waited = trigger.stages["queue"] > _QUEUED
        return waited and trigger.deadline is not None and now + self._usual > trigger.deadline

    def _inspect(self, trigger: Trigger, frame: Frame) -> None:
        inspector = trigger.recipe.inspector
        self._shown = frame.picture
        began = time.monotonic()
        with self._deciding:
            verdict, inspection = decide(
                inspector, frame, trigger.fault, fast=self._fast, camera=self._number
            )
            manifest = inspector.manifest
        trigger.stages["inspection"] = spent = time.monotonic() - began
        self._usual += 0.2 * (spent - self._usual)
        if trigger.settle(verdict, manifest, inspection):
            self._note_settled()

    def _refuse_for(self, error: Exception, trigger: Trigger) -> None:
        """Refuse for whatever it is: the part gets its decision and the line goes on."""
        _log.exception("%s: internal error on trigger %s", self.name, trigger.id)
        self._refuse(trigger, f"internal error: {type(error).__name__}: {error}")

    def _refuse(self, trigger: Trigger, reason: str) -> None:
        frame = trigger.frame
        number, name = (
            (frame.number, frame.name) if frame else (trigger.number, f"{self.name}#{trigger.number}")
        )
        manifest = trigger.recipe.inspector.manifest
        if trigger.settle(refuse(manifest.threshold, number, name, reason), manifest):
            self._note_settled()

    def _take_up_limit(self, recipe: Recipe) -> None:
        """Let a limit that was set meanwhile hold; whatever is wrong with it, the line goes on."""
        inspector = recipe.inspector
        if not inspector.outdated:
            return
        while not self._deciding.acquire(timeout=_LOOK):
            if self._closing is not None:  # an inspection that hangs must not keep the line from ending
                return
        try:
            if inspector.refresh():
                _log.info("the limit is %.6g from here on", inspector.manifest.threshold.value)
        except BundleError as error:
            _log.warning("%s", error)
        finally:
            self._deciding.release()

    def _note_settled(self) -> None:
        with self._changed:
            self._undecided -= 1
            self._changed.notify_all()
        self._wake()
