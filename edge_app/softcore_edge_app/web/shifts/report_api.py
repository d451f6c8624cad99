"""Report API: the report of a time or of a shift, and the shifts of a day."""

from __future__ import annotations

import base64
import time
from datetime import date
from functools import partial
from typing import Annotated, Literal

import cv2
import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field
from softcore_runtime import UsageError

from softcore_edge_app.configuration.shift_calendar import ShiftCalendar, ShiftTime
from softcore_edge_app.queries.chart_figures import compute_charts_by_camera
from softcore_edge_app.queries.parts import Part, PartFilter, read_parts
from softcore_edge_app.queries.production_figures import MOST, compute_figures
from softcore_edge_app.web.guard import refuse_body
from softcore_edge_app.web.image_cache import ImageCache, ImageKind, NoImageError
from softcore_edge_app.web.language.catalogue import Language
from softcore_edge_app.web.ledger_queries import LedgerQueries
from softcore_edge_app.web.schema import (
    READ_RESPONSES,
    Day,
    Responses,
    Time,
    describe_problem,
    to_nanoseconds,
)
from softcore_edge_app.web.shifts.report import EmbeddedImage, Theme, format_time, render_page, render_table
from softcore_edge_app.web.shifts.shift import ShiftCounter

__all__ = ["make_report_api"]

_PATIENCE = 60.0  # seconds that its figures may take
_PASSES = 50  # parts that are searched for one with an image, on which the regions are drawn
# What a report in the page may show: nothing but itself.
_SHOWN_HEADERS = {
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
}
_FILES: Responses = {200: {"content": {"text/html": {}, "text/csv": {}}}}

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
        theme: Annotated[Theme | None, Query(description="On a screen; else as the system has it.")] = None,
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
                        connection,
                        PartFilter(camera=camera, decision="PASS", since=begin, until=end),
                        _PASSES,
                    )
                    for camera in figures.cameras
                }
            )
            parts = {camera: page.parts for camera, page in passed.items()}
            charted = await queries.run(
                partial(compute_charts_by_camera, since=begin, until=end, most=MOST), _PATIENCE
            )
            content = await to_thread.run_sync(
                partial(render_page, zone=shift.calendar.zone, charted=charted, theme=theme),
                figures,
                partial(_embed_image, cache),
                parts,
                language,
                limiter=limiter,
            )
        name = f"softcore-{format_time(begin, '%Y-%m-%d-%H%M', shift.calendar.zone)}.{form}"
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
