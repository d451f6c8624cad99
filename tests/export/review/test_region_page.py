"""The editor of the inspected region in a real browser: polygons by mouse, by keyboard and by touch."""

from __future__ import annotations

import queue
import re
import threading
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Locator, Page, expect
from softcore_export.contamination.choices import choices_path, read_choices
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, PreparedExport, prepare
from softcore_export.review.review import review
from softcore_export.review.review_session import LookAgain
from softcore_export.settings import ExportSettings
from softcore_export.windows.drawn_region import DrawnRegion
from softcore_export.windows.window_request import WindowRequest
from softcore_runtime.images.windows import Size

FRAME = Size(width=160, height=120)


@dataclass
class Served:
    """A review whose page is served."""

    url: str
    target: Path
    exports: list[Export]
    said: queue.SimpleQueue[str]
    thread: threading.Thread

    def read_region(self) -> DrawnRegion:
        return read_choices(choices_path(self.target)).region


@pytest.fixture
def settings(small: ExportSettings) -> ExportSettings:
    return small.model_copy(update={"discriminator": "auto"})


@pytest.fixture
def images(tmp_path: Path, draw_disc: Callable[..., np.ndarray]) -> TrainingImages:
    """Twelve images of 160 x 120 pixels."""
    (tmp_path / "data" / "disc").mkdir(parents=True)
    for number in range(12):
        image = cv2.copyMakeBorder(draw_disc(number, spot=number == 5), 20, 20, 40, 40, cv2.BORDER_REFLECT)
        assert cv2.imwrite(str(tmp_path / "data" / "disc" / f"{number:02}.png"), image)
    return TrainingImages.find(tmp_path / "data" / "disc")


@pytest.fixture
def prepared(
    images: TrainingImages,
    settings: ExportSettings,
    target: Path,
    quick_network: None,  # noqa: ARG001 - it is to be in force
) -> Iterator[PreparedExport]:
    with prepare(images, target, settings) as made:
        yield made


@pytest.fixture
def look_again(images: TrainingImages, settings: ExportSettings, target: Path) -> LookAgain:
    return lambda region: prepare(
        images, target, settings.model_copy(update={"windows": WindowRequest(drawn=region)})
    )


@contextmanager
def serve(prepared: PreparedExport, target: Path, look_again: LookAgain | None) -> Iterator[Served]:
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    exports: list[Export] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webbrowser, "open", lambda _: None)
        arguments = (prepared, target, exports.append, said.put, look_again)
        thread = threading.Thread(target=review, args=arguments, daemon=True)
        thread.start()
        found = re.search(r"http://[\d.:]+/", said.get(timeout=60))
        assert found
        served = Served(found[0], target, exports, said, thread)
        try:
            yield served
        finally:
            with httpx.Client(base_url=found[0], timeout=30) as client:
                token = re.search(r'name="softcore-token" content="([^"]{40,})"', client.get("/").text)
                assert token
                client.post("/finish", headers={"X-Softcore-Token": token[1]})
            thread.join(60)
            assert not thread.is_alive()


@contextmanager
def open_editor(browser: Browser, url: str, **context: object) -> Iterator[tuple[Page, Locator]]:
    """The page with the editor open; nothing may have complained at the end."""
    complaints: list[str] = []
    page = browser.new_page(**context)
    page.set_default_timeout(30_000)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    page.get_by_role("button", name="Draw the inspected region").click()
    editor = page.get_by_role("dialog", name="Inspected region")
    expect(editor).to_be_visible()
    yield page, editor
    page.close()
    assert [complaint for complaint in complaints if "status of 422" not in complaint] == []


def click_at(page: Page, corners: list[tuple[float, float]]) -> None:
    """Click on corners of the frame, given as shares of it."""
    for x, y in corners:
        page.mouse.click(*find(page, x, y))


def find(page: Page, x: float, y: float) -> tuple[float, float]:
    box = page.locator("#surface").bounding_box()
    assert box
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def assert_within_a_pixel(
    region: DrawnRegion,
    inspected: Sequence[Sequence[tuple[float, float]]],
    left_out: Sequence[tuple[float, float]] = (),
) -> None:
    """Compare a mask with what Pillow draws, which differs at most a pixel from the border."""
    fine = 8  # Pillow takes whole pixels
    image = Image.new("L", (fine * FRAME.width, fine * FRAME.height))
    for corners, grey in (*((polygon, 255) for polygon in inspected), (left_out, 0)):
        if corners:
            scaled = [(fine * x * FRAME.width, fine * y * FRAME.height) for x, y in corners]
            ImageDraw.Draw(image).polygon(scaled, grey)
    covered = np.array(image.reduce(fine))
    disc = np.ones((3, 3), np.uint8)
    border = cv2.dilate(covered, disc) != cv2.erode(covered, disc)
    mask = region.rasterize(FRAME)
    assert mask.any()
    np.testing.assert_array_equal(mask[~border], covered[~border] > 127)


def test_polygons_by_mouse_are_saved_and_followed(
    browser: Browser, prepared: PreparedExport, target: Path, look_again: LookAgain
) -> None:
    outer = [(0.2, 0.1), (0.85, 0.15), (0.8, 0.9), (0.25, 0.85)]
    hole = [(0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)]
    with serve(prepared, target, look_again) as served, open_editor(browser, served.url) as (page, editor):
        told = editor.locator("#region-told")
        expect(told).to_have_text("Nothing is drawn: the whole frame is inspected.")
        click_at(page, [*outer, outer[0]])
        expect(told).to_have_text("1 polygon. What is dark is left out.")
        click_at(page, hole)
        editor.get_by_role("radio", name="Leave out").check()
        editor.get_by_role("button", name="Close polygon").click()
        expect(editor.locator("#polygons button")).to_have_count(2)
        expect(editor.locator("#polygons")).to_contain_text("2. Leave out: 4 corners, 4.0 % of the frame")

        # A corner is dragged, too far and back again.
        page.mouse.move(*find(page, *outer[2]))
        page.mouse.down()
        page.mouse.move(*find(page, 1.2, 1.1))
        page.mouse.move(*find(page, 0.95, 0.95), steps=3)
        page.mouse.up()
        outer[2] = (0.95, 0.95)
        expect(editor.locator("#polygons")).to_contain_text("1. Inspect: 4 corners")

        # Another image, and the region lies over it as before.
        editor.get_by_role("button", name="Next image").click()
        expect(editor.locator("#shown")).to_have_text("Image 1 of 12: 00.png")
        expect(editor.locator("#surface img")).to_have_js_property("naturalWidth", 160)
        editor.get_by_role("button", name="Save region").click()
        expect(editor).to_be_hidden()
        expect(page.locator("#inspected")).to_contain_text("% of the frame, by 2 polygons")
        expect(page.locator("#pending")).to_contain_text("the export will look at all images again")

        region = served.read_region()
        assert [polygon.action for polygon in region.polygons] == ["inspect", "leave out"]
        drawn = [polygon.corners for polygon in region.polygons]
        for corners, clicked in zip(drawn, (outer, hole), strict=True):
            np.testing.assert_allclose(corners, clicked, atol=0.003)  # whole pixels of the screen
        assert_within_a_pixel(region, [drawn[0]], drawn[1])

        # The export that is under way follows it, and the page is that of the new grid.
        page.locator("#export").click()
        expect(page.locator("#pending")).to_have_text("The bundle follows all your choices.", timeout=60_000)
        expect(page.locator("#outcome")).to_contain_text("Exported in")
        done = served.exports[-1].manifest
        assert (done.grid.height, done.grid.width) != prepared.grid
        expect(page.locator("body")).to_have_attribute("data-columns", str(done.grid.width))
        assert done.preprocessing.windows is not None
        assert len(done.preprocessing.windows.outline) == 1
    assert sorted(path.name for path in target.parent.iterdir() if path.name.startswith(".") is False) == [
        "disc",
        "disc.choices.json",
    ]


def test_a_polygon_by_the_keyboard(
    browser: Browser, prepared: PreparedExport, target: Path, look_again: LookAgain
) -> None:
    with serve(prepared, target, look_again) as served, open_editor(browser, served.url) as (page, editor):
        keys = page.keyboard
        expect(editor.locator("#surface")).to_be_focused()

        def go(key: str, times: int) -> None:
            for _ in range(times):
                keys.press(key)

        def mark(key: str, times: int) -> None:
            go(key, times)
            keys.press("Space")

        mark("ArrowLeft", 30)  # (0.2, 0.5)
        mark("ArrowDown", 30)  # (0.2, 0.8)
        told = editor.locator("#region-told")
        keys.press("Enter")
        expect(told).to_have_text("A polygon needs at least 3 corners.")
        mark("ArrowRight", 10)
        keys.press("Backspace")
        mark("ArrowRight", 40)  # (0.7, 0.8)
        mark("Shift+ArrowUp", 5)
        keys.press("Control+z")
        expect(told).to_have_text("3 corners of a new polygon.")
        keys.press("Enter")
        expect(editor.locator("#polygons")).to_have_text("1. Inspect: 3 corners, 7.5 % of the frame")

        # Another one is dropped; a third is deleted, and brought back, and deleted.
        mark("ArrowUp", 1)
        keys.press("Escape")
        expect(editor.locator("#polygons button")).to_have_count(1)
        for key in ("ArrowUp", "ArrowLeft", "ArrowDown"):
            mark(key, 20)
        keys.press("Enter")
        expect(editor.locator("#polygons button")).to_have_count(2)
        for key, count in (("Delete", 1), ("Control+z", 2)):
            keys.press(key)
            expect(editor.locator("#polygons button")).to_have_count(count)
        editor.locator("#polygons button").nth(1).press("Space")
        keys.press("Delete")
        expect(editor.locator("#polygons button")).to_have_count(1)

        # A corner of the first is moved.
        editor.locator("#polygons button").press("Space")
        corner = editor.get_by_role("button", name="Corner 3 of polygon 1")
        corner.focus()
        go("ArrowRight", 10)
        expect(corner).to_be_focused()
        keys.press("PageDown")
        expect(editor.locator("#shown")).to_have_text("Image 1 of 12: 00.png")

        # Escape doesn't lose it; it is saved by the keyboard.
        keys.press("Escape")
        expect(told).to_have_text("Not saved. Press Esc again to drop your changes.")
        editor.get_by_role("button", name="Save region").press("Enter")
        expect(editor).to_be_hidden()
        region = served.read_region()
        corners = [(0.2, 0.5), (0.2, 0.8), (0.8, 0.8)]
        np.testing.assert_allclose(region.polygons[0].corners, corners, atol=1e-4)
        assert_within_a_pixel(region, [corners])


def test_a_polygon_by_touch_where_the_region_is_only_saved(
    browser: Browser, prepared: PreparedExport, target: Path
) -> None:
    """On a telephone; the command line has given a region, so that this review doesn't follow it."""
    corners = [(0.1, 0.2), (0.9, 0.2), (0.9, 0.8), (0.1, 0.8)]
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with (
        serve(prepared, target, None) as served,
        open_editor(browser, served.url, **phone) as (page, editor),
    ):
        expect(editor).to_contain_text("followed by the next export without --roi and --roi-image")
        for x, y in [*corners, corners[0]]:
            page.touchscreen.tap(*find(page, x, y))
        expect(editor.locator("#polygons")).to_contain_text("1. Inspect: 4 corners, 48.")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        editor.get_by_role("button", name="Save region").tap()
        expect(editor).to_be_hidden()
        expect(page.locator("#pending")).to_have_text("The bundle follows all your choices.")
    said = [served.said.get(timeout=5) for _ in range(2)]
    assert said == [
        "review finished",
        "the region that was drawn is followed by the next export without --roi and --roi-image",
    ]
    region = served.read_region()
    np.testing.assert_allclose(region.polygons[0].corners, corners, atol=0.003)
    assert_within_a_pixel(region, [region.polygons[0].corners])


def test_what_cannot_be_a_region_is_told_and_not_saved(
    browser: Browser, prepared: PreparedExport, target: Path, look_again: LookAgain
) -> None:
    with serve(prepared, target, look_again) as served, open_editor(browser, served.url) as (page, editor):
        told, save = editor.locator("#region-told"), editor.get_by_role("button", name="Save region")
        click_at(page, [(0.2, 0.3), (0.5, 0.3), (0.8, 0.3)])
        save.click()
        expect(told).to_have_text("Close the new polygon first (Enter), or drop it (Esc).")
        page.keyboard.press("Escape")
        click_at(page, [(0.2, 0.3), (0.5, 0.3), (0.8, 0.3)])
        editor.get_by_role("button", name="Close polygon").click()
        with page.expect_response("**/region") as answer:
            save.click()
        assert answer.value.status == 422
        expect(told).to_contain_text("Not saved: a polygon spans less than 0.05 % of the frame")
        page.keyboard.press("Control+z")

        # A bow tie: the overlap is told, and both halves count.
        click_at(page, [(0.2, 0.2), (0.8, 0.8), (0.8, 0.2), (0.2, 0.8)])
        page.keyboard.press("Enter")
        expect(told).to_have_text("Polygon 1 crosses itself: what it encloses twice is outside of it.")
        save.click()
        expect(editor).to_be_hidden()
        region = served.read_region()
        a, b, c, d = region.polygons[0].corners
        middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)
        assert_within_a_pixel(region, [[a, middle, d], [b, c, middle]])
