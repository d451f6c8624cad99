"""Report: the figures of a shift as one HTML page, or as a table for a spreadsheet."""

from __future__ import annotations

import base64
import csv
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timezone, tzinfo
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from softcore_runtime import Decision, UsageError
from softcore_runtime.missing_library import explain_import

try:
    from jinja2 import Environment, StrictUndefined, Template
except ImportError as error:  # pragma: no cover - seen in a subprocess
    raise explain_import(error, "edge") from error

from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.decisions.phrases import read_phrases
from softcore_edge_app.queries.chart_figures import ChartFigures, compute_charts
from softcore_edge_app.queries.formulas import defuse_formula
from softcore_edge_app.queries.parts import Part, PartFilter, read_parts
from softcore_edge_app.queries.production_figures import GRID, IDLE, MOST, ProductionFigures, compute_figures
from softcore_edge_app.web.charts.drawing import ChartTexts
from softcore_edge_app.web.charts.report_charts import render_charts
from softcore_edge_app.web.guard import refuse_body
from softcore_edge_app.web.image_cache import ImageCache, ImageKind, NoImageError
from softcore_edge_app.web.ledger_queries import LedgerQueries
from softcore_edge_app.web.schema import (
    READ_RESPONSES,
    Day,
    Responses,
    Time,
    describe_problem,
    to_nanoseconds,
)
from softcore_edge_app.web.shifts.calendar import ShiftCalendar, ShiftTime
from softcore_edge_app.web.shifts.catalogue import (
    Language,
    format_phrases,
    format_point,
    translate,
    translate_known,
)
from softcore_edge_app.web.shifts.shift import ShiftCounter

__all__ = ["THIRDS", "format_clock", "make_report_api", "render_page", "render_table"]

_PATIENCE = 60.0  # seconds that its figures may take
_HOUR = 3600 * 10**9
_PASSES = 50  # parts that are searched for one with an image, on which the regions are drawn
# What a report in the page may show: nothing but itself.
_SHOWN_HEADERS = {
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
}
_FILES: Responses = {200: {"content": {"text/html": {}, "text/csv": {}}}}
_WORDS: dict[tuple[str, str | None], str] = {  # keys of the texts for what was changed
    ("running", "true"): "run.start",
    ("running", "false"): "run.stop",
    ("mark", "good"): "marked.good",
    ("mark", "bad"): "marked.bad",
}
THIRDS = ("upper left", "upper middle", "upper right", "left", "middle", "right",
           "lower left", "lower middle", "lower right")  # fmt: skip


Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class ShiftSpan(BaseModel):
    """A shift: the day and time by which it is called, its begin and end in nanoseconds of UTC since 1970."""

    day: date
    start: Clock
    since: int
    until: int


class ShiftList(BaseModel):
    """The shifts that began on a day, in their order."""

    shifts: list[ShiftSpan]


@dataclass(frozen=True)
class EmbeddedImage:
    """An image in the page: its data URL, and its width as a multiple of its height."""

    url: str
    aspect: float


ImageFinder = Callable[[Part, ImageKind], EmbeddedImage | None]


def make_report_api(queries: LedgerQueries, cache: ImageCache, shift: ShiftCounter) -> APIRouter:
    """Make the route of reports, which everybody who reaches the port may read."""
    views = APIRouter(
        prefix="/api",
        dependencies=[Depends(refuse_body)],
        responses={
            **READ_RESPONSES,
            409: describe_problem("There is no ledger, it can't be read, or has too many rows."),
        },
    )
    limiter = CapacityLimiter(1)

    @views.get("/report", responses=_FILES, response_class=Response)
    async def give_report(
        since: Time = None,
        until: Time = None,
        day: Day | None = None,
        start: Annotated[Clock | None, Query(description="When the shift of a `day` began.")] = None,
        form: Literal["html", "csv"] = "html",
        language: Language = "en",
        shown: Annotated[bool, Query(description="To look at in the page, not to keep.")] = False,
    ) -> Response:
        """The report of a time or of a shift, by default of this shift, of two million parts at most.

        A shift is that which began on a `day` at `start`, which may be left out where there is one that day.

        As a page it is complete in itself, in the given language. As a table it has a row for each figure;
        the parts themselves are written by `softcore-edge ledger export`.
        """
        begin, end = to_nanoseconds(since), to_nanoseconds(until)
        if day is not None:
            found = _find_shift(shift.calendar, day, start)
            begin, end = found.since, found.until
        begin = shift.since if begin is None else begin
        end = time.time_ns() if end is None else min(end, time.time_ns())
        figures = await queries.run(partial(compute_figures, since=begin, until=end), _PATIENCE)
        if form == "csv":
            content = render_table(figures)
        else:
            passed = await queries.run(
                lambda connection: {
                    camera: read_parts(
                        connection, PartFilter(camera=camera, decision="PASS", since=begin), _PASSES
                    )
                    for camera in figures.cameras
                }
            )
            parts = {camera: page.parts for camera, page in passed.items()}
            charted = await queries.run(
                lambda connection: {
                    camera: compute_charts(connection, begin, end, camera, most=MOST)
                    for camera in figures.cameras
                },
                _PATIENCE,
            )
            content = await to_thread.run_sync(
                partial(render_page, zone=shift.calendar.zone, charted=charted),
                figures,
                partial(_embed_image, cache),
                parts,
                language,
                limiter=limiter,
            )
        name = f"softcore-{_format_time(begin, '%Y-%m-%d-%H%M', shift.calendar.zone)}.{form}"
        return Response(
            content.encode("utf-8", "replace"),
            media_type=f"text/{form}; charset=utf-8",
            headers=_SHOWN_HEADERS if shown else {"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @views.get("/shifts")
    async def list_shifts(day: Day) -> ShiftList:
        """The shifts that began on a day."""
        shifts = shift.calendar.list_day(day)
        return ShiftList(
            shifts=[
                ShiftSpan(day=one.day, start=one.start.isoformat("minutes"), since=one.since, until=one.until)
                for one in shifts
            ]
        )

    return views


def _find_shift(calendar: ShiftCalendar, day: date, start: str | None) -> ShiftTime:
    shifts = {one.start.isoformat("minutes"): one for one in calendar.list_day(day)}
    if start is None and len(shifts) == 1:
        return next(iter(shifts.values()))
    if start not in shifts:
        known = ", ".join(shifts) or "none that day"
        if start is None:
            raise UsageError(f"{day}: the start is missing; there are: {known}")
        raise UsageError(f"{day}: no shift begins at {start}; there are: {known}")
    return shifts[start]


def render_page(
    figures: ProductionFigures,
    find_image: ImageFinder,
    passed: dict[str, list[Part]],
    language: Language = "en",
    zone: tzinfo | None = None,
    charted: dict[str, ChartFigures] | None = None,
) -> str:
    """Render the report as one HTML page, complete in itself.

    Args:
        figures: what it reports.
        find_image: returns a part's image; None if there is none.
        passed: some good parts of each camera, on one of which the regions are drawn.
        language: of its texts; names are not translated, nor are reasons that are said in no known way.
        zone: time zone of its times; None for this machine's.
        charted: the figures of the charts, by camera; None for no charts.
    """
    texts = ChartTexts(
        translate=partial(translate, language),
        number=partial(_format_number, language),
        hour=partial(_format_time, form="%H:%M", zone=zone),
        day=partial(_format_time, form=translate(language, "chart.day"), zone=zone),
        moment=partial(format_clock, zone, form=translate(language, "sheet.time").removesuffix(":%S")),
    )
    grounds = {
        camera: next((shown for part in parts if (shown := find_image(part, "overlay"))), None)
        for camera, parts in passed.items()
    }
    return _template().render(
        language=language,
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
    yield "since", "", "", _format_time(figures.since)
    yield "until", "", "", _format_time(figures.until)
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
            yield "parts by hour", "", f"{_format_time(hour)} {decision}", count
    for reason in figures.reasons:
        yield "INVALID", reason.camera, reason.kind, reason.parts
    for stop in figures.stops:
        yield "stop", stop.camera, f"{_format_time(stop.begin)} {stop.why}", stop.seconds
    for (decision, mark), count in sorted(figures.marked.items()):
        yield "marked", "", f"{decision} called {mark}", count
    for part in figures.worst:
        record = part.row.record
        yield "worst part", record.camera, record.part, record.score and record.score / record.threshold
    for note in figures.notes:
        change = note.change
        what = f"{_format_time(note.at)} {change.kind} by {change.by}: {change.before} to {change.after}"
        yield "change", change.camera, what, change.subject


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
    return [(hour * 3600 * 10**9, hours[hour]) for hour in sorted(hours)]


def _list_thresholds(figures: ProductionFigures) -> list[tuple[tuple[str, str, float, float], int]]:
    thresholds: dict[tuple[str, str, float, float], int] = {}
    for group in figures.groups:
        key = group.camera, group.category, group.threshold, group.fail_above
        thresholds[key] = thresholds.get(key, 0) + group.parts
    return sorted(thresholds.items())


def _embed_image(cache: ImageCache, part: Part, kind: ImageKind) -> EmbeddedImage | None:
    record = part.row.record
    if not cache.has(record):
        return None
    try:
        drawn = cache.get_drawn(record.trigger, kind) or cache.draw(record.trigger, kind)
        drawn = drawn or cache.draw_archived(record, kind)
    except NoImageError:
        return None
    height, width = np.asarray(cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR)).shape[:2]
    return EmbeddedImage(f"data:image/jpeg;base64,{base64.b64encode(drawn).decode()}", width / height)


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
        return f"{translate(language, f'alarm.state.{state}')}{colon}{reading}"
    word = _WORDS.get((kind, value))
    return translate(language, word) if word else value or ""


def format_clock(zone: tzinfo | None, nanoseconds: int, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Return a time as the clock shows it; with the zone where the clock shows it twice."""
    shown = _format_time(nanoseconds, form, zone)
    twice = (_format_time(nanoseconds + hours * _HOUR, form, zone) for hours in (-1, 1))
    return f"{shown} {_format_time(nanoseconds, '%Z', zone)}" if shown in twice else shown


def _format_time(
    nanoseconds: int, form: str = "%Y-%m-%dT%H:%M:%SZ", zone: tzinfo | None = timezone.utc
) -> str:
    try:
        return datetime.fromtimestamp(nanoseconds / 10**9, zone).astimezone(zone).strftime(form)
    except (ValueError, OverflowError, OSError):
        return f"{nanoseconds}ns"


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string((Path(__file__).parent / "report.html.j2").read_text("utf-8"))
