"""Alarm windows: the last parts of a camera, or those of the shift, as one rule looks at them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection
from statistics import fmean, median, pstdev
from typing import Final, Protocol

from softcore_runtime import Decision
from softcore_runtime.bundle.baseline import take_logarithm

from softcore_edge_app.alarms.alarm_reading import AlarmPart, AlarmReading
from softcore_edge_app.configuration.alarm_options import AlarmOptions
from softcore_edge_app.configuration.shift_calendar import ShiftCalendar

__all__ = ["AlarmWindow", "DecisionWindow", "JumpWindow", "ShiftWindow", "make_window"]

_SIGMAS: Final = 6.0
_CALM: Final = 1 / 2  # share of what raises an alarm below which it ends, so that it doesn't come and go
_CLIP: Final = 3.0  # standard deviations from the median at which values are clipped
_OF_DEVIATION: Final = 1.4826  # standard deviation, in median absolute deviations, of normal values


class AlarmWindow(Protocol):
    """The last parts, and what a rule says of them."""

    def add(self, part: AlarmPart) -> bool:
        """Add a part, and return whether the rule counts it."""
        ...

    @property
    def verdict(self) -> bool | None:
        """True where the rule holds, False where that has clearly ended, None between the two or unknown."""
        ...

    @property
    def reading(self) -> AlarmReading:
        """What it sees now."""
        ...


class DecisionWindow:
    """How many of the last `parts` have one of some decisions.

    The rule holds for `count` of them or more, and has ended for fewer than half as many. Parts count if
    they were inspected; if INVALID is among the decisions, all do, but for those of a line that was stopped.

    Example:
        >>> window = DecisionWindow(AlarmOptions(decisions="FAIL", parts=3, count=2))
        >>> [window.add(AlarmPart("left", "pill", Decision(one))) for one in ("FAIL", "INVALID", "FAIL")]
        [True, False, True]
        >>> window.verdict, str(window.reading)
        (True, '2 of the last 2 parts are FAIL')
    """

    def __init__(self, options: AlarmOptions) -> None:
        self._decisions = frozenset(Decision(one) for one in options.decisions)
        self._watched = "+".join(options.decisions)
        self._count = options.count or options.parts
        self._last: deque[bool] = deque(maxlen=options.parts)
        self._matches = 0

    def add(self, part: AlarmPart) -> bool:
        """Add a part: see `AlarmWindow.add`."""
        if not _is_counted(part, self._decisions):
            return False
        if len(self._last) == self._last.maxlen:
            self._matches -= self._last[0]
        self._last.append(part.decision in self._decisions)
        self._matches += self._last[-1]
        return True

    @property
    def verdict(self) -> bool | None:
        """Whether it holds: see `AlarmWindow.verdict`."""
        if self._matches >= self._count:
            return True
        return False if self._matches < _CALM * self._count else None

    @property
    def reading(self) -> AlarmReading:
        """What it sees now."""
        return AlarmReading(self._watched, self._matches, len(self._last))


class ShiftWindow:
    """Which share of the parts of the running shift have one of some decisions.

    The rule holds where it is `share` or more, of `parts` or more. It has ended where it is less than half
    of that, or another shift has begun. Parts count as for `DecisionWindow`.

    Args:
        options: the rule.
        calendar: when shifts begin; without starts a shift is a day.

    Example:
        >>> window = ShiftWindow(AlarmOptions(decisions="FAIL", parts=3, share=0.5), ShiftCalendar())
        >>> for decision in ("FAIL", "PASS", "FAIL"):
        ...     counted = window.add(AlarmPart("left", "pill", Decision(decision)))
        >>> window.verdict, str(window.reading)
        (True, '2 of the 3 parts of this shift are FAIL')
    """

    def __init__(self, options: AlarmOptions, calendar: ShiftCalendar) -> None:
        self._decisions = frozenset(Decision(one) for one in options.decisions)
        self._watched = "+".join(options.decisions)
        self._share, self._least = options.share or 1.0, options.parts
        self._calendar = calendar
        self._since = self._until = 0
        self._matches = self._parts = 0

    def add(self, part: AlarmPart, number: int = 1) -> bool:
        """Add a part, or so many like it: see `AlarmWindow.add`."""
        if not _is_counted(part, self._decisions):
            return False
        if not self._since <= part.decided_at < self._until:
            shift = self._calendar.find(part.decided_at)
            self._since, self._until = shift.since, shift.until
            self._matches = self._parts = 0
        self._matches += number * (part.decision in self._decisions)
        self._parts += number
        return True

    @property
    def verdict(self) -> bool | None:
        """Whether it holds: see `AlarmWindow.verdict`."""
        if not self._parts:
            return None
        if self._parts < self._least:  # of the shift before, that was
            return False
        if self._matches >= self._share * self._parts:
            return True
        return False if self._matches < _CALM * self._share * self._parts else None

    @property
    def reading(self) -> AlarmReading:
        """What it sees now."""
        return AlarmReading(self._watched, self._matches, self._parts, of_shift=True)


class JumpWindow:
    """Whether the images of the last `parts` differ from those of the `reference` parts before them.

    With x the logarithms of a quantity, of the last n parts and of the m before, whose median is c ::

        y = clip(x - c, -b, b),   b = max(3 * 1.4826 median |x - c|, 2 ln(1 + change))
        d = mean of the last y - mean of those before,   s = standard deviation of those before

    The rule holds where |d| >= h = max(6 s sqrt(1 / n + 1 / m), ln(1 + change)), and has ended where
    |d| < h / 2; by and by the new values become the reference. Images of another category begin anew.
    Clipping bounds the influence of a single odd part. A median of the last would be steadier for that, but
    comes and goes by itself where parts are of two kinds.
    """

    def __init__(self, options: AlarmOptions) -> None:
        self._quantity = options.image
        self._parts = options.parts
        self._least = math.log1p(options.change or 0.0)
        self._error = _SIGMAS * math.sqrt(1 / options.parts + 1 / options.reference)
        self._values: deque[float] = deque(maxlen=options.parts + options.reference)
        self._category: str | None = None
        self._change = 0.0
        self.verdict: bool | None = None

    def add(self, part: AlarmPart) -> bool:
        """Add a part: see `AlarmWindow.add`."""
        value = part.brightness if self._quantity == "brightness" else part.sharpness
        if value is None:
            return False
        other = self._category not in (None, part.category)
        if other:
            self._values.clear()
        self._category = part.category
        self._values.append(take_logarithm(value))
        # Of another product nothing is known yet: what was raised is over.
        self.verdict = (
            self._compare() if len(self._values) == self._values.maxlen else False if other else None
        )
        return True

    def _compare(self) -> bool | None:
        values = list(self._values)  # no arrays: NumPy takes longer for a hundred
        before, last = values[: -self._parts], values[-self._parts :]
        centre = median(before)
        bound = max(_CLIP * _OF_DEVIATION * median(abs(x - centre) for x in before), 2 * self._least)
        usual = [min(max(x - centre, -bound), bound) for x in before]
        mean = fmean(usual)
        difference = fmean(min(max(x - centre, -bound), bound) for x in last) - mean
        threshold = max(self._error * pstdev(usual, mean), self._least)
        self._change = median(last) - centre  # not clipped
        if abs(difference) >= threshold:
            return True
        return False if abs(difference) < _CALM * threshold else None

    @property
    def reading(self) -> AlarmReading:
        """What it sees now."""
        return AlarmReading(str(self._quantity), change=math.expm1(self._change))


def make_window(options: AlarmOptions, calendar: ShiftCalendar) -> AlarmWindow:
    """Make the window of a rule."""
    if options.share is not None:
        return ShiftWindow(options, calendar)
    return DecisionWindow(options) if options.decisions else JumpWindow(options)


def _is_counted(part: AlarmPart, decisions: Collection[Decision]) -> bool:
    """Return whether a part counts where some decisions are looked for."""
    return not part.stopped and (part.decision is not Decision.INVALID or Decision.INVALID in decisions)
