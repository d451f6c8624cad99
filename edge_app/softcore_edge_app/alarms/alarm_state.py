"""Alarm state: whether an alarm is raised, acknowledged or cleared, and when that changes."""

from __future__ import annotations

from typing import Final, Literal, get_args

from softcore_edge_app.configuration.alarm_options import AlarmOptions

__all__ = ["STATES", "AlarmState", "StateName"]

StateName = Literal["cleared", "raised", "acknowledged"]
STATES: Final[tuple[StateName, ...]] = get_args(StateName)


class AlarmState:
    """The state of one rule on one camera.

    It is *raised* once the rule has held for the delay without a break. Somebody *acknowledges* it, and it is
    *cleared* when what raised it has ended. An alarm stays raised until it is acknowledged, even if that has
    ended; a warning doesn't.

    Args:
        options: the level and the delays.

    Attributes:
        name: the state.
        holds: whether what raised it goes on, as far as is known; False where it is cleared.

    Example:
        >>> state = AlarmState(AlarmOptions(decisions="FAIL", parts=2, count=2))
        >>> [state.follow(verdict, float(now)) for now, verdict in enumerate([None, True, False])]
        [None, 'raised', None]
        >>> state.acknowledge(), state.follow(False, 3.0)
        (True, 'cleared')
    """

    def __init__(self, options: AlarmOptions) -> None:
        self.name: StateName = "cleared"
        self.holds = False
        self._latching = options.level == "alarm"
        self._parts, self._seconds = options.delay_parts, options.delay_seconds
        self._since: float | None = None  # since when the rule has held without a break, while it is cleared
        self._counted = 0  # parts since then

    def follow(self, verdict: bool | None, now: float, *, counted: bool = True) -> StateName | None:
        """Follow what a rule says, and return the new state; None where it stays as it is.

        Args:
            verdict: see `AlarmWindow.verdict`.
            now: the time, in seconds of the monotonic clock.
            counted: whether there is a new part that the rule counts.
        """
        if self.name == "cleared":
            return self._wait(verdict, now, counted=counted)
        self.holds = self.holds if verdict is None else verdict
        if self.holds or (self.name == "raised" and self._latching):
            return None
        self.name = "cleared"
        return self.name

    def _wait(self, verdict: bool | None, now: float, *, counted: bool) -> StateName | None:
        """Raise it where the rule has held for the delay."""
        if verdict is not True:
            self._since = None
            return None
        if self._since is None:
            self._since, self._counted = now, 0
        elif counted:
            self._counted += 1
        if self._counted < self._parts or now - self._since < self._seconds:
            return None
        self._since = None
        self.name, self.holds = "raised", True
        return self.name

    def acknowledge(self) -> bool:
        """Acknowledge it, and return whether there was anything to acknowledge."""
        if self.name != "raised":
            return False
        self.name = "acknowledged"
        return True

    def restore(self, name: StateName) -> None:
        """Take up the state of an earlier run; what raised it is taken to go on until the parts tell."""
        self.name, self.holds = name, name != "cleared"
