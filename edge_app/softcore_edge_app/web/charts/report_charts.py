"""Report charts: the charts of each camera as a section of a report, with their numbers as tables."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup
from softcore_runtime import Decision

from softcore_edge_app.queries.chart_figures import BIN_WIDTH, BINS, ChartFigures
from softcore_edge_app.web.charts.drawing import (
    STACKED,
    ChartTexts,
    draw_hours,
    draw_scores,
    draw_times,
    format_seconds,
)
from softcore_edge_app.web.charts.template import load_template

__all__ = ["render_charts"]

_TEMPLATE = Path(__file__).parent / "report_charts.html.j2"


def render_charts(figures: dict[str, ChartFigures], texts: ChartTexts) -> Markup:
    """Render the charts of the cameras that had parts, as HTML.

    Args:
        figures: by camera.
        texts: what they say.
    """
    cameras = [(camera, one, _draw(one, texts)) for camera, one in figures.items() if one.hours]
    return Markup(  # noqa: S704 - the template escapes
        load_template(_TEMPLATE).render(
            cameras=cameras,
            translate=texts.translate,
            number=texts.number,
            moment=texts.moment,
            stacked=STACKED,
            fail=Decision.FAIL,
            list_bins=_list_bins,
            format_time=lambda hours, of, seconds: format_seconds(
                seconds, max(getattr(hour, of).p95 for hour in hours if getattr(hour, of)), texts
            ),
        )
    )


def _draw(figures: ChartFigures, texts: ChartTexts) -> dict[str, Markup]:
    """Return the drawn charts by key; those without anything to show are missing."""
    drawn = {"hours": draw_hours(figures.hours, texts)}
    if figures.scores:
        drawn["scores"] = draw_scores(figures, texts)
    for of in ("between", "taken"):
        if any(getattr(hour, of) for hour in figures.hours):
            drawn[of] = draw_times(figures.hours, of, texts)
    return {key: Markup(svg) for key, svg in drawn.items()}  # noqa: S704 - made by ElementTree, which escapes


def _list_bins(figures: ChartFigures) -> list[tuple[float, float | None, list[int]]]:
    """Return begin and end (None of the last) of the bins with parts, and their numbers by decision."""
    bins = [
        (place * BIN_WIDTH, (place + 1) * BIN_WIDTH if place < BINS - 1 else None,
         [figures.scores[place, decision] for decision in STACKED[:3]])
        for place in range(BINS)
    ]  # fmt: skip
    return [one for one in bins if any(one[2])]
