"""Several cameras at once, and the head of the page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from ..stub_line import DECISIONS, StubLine
from ..test_page import PANEL, PHONE, OpenedPage, examine, find_small

CAMERAS = ("left", "right", "top")
PLACES = "html, body, main, #live, #overview, #heads, #overview button"
OVERFLOWING = """(places) => [...document.querySelectorAll(places)]
  .filter((one) => one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1)
  .map((one) => [one.tagName, one.id, one.scrollHeight, one.clientHeight, one.scrollWidth])"""


@pytest.fixture
def stub(serve: Callable[..., StubLine]) -> StubLine:
    made = serve(cameras=CAMERAS)
    for camera in CAMERAS:
        for decision in ("PASS", "FAIL", "PASS"):
            made.decide(decision, camera=camera)
    return made


def test_every_camera_has_a_tile(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    page = show(stub).page
    tiles = page.locator("#overview button")
    expect(tiles).to_have_count(3)
    fault = stub.decide("FAIL", camera="right", share=1.6)
    right = tiles.nth(1)
    expect(right).to_contain_text("right")
    expect(right.locator(".word")).to_have_text("FAIL")
    expect(right.locator(".counts")).to_have_text("FAIL 2 of 4 · 50.0%")
    expect(right.locator(".score-bar")).to_have_attribute("aria-label", "1.60 \u00d7 threshold")
    expect(right.locator("img:visible")).to_have_attribute("src", f"api/pictures/{fault['trigger']}/overlay")
    expect(right.locator(".ring")).to_be_visible()
    expect(tiles.nth(0).locator(".word")).to_have_text("PASS")
    expect(tiles.nth(0)).to_contain_text("in order")
    stub.state["left"]["fault"] = "no new frame for 3.0 s"
    stub.state["top"]["running"] = False
    stub.change()
    expect(tiles.nth(0)).to_contain_text("no new frame for 3.0 s")
    expect(tiles.nth(0)).to_have_attribute("data-state", "bad")
    expect(tiles.nth(2)).to_contain_text("stopped")


def test_a_fault_stays_to_be_seen_in_its_tile(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    page = show(stub).page
    tile = page.locator("#overview button").nth(2)
    expect(tile.locator(".word")).to_have_text("PASS")
    page.evaluate("window.moment = performance.now(); performance.now = () => window.moment")
    stub.decide("FAIL", camera="top")
    stub.decide("PASS", camera="top")
    expect(tile.locator(".counts")).to_have_text("FAIL 2 of 5 · 40.0%")
    expect(tile.locator(".word")).to_have_text("FAIL")
    page.evaluate("window.moment += 2000")
    expect(tile.locator(".word")).to_have_text("PASS")


def test_a_tile_opens_its_camera_and_the_choice_stays(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    shown = show(stub)
    page = shown.page
    page.locator("#overview button").nth(1).click()
    expect(page.locator("#overview")).to_be_hidden()
    expect(page.locator("#word")).to_be_visible()
    expect(page.locator("#cameras").get_by_role("button", name="right")).to_have_attribute(
        "aria-pressed", "true"
    )
    shown.load()
    expect(page.locator("#word")).to_be_visible()
    page.keyboard.press("a")
    expect(page.locator("#overview")).to_be_visible()
    expect(page.locator("#all")).to_have_attribute("aria-pressed", "true")
    shown.view("set-up")  # of one camera
    expect(page.locator("#all")).to_be_hidden()
    expect(page.locator("#cameras [aria-pressed=true]")).to_have_text("right")
    shown.view("live")
    expect(page.locator("#overview")).to_be_visible()
    page.locator("#overview button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#overview")).to_be_hidden()
    page.keyboard.press("c")
    expect(page.locator("#cameras [aria-pressed=true]")).to_have_text("right")


def test_images_of_many_cameras_come_no_faster_than_of_one(
    serve: Callable[..., StubLine], show: Callable[..., OpenedPage]
) -> None:
    stub = serve(cameras=tuple(f"camera {number}" for number in range(8)), rate=80)
    page = show(stub).page
    expect(page.locator("#overview img:visible")).to_have_count(8)
    begun = page.evaluate("performance.now()")
    before = len(stub.fetched)
    page.wait_for_timeout(3000)
    seconds = (page.evaluate("performance.now()") - begun) / 1000
    assert 0 < len(stub.fetched) - before <= 4 * seconds + 8


def test_the_head_tells_line_recipe_and_time(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    stub.state["right"]["recipe"] = "capsule"
    shown = show(stub)
    head = shown.page.locator("#head")
    expect(head.locator("b")).to_have_text("Line 3")
    expect(head.locator(".recipe")).to_have_text("pill, capsule")
    expect(head.locator(".clock")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    shown.page.locator("#overview button").first.click()
    expect(head.locator(".recipe")).to_have_text("pill")
    stub.state["left"]["recipe"] = "pill blue"
    stub.change()
    expect(head.locator(".recipe")).to_have_text("pill blue")


def test_a_camera_alone_has_no_overview_and_is_not_called_by_its_path(
    serve: Callable[..., StubLine], show: Callable[..., OpenedPage]
) -> None:
    path = "/data/line1/frames"
    stub = serve(cameras=(path,))
    stub.decide("FAIL")
    shown = show(stub)
    page = shown.page
    expect(page.locator("#word")).to_have_text("FAIL")
    expect(page.locator("#cameras")).to_be_hidden()
    expect(page).to_have_title("SoftCore · Live")
    stub.state[path]["fault"] = "no new frame for 3.0 s"
    stub.change()
    expect(page.locator("#reasons")).to_contain_text("Camera: no new frame for 3.0 s")
    shown.view("set-up")
    expect(page.locator("#run-state")).to_have_text("The camera is inspecting.")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#confirmation-title")).to_have_text("Stop the camera?")
    page.locator("#confirmation").get_by_role("button", name="Cancel").click()
    shown.view("look-back")
    page.locator("#rows button").first.click()
    expect(page.locator("#part-numbers")).not_to_contain_text(path)
    page.keyboard.press("Escape")
    assert path not in page.locator("body").inner_text()


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_tiles_fit_a_panel_and_nothing_serious_is_wrong(
    stub: StubLine, show: Callable[..., OpenedPage], locale: str, scheme: str
) -> None:
    for decision, camera in zip(DECISIONS[1:], CAMERAS, strict=True):
        stub.decide(decision, camera=camera)
    page = show(stub, locale=locale, color_scheme=scheme, viewport=PANEL).page
    expect(page.locator("#overview img:visible")).to_have_count(2)
    assert page.evaluate(OVERFLOWING, PLACES) == []
    assert find_small(page) == []
    examine(page, f"overview, {locale}, {scheme}")
    page.set_viewport_size(PHONE)
    assert page.locator("main").evaluate("main => main.scrollWidth <= main.clientWidth")
