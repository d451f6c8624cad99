from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from softcore_edge_app.configuration.shift_calendar import ShiftCalendar

MINUTE = 60 * 10**9
ZONES = {  # a day on which the clock is changed
    "Europe/Berlin": [date(2026, 3, 29), date(2026, 10, 25)],
    "America/New_York": [date(2026, 3, 8), date(2026, 11, 1)],
    "Australia/Lord_Howe": [date(2026, 4, 5), date(2026, 10, 4)],  # by half an hour
    "America/Santiago": [date(2026, 4, 5), date(2026, 9, 6)],  # at midnight
    "Pacific/Apia": [date(2011, 12, 30)],  # a day that there wasn't
    "UTC": [date(2026, 6, 1)],
}
CHANGES = [(zone, day) for zone, days in ZONES.items() for day in days]


@cache
def show_minutes(zone: str, day: date) -> list[tuple[int, datetime]]:
    """Every minute of the days around one, and what the clock shows, without a zone."""
    begin = datetime(day.year, day.month, day.day, tzinfo=timezone.utc) - timedelta(days=3)
    times = [begin + timedelta(minutes=number) for number in range(6 * 24 * 60)]
    return [
        (int(moment.timestamp()) * 10**9, moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
        for moment in times
    ]


def walk(zone: str, day: date, starts: list[time]) -> list[tuple[int, date, time]]:
    """The shift of each minute, by looking at the clock every minute."""
    reached: datetime | None = None
    found = []
    for moment, shown in show_minutes(zone, day):
        begun = max(
            datetime.combine(one, start)
            for one in (shown.date(), shown.date() - timedelta(days=1))
            for start in starts
            if datetime.combine(one, start) <= shown
        )
        reached = begun if reached is None else max(reached, begun)  # a clock that goes back begins none anew
        found.append((moment, reached.date(), reached.time()))
    return found


STARTS = st.lists(
    st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30])), min_size=1, max_size=4, unique=True
).map(sorted)


@settings(max_examples=60, deadline=None)
@given(change=st.sampled_from(CHANGES), starts=STARTS)
def test_each_minute_is_in_the_shift_that_the_clock_says(
    change: tuple[str, date], starts: list[time]
) -> None:
    zone, day = change
    calendar = ShiftCalendar(tuple(starts), ZoneInfo(zone))
    walked = walk(zone, day, starts)
    begins = [0, *(n for n in range(1, len(walked)) if walked[n][1:] != walked[n - 1][1:]), len(walked)]
    for first, end in pairwise(begins[1:-1]):  # those that begin and end in these days
        since, until = walked[first][0], walked[end][0]
        for moment in (since, since + 1, (since + until) // 2, until - 1):
            shift = calendar.find(moment)
            assert (shift.day, shift.start) == walked[first][1:]
            assert (shift.since, shift.until) == (since, until)
        assert shift in calendar.list_day(shift.day)
    named = {(one, start) for _, one, start in walked[begins[1] :]}
    for number in range(-1, 2):
        one = day + timedelta(days=number)
        assert {shift.start for shift in calendar.list_day(one)} == {
            start for of, start in named if of == one
        }


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        (date(2026, 3, 28), [8, 8, 7]),
        (date(2026, 3, 29), [8, 8, 8]),
        (date(2026, 10, 24), [8, 8, 9]),
        (date(2026, 10, 25), [8, 8, 8]),
    ],
)
def test_the_night_shift_has_the_hour_that_is_skipped_or_repeated(day: date, hours: list[int]) -> None:
    calendar = ShiftCalendar.read(["06:00", "14:00", "22:00"], "Europe/Berlin")
    shifts = calendar.list_day(day)
    assert [(one.until - one.since) // (60 * MINUTE) for one in shifts] == hours
    assert [one.start.isoformat("minutes") for one in shifts] == ["06:00", "14:00", "22:00"]


def test_a_day_without_shifts_by_the_clock_is_one_of_23_or_25_hours() -> None:
    calendar = ShiftCalendar.read([], "Europe/Berlin")
    lengths = []
    for day in (date(2026, 3, 29), date(2026, 10, 25), date(2026, 6, 1)):
        (shift,) = calendar.list_day(day)
        lengths.append((shift.until - shift.since) // (60 * MINUTE))
    assert lengths == [23, 25, 24]


def test_without_a_zone_the_clock_is_that_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import time as clock

    monkeypatch.setenv("TZ", "Europe/Berlin")
    clock.tzset()
    try:
        for day in (date(2026, 3, 28), date(2026, 10, 24)):
            known = ShiftCalendar.read(["02:30", "22:00"], "Europe/Berlin").list_day(day)
            assert ShiftCalendar.read(["02:30", "22:00"], None).list_day(day) == known
    finally:
        monkeypatch.undo()
        clock.tzset()
