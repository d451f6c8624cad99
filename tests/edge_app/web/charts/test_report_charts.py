from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import partial
from xml.etree import ElementTree

import pytest
from softcore_edge_app.queries.chart_figures import ChartFigures, HourFigures, Spread
from softcore_edge_app.web.charts.drawing import (
    HEIGHT,
    WIDTH,
    ChartTexts,
    draw_hours,
    draw_scores,
    draw_times,
)
from softcore_edge_app.web.charts.report_charts import render_charts
from softcore_edge_app.web.language.catalogue import translate
from softcore_runtime import Decision

HOUR = 3600 * 10**9
SVG = "{http://www.w3.org/2000/svg}"
TEXTS = ChartTexts(
    translate=partial(translate, "en"),
    number=lambda form, value: form % value,
    hour=lambda moment: f"{moment // HOUR % 24:02}:00",
    day=lambda moment: f"day {moment // HOUR // 24 + 1}",
    moment=lambda moment: f"2026-11-{moment // HOUR // 24 + 1:02} {moment // HOUR % 24:02}:00",
)
COUNTS = [
    Counter({Decision.PASS: 90, Decision.FAIL: 10}),
    Counter({Decision.PASS: 40, Decision.REVIEW: 5, Decision.INVALID: 5}),
    Counter({Decision.PASS: 20}),
]
HOURS = [
    HourFigures(HOUR * begin, counts, Spread(1.0, 2.0) if begin != 9 else None, Spread(0.02, 0.05))
    for begin, counts in zip((6, 7, 9), COUNTS, strict=True)
]
FIGURES = ChartFigures(
    since=0, until=HOUR, whole=True, hours=HOURS,
    scores=Counter({(10, Decision.PASS): 150, (25, Decision.FAIL): 10, (21, Decision.REVIEW): 5}),
    fields=Counter(), reasons=[("late", 4), ("dark", 1)],
)  # fmt: skip


def find_bars(svg: str) -> list[tuple[str, float, float, float]]:
    """Fill, left edge, upper edge and height of each bar."""
    bars = ElementTree.fromstring(svg).findall("rect")  # noqa: S314 - made here
    return [
        (bar.get("fill", ""), *(float(bar.get(name, "0")) for name in ("x", "y", "height"))) for bar in bars
    ]


def test_bars_stand_on_each_other_and_are_as_high_as_their_numbers() -> None:
    svg = draw_hours(HOURS, TEXTS)
    bars = find_bars(svg)
    assert [re.sub(r"url\(#fill-(\w+)\)", r"\1", bar[0]) for bar in bars] == [
        "PASS", "FAIL", "PASS", "REVIEW", "INVALID", "PASS",
    ]  # fmt: skip
    unit = bars[0][3] / 90
    for (_, _, _, height), n in zip(bars, (90, 10, 40, 5, 5, 20), strict=True):
        assert height == pytest.approx(n * unit, abs=0.02)
    assert bars[1][2] + bars[1][3] == pytest.approx(bars[0][2], abs=0.02)
    lefts = [bars[0][1], bars[2][1], bars[5][1]]
    assert lefts[2] - lefts[1] == pytest.approx(2 * (lefts[1] - lefts[0]), abs=0.05)  # an hour has no parts
    # The line is broken there, too.
    assert len(ElementTree.fromstring(svg).findall("polyline")) == 2  # noqa: S314
    label = ElementTree.fromstring(svg).get("aria-label")  # noqa: S314
    assert label == "Bars of the parts of 3 hours by decision: 170 parts, 10 of them FAIL (5.9 %)"


def test_all_of_a_chart_lies_within_it() -> None:
    for svg in (draw_hours(HOURS, TEXTS), draw_scores(FIGURES, TEXTS), draw_times(HOURS, "taken", TEXTS)):
        for node in ElementTree.fromstring(svg).iter():  # noqa: S314
            for name, most in (("x", WIDTH), ("cx", WIDTH), ("x2", WIDTH), ("y", HEIGHT), ("cy", HEIGHT)):
                assert 0 <= float(node.get(name, "0")) <= most, (node.tag, node.attrib)


def test_scores_lie_on_their_side_of_the_threshold() -> None:
    svg = draw_scores(FIGURES, TEXTS)
    (line,) = (node for node in ElementTree.fromstring(svg).iter("line") if node.get("class") == "threshold")  # noqa: S314
    at = float(line.get("x1", "0"))
    sides = {fill: left > at for fill, left, _, _ in find_bars(svg)}
    assert sides == {"url(#fill-PASS)": False, "url(#fill-REVIEW)": True, "url(#fill-FAIL)": True}


def test_times_are_told_in_their_unit() -> None:
    assert "in the last one half within 20.0 ms, 95 of 100 within 50.0 ms" in draw_times(
        HOURS, "taken", TEXTS
    )
    assert "in the last one half within 1.00 s, 95 of 100 within 2.00 s" in draw_times(
        HOURS, "between", TEXTS
    )


def test_a_time_of_days_is_marked_by_them() -> None:
    days = [replace(HOURS[0], begin=HOUR * 24 * day) for day in range(3)]
    assert "day 2" in draw_hours(days, TEXTS)


def test_a_part_alone_is_drawn() -> None:
    one = [HourFigures(0, Counter({Decision.INVALID: 1}), None, Spread(0.0, 0.0))]
    assert len(find_bars(draw_hours(one, TEXTS))) == 1
    assert "0.00 ms" in draw_times(one, "taken", TEXTS)
    drawn = render_charts({"left": replace(FIGURES, hours=one, scores=Counter())}, TEXTS)
    assert "Time to the decision" in drawn
    assert "Time between triggers" not in drawn


def test_each_chart_has_its_numbers_as_a_table() -> None:
    page = str(render_charts({"<b>": FIGURES, "right": FIGURES, "none": replace(FIGURES, hours=[])}, TEXTS))
    assert "&lt;b&gt;" in page
    assert "<b></h3>" not in page
    assert "none" not in re.findall(r"<h3>(.*?)</h3>", page)
    assert page.count("<svg viewBox=") == page.count("<details>") == 8
    assert "<td>1970" not in page
    for told in (
        "<td>0.50 \N{EN DASH} 0.55</td>",
        '<td class="n">150</td>',
        f"<td>{translate('en', 'kind.late')}</td>",
        "80.0 %",
        "100.0 %",
    ):
        assert told in page, told
    assert render_charts({}, TEXTS).strip() == ""


def test_a_time_that_was_cut_says_so() -> None:
    page = render_charts({"left": replace(FIGURES, whole=False)}, TEXTS)
    assert "Too many parts for charts: shown are those since 2026-11-01 00:00." in page
