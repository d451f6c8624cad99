"""The operator's page in a real browser, touched and typed at, with a line behind it that is none."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect
from softcore_edge_app.web.page import PAGE

from .stub_line import DECISIONS, TOKEN, StubLine

PANEL = {"width": 1024, "height": 600}  # 10 inches
PHONE = {"width": 390, "height": 844}
VIEWS = ("live", "look-back", "set-up", "reports")
NASTY = '<img src=x onerror="alert(1)">'
TARGET = 56  # pixels
PITCH = 223 / 1024  # millimetres of a pixel on such a panel
LEGIBLE = 5000 * math.radians(16 / 60)  # millimetres: 16 minutes of arc at five metres
# What has the focus, and how wide the line around it is; a radio button's is around its word.
FOCUS = """() => {
  const one = document.activeElement;
  const seen = one.matches("input") ? one.nextElementSibling : one;
  const width = parseFloat(getComputedStyle(seen).outlineWidth);
  return [one.id || one.name || one.dataset.view || one.tagName, width];
}"""
# How high the band's capital letters are, in pixels.
CAPITALS = """() => {
  const probe = document.createElement("canvas").getContext("2d");
  probe.font = getComputedStyle(document.getElementById("word")).font;
  return probe.measureText("E").actualBoundingBoxAscent;
}"""
# Whatever the band says from here on, and when, in milliseconds.
SCROLLING = """() => [...document.querySelectorAll("html, body, main, #live, #figures, #rail, #counts > div")]
  .filter((one) => one.scrollHeight > one.clientHeight + 1 || one.scrollWidth > one.clientWidth + 1
    || one.getBoundingClientRect().bottom > innerHeight + 1)
  .map((one) => [one.tagName, one.id, one.scrollHeight, one.clientHeight, one.scrollWidth])"""
SMALL = """(least) => [...document.querySelectorAll("button, select, input, [role=slider]")]
  .filter((one) => one.checkVisibility())
  .map((one) => [one, (one.type === "radio" ? one.parentElement : one).getBoundingClientRect()])
  .filter(([, box]) => box.width < least || box.height < least)
  .map(([one, box]) => [one.outerHTML.slice(0, 90), box.width, box.height])"""
# A browser complains by itself of every request that fails.
OF_THE_BROWSER = re.compile(r"^Failed to load resource")


class OpenedPage:
    """A page that notes what it asks for, and what it complains of."""

    def __init__(self, browser: Browser, stub: StubLine, **options: Any) -> None:
        self.stub = stub
        self.context = browser.new_context(
            **{"viewport": PANEL, "has_touch": True, "locale": "en-GB", **options}
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.refusals = False  # whether the browser may say that a request failed
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self._note(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.load()

    def load(self) -> None:
        self.page.goto(self.stub.url)
        expect(self.page.locator("#status-bar .indicator[data-state]")).to_have_count(7)

    def _note(self, text: str) -> None:
        if not (self.refusals and OF_THE_BROWSER.match(text)):
            self.complaints.append(text)

    def view(self, name: str) -> None:
        self.page.locator(f"[data-view={name}]").click()
        expect(self.page.locator(f"#{name}")).to_be_visible()

    def unlock(self, token: str = TOKEN) -> None:
        self.page.locator("#token input").fill(token)
        self.page.locator("#token").get_by_role("button", name="Unlock").click()

    def expect_counts(self, counts: dict[str, int]) -> None:
        for decision in DECISIONS:
            tile = self.page.locator(f"#counts [data-decision={decision}] .n")
            expect(tile).to_have_text(f"{counts[decision]:,}")

    def close(self) -> None:
        self.context.close()
        assert self.complaints == []
        assert all(url.startswith((self.stub.url, "data:", f"blob:{self.stub.url}")) for url in self.asked)


@pytest.fixture
def serve() -> Iterator[Callable[..., StubLine]]:
    with ExitStack() as lines:
        yield lambda **options: lines.enter_context(StubLine(**options))


@pytest.fixture
def stub(serve: Callable[..., StubLine]) -> StubLine:
    return serve()


# A page is closed before its line is, of which it would ask for news: fixtures end in the other order.
@pytest.fixture
def show(browser: Browser, serve: object) -> Iterator[Callable[..., OpenedPage]]:  # noqa: ARG001
    opened: list[OpenedPage] = []

    def work(stub: StubLine, **options: Any) -> OpenedPage:
        opened.append(OpenedPage(browser, stub, **options))
        return opened[-1]

    yield work
    for shown in opened:
        shown.close()


# --- The files -------------------------------------------------------------------------------------------


def test_both_catalogues_say_the_same_things() -> None:
    english, german = (json.loads((PAGE / f"catalogue.{one}.json").read_text()) for one in ("en", "de"))
    assert list(english) == list(german)
    names = re.compile(r"\{\w+\}")
    for key, text in english.items():
        assert text, key
        assert german[key], key
        # English reasons say their kind by themselves.
        more = ["{kind}"] if key == "kind.told" else []
        assert sorted([*names.findall(text), *more]) == sorted(names.findall(german[key])), key


def test_every_word_of_the_page_is_in_the_catalogue() -> None:
    catalogue = json.loads((PAGE / "catalogue.en.json").read_text())
    page = (PAGE / "index.html").read_text()
    shifts = PAGE.with_name("shifts")
    texts = [
        *PAGE.rglob("*.js"),
        *(shifts / name for name in ("report.html.j2", "report.py")),
        *PAGE.with_name("language").glob("*.py"),
    ]
    scripts = "\n".join(path.read_text() for path in texts)
    wanted = set(re.findall(r'data-(?:word|label)="([^"]+)"', page)) | set(
        re.findall(r'\btranslate\(\s*(?:language, )?"([^"]+)"(?! ~)', scripts)
    )
    assert wanted - set(catalogue) == set()
    # The others are named by a part that is put together: `decision.${...}`.
    stems = set(re.findall(r"`([a-z-]+\.(?:[a-z]+\.)?)\$\{", scripts))
    stems |= set(re.findall(r'\btranslate\("([a-z]+\.)" ~', scripts))
    quoted = set(re.findall(r'"([a-z-]+(?:\.[\w.-]+)?)"', scripts))
    unused = {key for key in set(catalogue) - wanted - quoted if not key.startswith(tuple(stems))}
    assert unused == set()


def test_it_needs_nothing_from_elsewhere_and_nothing_inline(stub: StubLine) -> None:
    answer = httpx.get(stub.url)
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=|https?://", answer.text)
    for path in filter(Path.is_file, PAGE.rglob("*")):
        got = httpx.get(f"{stub.url}static/{path.relative_to(PAGE)}")
        assert got.content == path.read_bytes()
        assert "content-security-policy" in got.headers


@pytest.mark.parametrize(
    "path", ["..%2fpage.py", "%2e%2e/page.py", "....//page.py", "%2fetc%2fpasswd", "", "nothing.js"]
)
def test_no_other_file_is_served(stub: StubLine, path: str) -> None:
    assert httpx.get(f"{stub.url}static/{path}").status_code == 404


# --- Live ------------------------------------------------------------------------------------------------


def test_a_burst_is_counted_to_the_last_part(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    for _ in range(30):
        stub.decide()
    shown = show(stub)
    shown.expect_counts(stub.total())
    nodes = shown.page.evaluate("document.querySelectorAll('*').length")

    def work() -> None:
        for _ in range(150):
            stub.decide()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(stub.total().values()) == 630
    shown.expect_counts(stub.total())
    expect(shown.page.locator("#rate")).to_contain_text("630 since")
    stub.drop(40)  # of which nothing is told but their number
    stub.decide("FAIL")
    shown.expect_counts(stub.total())
    assert shown.page.evaluate("document.querySelectorAll('*').length") == nodes
    last = [row["decision"] for row in stub.rows[-50:]]
    for decision in set(last) - {"PASS"}:
        expect(shown.page.locator(f"#history-bar [data-decision={decision}]")).not_to_have_count(0)


def test_counts_hold_without_a_status(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    """Events alone count, too, and none twice that the status has counted."""
    shown = show(stub)
    shown.expect_counts(stub.total())
    shown.page.route("**/api/status", lambda _: None)  # never answered from now on
    for _ in range(200):
        stub.decide()
    shown.expect_counts(stub.total())
    shown.page.unroute("**/api/status")


def test_the_decision_is_told_by_word_shape_and_colour(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    shown = show(stub)
    page = shown.page
    expect(page.locator("#word")).to_have_text("NO PART YET")
    seen = set()
    for decision in ("PASS", "REVIEW", "FAIL", "INVALID"):
        stub.decide(decision)
        expect(page.locator("#word")).to_have_text(decision)
        expect(page.locator("#band > .shape use")).to_have_attribute("href", f"#shape-{decision}")
        seen.add(page.locator("#band").evaluate("band => getComputedStyle(band).background"))
        assert page.evaluate(CAPITALS) * PITCH >= LEGIBLE
        box, band = page.locator("#word").bounding_box(), page.locator("#band").bounding_box()
        assert box
        assert band
        assert box["x"] + box["width"] <= band["x"] + band["width"]
    assert len(seen) == 4
    expect(page.locator("#stage .without")).to_have_text("late: no decision within 100 ms")
    expect(page.locator("#enlarge .caption")).to_contain_text("INVALID")


def test_a_fault_among_many_good_parts_stays_to_be_seen(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    page = show(stub).page
    # The page's clock stands still, so that a browser that is held up misses nothing.
    page.evaluate("window.moment = performance.now(); performance.now = () => window.moment")
    stub.decide("FAIL", share=1.7)
    for _ in range(7):
        stub.decide("PASS")
    expect(page.locator("#aside")).to_have_text("+7PASS")
    expect(page.locator("#word")).to_have_text("FAIL")
    page.evaluate("window.moment += 1000")
    page.wait_for_timeout(2000)  # it looks again after 1.5 s
    expect(page.locator("#word")).to_have_text("FAIL")
    page.evaluate("window.moment += 1000")
    expect(page.locator("#word")).to_have_text("PASS")


def test_a_fault_stays_to_be_seen_while_the_parts_are_loaded_anew(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    page = show(stub).page
    page.evaluate("window.moment = performance.now(); performance.now = () => window.moment")
    stub.decide("FAIL", share=1.7)
    stub.decide("PASS")
    expect(page.locator("#aside")).to_have_text("+1PASS")
    page.evaluate("import('./static/event_stream.js').then((module) => module.openStream())")
    expect(page.locator("#word")).to_have_text("FAIL")
    expect(page.locator("#aside")).to_have_text("+1PASS")


def test_image_map_and_faults_only_are_remembered(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    shown = show(stub)
    page = shown.page
    fault = stub.decide("FAIL")
    good = stub.decide("PASS")
    image = page.locator("#stage img:visible")
    expect(image).to_have_attribute("src", f"api/pictures/{good['trigger']}/overlay")
    page.get_by_role("radio", name="Map").check()
    expect(image).to_have_attribute("src", f"api/pictures/{good['trigger']}/map")
    page.get_by_role("radio", name="Faults").check()
    expect(image).to_have_attribute("src", f"api/pictures/{fault['trigger']}/map")
    shown.load()
    expect(image).to_have_attribute("src", f"api/pictures/{fault['trigger']}/map")
    page.keyboard.press("m")
    page.keyboard.press("f")
    expect(image).to_have_attribute("src", f"api/pictures/{good['trigger']}/overlay")


def test_indicators_say_why(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    shown = show(stub)
    page = shown.page
    indicator = {
        name: page.locator("#status-bar .indicator").nth(i)
        for i, name in enumerate(("camera", "plc", "broker", "disk", "drift", "ledger"))
    }
    expect(indicator["camera"]).to_have_attribute("data-state", "well")
    expect(indicator["drift"]).to_have_attribute("data-state", "none")
    expect(page.locator("#reasons")).to_be_hidden()
    drift = {
        "camera": "left",
        "category": "pill",
        "quantity": "score",
        "pace": "slow",
        "change": 0.12,
        "raised": True,
        "when": "x",
    }
    stub.state["left"]["fault"] = NASTY
    stub.change(
        outputs=[stub.output("mqtt", "no answer from 10.0.0.4", 31)],
        disk={"free_gigabytes": 0.0, "fault": "full"},
        ledger_fault="the disk is full",
        drift=[drift],
    )
    expect(indicator["camera"]).to_have_attribute("data-state", "bad")
    expect(indicator["plc"]).to_have_attribute("data-state", "none")
    expect(indicator["broker"]).to_have_attribute("data-state", "bad")
    expect(indicator["disk"]).to_have_attribute("data-state", "bad")
    expect(indicator["drift"]).to_have_attribute("data-state", "warn")
    expect(indicator["ledger"]).to_have_attribute("data-state", "bad")
    expect(page.locator("#reasons")).to_contain_text(f"Camera: left: {NASTY}")
    page.locator("#reasons").click()
    expect(page.locator("#state")).to_contain_text("no answer from 10.0.0.4; 31 results waiting")
    expect(page.locator("#state")).to_contain_text("left: score of good parts 12% above what it was")
    page.locator("#state").get_by_role("button", name="Close").click()
    stub.state["left"].update(fault=None, latency=0.35, trigger="external")
    fails = {**drift, "quantity": "fail_share", "change": 0.9}
    stub.change(outputs=[], disk=None, ledger_fault=None, drift=[fails])
    expect(page.locator("#reasons")).to_contain_text("left: 90% of the latest parts are FAIL")
    stub.change(drift=[{**drift, "raised": False}, {**fails, "raised": False}])
    expect(page.locator("#reasons")).to_be_hidden()
    expect(indicator["drift"]).to_have_attribute("data-state", "well")
    expect(page.locator("#state-indicators .indicator").first).to_contain_text("0.35 s after they were taken")


def test_a_line_with_a_database_has_an_indicator_for_it(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    page = show(stub).page
    expect(page.locator("#status-bar")).not_to_contain_text("Data")
    stub.change(outputs=[stub.output("modbus"), stub.output("postgres", "db:5432/softcore: has gone", 31)])
    indicator = page.locator("#status-bar .indicator", has_text="Data")
    expect(indicator).to_have_attribute("data-state", "bad")
    expect(page.locator("#reasons")).to_contain_text(
        "Database: db:5432/softcore: has gone; 31 results waiting"
    )
    stub.change(outputs=[stub.output("postgres")])
    expect(indicator).to_have_attribute("data-state", "well")


def test_an_alarm_has_a_banner_until_somebody_acknowledges_it(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    shown = show(stub)
    page = shown.page
    banner, lamp = page.locator("#alarm"), page.locator("#status-bar .indicator").last
    expect(banner).to_be_hidden()
    expect(lamp).to_have_attribute("data-state", "well")
    expect(page.locator("#status-bar")).to_contain_text("Alarms")
    light = stub.alarm("brightness-jump", level="warning", watched="brightness", matches=None, parts=None,
                       change=-0.031)  # fmt: skip
    stub.change(open_alarms=[stub.alarm(), stub.alarm("fail-run", matches=10, parts=10, holds=False), light])
    expect(banner).to_contain_text(
        re.compile(r"Alarm: 20 of the last 50 parts are FAIL since \d\d:\d\d:\d\d")
    )
    expect(banner).to_have_attribute("data-level", "alarm")
    expect(lamp).to_have_attribute("data-state", "bad")
    expect(page.locator("#reasons")).to_be_hidden()  # the banner says it
    assert find_scrolling(page) == []
    assert find_small(page) == []
    examine(page, "an alarm")
    banner.get_by_role("button", name="Acknowledge").click()
    shown.unlock()
    expect(banner).to_contain_text("10 of the last 10 parts are FAIL")
    expect(banner).to_contain_text("over, but not acknowledged")
    assert stub.changes == [("alarm", {"camera": "left", "rule": "fail-share"})]
    banner.get_by_role("button", name="1 more").click()
    rows = page.locator("#state-alarms li")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("acknowledged by page")
    assert find_small(page) == []
    examine(page, "open alarms")
    rows.nth(1).get_by_role("button", name="Acknowledge").click()
    expect(rows).to_have_count(2)  # one that is over is cleared
    page.keyboard.press("Escape")
    expect(banner).to_have_text(re.compile(r"Warning: Images: brightness fell by 3\.1%"))
    expect(banner).to_have_attribute("data-level", "warning")
    examine(page, "a warning")
    banner.get_by_role("button", name="Acknowledge").click()
    expect(banner).to_be_hidden()
    expect(lamp).to_have_attribute("data-state", "bad")  # it goes on
    expect(page.locator("#reasons")).to_contain_text("Alarms: 20 of the last 50 parts are FAIL")
    stub.change(open_alarms=[])
    expect(lamp).to_have_attribute("data-state", "well")
    expect(page.locator("#reasons")).to_be_hidden()


def test_an_alarm_that_can_not_be_acknowledged_says_why(
    serve: Callable[..., StubLine], show: Callable[..., OpenedPage]
) -> None:
    stub = serve(refusal="left: alarm fail-share is not raised, but cleared")
    shown = show(stub)
    stub.change(open_alarms=[stub.alarm()])
    shown.refusals = True
    shown.page.locator("#alarm-acknowledge").click()
    shown.unlock()
    expect(shown.page.locator("#alarm-state")).to_have_text(
        "left: alarm fail-share is not raised, but cleared"
    )
    without = serve(token=False)
    page = show(without).page
    without.change(open_alarms=[stub.alarm()])
    expect(page.locator("#alarm-acknowledge")).to_be_disabled()


def test_alarms_are_told_in_german_with_their_camera_and_fit_a_phone(
    serve: Callable[..., StubLine], show: Callable[..., OpenedPage]
) -> None:
    stub = serve(cameras=("left", "right"))
    for after in ("raised: FAIL+INVALID 12/50", "raised: sharpness +4.0%", "acknowledged", "cleared"):
        stub.note("alarm", "left", "rejected", "cleared" if after[0] == "r" else "raised", after)
    shown = show(stub, locale="de-DE", viewport=PHONE, is_mobile=True)
    page = shown.page
    stub.change(open_alarms=[stub.alarm(camera="right", matches=45)])
    expect(page.locator("#alarm")).to_contain_text("Alarm: right: 45 der letzten 50 Teile sind")
    expect(page.locator("#alarm-acknowledge")).to_have_text("Quittieren")
    assert page.locator("main").evaluate("main => main.scrollWidth <= main.clientWidth")
    page.locator("[data-view=reports]").click()
    notes = page.locator("#notes li")
    expect(notes.nth(0)).to_contain_text("Alarmausgelöst → beendet")
    expect(notes.nth(2)).to_contain_text("beendet → ausgelöst: Bilder: Schärfe um 4,0 % gestiegen")
    expect(notes.nth(3)).to_contain_text("ausgelöst: 12 der letzten 50 Teile sind")


def test_the_history_bar_opens_a_part_and_one_touch_marks_it(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    for place in range(60):
        stub.decide("FAIL" if place == 30 else "PASS", part=NASTY if place == 30 else None)
    shown = show(stub)
    page = shown.page
    fault = page.locator("#history-bar [data-decision=FAIL]")
    expect(fault).to_have_count(1)
    fault.click()
    part = page.locator("#part")
    expect(part.get_by_role("heading")).to_have_text(f"Part {NASTY}: FAIL")
    expect(part.locator("dd", has_text="t000031")).to_be_visible()
    part.get_by_role("radio", name="Map").check()
    expect(part.locator("figure img:visible")).to_have_attribute("src", "api/pictures/t000031/map")
    part.get_by_role("button", name="Was good").click()
    shown.unlock()
    expect(part.locator("#mark-state")).to_have_text("Mark saved in the ledger.")
    expect(part.get_by_role("button", name="Was good")).to_have_attribute("aria-pressed", "true")
    assert stub.rows[30]["mark"] == "good"
    part.get_by_role("button", name="Was bad").click()
    expect(part.get_by_role("button", name="Was good")).to_have_attribute("aria-pressed", "false")
    part.get_by_role("button", name="Was bad").click()  # the same again takes it back
    expect(part.locator("#mark-state")).to_have_text("Mark removed.")
    assert [body["mark"] for _, body in stub.changes] == ["good", "bad", None]
    part.get_by_role("button", name="Newer part").click()
    expect(part.get_by_role("heading")).to_contain_text("100032: PASS")
    stub.refusal = "the ledger can't be written"
    shown.refusals = True
    part.get_by_role("button", name="Was bad").click()
    expect(part.locator("#mark-state")).to_have_text("the ledger can't be written")
    # The line goes on behind it, and that is told.
    stub.decide("FAIL")
    expect(part.locator(".live-chip")).to_have_text(re.compile("Line now:.*FAIL"))


def test_several_cameras_each_have_their_own(
    serve: Callable[..., StubLine], show: Callable[..., OpenedPage]
) -> None:
    stub = serve(cameras=("left", "right"))
    for _ in range(5):
        stub.decide("PASS", camera="left")
    stub.decide("FAIL", camera="right")
    shown = show(stub)
    page = shown.page
    page.locator("#cameras").get_by_role("button", name="left").click()
    shown.expect_counts(stub.total("left"))
    expect(page.locator("#word")).to_have_text("PASS")
    page.locator("#cameras").get_by_role("button", name="right").click()
    shown.expect_counts(stub.total("right"))
    expect(page.locator("#word")).to_have_text("FAIL")
    stub.decide("REVIEW", camera="left")
    stub.decide("INVALID", camera="right")
    expect(page.locator("#word")).to_have_text("INVALID")
    shown.expect_counts(stub.total("right"))
    page.keyboard.press("c")
    expect(page.locator("#word")).to_have_text("REVIEW")
    shown.expect_counts(stub.total("left"))
    assert page.evaluate("document.documentElement.scrollHeight") <= PANEL["height"]


# --- Old news --------------------------------------------------------------------------------------------


def test_it_comes_back_by_itself_after_the_line_was_restarted(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    for _ in range(20):
        stub.decide("PASS")
    shown = show(stub)
    page = shown.page
    shown.expect_counts(stub.total())
    shown.refusals = True
    stub.stop()
    expect(page.locator("#stale")).to_contain_text(re.compile(r"No data for \d+ s: display out of date"))
    expect(page.locator("body")).to_have_class("old")
    expect(page.locator("#status-bar .indicator[data-state=none]")).to_have_count(7)
    stub.start()
    stub.decide("REVIEW")
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#word")).to_have_text("REVIEW")
    for _ in range(50):
        stub.decide()
    shown.expect_counts(stub.total())
    assert sum(stub.total().values()) == 51


def test_a_line_that_hangs_is_told_as_old(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    stub.decide("PASS")
    shown = show(stub)
    expect(shown.page.locator("#word")).to_have_text("PASS")  # it is loaded, and has asked for all it asks
    shown.expect_counts(stub.total())
    stub.silent = True  # connected, and without a word
    stub.decide("FAIL")
    expect(shown.page.locator("#stale")).to_be_visible()
    expect(shown.page.locator("#word")).to_have_text("PASS")
    stub.silent = False
    expect(shown.page.locator("#stale")).to_be_hidden()
    expect(shown.page.locator("#word")).to_have_text("FAIL")
    shown.expect_counts(stub.total())


def test_a_stream_that_died_without_an_error_is_opened_anew(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    stub.decide("PASS")
    shown = show(stub)
    expect(shown.page.locator("#word")).to_have_text("PASS")
    stub.decide("REVIEW")
    expect(shown.page.locator("#word")).to_have_text("REVIEW")  # the stream is open
    shown.expect_counts(stub.total())
    stub.mute = True  # it answers, but what it tells by events is lost
    stub.decide("FAIL")
    shown.expect_counts(stub.total())
    expect(shown.page.locator("#word")).to_have_text("FAIL")
    assert sum(url.endswith("api/events") for url in shown.asked) > 1


# --- Look back -------------------------------------------------------------------------------------------


def test_parts_are_found_by_what_they_are(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    for place in range(400):
        stub.decide(
            {5: "FAIL", 6: "INVALID", 300: "FAIL"}.get(place, "PASS"),
            share={5: 1.1, 6: None, 300: 2.5}.get(place, 0.7),
        )
    stub.rows[300]["mark"] = "good"
    shown = show(stub)
    shown.view("look-back")
    page = shown.page
    rows = page.locator("#rows button")
    expect(rows).to_have_count(12)
    expect(rows.first).to_contain_text("100400")
    page.get_by_role("button", name="Older").click()
    expect(rows.first).to_contain_text("100388")
    expect(page.locator("#found")).to_have_text("Parts 13 to 24 of 400, newest first")
    page.get_by_role("button", name="Newer").click()
    expect(rows.first).to_contain_text("100400")

    page.get_by_role("combobox", name="Decision").select_option("FAIL")
    expect(rows).to_have_count(2)  # the second lies several answers back
    page.get_by_role("combobox", name="Score").select_option("just-failed")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("1.10 \u00d7 threshold")
    page.get_by_role("combobox", name="Score").select_option("any")
    page.get_by_role("combobox", name="Marks").select_option("good")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("was good")
    page.get_by_role("combobox", name="Marks").select_option("bad")
    expect(page.locator("#found")).to_have_text("No part was found.")
    page.get_by_role("combobox", name="Marks").select_option("")
    page.get_by_role("combobox", name="Time").select_option("yesterday")
    expect(page.locator("#found")).to_have_text("No part was found.")
    page.get_by_role("combobox", name="Time").select_option("custom")
    page.get_by_role("textbox", name="From").fill("2020-01-01T06:00")
    expect(rows).to_have_count(2)
    rows.nth(1).click()
    expect(page.locator("#part-title")).to_have_text("Part 100006: FAIL")


def test_a_scanner_finds_a_part(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    for _ in range(40):
        stub.decide("PASS")
    stub.decide("FAIL", part="1000")
    shown = show(stub)
    shown.view("look-back")
    page, rows = shown.page, shown.page.locator("#rows button")
    expect(page.get_by_role("searchbox", name="Part id")).to_be_focused()
    page.keyboard.type("100007")
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_have_text("Parts 1 to 1 of 1, newest first")
    expect(rows).to_contain_text(["100007"])
    page.keyboard.type("10001")  # what is read next takes its place
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_have_text("Parts 1 to 10 of 10, newest first")
    page.keyboard.type("1000")  # the whole id, though others begin with it
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    rows.first.click()
    expect(page.locator("#part-title")).to_have_text("Part 1000: FAIL")
    page.keyboard.press("Escape")
    page.keyboard.type(NASTY)
    page.keyboard.press("Enter")
    expect(page.locator("#found")).to_have_text("No part was found.")
    page.get_by_role("searchbox", name="Part id").fill("")
    expect(page.locator("#found")).to_have_text("Parts 1 to 12 of 41, newest first")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    expect(page.locator("#live")).to_be_visible()


def test_a_time_is_jumped_to_and_left_both_ways(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    begin = 1_790_000_000
    for place in range(60):
        stub.decide("PASS", at=(begin + 60 * place) * 10**9)
    shown = show(stub, timezone_id="UTC")
    shown.view("look-back")
    page, rows = shown.page, shown.page.locator("#rows button")
    expect(page.get_by_role("button", name="Newer")).to_be_disabled()
    jump = datetime.fromtimestamp(begin + 60 * 29, timezone.utc)
    page.get_by_label("Jump to").fill(jump.strftime("%Y-%m-%dT%H:%M:%S"))
    expect(page.locator("#found")).to_have_text("Parts 31 to 42 of 60, newest first")
    expect(rows.first).to_contain_text("100030")
    page.get_by_role("button", name="Newer").click()
    expect(page.locator("#found")).to_have_text("Parts 19 to 30 of 60, newest first")
    page.get_by_role("button", name="Newer").click()
    page.get_by_role("button", name="Newer").click()  # six are newer, and the page is full all the same
    expect(page.locator("#found")).to_have_text("Parts 1 to 12 of 60, newest first")
    expect(page.get_by_role("button", name="Newer")).to_be_disabled()
    for _ in range(4):
        page.get_by_role("button", name="Older").click()
    expect(page.locator("#found")).to_have_text("Parts 49 to 60 of 60, newest first")
    expect(page.get_by_role("button", name="Older")).to_be_disabled()


def test_without_an_index_parts_are_found_and_not_counted(
    serve: Callable[..., StubLine], show: Callable[..., OpenedPage]
) -> None:
    stub = serve(indexed=False)
    for place in range(400):
        stub.decide("FAIL" if place in (5, 300) else "PASS")
    shown = show(stub)
    shown.view("look-back")
    page, rows = shown.page, shown.page.locator("#rows button")
    expect(page.locator("#found")).to_contain_text("12 parts, newest first. They are counted once")
    expect(page.get_by_role("button", name="Newer")).to_be_disabled()
    page.get_by_role("button", name="Older").click()
    expect(rows.first).to_contain_text("100388")
    page.get_by_role("button", name="Newer").click()
    expect(rows.first).to_contain_text("100400")
    page.get_by_role("combobox", name="Decision").select_option("FAIL")
    expect(rows).to_have_count(2)  # the second lies several answers back


def test_a_wide_screen_is_used(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    for _ in range(80):
        stub.decide("PASS")
    shown = show(stub, viewport={"width": 1920, "height": 1080})
    shown.view("look-back")
    expect(shown.page.locator("#rows button").nth(24)).to_be_visible()
    left = shown.page.evaluate(
        "() => { const all = document.querySelector('#rows'); const last = [...all.children].at(-1);"
        " return [all.scrollHeight - all.clientHeight,"
        "  all.getBoundingClientRect().bottom - last.getBoundingClientRect().bottom,"
        "  last.getBoundingClientRect().height]; }"
    )
    assert left[0] <= 1
    assert left[1] < left[2] + 20


def test_a_mark_made_elsewhere_is_seen(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    stub.decide("FAIL")
    shown = show(stub)
    shown.view("look-back")
    expect(shown.page.locator("#rows button")).to_have_count(1)
    headers = {"X-SoftCore-Token": TOKEN}
    httpx.post(f"{stub.url}api/marks", json={"trigger": "t000001", "mark": "bad"}, headers=headers)
    expect(shown.page.locator("#rows .marked")).to_have_text("was bad")


def test_without_a_ledger_it_says_so(serve: Callable[..., StubLine], show: Callable[..., OpenedPage]) -> None:
    stub = serve(ledger=False)
    stub.decide("PASS")
    shown = show(stub)
    shown.expect_counts(stub.total())
    stub.decide("FAIL")
    shown.expect_counts(stub.total())
    page = shown.page
    page.locator("#enlarge").click()
    expect(page.locator("#mark-state")).to_have_text("Marks need a ledger, and this line keeps none.")
    expect(page.get_by_role("button", name="Was good")).to_be_disabled()
    page.keyboard.press("Escape")
    shown.view("look-back")
    expect(page.locator("#found")).to_contain_text("needs a ledger")
    shown.view("set-up")
    expect(page.locator("#threshold-known")).to_contain_text("needs a ledger")
    shown.view("reports")
    expect(page.locator("#notes")).to_contain_text("keeps no ledger")


# --- Set up ----------------------------------------------------------------------------------------------


def test_a_wrong_token_changes_nothing(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    shown = show(stub)
    shown.refusals = True
    shown.view("set-up")
    page = shown.page
    expect(page.locator("#lock")).to_contain_text("Locked")
    page.get_by_role("button", name="Trigger once").click()
    shown.unlock("not-the-token-of-it")
    expect(page.locator("#token-state")).to_have_text("That is not the token of this line.")
    page.locator("#token").get_by_role("button", name="Cancel").click()
    assert stub.changes == []

    # With gloves, on the keys of the screen; it is kept for this page alone.
    page.get_by_role("button", name="Trigger once").click()
    for key in TOKEN:
        page.locator(f"#keys [data-key='{key}']").click()
    page.locator("#token").get_by_role("button", name="Unlock").click()
    expect(page.locator("#trigger-state")).to_have_text("Triggered: t000001")
    assert stub.changes == [("trigger", {"camera": "left"})]
    assert page.evaluate("Object.values(localStorage).join()").find(TOKEN) == -1
    shown.load()
    shown.view("set-up")
    expect(page.locator("#lock")).to_contain_text("Unlocked")
    page.locator("#lock").get_by_role("button").click()
    expect(page.locator("#lock")).to_contain_text("Locked")
    page.get_by_role("button", name="Trigger once").click()
    expect(page.locator("#token")).to_be_visible()


def test_a_line_without_a_token_says_so(
    serve: Callable[..., StubLine], show: Callable[..., OpenedPage]
) -> None:
    stub = serve(token=False)
    shown = show(stub)
    shown.view("set-up")
    expect(shown.page.locator("#lock")).to_contain_text("has no token")
    for name, state in (("Trigger once", "trigger"), ("Stop", "run"), ("capsule", "recipe")):
        expect(shown.page.get_by_role("button", name=name)).to_be_disabled()
        expect(shown.page.locator(f"#{state}-state")).to_contain_text("has no token")


def test_the_recipe_and_running_are_changed_when_it_is_meant(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    shown = show(stub)
    shown.view("set-up")
    page = shown.page
    page.get_by_role("button", name="capsule").click()
    page.locator("#confirmation").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="capsule").click()
    expect(page.locator("#confirmation")).to_contain_text(
        "From the next trigger on, capsule decides instead of pill."
    )
    page.locator("#confirmation").get_by_role("button", name="Change").click()
    shown.unlock()
    expect(page.get_by_role("button", name="capsule")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#recipe-state")).to_have_text("capsule is in use.")
    page.get_by_role("button", name="Stop").click()
    page.locator("#confirmation").get_by_role("button", name="Stop").click()
    expect(page.locator("#run-state")).to_contain_text("left is stopped")
    expect(page.get_by_role("button", name="Trigger once")).to_be_disabled()
    expect(page.locator("#status-bar .indicator").first).to_have_attribute("data-state", "warn")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#run-state")).to_have_text("Camera left is inspecting.")
    assert stub.changes == [
        ("recipe", {"camera": "left", "recipe": "capsule"}),
        ("running", {"camera": "left", "running": False}),
        ("running", {"camera": "left", "running": True}),
    ]
    stub.refusal = "capsule: its self-test failed"
    shown.refusals = True
    page.get_by_role("button", name="pill blue").click()
    page.locator("#confirmation").get_by_role("button", name="Change").click()
    expect(page.locator("#recipe-state")).to_have_text("capsule: its self-test failed")


def test_a_threshold_is_tried_on_the_last_parts_before_it_is_set(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    for share in (0.5, 0.97, 1.02, 1.04, 1.5):
        stub.decide("PASS" if share < 1 else "FAIL", share=share)
    shown = show(stub)
    shown.view("set-up")
    page = shown.page
    cells = page.locator("#threshold-table td")
    expect(page.locator("#threshold-known")).to_contain_text("the last 5 parts, of which 5")
    expect(page.locator("#threshold-apply")).to_be_disabled()
    page.get_by_role("button", name="New threshold: 5 % more").click()
    expect(page.get_by_role("spinbutton", name="New threshold")).to_have_value("12.6")
    expect(cells).to_have_text(["", "2", "3", "4", "1"])
    expect(page.locator("#threshold-changed button")).to_have_count(2)
    page.locator("#threshold-changed button").first.click()
    expect(page.locator("#part-title")).to_contain_text("FAIL")
    page.keyboard.press("Escape")

    for wrong in ("-3", "", "0"):
        page.get_by_role("spinbutton", name="New threshold").fill(wrong)
        expect(page.locator("#threshold-state")).to_contain_text("A threshold is a number above 0")
        expect(page.locator("#threshold-apply")).to_be_disabled()
    page.get_by_role("spinbutton", name="New threshold").fill("11")
    expect(cells).to_have_text(["", "2", "3", "1", "4"])
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("#confirmation")).to_contain_text("Of the last 5 parts 4 would have failed; 3 did.")
    assert stub.threshold == 12
    page.locator("#confirmation").get_by_role("button", name="Apply").click()
    shown.unlock()
    expect(page.locator("#threshold-state")).to_have_text("The threshold is 11; it was 12.")
    expect(page.locator("#threshold-now")).to_have_text("In use: 11")
    assert stub.changes == [("limit", {"camera": "left", "value": 11})]


def test_a_grey_zone_has_two_ends(serve: Callable[..., StubLine], show: Callable[..., OpenedPage]) -> None:
    stub = serve(fail_above=14.0)
    stub.decide("REVIEW", share=1.1)
    shown = show(stub)
    shown.view("set-up")
    page = shown.page
    expect(page.locator("#threshold-now")).to_have_text("In use: 12; FAIL above 14")
    page.get_by_role("spinbutton", name="FAIL above").fill("11")
    expect(page.locator("#threshold-state")).to_contain_text("FAIL begins at the threshold or above it")
    page.get_by_role("spinbutton", name="FAIL above").fill("13")
    expect(page.locator("#threshold-table td")).to_have_text(["", "0", "1", "0", "0", "0", "1"])
    page.get_by_role("button", name="Apply").click()
    page.locator("#confirmation").get_by_role("button", name="Apply").click()
    shown.unlock()
    expect(page.locator("#threshold-now")).to_have_text("In use: 12; FAIL above 13")


def test_the_focus_help_follows_the_lens(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    stub.focus = iter(
        [{"sharpness": 300.0, "lowest": 250.0, "typical": 640.0}] * 3
        + [{"sharpness": 512.0, "lowest": 250.0, "typical": 640.0}] * 3
        + [{"sharpness": 200.0, "lowest": 250.0, "typical": 640.0}] * 9
        + [{"sharpness": None, "lowest": 250.0, "typical": 640.0}] * 9999
    )
    shown = show(stub)
    shown.view("set-up")
    page = shown.page
    page.get_by_role("button", name="Focus help").click()
    expect(page.locator("#sharpness")).to_have_text("200")
    expect(page.locator("#focus-numbers dd")).to_have_text(["512", "640", "250"])
    expect(page.locator("#gauge .now.low")).to_be_visible()
    expect(page.locator("#focus img:visible")).to_have_count(1)
    expect(page.locator("#sharpness")).to_have_text("The camera delivers no image.")
    page.locator("#focus").get_by_role("button", name="Close").click()
    expect(page.locator("#focus")).to_be_hidden()


# --- Reports ---------------------------------------------------------------------------------------------


def test_reports_are_taken_away_and_changes_are_listed(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    for decision in ("PASS", "PASS", "PASS", "FAIL"):
        stub.decide(decision)
    stub.note("limit", "left", None, 12.0, 11.0)
    stub.note("mark", "left", "t000004", None, "good")
    shown = show(stub)
    shown.view("reports")
    page = shown.page
    expect(page.locator("#shift td")).to_contain_text(
        ["", "3", "75.0%", "0", "0.0%", "1", "25.0%", "0", "0.0%", "4"]
    )
    expect(page.locator("#notes li")).to_have_count(2)
    expect(page.locator("#notes li").nth(1)).to_contain_text("Threshold changed from 12 to 11")
    stub.note("recipe", "left", None, "pill", NASTY)
    expect(page.locator("#notes li").first).to_contain_text(f"Recipe changed from pill to {NASTY}")
    for button, form in (("Shift report", "html"), ("Table (CSV)", "csv")):
        with page.expect_download() as saved:
            page.get_by_role("button", name=button).click()
        assert saved.value.suggested_filename == f"shift.{form}"
        expect(page.locator("#report-state")).to_have_text(f"Report saved: shift.{form}")
    page.get_by_role("radio", name="from \u2013 to").check()
    page.get_by_role("textbox", name="From").fill("2026-11-25T06:00")
    page.get_by_role("button", name="Table (CSV)").click()
    expect(page.locator("#report-state")).to_have_text("Report saved: shift.csv")
    page.get_by_role("radio", name="a past shift").check()
    page.get_by_role("textbox", name="Day").fill("2026-11-24")
    page.get_by_role("combobox", name="Begins at").select_option("14:00")
    page.get_by_role("button", name="Table (CSV)").click()
    expect(page.locator("#report-state")).to_have_text("Report saved: shift.csv")
    forms = [body for _, body in stub.changes]
    assert [(body["form"], body["language"]) for body in forms] == [
        ("html", "en"),
        *3 * [("csv", "en")],
    ]
    assert (forms[3]["day"], forms[3]["start"], forms[3]["since"]) == ("2026-11-24", "14:00", None)
    assert forms[0]["since"]
    assert forms[2]["since"].startswith("2026-11-2")
    shown.refusals = True
    page.route("**/api/report*", refuse)
    page.get_by_role("button", name="Shift report").click()
    expect(page.locator("#report-state")).to_have_text("the ledger can't be read")


def refuse(route: Route) -> None:
    route.fulfill(status=409, json={"detail": "the ledger can't be read"})


# --- For everybody ---------------------------------------------------------------------------------------


def test_it_speaks_german_and_remembers(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    stub.decide("FAIL", share=1.42)
    shown = show(stub)
    page = shown.page
    page.locator("#menu").click()
    page.get_by_role("radio", name="Deutsch").check()
    page.keyboard.press("Escape")
    expect(page.locator("#word")).to_have_text("NICHT GUT")
    expect(page.locator("#aside .score-bar")).to_have_attribute("aria-label", "1,42 \u00d7 Grenze")
    shown.load()
    expect(page.locator("#word")).to_have_text("NICHT GUT")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    cut = "all => all.filter((one) => one.getBoundingClientRect().right > one.closest('nav').clientWidth - 4)"
    assert page.locator("#status-bar .indicator > span").evaluate_all(f"all => ({cut})(all).length") == 0
    stub.decide("INVALID", reason="no new frame for 2.0 s (the camera is being reopened)")
    expect(page.locator("#stage")).to_contain_text("seit 2,0 s kein neues Bild (Kamera wird neu geöffnet)")
    stub.decide("INVALID", reason="blurred: its sharpness is 1.0", image=True)
    expect(page.locator("#enlarge .caption")).to_contain_text("UNGÜLTIG · unscharf · ")
    shown.view("look-back")
    expect(page.locator("#rows button").first).to_contain_text("unscharf")
    for view in VIEWS:
        shown.view(view)
        assert not re.search(
            r"\b[a-z]+\.[a-z-]+\b(?!png)", page.locator("main").inner_text().replace(".png", "")
        )


def test_what_the_line_says_of_itself_is_in_german_too(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    stub.state["left"]["fault"] = "no new frame for 2.5 s (the camera is being reopened)"
    stub.change(
        outputs=[stub.output("mqtt", "has not answered as an MQTT 5 broker yet", 1234)],
        alarms=[
            "left, pill: scores of good parts are 12% higher than at calibration (fast alarm)",
            "left: the lens fell off",
        ],
    )
    stub.note("running", "left", None, "true", "false")
    shown = show(stub, locale="de-DE")
    page = shown.page
    page.locator("#status-bar").click()
    for told in (
        "left: seit 2,5 s kein neues Bild (Kamera wird neu geöffnet)",
        "hat noch nicht als MQTT-5-Broker geantwortet; 1.234 Ergebnisse warten",
        "left, pill: Wert guter Teile 12 % höher als bei der Kalibrierung (schneller Alarm)",
        "left: the lens fell off",  # it is said in no known way
    ):
        expect(page.locator("#state")).to_contain_text(told)
    page.keyboard.press("Escape")
    shown.view("reports")
    expect(page.locator("#notes")).to_contain_text("durch Bedienseite")


def test_a_german_browser_begins_in_german(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    shown = show(stub, locale="de-AT")
    expect(shown.page.locator("html")).to_have_attribute("lang", "de")


def test_nothing_serious_is_wrong_for_those_who_see_or_move_less(
    serve: Callable[..., StubLine], show: Callable[..., OpenedPage]
) -> None:
    stub = serve(cameras=("left", "right"), fail_above=14.0)
    for decision in DECISIONS * 5:
        stub.decide(decision, camera="left")
    stub.note("limit", "left", None, 12.0, 11.0)
    shown = show(stub)
    page = shown.page
    for language in ("de", "en"):
        for theme in ("light", "dark"):
            page.keyboard.press("o")
            for name, value in (("language", language), ("theme", theme)):
                page.locator(f"#options label:has([name={name}][value={value}])").click()
            expect(page.locator("html")).to_have_attribute("lang", language)
            examine(page, f"menu, {language}, {theme}")
            page.keyboard.press("Escape")
            for view in VIEWS:
                shown.view(view)
                examine(page, f"{view}, {language}, {theme}")
    shown.view("live")
    page.locator("#cameras").get_by_role("button", name="left").click()
    for decision in DECISIONS:
        stub.decide(decision, camera="left")
        expect(page.locator("#word")).to_have_text(decision)
        examine(page, decision)
    for selector, opened in (("#enlarge", "#part"), ("#status-bar", "#state")):
        page.locator(selector).click()
        expect(page.locator(opened)).to_be_visible()
        examine(page, opened)
        page.keyboard.press("Escape")
    shown.view("set-up")
    for selector, opened in (("#lock button", "#token"), ("#focus-open", "#focus")):
        page.locator(selector).click()
        expect(page.locator(opened)).to_be_visible()
        examine(page, opened)
        page.keyboard.press("Escape")


def examine(page: Page, where: str) -> None:
    found = Axe().run(page).response["violations"]
    grave = [
        (one["id"], [(node["html"][:120], node["failureSummary"]) for node in one["nodes"]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert grave == [], where


def test_the_keyboard_is_enough(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    for place in range(10):
        stub.decide("FAIL" if place == 7 else "PASS")
    shown = show(stub)
    page = shown.page
    page.keyboard.press("?")
    expect(page.locator("#help")).to_contain_text("Look back")
    page.keyboard.press("Escape")
    for key, view in zip("4321", reversed(VIEWS), strict=True):
        page.keyboard.press(key)
        expect(page.locator(f"#{view}")).to_be_visible()
        if view == "look-back":  # where a scanner may type
            expect(page.get_by_role("searchbox", name="Part id")).to_be_focused()
            page.keyboard.press("Escape")
    # All that can be pressed is reached by Tab, and seen where one is.
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUS)
        if at[0] != "BODY":
            assert at[1] >= 3, at
            reached.add(at[0])
    assert {"live", "look-back", "status-bar", "menu", "enlarge", "shown", "which", "history-bar"} <= reached
    bar = page.locator("#history-bar")
    bar.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(bar).to_have_attribute("aria-valuetext", re.compile("^FAIL"))
    stub.decide("PASS")  # it doesn't move away under the finger
    page.keyboard.press("Enter")
    expect(page.locator("#part-title")).to_have_text("Part 100008: FAIL")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#part-title")).to_have_text("Part 100007: PASS")
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    # What a scanner types changes nothing.
    page.keyboard.type("4711 BCX-9\n?")
    page.keyboard.press("Escape")
    assert stub.changes == []


@pytest.mark.parametrize("language", ["en-GB", "de-DE"])
def test_nothing_scrolls_on_a_panel_and_gloves_hit_it(
    serve: Callable[..., StubLine], show: Callable[..., OpenedPage], language: str
) -> None:
    stub = serve(fail_above=14.0)
    for decision in DECISIONS * 15:
        stub.decide(decision)
    shown = show(stub, locale=language)
    page = shown.page
    stub.change(outputs=[stub.output("mqtt", "no answer")])
    expect(page.locator("#reasons")).to_be_visible()
    assert find_scrolling(page) == []
    for view in VIEWS:
        shown.view(view)
        assert find_small(page) == [], view
    page.keyboard.press("s")
    assert find_small(page) == []


def find_scrolling(page: Page) -> list[Any]:
    """What of the live view is longer than its place, or lies beyond the screen."""
    return list(page.evaluate(SCROLLING))


def find_small(page: Page) -> list[Any]:
    """What can be touched and is smaller than a gloved finger."""
    return list(page.evaluate(SMALL, TARGET - 0.5))


def test_a_phone_shows_all_of_it(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    for decision in DECISIONS * 15:
        stub.decide(decision)
    shown = show(stub, viewport=PHONE, is_mobile=True)
    page = shown.page
    for view in VIEWS:
        shown.view(view)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert page.locator("main").evaluate("main => main.scrollWidth <= main.clientWidth"), view
    shown.view("live")
    page.locator("#enlarge").click()
    part = page.locator("#part")
    assert part.evaluate("part => part.scrollWidth <= part.clientWidth")
    part.get_by_role("button", name="Was bad").click()
    shown.unlock()
    expect(part.locator("#mark-state")).to_have_text("Mark saved in the ledger.")


# --- The shadow ------------------------------------------------------------------------------------------


def make_shadow(**fields: Any) -> dict[str, Any]:
    return {
        "path": "bundles/pill-new", "fault": None, "bundle": "0" * 64, "category": "pill", "threshold": 12.0,
        "provisional": False, "seen": 1200, "differing": 1, "skipped": 0, **fields,
    }  # fmt: skip


def test_the_page_shows_that_a_shadow_runs_and_where_it_differs(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    stub.decide("PASS")
    stub.decide("FAIL", part=NASTY)
    shown = show(stub)
    page, button = shown.page, shown.page.locator("#shadow-open")
    expect(button).to_be_hidden()
    stub.state["left"]["shadow"] = make_shadow()
    stub.change()
    expect(button).to_have_text("Shadow pill-new: 1 of 1,200 parts differ")
    assert page.evaluate(SCROLLING) == []
    assert page.evaluate(SMALL, TARGET) == []
    button.click()
    tiles = page.locator("#shadow-parts button")
    expect(tiles).to_have_count(1)
    expect(tiles.first).to_contain_text("shadow: PASS")
    expect(tiles.first.locator("img")).to_be_visible()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    tiles.first.click()
    expect(page.locator("#part-title")).to_contain_text(NASTY)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    stub.state["left"]["shadow"] = make_shadow(skipped=7, differing=3)
    stub.change()
    expect(button).to_have_text("Shadow pill-new: 3 of 1,200 parts differ, 7 skipped")
    stub.state["left"]["shadow"] = make_shadow(fault="no bundle here")
    stub.change()
    expect(button).to_have_text("Shadow pill-new is not asked: no bundle here")


def test_the_shadow_is_told_in_german(stub: StubLine, show: Callable[..., OpenedPage]) -> None:
    stub.state["left"]["shadow"] = make_shadow()
    shown = show(stub, locale="de-DE")
    expect(shown.page.locator("#shadow-open")).to_have_text("Schatten pill-new: 1 von 1.200 Teilen anders")
    shown.page.locator("#shadow-open").click()
    expect(shown.page.locator("#shadow-found")).to_have_text("Bisher keine.")


# --- A dangerous change ----------------------------------------------------------------------------------


def test_a_threshold_that_would_have_failed_nearly_all_is_asked_in_red_twice(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    for place in range(328):
        stub.decide("FAIL" if place < 10 else "PASS", share=1.5 if place < 10 else 0.6 if place < 41 else 0.8)
    shown = show(stub)
    shown.view("set-up")
    page, dialog = shown.page, shown.page.locator("#confirmation")
    page.get_by_role("spinbutton", name="New threshold").fill("8.4")  # 0.7 of what it is
    page.get_by_role("button", name="Apply").click()
    expect(dialog.locator("dd")).to_have_text(["3.0% FAIL (10)", "90.5% FAIL (297)"])
    red = dialog.evaluate("one => getComputedStyle(one).borderColor")
    assert red == "rgb(179, 18, 29)"
    examine(page, "the question in red")
    first = dialog.get_by_role("button", name="Apply").bounding_box()
    dialog.get_by_role("button", name="Apply").click()
    expect(dialog.get_by_role("heading")).to_have_text("Is 8.4 really meant, in place of 12?")
    cancel = dialog.get_by_role("button", name="Cancel").bounding_box()
    assert first
    assert cancel
    # A second touch at the same place answers no.
    assert cancel["x"] <= first["x"] + first["width"] / 2 <= cancel["x"] + cancel["width"]
    page.mouse.click(first["x"] + first["width"] / 2, first["y"] + first["height"] / 2)
    expect(dialog).to_be_hidden()
    assert stub.changes == []
    page.get_by_role("button", name="Apply").click()
    dialog.get_by_role("button", name="Apply").click()
    dialog.get_by_role("button", name="I mean it").click()
    shown.unlock()
    expect(page.locator("#threshold-state")).to_have_text("The threshold is 8.4; it was 12.")
    ((_, body),) = stub.changes
    assert body == {
        "camera": "left", "value": 8.4,
        "accept": {
            "parts": 328,
            "now": {"PASS": 318, "REVIEW": 0, "FAIL": 10},
            "then": {"PASS": 31, "REVIEW": 0, "FAIL": 297},
        },
    }  # fmt: skip


def test_a_threshold_that_turns_out_to_change_more_is_not_set(
    stub: StubLine, show: Callable[..., OpenedPage]
) -> None:
    for share in (0.5, 0.97, 1.02):
        stub.decide("PASS" if share < 1 else "FAIL", share=share)
    shown = show(stub)
    shown.refusals = True
    shown.view("set-up")
    page = shown.page
    page.get_by_role("spinbutton", name="New threshold").fill("11")
    page.get_by_role("button", name="Apply").click()
    answer = {"detail": "of the last 500 parts 400 would fail, 1 did", "rates": {"parts": 500}}
    page.route("**/api/limit", lambda route: route.fulfill(status=409, json=answer))
    page.locator("#confirmation").get_by_role("button", name="Apply").click()
    shown.unlock()
    expect(page.locator("#threshold-state")).to_contain_text("Nothing was changed: more parts would change")
    assert stub.threshold == 12
