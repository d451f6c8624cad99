"""Long names, narrow screens, the system's colours, and what is told where nothing can be changed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from ..stub_line import StubLine
from ..test_page import PANEL, PHONE, OpenedPage

LONG = "LOT-2026-11-25-LINE-03-STATION-07-CAVITY-0012-SERIAL-000000123456"
# Whether the end of a cut text is seen within its place and the screen.
END = """(cut) => {
  const end = cut.lastElementChild.getBoundingClientRect();
  const place = cut.parentElement.getBoundingClientRect();
  return end.width > 20 && end.right <= Math.min(innerWidth, place.right) + 1 && end.left >= place.left;
}"""
INSIDE = """(one) => {
  const { top, bottom, left, right } = one.getBoundingClientRect();
  return top >= 0 && left >= 0 && bottom <= innerHeight && right <= innerWidth;
}"""


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
@pytest.mark.parametrize("viewport", [PANEL, PHONE], ids=["panel", "phone"])
def test_a_long_name_keeps_its_end(
    stub: StubLine, show: Callable[..., OpenedPage], locale: str, viewport: dict[str, int]
) -> None:
    stub.decide("INVALID", part=LONG, image=True, reason="blurred: its sharpness is 1.0")
    shown = show(stub, locale=locale, viewport=viewport)
    page = shown.page
    name = page.locator("#enlarge .caption .cut")
    expect(name).to_have_text(LONG)
    assert name.evaluate(END)
    shown.view("look-back")
    tile = page.locator("#rows .cut")
    expect(tile).to_have_text(LONG)
    assert tile.evaluate(END)
    page.locator("#rows button").click()
    title = page.locator("#part-title .cut")
    expect(title).to_have_text(LONG)
    assert title.evaluate(END)
    if viewport == PANEL:
        for button in page.locator("#part .marks button, #part .steps button").all():
            assert button.evaluate(INSIDE)


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_filters_are_in_one_row(
    serve: Callable[..., StubLine], show: Callable[..., OpenedPage], locale: str
) -> None:
    shown = show(serve(cameras=("left", "right")), locale=locale)
    shown.view("look-back")
    tops = shown.page.locator("#filters select").evaluate_all("all => all.map((one) => one.offsetTop)")
    assert len(tops) == 5
    assert len(set(tops)) == 1


def test_the_colours_are_the_systems_unless_a_person_chose(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    shown = show(stub, color_scheme="dark")
    page, html = shown.page, shown.page.locator("html")
    expect(html).to_have_attribute("data-theme", "dark")
    page.emulate_media(color_scheme="light")
    expect(html).to_have_attribute("data-theme", "light")
    page.keyboard.press("o")
    page.get_by_role("radio", name="Dark").check()
    expect(html).to_have_attribute("data-theme", "dark")
    shown.load()
    expect(html).to_have_attribute("data-theme", "dark")
    page.keyboard.press("o")
    expect(page.get_by_role("radio", name="Dark")).to_be_checked()
    page.get_by_role("radio", name="As the system").check()
    expect(html).to_have_attribute("data-theme", "light")
    page.emulate_media(color_scheme="dark")
    expect(html).to_have_attribute("data-theme", "dark")


def test_another_recipe_takes_the_old_threshold_from_the_page(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    stub.decide("PASS")
    shown = show(stub)
    shown.view("set-up")
    page = shown.page
    page.get_by_role("spinbutton", name="New threshold").fill("11")
    page.get_by_role("button", name="Apply").click()
    page.locator("#confirmation").get_by_role("button", name="Apply").click()
    shown.unlock()
    expect(page.locator("#threshold-state")).to_have_text("The threshold is 11; it was 12.")
    stub.state["left"]["recipe"] = "capsule"
    stub.threshold = stub.fail_above = 40.0
    stub.change()
    expect(page.locator("#threshold-now")).to_have_text("In use: 40")
    expect(page.locator("#threshold-state")).to_be_empty()
    expect(page.get_by_role("spinbutton", name="New threshold")).to_have_value("40")
    expect(page.locator("#threshold-apply")).to_be_disabled()
    assert not re.search(r"\b1[012](\.5)?\b", page.locator("#threshold").inner_text())


def test_notes_tell_what_happened(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    shown = show(stub)
    shown.view("reports")
    expect(shown.page.locator("#notes")).to_have_text("Nothing has been changed yet.")
    notes = shown.page.locator("#notes li b")
    for kind, before, after, told in (
        ("running", True, False, "Camera stopped"),
        ("running", "false", "true", "Camera started"),
        ("mark", None, "bad", "Marked: the part was bad"),
        ("mark", "bad", None, "Mark taken back"),
        ("limit", 12.0, 11.5, "Threshold changed from 12 to 11.5"),
        ("recipe", "pill", "capsule", "Recipe changed from pill to capsule"),
        ("trigger", None, None, "Triggered by hand"),
    ):
        stub.note(kind, "left", None, before, after)
        expect(notes.first).to_have_text(told)
