"""The queue of looks in a real browser, by the keyboard alone: look-alikes, and several images at once."""

from __future__ import annotations

import os
import queue
import re
import threading
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from softcore_export.contamination.choices import choices_path, read_choices
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import PreparedExport, prepare
from softcore_export.review.review import review
from softcore_export.settings import ExportSettings

from tests.languages import find_alike

SPOTS = (3, 9, 15, 21, 30)  # images with the same defect at the same place
SHOTS = os.environ.get("SOFTCORE_SCREENSHOTS")  # a folder to write what is seen into


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, draw_disc: Callable[..., np.ndarray], small: ExportSettings
) -> Iterator[PreparedExport]:
    """Forty images, five of which have a defect that the method learns."""
    folder = tmp_path_factory.mktemp("forty")
    (folder / "disc").mkdir()
    for number in range(40):
        image = draw_disc(number, spot=number in SPOTS)
        assert cv2.imwrite(str(folder / "disc" / f"{number:02}.png"), image)
    settings = small.model_copy(update={"discriminator": "none"})
    with prepare(TrainingImages.find(folder / "disc"), folder / "bundles" / "disc", settings) as made:
        yield made


@dataclass
class Served:
    """A review whose page is open."""

    page: Page
    prepared: PreparedExport
    target: Path

    @property
    def names(self) -> list[str]:
        return self.page.locator(".card h3").all_text_contents()

    @property
    def selected(self) -> list[str]:
        return self.page.locator(".card.selected h3").all_text_contents()

    @property
    def focused(self) -> str:
        """The image that has the focus."""
        name: str = self.page.evaluate(
            "document.activeElement.closest('.card')?.querySelector('h3').textContent ?? ''"
        )
        return name

    @property
    def chosen(self) -> dict[str, str]:
        """Actions by the images' names, as they are saved."""
        names = dict(zip(self.prepared.images.digests, self.prepared.images.names, strict=True))
        images = read_choices(choices_path(self.target)).images
        return {names[digest]: choice.action for digest, choice in images.items()}

    def card(self, name: str) -> Locator:
        return self.page.locator(".card").filter(has=self.page.get_by_role("heading", name=name, exact=True))

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def keep_seen(self, name: str) -> None:
        if SHOTS:
            self.page.wait_for_timeout(500)  # for the images
            self.page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


@pytest.fixture
def served(
    browser: Browser, prepared: PreparedExport, target: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    monkeypatch.setattr(webbrowser, "open", lambda _: None)
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    thread = threading.Thread(target=review, args=(prepared, target, lambda _: None, said.put), daemon=True)
    thread.start()
    found = re.search(r"http://[\d.:]+/", said.get(timeout=60))
    assert found
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(30_000)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(found[0])
    expect(page.locator(".card").first).to_be_visible()
    yield Served(page, prepared, target)
    told = list(complaints)  # what is still being loaded when the server ends complains, too
    page.get_by_role("button", name="Finish").press("Enter")
    expect(page.locator("#unfinished[open], #end[open]")).to_be_visible()
    if page.get_by_role("button", name="Finish anyway").is_visible():
        page.get_by_role("button", name="Finish anyway").press("Enter")
    thread.join(60)
    page.close()
    assert not thread.is_alive()
    assert told == []


def test_a_queue_is_worked_off_and_made_anew(served: Served) -> None:
    page, spots = served.page, {f"{number:02}.png" for number in SPOTS}
    names = served.names
    first = served.card(names[0])
    assert names[0] in spots
    assert not spots & set(names[1:])  # one is asked for all
    expect(first.locator(".alike")).to_contain_text("And 4 like it. What you choose holds for them, too.")
    expect(first.locator(".alike img")).to_have_count(4)
    served.keep_seen("queue")

    # One key decides on all five.
    served.press("ArrowRight", "b")
    expect(first).to_contain_text("Your choice: exclude the image; the same for 4 like it. Saved, not in")
    assert served.chosen == dict.fromkeys(spots, "exclude")
    expect(page.locator("#looked")).to_contain_text(re.compile(r"After 5 looks: .* 5 w(as|ere) found"))

    # The others are good; past the last one stands the end of the queue, with the export.
    expect(page.locator("#rest h2")).to_contain_text("worth a look are undecided")
    for _ in range(35):
        name = served.focused
        if not name:
            break
        served.press("g")
        expect(served.card(name)).to_contain_text("Your choice: keep all of it. Saved, not in")
        page.wait_for_function(
            "(name) => document.activeElement.closest('.card, #rest')?.querySelector('h3')?.textContent"
            " !== name",
            arg=name,
        )
    expect(page.locator("#rest h2")).to_have_text("No more images are worth a look")
    expect(page.locator("#looked")).to_contain_text("No more images are worth a look.")
    rest = 40 - len(served.chosen)
    assert rest > 10
    expect(page.locator("#rest")).to_contain_text(
        f"The other {rest} images aren't worth a look: together they"
    )
    expect(page.locator("#rest-export")).to_be_focused()
    served.keep_seen("end")
    served.press("Enter")
    expect(page.locator("#outcome")).to_contain_text("Excluded now: 5 images")
    assert not np.isin(np.load(served.target / "origins.npy")[:, 0], SPOTS).any()

    # The next queue holds nothing that is decided.
    expect(page.locator("#pending")).to_have_text("The bundle follows all your choices.")
    expect(first).to_have_count(0)
    assert not set(served.names) & set(served.chosen)
    page.wait_for_function("document.activeElement.closest('.card, #rest')")
    served.keep_seen("anew")


def test_those_alike_are_opened_and_decided_one_by_one(served: Served) -> None:
    page, spots = served.page, {f"{number:02}.png" for number in SPOTS}
    leader = served.names[0]
    count = len(served.names)
    served.press("ArrowRight", "l")
    expect(page.locator(".card")).to_have_count(count + 4)
    opened = served.names[:5]
    assert (opened[0], set(opened)) == (leader, spots)
    expect(served.card(leader).locator(".alike")).to_be_hidden()
    served.press("g", "b")
    expect(served.card(opened[1])).to_contain_text("Your choice: exclude the image. Saved")
    assert served.chosen == {opened[0]: "keep", opened[1]: "exclude"}
    assert served.focused == opened[2]


def test_marked_patches_are_those_of_one_image(served: Served) -> None:
    page = served.page
    leader, count = served.names[0], len(served.names)
    served.press("ArrowRight", "Enter")
    editor = page.locator("#editor")
    expect(editor).to_be_visible()
    served.press("Control+Home", "Space")
    editor.get_by_role("button", name=re.compile("Exclude .* patch")).press("Enter")
    expect(page.locator(".card")).to_have_count(count + 4)  # the others are to be decided on
    expect(served.card(leader)).to_contain_text("patches, keep the others. Saved")
    assert served.chosen == {leader: "exclude patches"}


def test_several_are_selected_and_decided_at_once(served: Served) -> None:
    page = served.page
    page.get_by_role("radio", name="All").focus()
    served.press("Space")
    expect(page.locator(".card")).to_have_count(40)
    page.get_by_role("combobox", name="Order").select_option("name")
    expect(page.locator("#found")).to_have_text("40 of 40 images, by name.")
    expect(page.locator(".card h3").first).to_have_text("00.png")
    assert served.names == sorted(served.prepared.images.names)
    served.press("v")
    expect(page.locator("#cards")).to_have_class("cards small")
    expect(served.card("00.png").locator("img").first).to_be_visible()
    expect(served.card("00.png").locator(".pair img").last).to_be_hidden()

    # A row has several; the arrows go up and down by rows.
    page.get_by_role("radio", name="All").blur()
    served.press("ArrowRight")
    assert served.focused == "00.png"
    tops = page.evaluate("[...document.querySelectorAll('.card')].map((card) => card.offsetTop)")
    wide = tops.count(tops[0])
    assert wide >= 4
    served.press("ArrowRight", "ArrowDown")
    assert served.focused == f"{wide + 1:02}.png"
    served.press("ArrowDown", "ArrowUp", "ArrowUp")
    assert served.focused == "01.png"

    # Space selects one; Shift and an arrow go on from there.
    served.press("Space", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    assert served.selected == ["01.png", "03.png", "04.png", "05.png"]
    expect(page.locator("#selected")).to_contain_text("4 images selected: G good, B bad")
    served.keep_seen("selected")
    assert not served.chosen
    served.press("b")
    expect(served.card("05.png").locator(".answer")).to_have_text("Bad")
    assert served.chosen == dict.fromkeys(("01.png", "03.png", "04.png", "05.png"), "exclude")
    assert (served.selected, served.focused) == ([], "06.png")
    expect(page.locator("#selected")).to_be_hidden()

    # Selected in vain; and one key undoes what was chosen.
    served.press("Space")
    assert served.selected == ["06.png"]
    served.press("Escape")
    assert served.selected == []
    for name in ("03.png", "04.png"):
        served.card(name).get_by_role("checkbox").press("Space")
    served.press("u")
    expect(served.card("04.png").locator(".answer")).to_have_text("")
    assert set(served.chosen) == {"01.png", "05.png"}
    served.press("v")
    expect(page.locator("#cards")).to_have_class("cards small heat")
    expect(served.card("00.png").locator(".pair img").last).to_be_visible()
    served.keep_seen("heat")
    served.press("v", "e")
    expect(page.locator("#outcome")).to_contain_text("Excluded now: 2 images")


def test_a_queue_that_is_being_worked_on_stays(served: Served) -> None:
    page = served.page
    names = served.names
    served.press("ArrowRight", "b", "e")
    expect(page.locator("#outcome")).to_contain_text("Excluded now: 5 images")
    renew = page.get_by_role("button", name="The export has queued the images anew")
    expect(renew).to_be_visible()
    assert served.names == names
    assert served.focused == names[1]
    served.keep_seen("renew")
    served.press("n")
    expect(renew).to_be_hidden()
    page.wait_for_function("document.activeElement.closest('.card, #rest')")
    assert names[0] not in served.names


def test_it_fits_a_telephone(served: Served) -> None:
    page = served.page
    page.set_viewport_size({"width": 390, "height": 844})
    served.keep_seen("telephone")
    for _ in range(3):
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        served.press("v")
    page.locator(".filters").scroll_into_view_if_needed()
    served.press("ArrowRight", "b")
    served.keep_seen("telephone-cards")


def test_it_speaks_the_browsers_language_or_the_one_that_is_chosen(served: Served, browser: Browser) -> None:
    english = served.page.content()
    page = browser.new_page(locale="de-DE", viewport={"width": 1280, "height": 900})
    page.goto(served.page.url)
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("button", name="Neu exportieren")).to_be_visible()
    card = page.locator(".card").first
    expect(card).to_contain_text("Letzter Export: ")
    expect(card.get_by_role("button", name="Bild ausschließen")).to_be_visible()
    expect(page.locator("#inspected")).to_have_text("das ganze Bild")
    expect(page.locator("#looked")).to_be_hidden()
    card.get_by_role("button", name="Behalten").click()
    expect(card).to_contain_text("Ihre Entscheidung: das ganze Bild behalten; ebenso für 4 ähnliche.")
    expect(card).to_contain_text("Gespeichert, noch nicht im Bündel.")
    expect(page.locator("#looked")).to_contain_text(
        re.compile(r"^Nach 5 Blicken: [\d,]+ bis [\d,]+ % der Bilder")
    )
    card.locator(".pair").click()
    expect(page.locator("#place")).to_contain_text(re.compile(r"^Reihe \d, Spalte \d: \d+,\d+ x Grenze"))
    page.keyboard.press("Escape")
    names = [
        *served.prepared.images.names,
        str(served.target),
        served.target.name,
        "choices.json",
        "x Grenze",
        "Export",
    ]
    assert find_alike(english, page.content(), names) == []
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / "review-de-1280.png"))
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    fields = "[...document.querySelectorAll('.filters fieldset')]"
    assert page.evaluate(f"{fields}.filter((one) => one.scrollWidth > one.clientWidth).length") == 0
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / "review-de-390.png"))
    page.get_by_role("link", name="English").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator(".card").first).to_contain_text(
        "Your choice: keep all of it; the same for 4 like it."
    )
    page.close()
