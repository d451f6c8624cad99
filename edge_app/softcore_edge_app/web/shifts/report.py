"""Report: the figures of a shift as one HTML page, or as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from functools import partial
from pathlib import Path
from typing import Literal

from softcore_runtime import Decision

from softcore_edge_app.alarms.alarm_reading import AlarmReading
from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.decisions.phrases import read_phrases
from softcore_edge_app.queries.chart_figures import ChartFigures
from softcore_edge_app.queries.formulas import defuse_formula
from softcore_edge_app.queries.parts import Part
from softcore_edge_app.queries.production_figures import GRID, IDLE, ProductionFigures
from softcore_edge_app.web.charts.drawing import ChartTexts
from softcore_edge_app.web.charts.report_charts import render_charts
from softcore_edge_app.web.charts.template import load_template
from softcore_edge_app.web.image_cache import ImageKind
from softcore_edge_app.web.language.catalogue import (
    Language,
    format_phrases,
    format_point,
    translate,
    translate_known,
)

__all__ = [
    "THIRDS",
    "EmbeddedImage",
    "ImageFinder",
    "Theme",
    "format_clock",
    "format_time",
    "render_page",
    "render_table",
]

_HOUR = 3600 * 10**9
_TEMPLATE = Path(__file__).parent / "report.html.j2"
_WORDS: dict[tuple[str, str | None], str] = {  # keys of the texts for what was changed
    ("running", "true"): "run.start",
    ("running", "false"): "run.stop",
    ("mark", "good"): "marked.good",
    ("mark", "bad"): "marked.bad",
}
THIRDS = ("upper left", "upper middle", "upper right", "left", "middle", "right",
           "lower left", "lower middle", "lower right")  # fmt: skip


@dataclass(frozen=True)
class EmbeddedImage:
    """An image in the page: its data URL, and its width as a multiple of its height."""

    url: str
    aspect: float


Theme = Literal["light", "dark"]
ImageFinder = Callable[[Part, ImageKind], EmbeddedImage | None]


def render_page(
    figures: ProductionFigures,
    find_image: ImageFinder,
    passed: dict[str, list[Part]],
    language: Language = "en",
    zone: tzinfo | None = None,
    charted: dict[str, ChartFigures] | None = None,
    theme: Theme | None = None,
) -> str:
    """Render the report as one HTML page, complete in itself.

    Args:
        figures: what it reports.
        find_image: returns a part's image; None if there is none.
        passed: some good parts of each camera, on one of which the regions are drawn.
        language: of its texts; names are not translated, nor are reasons that are said in no known way.
        zone: time zone of its times; None for this machine's.
        charted: the figures of the charts, by camera; None for no charts.
        theme: `light` or `dark` on a screen; None as the system has it. Paper is white.
    """
    texts = ChartTexts(
        translate=partial(translate, language),
        number=partial(_format_number, language),
        hour=partial(format_time, form="%H:%M", zone=zone),
        day=partial(format_time, form=translate(language, "chart.day"), zone=zone),
        moment=partial(format_clock, zone, form=translate(language, "sheet.time").removesuffix(":%S")),
    )
    grounds = {
        camera: next((shown for part in parts if (shown := find_image(part, "overlay"))), None)
        for camera, parts in passed.items()
    }
    return load_template(_TEMPLATE).render(
        language=language,
        theme=theme,
        translate=partial(translate, language),
        describe_reason=partial(_describe_reason, language),
        describe_value=partial(_describe_value, language),
        describe_origin=lambda by: translate_known(language, f"origin.{by}", by),
        format_number=partial(_format_number, language),
        charts=render_charts(charted or {}, texts),
        figures=figures,
        decisions=list(Decision),
        grid=GRID,
        grounds=grounds,
        pareto={camera: _sum_regions(figures, camera) for camera in figures.cameras},
        hours=_list_hours(figures),
        thresholds=_list_thresholds(figures),
        worst=[(part, find_image(part, "thumbnail")) for part in figures.worst],
        time=partial(format_clock, zone, form=translate(language, "sheet.time")),
        made=time.time_ns(),
    )


def render_table(figures: ProductionFigures) -> str:
    """Render the figures as CSV, a row for each; times are in UTC, durations in seconds."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(("figure", "camera", "of", "value"))
    for row in _list_figures(figures):
        writer.writerow([defuse_formula(value) for value in row])
    return table.getvalue()


def _list_figures(figures: ProductionFigures) -> Iterator[tuple[object, ...]]:
    yield "since", "", "", format_time(figures.since)
    yield "until", "", "", format_time(figures.until)
    for camera in figures.cameras:
        counts = figures.count(camera)
        for decision in Decision:
            yield "parts", camera, decision, counts[decision]
            yield "share", camera, decision, counts[decision] / counts.total()
        for region, count in _sum_regions(figures, camera):
            yield "region", camera, region, count
    for (camera, category, threshold, fail_above), count in _list_thresholds(figures):
        yield "parts by threshold", camera, f"{category} {threshold!r} to {fail_above!r}", count
    for hour, by_decision in _list_hours(figures):
        for decision, count in by_decision.items():
            yield "parts by hour", "", f"{format_time(hour)} {decision}", count
    for reason in figures.reasons:
        yield "INVALID", reason.camera, reason.kind, reason.parts
    for stop in figures.stops:
        yield "stop", stop.camera, f"{format_time(stop.begin)} {stop.why}", stop.seconds
    if figures.stops_omitted:
        yield "stops omitted", "", "", figures.stops_omitted
    for (decision, mark), count in sorted(figures.marked.items()):
        yield "marked", "", f"{decision} called {mark}", count
    for part in figures.worst:
        record = part.row.record
        yield "worst part", record.camera, record.part, record.score and record.score / record.threshold
    for note in figures.notes:
        change = note.change
        what = f"{format_time(note.at)} {change.kind} by {change.by}: {change.before} to {change.after}"
        yield "change", change.camera, what, change.subject
    if figures.notes_omitted:
        yield "changes omitted", "", "", figures.notes_omitted


def _sum_regions(figures: ProductionFigures, camera: str) -> list[tuple[str, int]]:
    """Sum the fields to thirds of the frame: their names and numbers, the largest first."""
    sums = dict.fromkeys(THIRDS, 0)
    for (row, column), count in figures.regions.get(camera, {}).items():
        sums[THIRDS[3 * (3 * row // GRID) + 3 * column // GRID]] += count
    return sorted(((name, n) for name, n in sums.items() if n), key=lambda item: -item[1])


def _list_hours(figures: ProductionFigures) -> list[tuple[int, dict[Decision, int]]]:
    hours: dict[int, dict[Decision, int]] = {}
    for group in figures.groups:
        counts = hours.setdefault(group.hour, dict.fromkeys(Decision, 0))
        counts[group.decision] += group.parts
    return [(hour * _HOUR, hours[hour]) for hour in sorted(hours)]


def _list_thresholds(figures: ProductionFigures) -> list[tuple[tuple[str, str, float, float], int]]:
    thresholds: dict[tuple[str, str, float, float], int] = {}
    for group in figures.groups:
        key = group.camera, group.category, group.threshold, group.fail_above
        thresholds[key] = thresholds.get(key, 0) + group.parts
    return sorted(thresholds.items())


def _format_number(language: Language, form: str, value: float) -> str:
    return format_point(language, form % value)


def _describe_reason(language: Language, why: str) -> str:
    if why == IDLE:
        return translate(language, "sheet.idle")
    phrases = read_phrases(why)
    if phrases and phrases[0].key != "other":
        return format_phrases(language, phrases)
    return translate(language, "kind.told", kind=translate(language, f"kind.{find_kind(why)}"), reason=why)


def _describe_value(language: Language, kind: str, value: str | None) -> str:
    """Return the old or new value of a change; translated if it has a text of its own."""
    if kind == "alarm" and value:
        state, colon, reading = value.partition(": ")
        with suppress(ValueError):  # another version's words stay as they are
            reading = _describe_reading(language, AlarmReading.parse(reading))
        return f"{translate_known(language, f'alarm.state.{state}', state)}{colon}{reading}"
    word = _WORDS.get((kind, value))
    return translate(language, word) if word else value or ""


def _describe_reading(language: Language, reading: AlarmReading) -> str:
    """Return what raised an alarm, in the words of the page."""
    if reading.change is None:
        decisions = " / ".join(translate(language, f"decision.{one}") for one in reading.watched.split("+"))
        key = "alarm.count.shift" if reading.of_shift else "alarm.count"
        return translate(
            language, key, matches=str(reading.matches), parts=str(reading.parts), decisions=decisions
        )
    quantity = translate(language, f"indicator.drift.{reading.watched}")
    change = _format_number(language, "%.1f", 100 * abs(reading.change)) + " %"
    return translate(
        language, "alarm.up" if reading.change > 0 else "alarm.down", quantity=quantity, change=change
    )


def format_clock(zone: tzinfo | None, nanoseconds: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a time as the clock shows it; with the zone where the clock shows it twice."""
    shown = format_time(nanoseconds, form, zone)
    twice = (format_time(nanoseconds + hours * _HOUR, form, zone) for hours in (-1, 1))
    return f"{shown} {format_time(nanoseconds, '%Z', zone)}" if shown in twice else shown


def format_time(
    nanoseconds: int, form: str = "%Y-%m-%dT%H:%M:%SZ", zone: tzinfo | None = timezone.utc
) -> str:
    """Return a time, in nanoseconds of UTC since 1970, in a form of `strftime`."""
    try:
        return datetime.fromtimestamp(nanoseconds / 10**9, zone).astimezone(zone).strftime(form)
    except (ValueError, OverflowError, OSError):
        return f"{nanoseconds}ns"
