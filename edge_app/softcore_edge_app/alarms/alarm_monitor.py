"""Alarm monitor: follows the parts of a line by its rules, and raises, acknowledges and clears alarms."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from softcore_runtime import Decision, FrameError, LedgerError, UsageError
from softcore_runtime.bundle.training import QUANTITIES, measure_image_statistics
from softcore_runtime.cli.suggestion import find_nearest

from softcore_edge_app.alarms.alarm_notes import LINE, AlarmHistory, describe_step
from softcore_edge_app.alarms.alarm_reading import AlarmPart
from softcore_edge_app.alarms.alarm_rule import AlarmRule
from softcore_edge_app.alarms.alarm_state import StateName
from softcore_edge_app.alarms.alarm_status import AlarmStatus
from softcore_edge_app.configuration.alarm_options import AlarmOptions
from softcore_edge_app.configuration.shift_calendar import ShiftCalendar
from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.note import Change

__all__ = ["AlarmMonitor"]

_TICK: Final = 0.5  # seconds between two checks of delays, and whether what couldn't be noted can be
_IMAGES: Final = 16  # parts that wait beyond which images aren't measured: they take megabytes each
_WAITING: Final = 1000  # notes that wait for the disk
_ENDING: Final = 0.3  # seconds

_Image = NDArray[Any]
_Known = TypeVar("_Known")
_log = logging.getLogger(__name__)


class AlarmMonitor:
    """Follows the parts of each camera by each rule, in a thread of its own; decides nothing.

    What is raised and cleared is in force at once, and noted in the ledger as soon as that can be written. An
    acknowledgement is noted first: one that can't be noted isn't made.

    Args:
        rules: by name; those that are switched off are left out.
        cameras: names of the line's cameras.
        note: notes a change in the ledger; None where there is none.
        history: what to take up of an earlier run.
        calendar: the line's shifts; None for days.
    """

    def __init__(
        self,
        rules: Mapping[str, AlarmOptions],
        cameras: Sequence[str],
        note: Callable[[Change], object] | None = None,
        history: AlarmHistory | None = None,
        calendar: ShiftCalendar | None = None,
    ) -> None:
        enabled = {name: options for name, options in rules.items() if options.enabled}
        self._alarms = {
            camera: {name: AlarmRule(camera, name, options, calendar) for name, options in enabled.items()}
            for camera in cameras
        }
        self._looks = any(options.image for options in enabled.values())
        self._note_change = note
        self._unnoted: deque[Change] = deque(maxlen=_WAITING)
        self._turn = threading.Lock()
        self._arrived: queue.SimpleQueue[tuple[AlarmPart, _Image | None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="alarms", daemon=True)
        self._take_up(history or AlarmHistory())
        self._statuses = self._describe_all()

    def start(self) -> None:
        """Begin to follow what `add` is given."""
        self._thread.start()

    def add(self, published: PublishedDecision) -> None:
        """Add a decision; at once, and never raises."""
        record, frame = published.record, published.frame
        stopped = record.decision is Decision.INVALID and find_kind(record.reason) == "stopped"
        part = AlarmPart(record.camera, record.category, record.decision, record.decided_at, stopped)
        seen = self._looks and frame is not None and self._arrived.qsize() < _IMAGES
        self._arrived.put((part, frame.image if seen and frame is not None else None))

    def follow(self, part: AlarmPart, now: float) -> None:
        """Follow one part: what the thread does with each.

        Args:
            part: the part.
            now: the time, in seconds of the monotonic clock.
        """
        with self._turn:
            for alarm in self._alarms.get(part.camera, {}).values():
                self._step(alarm, alarm.add(part, now))
            self._statuses = self._describe_all()

    def check(self, now: float) -> None:
        """Check the delays, and note what could not be noted before: what the thread does now and then."""
        with self._turn:
            for alarms in self._alarms.values():
                for alarm in alarms.values():
                    self._step(alarm, alarm.check(now))
            self._note_all()
            self._statuses = self._describe_all()

    def acknowledge(self, rule: str, camera: str | None, by: str) -> AlarmStatus:
        """Acknowledge an alarm, and return its status; from any thread.

        Args:
            rule: name of its rule.
            camera: name of its camera; None if there is only one.
            by: who acknowledges it.

        Raises:
            UsageError: there is no such camera or rule, or the alarm isn't raised.
            LedgerError: it can't be noted, and so isn't done.
        """
        alarm = self._find(rule, camera)
        with self._turn:
            if alarm.state.name != "raised":
                raise UsageError(f"{alarm.camera}: alarm {rule} is not raised, but {alarm.state.name}")
            if self._note_change is not None:
                self._note_all(strictly=True)
                self._note_change(describe_step(alarm.place, "raised", "acknowledged", by))
            alarm.acknowledge(by)
            _log.info("%s: alarm %s was acknowledged by %s", alarm.camera, rule, by)
            self._step(alarm, alarm.check(time.monotonic()))
            self._statuses = self._describe_all()
            return alarm.describe()

    def describe(self) -> tuple[AlarmStatus, ...]:
        """Return the status of each rule on each camera; never blocks."""
        return self._statuses

    def list_open(self) -> tuple[AlarmStatus, ...]:
        """Return the alarms that aren't cleared, the most urgent first; never blocks."""
        found = (status for status in self._statuses if status.state != "cleared")
        return tuple(sorted(found, key=lambda status: status.urgency))

    def stop(self) -> None:
        """Follow what was added, and end within a moment."""
        if self._thread.ident is not None:
            self._arrived.put(None)
            self._thread.join(_ENDING)

    def _run(self) -> None:
        due, ending = 0.0, False
        while not ending:
            try:
                arrived = self._arrived.get(timeout=max(due - time.monotonic(), 0.001))
                ending = arrived is None
                if arrived is not None:
                    self.follow(_measure(*arrived), time.monotonic())
            except queue.Empty:
                pass
            except Exception:  # the next part still needs this thread
                _log.exception("internal error on following alarms")
            if ending or time.monotonic() >= due:
                due = time.monotonic() + _TICK
                self._check_safely()

    def _check_safely(self) -> None:
        try:
            self.check(time.monotonic())
        except Exception:
            _log.exception("internal error on checking alarms")

    def _step(self, alarm: AlarmRule, after: StateName | None) -> None:
        """Note and log that an alarm was raised or cleared; None is that nothing has changed."""
        if after == "raised":
            say = _log.error if alarm.options.level == "alarm" else _log.warning
            say("%s", alarm.text)
            self._note(describe_step(alarm.place, "cleared", after, LINE, alarm.reading))
        elif after == "cleared":
            _log.info("%s: alarm %s has ended", alarm.camera, alarm.rule)
            self._note(describe_step(alarm.place, alarm.before, after, LINE))

    def _note(self, change: Change) -> None:
        if self._note_change is not None:
            self._unnoted.append(change)
            self._note_all()

    def _note_all(self, *, strictly: bool = False) -> None:
        """Note what waits, in its order, as far as the ledger can be written.

        Raises:
            LedgerError: it can't, if `strictly`.
        """
        while self._unnoted and self._note_change is not None:
            try:
                self._note_change(self._unnoted[0])
            except LedgerError:  # the writer logs it; what waits is noted later
                if strictly:
                    raise
                return
            self._unnoted.popleft()

    def _take_up(self, history: AlarmHistory) -> None:
        for part in history.parts:
            for alarm in self._alarms.get(part.camera, {}).values():
                alarm.remember(part)
        for part, number in history.shift:
            for alarm in self._alarms.get(part.camera, {}).values():
                alarm.remember_shift(part, number)
        for past in history.alarms:
            alarm_rule = self._alarms.get(past.camera, {}).get(past.rule)
            if alarm_rule is not None:
                alarm_rule.restore(past)
            else:  # its rule or camera was taken out of the configuration
                self._note(describe_step((past.camera, past.rule), past.state, "cleared", LINE))

    def _describe_all(self) -> tuple[AlarmStatus, ...]:
        return tuple(alarm.describe() for alarms in self._alarms.values() for alarm in alarms.values())

    def _find(self, rule: str, camera: str | None) -> AlarmRule:
        if camera is None and len(self._alarms) == 1:
            camera = next(iter(self._alarms))
        alarms = _require("camera", camera, self._alarms)
        return _require("alarm", rule, alarms)


def _measure(part: AlarmPart, image: _Image | None) -> AlarmPart:
    """Return a part with the statistics of its image, whatever was decided."""
    if image is None:
        return part
    try:
        found = dict(zip(QUANTITIES, measure_image_statistics(np.asarray(image)).tolist(), strict=True))
    except FrameError:
        return part
    return replace(part, brightness=found["brightness"], sharpness=found["sharpness"])


def _require(noun: str, name: str | None, known: Mapping[str, _Known]) -> _Known:
    """Return what has a name.

    Raises:
        UsageError: nothing has.
    """
    if name is not None and name in known:
        return known[name]
    if name is None:
        raise UsageError(f"name the {noun}; there are: {', '.join(known)}")
    near = find_nearest(name, known)
    meant = f"; did you mean {near}?" if near else ""
    raise UsageError(f"no {noun} {name!r}{meant}; there are: {', '.join(known)}")
