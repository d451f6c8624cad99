"""Calendar: when shifts begin by the clock, through days of 23 and 25 hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import pairwise

__all__ = ["ShiftCalendar", "ShiftTime"]

_SECOND = 10**9
_DAY = timedelta(days=1)
_FIRST, _LAST = 1970, 2200  # years
# Days before and after a moment in which its shift begins and ends, wherever the zone's days jump.
_AROUND = 3


@dataclass(frozen=True)
class ShiftTime:
    """A shift: the day and time that it is called by, and when it begins and ends.

    Attributes:
        day, start: what the clock shows, or would show, when it begins.
        since, until: its begin and end, in nanoseconds of UTC since 1970.
    """

    day: date
    start: time
    since: int
    until: int


@dataclass(frozen=True)
class ShiftCalendar:
    """The shifts of a line.

    A shift begins when the clock first shows its start on a day; where the clock skips that, a later time.

    Attributes:
        starts: when shifts begin, each day; without any there is one a day, from midnight on.
        zone: the clock's time zone; None for this machine's.

    Example:
        >>> from zoneinfo import ZoneInfo
        >>> calendar = ShiftCalendar((time(6), time(14), time(22)), ZoneInfo("Europe/Berlin"))
        >>> night = calendar.list_day(date(2026, 10, 24))[-1]
        >>> night.start.isoformat("minutes"), (night.until - night.since) / 3600e9
        ('22:00', 9.0)
    """

    starts: tuple[time, ...] = ()
    zone: tzinfo | None = None

    @classmethod
    def read(cls, starts: Sequence[str], zone: str | None) -> ShiftCalendar:
        """Return the calendar of starts such as `06:00` and a zone such as `Europe/Berlin`."""
        from zoneinfo import ZoneInfo

        return cls(tuple(sorted(map(time.fromisoformat, starts))), ZoneInfo(zone) if zone else None)

    def find(self, now: int) -> ShiftTime:
        """Return the shift of a moment, given in nanoseconds of UTC since 1970."""
        day = self._show(now // _SECOND).date()
        for number in range(_AROUND, -_AROUND - 1, -1):
            for shift in reversed(self.list_day(day + number * _DAY)):
                if shift.since <= now:
                    return shift
        raise AssertionError("a day begins at least every two days")

    def list_day(self, day: date) -> list[ShiftTime]:
        """Return the shifts that begin on a day, in their order; none if the zone skips the day.

        There is none before 1970, or so late that nanoseconds of 64 bits can't tell it.
        """
        if not _FIRST <= day.year <= _LAST:
            return []
        starts = self.starts or (time(),)
        times = [(day + number * _DAY, start) for number in range(_AROUND) for start in starts]
        begins = [self._find_moment(datetime.combine(*when)) * _SECOND for when in times]
        shifts = [
            ShiftTime(one, start, since, until)
            for (one, start), (since, until) in zip(times, pairwise(begins), strict=False)
            if since < until
        ]
        return [shift for shift in shifts if shift.day == day]

    def _show(self, second: int) -> datetime:
        """Return what the clock shows, without a zone."""
        return datetime.fromtimestamp(second, self.zone).replace(tzinfo=None)

    def _find_moment(self, shown: datetime) -> int:
        """Return the first second, counted from 1970, at which the clock shows a time, or has skipped it."""
        early, late = sorted(int(shown.replace(tzinfo=self.zone, fold=fold).timestamp()) for fold in (0, 1))
        if self._show(early) == shown.replace(fold=0):
            return early
        while early < late:  # the clock jumps between the two
            middle = (early + late) // 2
            if self._show(middle) < shown:
                early = middle + 1
            else:
                late = middle
        return early
