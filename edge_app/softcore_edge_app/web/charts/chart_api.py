"""Chart API: the figures of a time, as the page's charts show them."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Depends
from pydantic import BaseModel
from softcore_runtime import Decision

from softcore_edge_app.queries.chart_figures import BIN_WIDTH, BINS, ChartFigures, Spread, compute_charts
from softcore_edge_app.queries.production_figures import GRID
from softcore_edge_app.web.guard import refuse_body
from softcore_edge_app.web.ledger_queries import LedgerQueries
from softcore_edge_app.web.schema import READ_RESPONSES, Camera, Time, describe_problem, to_nanoseconds

__all__ = ["ChartReport", "describe_charts", "make_chart_api"]


class SpreadReport(BaseModel):
    """Seconds that half of the values, and 95 of a hundred, don't exceed."""

    median: float
    p95: float


class HourReport(BaseModel):
    """An hour's parts by decision, from `begin` on, and the times between triggers and until a decision."""

    begin: int
    counts: dict[Decision, int]
    between: SpreadReport | None
    taken: SpreadReport | None


class ReasonReport(BaseModel):
    """A kind of reason for INVALID, and its number of parts."""

    kind: str
    parts: int


class ChartReport(BaseModel):
    """The figures of a time, in nanoseconds of UTC since 1970; only hours with parts are listed.

    `whole` is false where older parts are left out, for the last 31 days and 300,000 parts are looked at.
    `scores` has the number of parts by decision in each bin of `bin_width` times the threshold, to which its
    upper end belongs; the last bin has all that are beyond. `fields` has, row by row, the number of FAIL and
    REVIEW whose highest score lies in a field of the frame.
    """

    since: int
    until: int
    whole: bool
    hours: list[HourReport]
    bin_width: float
    scores: dict[Decision, list[int]]
    fields: list[list[int]]
    reasons: list[ReasonReport]


def make_chart_api(queries: LedgerQueries, find_begin: Callable[[], int]) -> APIRouter:
    """Make the route of the charts' figures, which everybody who reaches the port may read.

    Args:
        queries: reads the ledger.
        find_begin: returns when this shift began, in nanoseconds of UTC since 1970.
    """
    views = APIRouter(
        prefix="/api",
        dependencies=[Depends(refuse_body)],
        responses={**READ_RESPONSES, 409: describe_problem("There is no ledger, or it can't be read.")},
    )

    @views.get("/charts")
    async def chart(since: Time = None, until: Time = None, camera: Camera = None) -> ChartReport:
        """The figures of a time, by default of this shift, of a camera or of all."""
        begin, end = to_nanoseconds(since), to_nanoseconds(until)
        begin = find_begin() if begin is None else begin
        end = time.time_ns() if end is None else min(end, time.time_ns())
        figures = await queries.run(partial(compute_charts, since=begin, until=end, camera=camera))
        return describe_charts(figures)

    return views


def describe_charts(figures: ChartFigures) -> ChartReport:
    """Return the figures as the port gives them."""
    return ChartReport(
        since=figures.since,
        until=figures.until,
        whole=figures.whole,
        hours=[
            HourReport(
                begin=hour.begin,
                counts={decision: hour.counts[decision] for decision in Decision},
                between=_describe_spread(hour.between),
                taken=_describe_spread(hour.taken),
            )
            for hour in figures.hours
        ],
        bin_width=BIN_WIDTH,
        scores={
            decision: [figures.scores[place, decision] for place in range(BINS)]
            for decision in Decision
            if decision is not Decision.INVALID
        },
        fields=[[figures.fields[row, column] for column in range(GRID)] for row in range(GRID)],
        reasons=[ReasonReport(kind=kind, parts=parts) for kind, parts in figures.reasons],
    )


def _describe_spread(spread: Spread | None) -> SpreadReport | None:
    return SpreadReport(median=spread.median, p95=spread.p95) if spread else None
