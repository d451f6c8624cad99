"""Alarm rule: one rule on one camera, with the parts that it has seen and the state of its alarm."""

from __future__ import annotations

import time

from softcore_edge_app.alarms.alarm_notes import PastAlarm
from softcore_edge_app.alarms.alarm_reading import AlarmPart, AlarmReading
from softcore_edge_app.alarms.alarm_state import AlarmState, StateName
from softcore_edge_app.alarms.alarm_status import AlarmStatus
from softcore_edge_app.alarms.alarm_windows import ShiftWindow, make_window
from softcore_edge_app.configuration.alarm_options import AlarmOptions
from softcore_edge_app.configuration.shift_calendar import ShiftCalendar

__all__ = ["AlarmRule"]


class AlarmRule:
    """One rule on one camera.

    Args:
        camera: name of the camera.
        rule: name of the rule.
        options: the rule.
        calendar: the line's shifts; None for days.

    Attributes:
        camera, rule, options: as given.
        state: the state of its alarm.
        before: the state before the last change.
        reading: what raised it, or worse that was seen since; None where it is cleared.
    """

    def __init__(
        self, camera: str, rule: str, options: AlarmOptions, calendar: ShiftCalendar | None = None
    ) -> None:
        self.camera, self.rule, self.options = camera, rule, options
        self.state = AlarmState(options)
        self.before: StateName = "cleared"
        self.reading: AlarmReading | None = None
        self._window = make_window(options, calendar or ShiftCalendar())
        self._since: int | None = None
        self._by: str | None = None
        self._at: int | None = None
        self._raises = 0

    @property
    def place(self) -> tuple[str, str]:
        """Names of its camera and its rule."""
        return self.camera, self.rule

    @property
    def text(self) -> str:
        """What raised it, in plain words; empty where it is cleared."""
        return f"{self.camera}: {self.reading} (rule {self.rule})" if self.reading else ""

    def remember(self, part: AlarmPart) -> None:
        """Take a part of an earlier run as seen; it raises nothing."""
        if not isinstance(self._window, ShiftWindow):
            self._window.add(part)

    def remember_shift(self, part: AlarmPart, number: int) -> None:
        """Take so many parts of the running shift, which were decided on by an earlier run, as seen."""
        if isinstance(self._window, ShiftWindow):
            self._window.add(part, number)

    def restore(self, past: PastAlarm) -> None:
        """Take up the alarm of an earlier run."""
        self.state.restore(past.state)
        self.reading, self._since, self._by, self._at = past.reading, past.since, past.by, past.at

    def add(self, part: AlarmPart, now: float) -> StateName | None:
        """Add a part, and return the new state; None where it stays as it is.

        Args:
            part: a part of the camera.
            now: the time, in seconds of the monotonic clock.
        """
        counted = self._window.add(part)
        return self._follow(now, counted=counted)

    def check(self, now: float) -> StateName | None:
        """Check the delay without a new part; as `add`."""
        return self._follow(now, counted=False)

    def acknowledge(self, by: str) -> None:
        """Take it as acknowledged by somebody; `check` then tells whether it is over."""
        if self.state.acknowledge():
            self._by, self._at = by, time.time_ns()

    def describe(self) -> AlarmStatus:
        """Return its status."""
        seen = self.reading
        return AlarmStatus(
            camera=self.camera,
            rule=self.rule,
            level=self.options.level,
            state=self.state.name,
            holds=self.state.holds,
            since=self._since,
            watched=seen.watched if seen else None,
            matches=seen.matches if seen else None,
            parts=seen.parts if seen else None,
            change=seen.change if seen else None,
            of_shift=seen.of_shift if seen else False,
            text=self.text,
            acknowledged_by=self._by,
            acknowledged_at=self._at,
            raises=self._raises,
        )

    def _follow(self, now: float, *, counted: bool) -> StateName | None:
        before = self.state.name
        after = self.state.follow(self._window.verdict, now, counted=counted)
        if after is None:
            if self.reading and self._window.reading.severity > self.reading.severity:
                self.reading = self._window.reading
            return None
        self.before = before
        self._by = self._at = None
        if after == "raised":
            self._raises += 1
            self.reading, self._since = self._window.reading, time.time_ns()
        else:
            self.reading = self._since = None
        return after
