"""The worklist on the operator's page in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Route, expect

from ..stub_line import TOKEN, StubLine
from ..test_page import NASTY, PANEL, PHONE, OpenedPage, examine, find_scrolling, find_small
from ..test_page import serve as serve
from ..test_page import show as show

Show = Callable[..., OpenedPage]


@pytest.fixture
def stub(serve: Callable[..., StubLine]) -> StubLine:
    """A line with a grey zone, and three parts in it among others."""
    stub = serve(fail_above=14.0)
    for place in range(12):
        decision = "REVIEW" if place in (2, 5, 7) else "PASS"
        stub.decide(decision, share=1.05 if decision == "REVIEW" else 0.7, part=NASTY if place == 2 else None)
    return stub


def test_parts_are_settled_one_after_the_other(stub: StubLine, show: Show) -> None:
    shown = show(stub)
    page, work = shown.page, shown.page.locator("#worklist")
    button = page.locator("#worklist-open")
    expect(button).to_have_text("3 REVIEW parts to settle")
    assert find_scrolling(page) == []
    button.click()
    good, bad = (work.get_by_role("button", name=name, exact=True) for name in ("GOOD", "BAD"))
    expect(work.locator("#worklist-part")).to_have_text(NASTY)
    expect(work.locator("#worklist-share")).to_have_text("1.05 \u00d7 threshold")
    expect(work.locator("figure img:visible")).to_have_attribute("src", "api/pictures/t000003/overlay")
    work.get_by_role("radio", name="Map").check()
    expect(work.locator("figure img:visible")).to_have_attribute("src", "api/pictures/t000003/map")
    examine(page, "worklist")
    assert find_small(page) == []
    bad.click()
    shown.unlock()
    expect(work.locator("#worklist-state")).to_have_text(f"{NASTY} is BAD.")
    expect(work.get_by_role("heading", level=2)).to_have_text("To settle: 2")
    expect(work.locator("#worklist-part")).to_have_text("100006")
    work.get_by_role("button", name="Later").click()
    expect(work.locator("#worklist-part")).to_have_text("100008")
    good.click()
    expect(work.locator("#worklist-none")).to_contain_text("those put off come back")
    # What was settled last can be taken back.
    work.get_by_role("button", name="Take it back").click()
    expect(work.locator("#worklist-part")).to_have_text("100008")
    good.click()
    expect(work.locator("#worklist-none")).to_be_visible()
    assert [(kind, body["trigger"], body["mark"]) for kind, body in stub.changes] == [
        ("mark", "t000003", "bad"), ("mark", "t000008", "good"), ("mark", "t000008", None),
        ("mark", "t000008", "good"),
    ]  # fmt: skip
    work.get_by_role("button", name="Close").click()
    expect(button).to_have_text("1 REVIEW part to settle")
    button.click()
    expect(work.locator("#worklist-part")).to_have_text("100006")
    good.click()
    expect(work.locator("#worklist-none")).to_have_text("Every REVIEW part is settled.")
    work.get_by_role("button", name="Close").click()
    expect(button).to_be_hidden()


def test_a_second_touch_at_the_same_place_settles_no_part_that_was_not_seen(
    stub: StubLine, show: Show
) -> None:
    shown = show(stub)
    page = shown.page
    page.evaluate("token => sessionStorage.setItem('softcore.token', token)", TOKEN)
    held: list[Route] = []
    page.locator("#worklist-open").click()
    good = page.locator("#worklist").get_by_role("button", name="GOOD", exact=True)
    expect(good).to_be_enabled()
    page.route("**/api/pictures/t000006/*", lambda route: held.append(route))  # an image that takes long
    good.dblclick(force=True)
    expect(page.locator("#worklist-part")).to_have_text("100006")
    expect(good).to_be_disabled()
    page.wait_for_timeout(800)
    expect(good).to_be_disabled()
    for route in held:
        route.continue_()
    page.unroute("**/api/pictures/t000006/*")
    expect(good).to_be_enabled()
    assert len(stub.changes) == 1


def test_what_comes_and_what_others_settle_is_seen(stub: StubLine, show: Show) -> None:
    shown = show(stub)
    page = shown.page
    expect(page.locator("#worklist-open")).to_have_text("3 REVIEW parts to settle")
    stub.decide("REVIEW", share=1.1)
    expect(page.locator("#worklist-open")).to_have_text("4 REVIEW parts to settle")
    headers, body = {"X-SoftCore-Token": TOKEN}, {"trigger": "t000006", "mark": "bad"}
    assert httpx.post(f"{stub.url}api/worklist", json=body, headers=headers).status_code == 200
    expect(page.locator("#worklist-open")).to_have_text("3 REVIEW parts to settle")
    # Somebody else is quicker.
    shown.refusals = True
    with page.expect_response("**/api/worklist?*"):
        page.locator("#worklist-open").click()
    expect(page.locator("#worklist-part")).to_have_text(NASTY)
    stub.rows[2]["mark"] = "good"
    page.locator("#worklist").get_by_role("button", name="BAD", exact=True).click()
    shown.unlock()
    expect(page.locator("#worklist-state")).to_have_text("this part is settled already")
    expect(page.locator("#worklist-part")).to_have_text("100008")
    assert stub.rows[2]["mark"] == "good"


def test_no_key_settles_a_part(stub: StubLine, show: Show) -> None:
    shown = show(stub)
    shown.page.locator("#worklist-open").click()
    expect(shown.page.locator("#worklist-part")).to_have_text(NASTY)
    shown.page.keyboard.type("4711 GB gb\n")
    assert stub.changes == []


@pytest.mark.parametrize("viewport", [PANEL, PHONE, {"width": 1920, "height": 1080}])
@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_the_large_buttons_are_on_every_screen(
    stub: StubLine, show: Show, viewport: dict[str, int], locale: str
) -> None:
    page = show(stub, viewport=viewport, locale=locale).page
    page.locator("#worklist-open").click()
    for one in ("good", "bad"):
        button = page.locator(f"[data-settle={one}]")
        button.scroll_into_view_if_needed()
        box = button.bounding_box()
        assert box
        assert box["height"] >= 80
        assert button.evaluate("one => one.scrollWidth <= one.clientWidth")
        assert box["x"] + box["width"] <= viewport["width"]
    assert page.locator("#worklist").evaluate("one => one.scrollWidth <= one.clientWidth")
