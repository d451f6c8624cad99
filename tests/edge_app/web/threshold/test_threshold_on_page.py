"""The threshold's chart on the operator's page in a real browser, and how its lines are moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ..stub_line import StubLine
from ..test_page import PANEL, PHONE, OpenedPage, examine, find_small
from ..test_page import serve as serve
from ..test_page import show as show

Serve = Callable[..., StubLine]
Show = Callable[..., OpenedPage]
# How far the middle of a line is from where its value lies in the chart, in pixels.
GAP = """(key) => {
  const line = document.querySelector(`#threshold-chart [data-of=${key}]`);
  const plot = document.querySelector("#threshold-chart svg").getBoundingClientRect();
  const box = line.getBoundingClientRect();
  const share = line.getAttribute("aria-valuenow") / line.getAttribute("aria-valuemax");
  return box.left + box.width / 2 - (plot.left + share * plot.width);
}"""


def open_set_up(stub: StubLine, show: Show, **options: Any) -> Page:
    for share in [0.5 + 0.01 * (place % 30) for place in range(60)] + [1.05, 1.3, 1.6]:
        decision = "PASS" if share <= 1 else "FAIL" if share * 12 > stub.fail_above else "REVIEW"
        stub.decide(decision, share=share)
    shown = show(stub, **options)
    shown.view("set-up")
    return shown.page


def drag(page: Page, key: str, by: float) -> None:
    box = page.locator(f"#threshold-chart [data-of={key}]").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by / 2, y)
    page.mouse.move(x + by, y + 30)
    page.mouse.up()
    page.mouse.move(x, y)  # let go


@pytest.mark.parametrize("viewport", [PANEL, PHONE])
def test_the_line_is_dragged_and_everything_follows(
    serve: Serve, show: Show, viewport: dict[str, int]
) -> None:
    stub = serve()
    page = open_set_up(stub, show, viewport=viewport)
    line = page.get_by_role("slider", name="New threshold")
    expect(line).to_have_attribute("aria-valuetext", "12")
    expect(page.locator("#threshold-chart rect").first).to_be_visible()
    assert page.evaluate(GAP, "value") == pytest.approx(0, abs=1)
    line.scroll_into_view_if_needed()
    drag(page, "value", -80)
    field = page.get_by_role("spinbutton", name="New threshold")
    value = float(field.input_value())
    assert value < 11
    assert float(line.get_attribute("aria-valuenow") or 0) == value
    assert page.evaluate(GAP, "value") == pytest.approx(0, abs=1)
    fails = sum((row["score"] or 0) > value for row in stub.rows)
    expect(page.locator("#threshold-table td").last).to_have_text(str(fails))
    # The number moves the line, too.
    field.fill("15")
    expect(line).to_have_attribute("aria-valuenow", "15")
    assert page.evaluate(GAP, "value") == pytest.approx(0, abs=1)
    assert stub.changes == []


def test_the_keyboard_moves_the_line(serve: Serve, show: Show) -> None:
    page = open_set_up(serve(), show)
    line = page.get_by_role("slider", name="New threshold")
    line.focus()
    for key, value in (
        ("ArrowRight", "12.12"),
        ("ArrowLeft", "11.9988"),
        ("PageUp", "12.5987"),
        ("End", "12.5987"),
    ):
        page.keyboard.press(key)
        expect(line).to_have_attribute("aria-valuenow", value)
    expect(page.get_by_role("spinbutton", name="New threshold")).to_have_value("12.5987")
    expect(line).to_be_focused()


def test_a_grey_zone_has_two_lines(serve: Serve, show: Show) -> None:
    page = open_set_up(serve(fail_above=14.0), show)
    upper = page.get_by_role("slider", name="FAIL above")
    expect(upper).to_have_attribute("aria-valuenow", "14")
    assert page.evaluate(GAP, "fail_above") == pytest.approx(0, abs=1)
    kinds = page.locator("#threshold-chart rect").evaluate_all(
        "all => all.map((one) => one.dataset.decision)"
    )
    assert sorted(set(kinds)) == ["FAIL", "PASS", "REVIEW"]
    drag(page, "fail_above", 60)
    assert float(upper.get_attribute("aria-valuenow") or 0) > 14
    expect(page.get_by_role("spinbutton", name="New threshold")).to_have_value("12")
    # Neither passes the other.
    drag(page, "fail_above", -300)
    expect(upper).to_have_attribute("aria-valuenow", "12")
    expect(page.get_by_role("spinbutton", name="FAIL above")).to_have_value("12")
    page.get_by_role("slider", name="New threshold").press("PageUp")
    expect(page.get_by_role("spinbutton", name="New threshold")).to_have_value("12")
    assert find_small(page) == []
    examine(page, "threshold chart")


def test_without_parts_there_is_no_chart(serve: Serve, show: Show) -> None:
    shown = show(serve())
    shown.view("set-up")
    expect(shown.page.locator("#threshold-known")).to_contain_text("No parts yet")
    expect(shown.page.locator("#threshold-chart")).to_be_hidden()
