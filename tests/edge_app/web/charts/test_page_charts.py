"""The charts of the page, and the report in it, in a real browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from ..stub_line import StubLine
from ..test_page import PANEL, PHONE, OpenedPage, examine, find_small

HOUR = 3600 * 10**9
CHARTS = ("hours", "scores", "fields", "regions", "reasons", "between", "taken")
LARGE = {"width": 1920, "height": 1080}


@pytest.fixture
def stub() -> Iterator[StubLine]:
    """A line that has decided on 150 parts in each of the last three hours."""
    with StubLine(fail_above=13.0) as made:
        hour = (time.time_ns() - 2 * HOUR) // HOUR * HOUR
        for number in range(300):
            decision = {7: "FAIL", 8: "REVIEW", 9: "INVALID"}.get(number % 10, "PASS")
            made.decide(
                decision, share=0.6 if decision == "PASS" else None, at=hour + number * 24 * 10**9, send=False
            )
        made.since = hour - 1
        yield made


@pytest.fixture
def show(browser: Browser, stub: StubLine) -> Iterator[Callable[..., OpenedPage]]:
    opened: list[OpenedPage] = []

    def work(**options: Any) -> OpenedPage:
        opened.append(OpenedPage(browser, stub, **options))
        opened[-1].view("reports")
        expect(opened[-1].page.locator("[data-chart=taken] .uplot")).to_be_visible()
        return opened[-1]

    yield work
    for shown in opened:
        shown.close()


@pytest.mark.parametrize(
    ("size", "locale", "theme"),
    [
        pytest.param(PANEL, "en-GB", "dark", id="panel"),
        pytest.param(LARGE, "de-DE", "light", id="large"),
        pytest.param(PHONE, "de-DE", "dark", id="phone"),
        pytest.param(PHONE, "en-GB", "light", id="phone-english"),
    ],
)
def test_charts_fit_and_are_legible(
    show: Callable[..., OpenedPage], size: dict[str, int], locale: str, theme: str
) -> None:
    shown = show(viewport=size, locale=locale, is_mobile=size is PHONE)
    page = shown.page
    page.evaluate(
        "(theme) => { document.documentElement.dataset.theme = theme;"
        " document.dispatchEvent(new Event('theme')); }",
        theme,
    )
    for name in CHARTS:
        card = page.locator(f"[data-chart={name}]")
        expect(card).to_be_visible()
        box = card.bounding_box()
        assert box
        assert box["x"] + box["width"] <= size["width"]
    assert page.locator("main").evaluate("main => main.scrollWidth <= main.clientWidth")
    assert page.locator("#reports").evaluate("one => one.scrollWidth <= one.clientWidth")
    for summary in page.locator("#charts summary").all():
        summary.click()
    assert find_small(page) == []
    examine(page, f"charts {size} {locale} {theme}")


def test_charts_say_their_numbers(show: Callable[..., OpenedPage]) -> None:
    page = show().page
    hours = page.locator("[data-chart=hours]")
    expect(hours.get_by_role("img")).to_have_attribute(
        "aria-label", "Bars of the parts of 2 hours by decision: 300 parts, 30 of them FAIL (10.0%)"
    )
    hours.get_by_text("As a table").click()
    expect(hours.locator("tbody tr").first).to_contain_text("105151515" + "10.0%")
    fields = page.locator("[data-chart=fields]")
    assert sum(int(n) for n in fields.locator(".grid span:not(:empty)").all_inner_texts()) == 60
    expect(page.locator("[data-chart=reasons] tbody tr")).to_contain_text(["30100.0%"])
    expect(page.locator("[data-chart=taken]").get_by_role("img")).to_have_attribute(
        "aria-label",
        "Time from trigger to decision in 2 hours; in the last one half within 12.0 ms, "
        "95 of 100 within 12.0 ms",
    )
    drawn = (
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
        ".data.some(one => one)"
    )
    for name in ("hours", "scores", "between", "taken"):
        assert page.locator(f"[data-chart={name}] canvas").evaluate(drawn), name


def test_scores_follow_the_parts_as_they_come(show: Callable[..., OpenedPage], stub: StubLine) -> None:
    page = show().page
    chart = page.locator("[data-chart=scores]")
    expect(chart.get_by_role("img")).to_have_attribute(
        "aria-label", "Histogram of the last 180 scores in units of the threshold; 40 above it"
    )
    asked = stub.charted
    for _ in range(20):
        stub.decide("FAIL", share=1.12)  # between those of the others
    expect(chart.get_by_role("img")).to_have_attribute(
        "aria-label", "Histogram of the last 182 scores in units of the threshold; 56 above it"
    )
    assert stub.charted == asked
    chart.get_by_text("As a table").click()
    expect(chart.locator("tbody tr", has_text="1.10 \N{EN DASH} 1.15")).to_contain_text("20")


def test_another_time_and_camera_are_charted(browser: Browser) -> None:
    with StubLine(cameras=("left", "right")) as stub:
        now = time.time_ns()
        stub.since = now // HOUR * HOUR
        for number in range(20):
            stub.decide("PASS", camera=("left", "right")[number % 5 == 0], at=now - number, send=False)
        stub.rows[0]["decided_at"] -= 30 * HOUR
        shown = OpenedPage(browser, stub)
        shown.view("reports")
        label = shown.page.locator("[data-chart=hours] [role=img]")
        expect(label).to_have_attribute("aria-label", tell_hours(16))
        shown.page.locator("#cameras").get_by_role("button", name="right").click()
        expect(label).to_have_attribute("aria-label", tell_hours(3))
        shown.page.get_by_role("radio", name="last 7 days").check()
        expect(label).to_have_attribute("aria-label", tell_hours(4, hours=2))
        stub.rows.clear()
        shown.page.locator("#chart-period").get_by_role("radio", name="today").check()
        expect(shown.page.locator("#chart-state")).to_have_text("No part was decided on in this time.")
        shown.close()


def tell_hours(parts: int, hours: int = 1) -> str:
    return f"Bars of the parts of {hours} hours by decision: {parts} parts, 0 of them FAIL (0.0%)"


def test_without_a_ledger_the_last_scores_are_drawn(browser: Browser) -> None:
    with StubLine(ledger=False) as stub:
        shown = OpenedPage(browser, stub)
        shown.view("reports")
        expect(shown.page.locator("#chart-state")).to_contain_text("Charts need a ledger")
        stub.decide("PASS")
        expect(shown.page.locator("[data-chart=scores]")).to_be_visible()
        expect(shown.page.locator("[data-chart=hours]")).to_be_hidden()
        shown.close()


def test_the_report_opens_in_the_page(show: Callable[..., OpenedPage], stub: StubLine) -> None:
    page = show().page
    page.get_by_role("button", name="Show the report").click()
    frame = page.locator("#report iframe")
    expect(frame).to_be_visible()
    assert (
        page.frame_locator("#report iframe").locator("html").evaluate("html => html.ownerDocument.title")
        == "shift"
    )
    (kind, request) = stub.changes[-1]
    assert (kind, request["form"], request["theme"]) == ("report", "html", "light")
    page.locator("#report").get_by_role("button", name="Close").click()
    expect(page.locator("#report")).to_be_hidden()
