"""Drawing: the charts of a report as SVG, complete in itself, for the screen and for paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from xml.etree.ElementTree import Element, SubElement, tostring

from softcore_runtime import Decision

from softcore_edge_app.queries.chart_figures import BIN_WIDTH, BINS, ChartFigures, HourFigures, Spread

__all__ = [
    "HEIGHT",
    "STACKED",
    "WIDTH",
    "ChartTexts",
    "draw_hours",
    "draw_scores",
    "draw_times",
    "format_seconds",
]

WIDTH, HEIGHT = 460, 200
STACKED = (Decision.PASS, Decision.REVIEW, Decision.FAIL, Decision.INVALID)  # from the bottom on
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 42, 10, 22  # room for the axes
_HOUR = 3600 * 10**9
_LABELS = 6  # of the time axis at most


@dataclass(frozen=True)
class ChartTexts:
    """What the charts say in a language.

    Attributes:
        translate: returns the text of a key of the catalogue, with values.
        number: formats a number by a printf form.
        hour, day, moment: format nanoseconds of UTC since 1970 as a time of day, a day, and both.
    """

    translate: Callable[..., str]
    number: Callable[[str, float], str]
    hour: Callable[[int], str]
    day: Callable[[int], str]
    moment: Callable[[int], str]


def draw_hours(hours: Sequence[HourFigures], texts: ChartTexts) -> str:
    """Draw the parts of each hour by decision, stacked, and the share of FAIL as a line.

    Args:
        hours: with parts, in their order; at least one.
        texts: what it says.
    """
    parts = sum(hour.counts.total() for hour in hours)
    fails = sum(hour.counts[Decision.FAIL] for hour in hours)
    said = {"hours": len(hours), "parts": parts, "fails": fails}
    rate = texts.number("%.1f", 100 * fails / parts) + " %"
    chart = _begin(texts.translate("chart.hours.label", **said, rate=rate))
    place, step = _make_time_axis(chart, hours, texts)
    up = _make_axis(chart, max(hour.counts.total() for hour in hours), lambda n: texts.number("%.0f", n))
    for hour in hours:
        _stack(chart, place(hour.begin) + 0.1 * step, 0.8 * step, hour.counts, up)
    rates = [(hour.begin, hour.counts[Decision.FAIL] / hour.counts.total()) for hour in hours]
    most = max(0.01, *(one for _, one in rates))
    form = "%.0f" if most >= 0.05 else "%.1f"
    right = _make_axis(chart, most, lambda one: texts.number(form, 100 * one) + " %", right=True)
    _draw_line(chart, [(begin, place(begin) + step / 2, right(one)) for begin, one in rates], "solid")
    return _end(chart)


def draw_times(hours: Sequence[HourFigures], of: str, texts: ChartTexts) -> str:
    """Draw the median and the 95th percentile of a time by hour.

    Args:
        hours: in their order; at least one with that time.
        of: `between` triggers, or `taken` until the decision.
        texts: what it says.
    """
    known: list[tuple[int, Spread]] = [
        (hour.begin, spread) for hour in hours if (spread := getattr(hour, of)) is not None
    ]
    highest = max(spread.p95 for _, spread in known)
    said = {"hours": len(known), "median": format_seconds(known[-1][1].median, highest, texts)}
    label = texts.translate(f"chart.{of}.label", **said, p95=format_seconds(known[-1][1].p95, highest, texts))
    chart = _begin(label)
    place, step = _make_time_axis(chart, hours, texts)
    up = _make_axis(chart, highest or 1.0, lambda seconds: format_seconds(seconds, highest, texts))
    for name, style in (("median", "solid"), ("p95", "dashed")):
        points = [(begin, place(begin) + step / 2, up(getattr(spread, name))) for begin, spread in known]
        _draw_line(chart, points, style)
    return _end(chart)


def draw_scores(figures: ChartFigures, texts: ChartTexts) -> str:
    """Draw the histogram of scores in units of the threshold, which is a dashed line.

    Args:
        figures: with at least one score.
        texts: what it says.
    """
    bins = [{one: figures.scores[place, one] for one in STACKED} for place in range(BINS)]
    above = sum(n for place in range(round(1 / BIN_WIDTH), BINS) for n in bins[place].values())
    chart = _begin(texts.translate("chart.scores.label", n=sum(figures.scores.values()), above=above))
    step = (WIDTH - _LEFT - _RIGHT) / BINS
    up = _make_axis(chart, max(sum(one.values()) for one in bins), lambda n: texts.number("%.0f", n))
    for place, counts in enumerate(bins):
        _stack(chart, _LEFT + (place + 0.06) * step, 0.88 * step, counts, up)
    for share in (0.0, 0.5, 1.0, 1.5, 2.0):
        text = ("> " if share >= (BINS - 1) * BIN_WIDTH else "") + texts.number("%.1f", share)
        _write(chart, _LEFT + share / BIN_WIDTH * step, HEIGHT - 6, text, "middle")
    x = _LEFT + step / BIN_WIDTH
    _add(chart, "line", x1=x, x2=x, y1=_TOP - 6, y2=HEIGHT - _BOTTOM, **{"class": "threshold"})
    return _end(chart)


def format_seconds(seconds: float, highest: float, texts: ChartTexts) -> str:
    """Return a time in seconds or milliseconds, with as many digits as the highest of its chart needs."""
    unit, factor = ("milliseconds", 1000.0) if highest < 1 else ("seconds", 1.0)
    most = highest * factor
    form = "%.2f" if most < 10 else "%.1f" if most < 100 else "%.0f"
    return texts.translate(f"chart.{unit}", n=texts.number(form, seconds * factor))


# --- Axes and marks ------------------------------------------------------------------------------------


def _begin(label: str) -> Element:
    attributes = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "class": "chart", "role": "img", "aria-label": label}
    return Element("svg", attributes)


def _end(chart: Element) -> str:
    return tostring(chart, encoding="unicode")


def _add(parent: Element, kind: str, **attributes: object) -> Element:
    values = {
        name: f"{value:.2f}" if isinstance(value, float) else str(value) for name, value in attributes.items()
    }
    return SubElement(parent, kind, values)


def _write(chart: Element, x: float, y: float, text: str, anchor: str) -> None:
    _add(chart, "text", x=float(x), y=float(y), **{"text-anchor": anchor}).text = text


def _make_time_axis(
    chart: Element, hours: Sequence[HourFigures], texts: ChartTexts
) -> tuple[Callable[[int], float], float]:
    """Write the hours below; return the function from a moment to its place, and the width of an hour."""
    first, count = hours[0].begin, (hours[-1].begin - hours[0].begin) // _HOUR + 1
    step = (WIDTH - _LEFT - _RIGHT) / count
    every = math.ceil(count / _LABELS)
    for number in range(0, count, every):
        begin = first + number * _HOUR
        text = texts.hour(begin) if count <= 24 else texts.day(begin)
        _write(chart, _LEFT + number * step, HEIGHT - 6, text, "start" if number == 0 else "middle")
    return lambda moment: _LEFT + (moment - first) / _HOUR * step, step


def _make_axis(
    chart: Element, most: float, write: Callable[[float], str], *, right: bool = False
) -> Callable[[float], float]:
    """Write an axis upwards; return the function from a value to its place."""
    tick = 10.0 ** math.floor(math.log10(most))
    tick = next(tick * factor for factor in (0.2, 0.5, 1, 2) if most / (tick * factor) <= 5)
    if not right and float(most).is_integer():
        tick = max(1.0, tick)
    high = HEIGHT - _TOP - _BOTTOM
    top = most * 1.08
    for number in range(int(top / tick) + 1):
        y = HEIGHT - _BOTTOM - number * tick / top * high
        if not right:
            _add(chart, "line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, **{"class": "grid"})
        x, anchor = (WIDTH - _RIGHT + 4, "start") if right else (_LEFT - 5, "end")
        _write(chart, x, y + 4, write(number * tick), anchor)
    return lambda value: HEIGHT - _BOTTOM - value / top * high


def _stack(
    chart: Element, x: float, width: float, counts: Mapping[Decision, int], up: Callable[[float], float]
) -> None:
    sums = [0, *accumulate(counts[decision] for decision in STACKED)]
    for decision, (low, high) in zip(STACKED, pairwise(sums), strict=True):
        if high > low:
            y = up(high)
            _add(chart, "rect", x=x, width=width, y=y, height=up(low) - y, fill=f"url(#fill-{decision})")


def _draw_line(chart: Element, points: list[tuple[int, float, float]], style: str) -> None:
    """Draw a line through points, each with its hour; it is broken where hours are missing."""
    runs: list[list[str]] = [[]]
    before = None
    for begin, x, y in points:
        if before is not None and begin - before > _HOUR:
            runs.append([])
        runs[-1].append(f"{x:.2f},{y:.2f}")
        before = begin
    for run in runs:
        _add(chart, "polyline", points=" ".join(run), **{"class": style})
    for _, x, y in points:
        _add(chart, "circle", cx=x, cy=y, r=2.5, **{"class": style})
