"""The report and the served page in a real browser."""

from __future__ import annotations

import base64
import contextlib
import queue
import re
import shutil
import threading
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from scipy.stats import binomtest
from softcore_calibration.calibration import CalibrationResult, calibrate
from softcore_calibration.confirmation import DRASTIC
from softcore_calibration.data.samples import find_samples
from softcore_calibration.data.score_cache import open_cache
from softcore_calibration.data.scoring import Scoring, score_samples
from softcore_calibration.objective import Objective
from softcore_calibration.report.page import serve_page
from softcore_calibration.report.report import write_report
from softcore_runtime import Inspector
from softcore_runtime.bundle.bundle import read_manifest
from softcore_runtime.bundle.threshold_change import set_threshold
from softcore_runtime.bundle.training import read_training
from softcore_runtime.errors import UsageError

from tests.languages import find_alike

NASTY = "002 <img src=x onerror=alert(1)>&.png"
OVERKILL = Objective("overkill", {"share": 0.05})
BAND = Objective("band", {"overkill": 0.05, "escape": 0.1})

Find = Callable[..., CalibrationResult]


@pytest.fixture
def inspector(tiny_bundle: Path) -> Inspector:
    return Inspector.load(tiny_bundle)


@pytest.fixture
def find(inspector: Inspector, category: Path, tmp_path: Path) -> Find:
    own = tmp_path / "images"
    shutil.copytree(category / "test", own)
    (own / "spot" / "002.png").rename(own / "spot" / NASTY)
    with open_cache(inspector, None) as cache:
        scoring = score_samples(inspector, find_samples([(own, None)]), cache, 0)

    def work(objective: Objective = OVERKILL, good: int = 40, bad: int = 24) -> CalibrationResult:
        some = Scoring(scoring.good[:good], scoring.bad[:bad])
        return calibrate(inspector, some, read_training(inspector.bundle.path), objective)

    return work


class Shown:
    """A page that notes whatever it asks for and complains of."""

    def __init__(self, browser: Browser, url: str, **options: object) -> None:
        self.page: Page = browser.new_page(**options)  # type: ignore[arg-type]
        self.page.set_default_timeout(20_000)
        self.url = url
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(url)

    def slide(self, place: int) -> float:
        """Move the slider to a place among the thresholds, and give the threshold it is at."""
        script = """(slider, place) => {
          slider.value = data.thresholds[place];
          slider.dispatchEvent(new Event("input"));
        }"""
        self.page.locator("#slider").evaluate(script, place)
        return float(self.page.evaluate("threshold[0]"))

    def drawn(self, chart: str) -> np.ndarray:
        """A chart's pixels."""
        content = self.page.locator(f"#{chart}").screenshot()
        return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR))

    def paint(self, chart: str) -> np.ndarray:
        """What is painted in a chart, whatever part of a pixel it lies at on the page."""
        address = self.page.evaluate("id => document.querySelector(`#${id} canvas`).toDataURL()", chart)
        content = base64.b64decode(address.partition(",")[2])
        return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED))

    def close(self) -> None:
        self.page.close()
        assert self.complaints == []
        assert all(url.startswith(("data:", self.url)) for url in self.asked), self.asked


@pytest.fixture
def show(browser: Browser, inspector: Inspector, tmp_path: Path) -> Iterator[Callable[..., Shown]]:
    """A function that writes a report and opens it."""
    opened: list[Shown] = []

    def work(findings: CalibrationResult, **options: object) -> Shown:
        file = tmp_path / "threshold.html"
        write_report(file, findings, inspector)
        opened.append(Shown(browser, file.as_uri(), **options))
        return opened[-1]

    yield work
    for shown in opened:
        shown.close()


def percent(share: float) -> str:
    value = 100 * share
    return f"{value:.{0 if value in (0, 100) else 1 if value >= 1 else 2}f} %"


def short(value: float) -> str:
    return f"{float(f'{value:.5g}'):g}"


def words(kind: str, does: str, count: int, parts: int) -> str:
    bounds = binomtest(count, parts).proportion_ci(0.95, method="exact")
    sure = f"with 95 % confidence {percent(bounds.low)} to {percent(bounds.high)} of all such parts"
    return f"{count} of {parts} {kind} images {does} ({percent(count / parts)}; {sure})"


def expect_width(page: Page, width: int) -> None:
    """Expect that nothing is wider than the window; charts follow it in the next frame."""
    page.wait_for_function("width => document.documentElement.scrollWidth === width", arg=width)


def test_the_slider_tells_what_would_change(find: Find, show: Callable[..., Shown]) -> None:
    findings = find()
    shown = show(findings)
    page = shown.page
    good, bad = findings.scores.good, findings.scores.bad
    names = {
        kind: {one.score: f"{one.path.parent.name}/{one.path.name}" for one in some}
        for kind, some in (("good", findings.good), ("bad", findings.bad))
    }
    chosen = findings.threshold.value
    expect(page.locator("#words")).to_contain_text(words("good", "fail", 1, 40))
    expect(page.locator("#unchanged")).to_have_text("None: the slider is at the threshold.")
    expect(page.get_by_role("button", name="Back to")).to_be_disabled()
    before = {chart: shown.paint(chart) for chart in ("histogram", "rates", "roc", "cost")}

    last = int(page.evaluate("data.thresholds.length")) - 1
    for place in (0, 7, last // 2, last - 3, last):
        threshold = shown.slide(place)
        assert place == 0 or threshold > good.min() or threshold > bad.min()
        expect(page.locator("#words")).to_have_text(
            f"At the threshold {short(threshold)}: "
            f"{words('good', 'fail', int((good > threshold).sum()), 40)}; "
            f"{words('bad', 'pass', int((bad <= threshold).sum()), 24)}."
        )
        assert page.locator("#number").input_value() == f"{float(f'{threshold:.6g}'):g}"
        fail = 9900 * (good > threshold).mean()
        expect(page.locator("#expected")).to_contain_text(f"about {fail + 1e-9:,.0f} good ones fail")
        groups = {
            "good images? would now fail": good[(good > threshold) & (good <= chosen)],
            "good images? would now pass": good[(good <= threshold) & (good > chosen)],
            "bad images? would now be caught": bad[(bad > threshold) & (bad <= chosen)],
            "bad images? would now pass unseen": bad[(bad <= threshold) & (bad > chosen)],
        }
        for title, changed in groups.items():
            heading = page.locator("#changes h4").filter(has_text=re.compile(f"^{len(changed)} {title}$"))
            expect(heading).to_have_count(1 if len(changed) else 0)
            if not len(changed):
                continue
            items = heading.locator("+ ul > li")
            nearest = changed[np.argsort(np.abs(changed - chosen), kind="stable")][:12]
            said = [f"{names[title.partition(' ')[0]][score]}, {short(score)}" for score in nearest]
            more = [f"and {len(changed) - 12} more"] if len(changed) > 12 else []
            expect(items).to_have_text([*said, *more])
            expect(items.locator("img")).to_have_count(len(said))
        total = sum(map(len, groups.values()))
        expect(page.locator("#changes h4")).to_have_count(
            sum(len(changed) > 0 for changed in groups.values())
        )
        assert total > 0 or place not in (0, last)

    page.wait_for_timeout(200)
    for chart, old in before.items():
        assert (shown.paint(chart) != old).any(), chart  # the slider's line, or dot
    page.get_by_role("button", name="Back to").click()
    expect(page.locator("#unchanged")).to_have_text("None: the slider is at the threshold.")
    page.wait_for_timeout(200)
    for chart, old in before.items():
        assert (shown.paint(chart) == old).all(), chart


def test_a_threshold_can_be_typed(find: Find, show: Callable[..., Shown]) -> None:
    findings = find()
    page = show(findings).page
    threshold = float(np.mean(findings.scores.bad[3:5]))
    page.locator("#number").fill(repr(threshold))
    expect(page.locator("#words")).to_contain_text(words("bad", "pass", 4, 24))
    told = page.locator("#words").text_content() or ""
    for nothing in ("", "-3", "0", "1e999"):
        page.locator("#number").fill(nothing)
    expect(page.locator("#words")).to_have_text(told)
    page.locator("#number").blur()
    expect(page.locator("#number")).to_have_value(f"{threshold:.6g}")
    page.locator("#slider").press("ArrowRight")
    expect(page.locator("#words")).not_to_have_text(told)


THUMB = """() => {
  const slider = document.getElementById("slider");
  const { left, width } = slider.getBoundingClientRect();
  return left + 10 + (slider.value / slider.max) * (width - 20);
}"""
LINE = """() => {
  const chart = charts[0];
  return chart.over.getBoundingClientRect().left + chart.valToPos(Math.min(threshold[0], data.top), "x");
}"""


@pytest.mark.parametrize("width", [1280, 390])
def test_the_thumb_of_the_slider_is_above_the_line_which_can_be_dragged(
    find: Find, show: Callable[..., Shown], width: int
) -> None:
    findings = find()
    shown = show(findings, viewport={"width": width, "height": 900})
    page = shown.page
    page.wait_for_function("document.getElementById('slider').style.width !== ''")
    for place in (0, 3, 20, 50):
        shown.slide(place)
        assert page.evaluate(THUMB) == pytest.approx(page.evaluate(LINE), abs=1.5)
    for chart in ("#histogram", "#rates"):
        plot = page.locator(f"{chart} .u-over")
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        assert box
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + 0.5 * box["width"], middle)
        page.mouse.down()
        seen = []
        for share in (0.3, 0.2, 0.8):
            page.mouse.move(box["x"] + share * box["width"], middle)
            seen.append(float(page.evaluate("threshold[0] / data.top")))
        page.mouse.up()
        page.mouse.move(box["x"] + 0.1 * box["width"], middle)  # let go
        assert float(page.evaluate("threshold[0] / data.top")) == seen[-1]
        gap = float(
            page.evaluate(
                "Math.max(...data.thresholds.slice(1).map((one, i) => one - data.thresholds[i])) / data.top"
            )
        )
        assert seen == pytest.approx([0.3, 0.2, 0.8], abs=gap / 2 + 0.01)
        assert page.evaluate(THUMB) == pytest.approx(page.evaluate(LINE), abs=1.5)
    # By the keyboard from one threshold that makes a difference to the next.
    slider = page.locator("#slider")
    slider.press("Home")
    steps = [page.evaluate("data.thresholds.indexOf(threshold[0])")]
    for key in ("ArrowRight", "ArrowRight", "PageUp", "ArrowLeft", "PageDown", "End", "ArrowUp"):
        slider.press(key)
        steps.append(page.evaluate("data.thresholds.indexOf(threshold[0])"))
    last = page.evaluate("data.thresholds.length") - 1
    assert steps == [0, 1, 2, 12, 11, 1, last, last]


def test_a_grey_zone_is_told(find: Find, show: Callable[..., Shown]) -> None:
    findings = find(BAND)
    shown = show(findings)
    page = shown.page
    zone, (good, bad) = findings.threshold, (findings.scores.good, findings.scores.bad)
    between = [int(((some > zone.value) & (some <= zone.upper)).sum()) for some in (good, bad)]
    expect(page.locator("#zone")).to_contain_text(f"{between[0]} good image")
    expect(page.locator("#zone")).to_contain_text(f"{between[1]} bad image")
    expect(page.locator("#words")).to_contain_text(words("good", "fail", int((good > zone.upper).sum()), 40))
    page.locator("#number").fill(repr(zone.upper))
    expect(page.locator("#zone")).to_have_text("This is a single threshold, without the grey zone.")
    assert page.locator("#changes li", has_text="(went to a person)").count() == sum(
        min(12, n) for n in between
    )


@pytest.mark.parametrize(("good", "bad"), [(40, 0), (0, 0), (40, 1), (0, 24)])
def test_with_few_images_the_rest_is_shown(
    find: Find, show: Callable[..., Shown], good: int, bad: int
) -> None:
    page = show(find(Objective("overkill", {"share": 0.1}), good, bad)).page
    expect(page.locator("#histogram canvas")).to_be_visible()
    expect(page.locator("#rates canvas")).to_be_visible()
    expect(page.locator("#roc canvas")).to_have_count(1 if bad else 0)
    expect(page.locator("#words")).to_contain_text(f"of {good or 12} {'good' if good else 'training'} images")
    if bad == 0:
        expect(page.locator("#words")).to_contain_text("How many bad parts pass is not known.")
    page.locator("#slider").press("Home")
    expect(page.locator("#unchanged")).to_contain_text("would now fail")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_telephone(find: Find, show: Callable[..., Shown], scheme: str) -> None:
    shown = show(find(BAND), viewport={"width": 390, "height": 800}, color_scheme=scheme)
    shown.slide(0)
    expect_width(shown.page, 390)
    colour = shown.drawn("histogram")[0, 0].mean()  # that of the card behind it
    assert colour > 200 if scheme == "light" else colour < 60


def test_it_prints(find: Find, show: Callable[..., Shown]) -> None:
    shown = show(find(), color_scheme="dark", viewport={"width": 1280, "height": 900})
    shown.slide(3)
    dark = shown.drawn("histogram")
    pages = shown.page.pdf(format="A4")  # the way a person prints
    assert pages.startswith(b"%PDF")
    assert (shown.drawn("histogram") == dark).all()  # and then all is as it was
    shown.page.emulate_media(media="print")
    shown.page.set_viewport_size({"width": 690, "height": 900})
    for gone in ("#slider", "#number", "#words", "#changes", "nav"):
        expect(shown.page.locator(gone)).to_be_hidden()
    for chart in ("histogram", "rates", "roc", "precision", "cost"):
        expect(shown.page.locator(f"#{chart} canvas")).to_be_visible()
    expect(shown.page.get_by_role("heading", name="Scores and threshold")).to_be_visible()
    shown.page.wait_for_timeout(200)
    paper = shown.drawn("histogram")
    assert paper[0, 0].mean() == 255
    assert not (np.ptp(paper.astype(int), axis=2) > 120).all(axis=0).any()  # no line of the slider
    expect_width(shown.page, 690)
    assert shown.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_person_sets_the_threshold(
    browser: Browser, inspector: Inspector, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: None)
    findings, path = find(), inspector.bundle.path
    refusals = [UsageError("manifest.json: can't be written (Permission denied); nothing was changed")]

    def use(value: float) -> CalibrationResult:
        if refusals:
            raise refusals.pop()
        before = read_manifest(path)
        found = findings if value == findings.threshold.value else find(Objective("value", {"value": value}))
        set_threshold(path, found.threshold, before)
        return replace(found, manifest=before)

    with serving(findings, inspector, use) as url:
        shown = Shown(browser, url)
        set_thresholds(shown, findings, refusals)
        shown.close()


@contextlib.contextmanager
def serving(
    findings: CalibrationResult, inspector: Inspector, use: Callable[[float], CalibrationResult]
) -> Iterator[str]:
    """Serve from another thread, which must have ended by Finish; end it in any case."""
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    thread = threading.Thread(target=serve_page, args=(findings, inspector, use, said.put), daemon=True)
    thread.start()
    found = re.search(r"http://[\d.:]+/", said.get(timeout=60))
    assert found
    token = re.search(r'name="softcore-token" content="([^"]+)"', httpx.get(found[0]).text)
    assert token
    try:
        yield found[0]
        thread.join(30)
        assert not thread.is_alive()
    finally:
        with contextlib.suppress(httpx.TransportError):
            httpx.post(f"{found[0]}finish", headers={"X-Softcore-Token": token[1]})


def use(shown: Shown, before: float, after: float) -> None:
    """Answer the question whether to use a threshold; what is half or twice the one before is asked twice."""
    asked = shown.page.get_by_role("dialog", name="Use this threshold?")
    factor = max(before / after, after / before)
    far = asked.get_by_text("It is far from the one before: a factor of")
    expect(far).to_be_visible(visible=factor >= DRASTIC)
    asked.get_by_role("button", name="Use it").click()
    if factor >= DRASTIC:
        again = shown.page.get_by_role("dialog", name="Really use this threshold?")
        expect(again.get_by_text("It is far from the one before")).to_contain_text(f"{factor:.3g}")
        again.get_by_role("button", name="Use it").click()


def set_thresholds(shown: Shown, findings: CalibrationResult, refusals: list[UsageError]) -> None:
    """Go through the page as a person does who sets a threshold by hand, then the calibrated one."""
    page, path = shown.page, findings.path
    good, bad = findings.scores.good, findings.scores.bad
    expect(page.locator("#state")).to_contain_text("In the bundle now: 12, provisional")

    # Who thinks better of it changes nothing.
    threshold = shown.slide(int(page.evaluate("data.thresholds.length")) // 3)
    page.get_by_role("button", name="Use this threshold").click()
    asked = page.get_by_role("dialog", name="Use this threshold?")
    expect(asked).to_contain_text(f"The threshold in the bundle changes from 12 to {short(threshold)}.")
    for when, at in (("Now", 12.0), ("After", threshold)):
        expect(asked).to_contain_text(f"{when}: threshold {short(at)}")
        expect(asked).to_contain_text(f"{int((good > at).sum())} of 40 good images fail")
        expect(asked).to_contain_text(f"{int((bad <= at).sum())} of 24 bad images pass")
    expect(asked).to_contain_text("It is set by hand then, so it carries no promise")
    asked.get_by_role("button", name="Leave it").click()
    assert read_manifest(path).threshold.value == 12

    # What goes wrong is said, and the button is there again.
    assert refusals
    use_it = page.get_by_role("button", name="Use this threshold")
    use_it.click()
    use(shown, 12, threshold)
    expect(page.get_by_role("status")).to_have_text(
        "manifest.json: can't be written (Permission denied); nothing was changed"
    )
    expect(use_it).to_be_enabled()
    assert shown.complaints.pop().startswith(
        "Failed to load resource: the server responded with a status of 500"
    )

    use_it.click()
    use(shown, 12, threshold)
    expect(page.locator("#state")).to_contain_text("written from this page. It was 12")
    assert read_manifest(path).threshold.value == threshold
    expect(page.get_by_role("button", name="This threshold is in the bundle")).to_be_disabled()
    expect(page.locator(".verdict")).to_contain_text(f"Threshold: {short(threshold)}.")
    expect(page.locator("#history")).to_contain_text("set by hand: no promise")

    # Back to the calibrated one, which keeps its promise.
    page.locator("#number").fill(repr(findings.threshold.value))
    page.get_by_role("button", name="Use this threshold").click()
    use(shown, threshold, findings.threshold.value)
    expect(page.locator(".verdict")).to_contain_text(
        "the next good part will fail with probability 0.05 at most"
    )
    assert read_manifest(path).threshold == findings.threshold

    page.set_viewport_size({"width": 390, "height": 800})
    expect_width(page, 390)
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("dialog", name="Finished")).to_contain_text(
        f"In the bundle now: {findings.threshold.value:.5g}. You can close this page."
    )


def test_the_report_in_german(find: Find, inspector: Inspector, browser: Browser, tmp_path: Path) -> None:
    truth = np.zeros((64, 64), np.uint8)
    truth[20:40, 20:40] = 255
    (tmp_path / "ground_truth" / "spot").mkdir(parents=True)
    for objective in (OVERKILL, BAND):
        result = find(objective)
        for one in result.bad:
            mask = tmp_path / "ground_truth" / one.path.parent.name / f"{one.path.stem}_mask.png"
            mask.parent.mkdir(exist_ok=True)
            mask.write_bytes(cv2.imencode(".png", truth)[1].tobytes())
        files = {one: tmp_path / f"{objective.kind}-{one}.html" for one in ("en", "de")}
        for language, file in files.items():
            write_report(file, result, inspector, language)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        shown = {}
        for language, file in files.items():
            page.goto(file.as_uri())
            expect(page.locator("html")).to_have_attribute("lang", language)
            shown[language] = page.content()
            for width in (1280, 390):
                page.set_viewport_size({"width": width, "height": 900})
                expect_width(page, width)
            page.set_viewport_size({"width": 1280, "height": 900})
        page.close()
        names = [str(result.path), str(tmp_path), "onnxruntime", "fp32", "tiny", NASTY, "softcore", "spot"]
        names += ["/images", "good/", *(one.path.name for one in (*result.good, *result.bad))]
        assert find_alike(shown["en"], shown["de"], names) == []
