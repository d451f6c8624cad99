"""Alarm status: what page, broker, PLC and metrics get to know of an alarm."""

from __future__ import annotations

from dataclasses import dataclass

from softcore_edge_app.alarms.alarm_state import StateName
from softcore_edge_app.configuration.alarm_options import AlarmLevel

__all__ = ["AlarmStatus"]


@dataclass(frozen=True)
class AlarmStatus:
    """The status of one rule on one camera.

    Attributes:
        camera, rule: which.
        level: how grave it is.
        state: `cleared`, `raised` or `acknowledged`.
        holds: whether what raised it goes on.
        since: when it was raised, in nanoseconds of UTC since 1970; None where it is cleared.
        watched, matches, parts, change, of_shift: what raised it, or worse that came since, see
            `AlarmReading`; None, or False, where it is cleared.
        text: the same in plain words; empty where it is cleared.
        acknowledged_by, acknowledged_at: by whom, and when; None where nobody has.
        raises: how often it was raised since the start of the line.
    """

    camera: str
    rule: str
    level: AlarmLevel
    state: StateName
    holds: bool
    since: int | None
    watched: str | None
    matches: int | None
    parts: int | None
    change: float | None
    of_shift: bool
    text: str
    acknowledged_by: str | None
    acknowledged_at: int | None
    raises: int

    @property
    def urgency(self) -> tuple[bool, bool, int]:
        """Sorts the most urgent alarm first: not acknowledged, no mere warning, the oldest."""
        return self.state != "raised", self.level != "alarm", self.since or 0
