"""The fault, seen from five metres: ring, inset, zoom, and images of every shape."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from softcore_edge_app.web.port.server import WebServer

from ..stub_line import FAULTS, StubLine
from ..test_page import PANEL, PHONE, SCROLLING, OpenedPage, examine

SCREENS = {"panel": PANEL, "desk": {"width": 1920, "height": 1080}, "phone": PHONE}
# Where the middle of a ring lies on the image that is shown, as shares of its width and height.
RING = """(place) => {
  const image = [...place.querySelectorAll(".images img")].find((one) => !one.hidden);
  const paper = image.getBoundingClientRect();
  const scale = Math.min(paper.width / image.naturalWidth, paper.height / image.naturalHeight);
  const shares = getComputedStyle(image).objectPosition.split(" ").map((one) => parseFloat(one) / 100);
  const [width, height] = [image.naturalWidth * scale, image.naturalHeight * scale];
  const ring = place.querySelector(".ring").getBoundingClientRect();
  const [x, y] = [ring.x + ring.width / 2, ring.y + ring.height / 2];
  const left = paper.x + (paper.width - width) * shares[0];
  const top = paper.y + (paper.height - height) * shares[1];
  return [(x - left) / width, (y - top) / height];
}"""
# How large an image is shown, in pixels of the screen.
SHOWN = """(place) => {
  const image = [...place.querySelectorAll(".images img")].find((one) => !one.hidden);
  const scale = Math.min(image.clientWidth / image.naturalWidth, image.clientHeight / image.naturalHeight);
  return [image.naturalWidth * scale, image.naturalHeight * scale];
}"""


def find_scale(place: Locator) -> float:
    """How many times an image is enlarged."""
    return float(place.locator(".images").evaluate("one => new DOMMatrix(getComputedStyle(one).transform).a"))


def pinch(page: Page, place: Locator, begin: float, end: float) -> None:
    """Move two fingers apart, or together: from `begin` pixels between them to `end`."""
    box = place.bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    client = page.context.new_cdp_session(page)

    def touch(kind: str, span: float) -> None:
        points = [{"x": x - span / 2, "y": y, "id": 1}, {"x": x + span / 2, "y": y, "id": 2}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points if span else []})

    touch("touchStart", begin)
    for step in range(1, 6):
        touch("touchMove", begin + (end - begin) * step / 5)
    touch("touchEnd", 0)


@pytest.mark.parametrize("screen", SCREENS)
def test_a_fault_is_ringed_and_enlarged(stub: StubLine, show: Callable[..., OpenedPage], screen: str) -> None:
    shown = show(stub, viewport=SCREENS[screen])
    page, stage = shown.page, shown.page.locator("#stage")
    fault = stub.decide("FAIL", drawn="10_colour")
    place = [value / 320 for value in FAULTS[fault["drawn"]][:2]]
    expect(stage.locator(".ring")).to_be_visible()
    expect(stage.locator(".inset")).to_be_visible()
    assert stage.evaluate(RING) == pytest.approx(place, abs=0.01)
    assert f"api/pictures/{fault['trigger']}/peak" in str(stage.locator(".inset").get_attribute("style"))
    ring = stage.locator(".ring").bounding_box()
    assert ring
    assert ring["width"] >= 48
    # The inset lies away from the ring, so that it hides nothing of it.
    (x, y), (far_x, far_y) = find_middle(stage.locator(".ring")), find_middle(stage.locator(".inset"))
    middle_x, middle_y = find_middle(stage.locator(".images"))
    assert (x - middle_x) * (far_x - middle_x) < 0
    assert (y - middle_y) * (far_y - middle_y) < 0
    stub.decide("PASS")
    expect(stage.locator(".ring")).to_be_hidden()
    expect(stage.locator(".inset")).to_be_hidden()
    shown.view("look-back")
    page.locator("#rows button").nth(1).click()
    part = page.locator("#part figure")
    expect(part.locator(".inset")).to_be_visible()
    assert part.evaluate(RING) == pytest.approx(place, abs=0.01)


def test_the_ring_lies_where_the_server_saw_the_highest_score(server: WebServer, browser: Browser) -> None:
    """Of a real port, with the ledger's place of the peak and the archive's images."""
    page = browser.new_page(viewport=PANEL)
    page.goto(f"{server.url}#look-back")
    page.get_by_role("combobox", name="Decision").select_option("FAIL")
    rows = page.locator("#rows button")
    expect(rows.last).to_contain_text("FAIL")
    rows.last.click()  # only the archive has it
    figure = page.locator("#part figure")
    expect(figure.locator(".inset")).to_be_visible()
    assert figure.evaluate(RING) == pytest.approx([0.7, 0.2], abs=0.01)
    assert httpx.get(f"{server.url}api/decisions/t6").json()["x"] == 0.7
    page.close()


def test_the_image_is_that_of_the_decision_above_it(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    page = show(stub).page
    page.evaluate("window.moment = performance.now(); performance.now = () => window.moment")
    fault = stub.decide("FAIL")
    for _ in range(5):
        good = stub.decide("PASS")
    expect(page.locator("#aside")).to_contain_text("+5")
    image = page.locator("#stage .images img:visible")
    expect(image).to_have_attribute("src", f"api/pictures/{fault['trigger']}/overlay")
    page.evaluate("window.moment += 2000")
    expect(image).to_have_attribute("src", f"api/pictures/{good['trigger']}/overlay")


def test_an_image_is_zoomed_by_wheel_mouse_and_keys(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    stub.decide("FAIL")
    shown = show(stub)
    page, stage = shown.page, shown.page.locator("#enlarge")
    expect(stage.locator(".ring")).to_be_visible()
    page.keyboard.press("+")
    assert find_scale(stage) == pytest.approx(1.5)
    ring = stage.locator(".ring").bounding_box()
    page.keyboard.press("+")
    assert find_scale(stage) == pytest.approx(2.25)
    assert ring
    assert stage.locator(".ring").evaluate("one => one.getBoundingClientRect().width") == pytest.approx(
        ring["width"], abs=1
    )  # however large the image is
    page.keyboard.press("-")
    page.keyboard.press("0")
    assert find_scale(stage) == 1
    box = stage.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -600)
    expect(page.locator("#live-whole")).to_be_visible()
    scale = find_scale(stage)
    assert scale > 2
    before = stage.locator(".images").bounding_box()
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 60, box["y"] + box["height"] / 2 - 20, steps=4)
    page.mouse.up()
    after = stage.locator(".images").bounding_box()
    assert before
    assert after
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((-60, -20), abs=2)
    expect(page.locator("#part")).to_be_hidden()  # a drag is no click
    stub.decide("PASS")  # the next part is seen as closely
    expect(stage.locator(".ring")).to_be_hidden()
    assert find_scale(stage) == pytest.approx(scale)
    page.locator("#live-whole").click()
    assert find_scale(stage) == 1
    stage.click()
    figure = page.locator("#part figure")
    expect(figure.locator("img:visible").first).to_be_visible()
    page.keyboard.press("+")
    assert find_scale(figure) == pytest.approx(1.5)
    figure.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#part-title")).to_contain_text("PASS")  # it moves the image, not to another part
    page.keyboard.press("0")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#part-title")).to_contain_text("FAIL")


@pytest.mark.parametrize("screen", ["panel", "phone"])
def test_an_image_is_zoomed_by_two_fingers(
    stub: StubLine, show: Callable[..., OpenedPage], screen: str
) -> None:
    stub.decide("FAIL")
    shown = show(stub, viewport=SCREENS[screen])
    page, stage = shown.page, shown.page.locator("#enlarge")
    expect(stage.locator(".ring")).to_be_visible()
    pinch(page, stage, 60, 180)
    assert find_scale(stage) == pytest.approx(3, rel=0.1)
    expect(page.locator("#part")).to_be_hidden()
    pinch(page, stage, 180, 40)
    assert find_scale(stage) == 1
    page.touchscreen.tap(*find_middle(stage))
    figure = page.locator("#part figure")
    expect(figure.locator(".ring")).to_be_visible()
    pinch(page, figure, 50, 150)
    assert find_scale(figure) == pytest.approx(3, rel=0.1)
    page.locator("#part-whole").click()
    assert find_scale(figure) == 1


def find_middle(place: Locator) -> tuple[float, float]:
    box = place.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize("screen", SCREENS)
def test_a_wide_part_fills_the_width_and_a_tall_one_the_height(
    stub: StubLine, show: Callable[..., OpenedPage], screen: str
) -> None:
    shown = show(stub, viewport=SCREENS[screen])
    page, stage, main = shown.page, shown.page.locator("#stage"), shown.page.locator("main")
    for drawn, side in (("wide", 0), ("tall", 1)):
        stub.decide("FAIL", drawn=drawn)
        expect(stage).to_have_attribute("data-shape", drawn)
        expect(stage.locator(".inset")).to_be_visible()
        shown_sides = stage.evaluate(SHOWN)
        room = main.evaluate("main => [main.clientWidth, main.clientHeight]")
        assert shown_sides[side] >= (0.95, 0.45)[side] * room[side]
        assert stage.evaluate(RING) == pytest.approx([0.8, 0.4], abs=0.01)
        if screen != "phone":
            assert page.evaluate(SCROLLING) == []
        if screen != "phone" and drawn == "tall":  # it reaches beside the bar of the last parts
            assert stage.evaluate("one => innerHeight - one.getBoundingClientRect().bottom") < 12
        page.locator("#enlarge").click()
        figure = page.locator("#part figure")
        expect(page.locator("#part")).to_have_attribute("data-shape", drawn)
        box = figure.bounding_box()
        assert box
        assert figure.evaluate(SHOWN)[side] >= 0.95 * (box["width"], box["height"])[side]
        assert box[("width", "height")[side]] >= 0.4 * room[side]
        page.keyboard.press("Escape")


def test_a_black_image_is_shown(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    shown = show(stub)
    black = stub.decide("INVALID", reason="the image is black", image=True, drawn="black")
    image = shown.page.locator("#stage .images img:visible")
    expect(image).to_have_attribute("src", f"api/pictures/{black['trigger']}/overlay")
    expect(shown.page.locator("#stage .without")).to_be_empty()
    expect(shown.page.locator("#enlarge .caption")).to_contain_text("black image")


# --- The score, and what is old --------------------------------------------------------------------------


def test_the_score_is_a_bar_with_a_mark_at_the_threshold(
    serve: Callable[..., StubLine], show: Callable[..., OpenedPage]
) -> None:
    stub = serve(fail_above=15.0)
    page = show(stub).page
    bar = page.locator("#aside .score-bar")

    def measure() -> Any:
        return json.loads(
            bar.evaluate(
                """bar => {
                  const { left, width } = bar.getBoundingClientRect();
                  const right = bar.querySelector(".fill").getBoundingClientRect().right;
                  const mark = bar.querySelector(".mark").getBoundingClientRect();
                  const middle = mark.left + mark.width / 2;
                  return JSON.stringify([(right - left) / width, (middle - left) / width]);
                }"""
            )
        )

    for decision, share, filled in (("PASS", 0.95, 0.475), ("FAIL", 1.5, 0.75), ("FAIL", 7.0, 1.0)):
        stub.decide(decision, share=share)
        expect(bar).to_have_attribute("aria-label", f"{share:.2f} \u00d7 threshold")
        assert measure() == pytest.approx([filled, 0.5], abs=0.03)
        expect(page.locator("#aside")).not_to_contain_text("threshold")  # which reads as a share of certainty
    stub.decide("INVALID")
    expect(bar).to_be_hidden()


def test_an_image_that_lags_behind_its_decision_is_marked(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    first = stub.decide("PASS")
    page = show(stub).page
    stage = page.locator("#enlarge")
    expect(stage.locator(".images img:visible")).to_have_attribute(
        "src", f"api/pictures/{first['trigger']}/overlay"
    )
    stub.gives_images.clear()
    stub.decide("FAIL")
    expect(page.locator("#word")).to_have_text("FAIL")
    expect(stage).to_have_class("zoomable late")
    assert "older than the decision" in str(stage.get_attribute("data-late"))
    stub.gives_images.set()
    expect(stage).to_have_class("zoomable")
    expect(stage.locator(".ring")).to_be_visible()


def test_a_line_that_refuses_is_grey_at_once(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    stub.decide("PASS")
    shown = show(stub)
    page = shown.page
    expect(page.locator("#word")).to_have_text("PASS")
    shown.refusals = True
    # The page's clock stands still: only that the line refuses can tell.
    page.evaluate("window.moment = performance.now(); performance.now = () => window.moment")
    stub.stop()
    expect(page.locator("body")).to_have_class("old")
    expect(page.locator("#stale")).to_be_visible()
    stub.start()
    expect(page.locator("#stale")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_is_wrong_with_a_fault(
    stub: StubLine, show: Callable[..., OpenedPage], scheme: str
) -> None:
    stub.decide("FAIL")
    page = show(stub, color_scheme=scheme).page
    expect(page.locator("#stage .inset")).to_be_visible()
    page.keyboard.press("+")
    examine(page, f"a fault, {scheme}")
    page.keyboard.press("0")
    page.locator("#enlarge").click()
    expect(page.locator("#part .inset")).to_be_visible()
    examine(page, f"a fault's part, {scheme}")
