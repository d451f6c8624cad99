"""Trigger queue: a camera's triggers, in order and limited in number, until each has its one decision."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from softcore_runtime import InspectionResult

from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.decisions.invalid_kinds import LineKind
from softcore_edge_app.decisions.origin import Origin, make_trigger_id
from softcore_edge_app.pipeline.pace import Pace
from softcore_edge_app.pipeline.recipes import Recipe
from softcore_edge_app.pipeline.trigger import Trigger

__all__ = ["TriggerQueue"]

_STOPPED, _HALTED = "before it was decided on", "on the page"

_log = logging.getLogger(__name__)


class TriggerQueue:
    """A camera's triggers, from when they come until their decisions are collected, in the same order.

    Args:
        camera: name of the camera.
        run: makes the triggers' ids unique over all runs.
        capacity: number of triggers that may wait for their decision; more without a frame are INVALID.
        deadline: seconds in which each gets its decision; None if there is no deadline.
        last: number of triggers after which no more come; None for no end.
        wake: called whenever there may be something to collect; must return at once.

    Attributes:
        changed: guards the queue. It may be held over several calls, and is notified of each change.
        deadline: as given.
        running: False while a person has stopped the camera.
        closing: when triggers without a decision are refused, in seconds of the monotonic clock; None before
            the end.
        count: number of triggers so far.
        waiting: number of them without a decision.
        pace: times of the inspections, which the pipeline adds.
        margin: seconds before a deadline at which triggers without a decision are refused.
    """

    def __init__(
        self,
        camera: str,
        run: str,
        capacity: int,
        deadline: float | None,
        last: int | None,
        wake: Callable[[], None],
    ) -> None:
        self.changed = threading.Condition()
        self.running = True
        self.closing: float | None = None
        self.count = self.waiting = 0
        self.deadline = deadline
        self._camera, self._run, self._capacity = camera, run, capacity
        self._last, self._wake = last, wake
        self.pace = Pace()
        self.margin = 0.0
        self._pending: deque[Trigger] = deque()  # without a decision, or not collected yet
        # The first of them has no decision. Thousands that were refused at once behind one that is being
        # inspected are not visited again.
        self._undecided: deque[Trigger] = deque()

    @property
    def full(self) -> bool:
        """Whether the last trigger has come."""
        return self.count == self._last

    @property
    def empty(self) -> bool:
        """Whether all triggers were collected."""
        with self.changed:
            return not self._pending

    def admit(
        self,
        recipe: Recipe,
        at: float,
        *,
        part: str | None = None,
        by: Origin | None = None,
        frame: Frame | None = None,
    ) -> Trigger:
        """Admit a trigger; one that is too many, or comes while the camera is stopped, is refused at once.

        Too many are also those that can't be decided on before their deadline, if those before them take the
        usual time: otherwise each would be inspected too late, and none decided on.

        Args:
            recipe: what decides.
            at: when it came, in seconds of the monotonic clock.
            part: name of the part; None for the trigger's id.
            by: who triggers; None for the line itself.
            frame: its frame; None if that is still to be taken.
        """
        with self.changed:
            self.count += 1
            name = make_trigger_id(self._run, self.count, by)
            trigger = Trigger(
                id=name,
                camera=self._camera,
                number=self.count,
                part=part or name,
                recipe=recipe,
                at=at,
                wall=time.time_ns() - int(1e9 * (time.monotonic() - at)),
                deadline=None if self.deadline is None else at + self.deadline,
                frame=frame,
            )
            self.waiting += 1
            self._pending.append(trigger)
            self._undecided.append(trigger)
            if not self.running:
                self.refuse(trigger, "stopped", _HALTED)
            elif frame is None and self.waiting > self._capacity:
                self.refuse(trigger, "overflow", f"{self._capacity} wait for their decision")
            elif frame is None and self._would_be_late():
                before = self.waiting - 1
                self.refuse(trigger, "overflow", f"{before} wait, and it would come too late")
            elif frame is None and trigger.deadline is not None:
                self._wake()  # the publisher, to note the deadline
            return trigger

    def settle(self, trigger: Trigger, result: InspectionResult) -> None:
        """Return a trigger the decision of its inspection, unless it has one."""
        if trigger.settle(result):
            self._note_settled()

    def refuse(self, trigger: Trigger, kind: LineKind | None, detail: str) -> None:
        """Make a trigger INVALID, unless it has its decision.

        Args:
            trigger: the trigger.
            kind: of the reason, as for `DecisionRecord.invalid`.
            detail: of the reason, likewise.
        """
        if trigger.refuse(kind, detail):
            self._note_settled()

    def refuse_for(self, error: Exception, trigger: Trigger) -> None:
        """Make a trigger INVALID for an internal error, and log it: the line goes on."""
        _log.exception("%s: internal error on trigger %s", self._camera, trigger.id)
        self.refuse(trigger, "internal", f"{type(error).__name__}: {error}")

    def expire(self, now: float) -> float | None:
        """Refuse triggers that can't be in time any more, and return when to call again.

        Args:
            now: in seconds of the monotonic clock; a little ahead of it, to leave time for the ledger.
        """
        self.margin = max(now - time.monotonic(), 0.0)
        with self.changed:
            while self._undecided:
                trigger = self._undecided[0]
                if trigger.settled:
                    self._undecided.popleft()
                elif self.closing is not None and now >= self.closing:
                    self.refuse(trigger, "stopped", _STOPPED)
                elif trigger.deadline is None:  # nor have the others one
                    break
                elif now >= trigger.deadline:
                    self.refuse(trigger, "late", f"still {trigger.state} after {now - trigger.at:.2f} s")
                else:  # those after it came later, and their deadlines are later
                    return min(trigger.deadline, self.closing or trigger.deadline)
            return self.closing if self.waiting else None

    def _note_settled(self) -> None:
        with self.changed:
            self.waiting -= 1
            self.changed.notify_all()
        self._wake()

    def _would_be_late(self) -> bool:
        """Return whether the last trigger would be late, if all take the usual time."""
        if self.deadline is None or self.waiting == 1:
            return False
        return self.waiting * self.pace.usual + self.margin > self.deadline

    def collect(self) -> list[Trigger]:
        """Remove and return the triggers with a decision, in order, up to the first that has none."""
        settled = []
        with self.changed:
            crowded = len(self._pending) >= self._capacity
            while self._pending and self._pending[0].settled:
                settled.append(self._pending.popleft())
            if settled and crowded:  # else no thread waits for it, and waking costs
                self.changed.notify_all()
        return settled

    def halt(self, *, running: bool) -> None:
        """Stop for a while, or go on."""
        with self.changed:
            self.running = running
            self.changed.notify_all()

    def close(self, until: float) -> None:
        """Refuse triggers without a frame now, and from `until` on those without a decision."""
        with self.changed:
            self.closing = until
            for trigger in [one for one in self._pending if one.frame is None]:
                self.refuse(trigger, "stopped", _STOPPED)
            self.changed.notify_all()

    def wait_for_close(self, until: float) -> bool:
        """Wait until a time of the monotonic clock, and return whether the end came before it."""
        with self.changed:
            return self.changed.wait_for(lambda: self.closing is not None, max(until - time.monotonic(), 0))

    def wait_until_running(self) -> bool:
        """Wait while the camera is stopped, or until the end, and return whether it ran all along."""
        with self.changed:
            ran = self.running
            self.changed.wait_for(lambda: self.running or self.closing is not None)
            return ran

    def wait_for_room(self, ahead: int) -> bool:
        """Wait until fewer than `ahead` triggers wait for their decision, and the publisher keeps up.

        Returns:
            False when the line is ending.
        """
        with self.changed:
            self.changed.wait_for(
                lambda: (
                    self.closing is not None
                    or (self.waiting < ahead and len(self._pending) < self._capacity + ahead)
                )
            )
            return self.closing is None
