"""The review's page in a real browser, clicked through."""

from __future__ import annotations

import queue
import re
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import APIResponse, Browser, Locator, Page, Route, expect
from softcore_export.contamination.choices import choices_path, read_choices
from softcore_export.data.dataset import TrainingImages
from softcore_export.export import Export, PreparedExport, prepare
from softcore_export.review.review import review
from softcore_export.settings import ExportSettings


@pytest.fixture
def prepared(
    own_discs: Path,
    tmp_path: Path,
    small: ExportSettings,
    quick_network: None,  # noqa: ARG001 - it is to be in force
) -> Iterator[PreparedExport]:
    # A name that would do harm, were it taken for HTML.
    (own_discs / "disc" / "02.png").rename(own_discs / "disc" / "02 <img src=x>&.png")
    settings = small.model_copy(update={"discriminator": "auto"})
    with prepare(TrainingImages.find(own_discs / "disc"), tmp_path / "bundles" / "disc", settings) as made:
        yield made


def test_a_person_reviews(
    browser: Browser, prepared: PreparedExport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: None)
    target = tmp_path / "bundles" / "disc"
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    exports: list[Export] = []
    thread = threading.Thread(target=review, args=(prepared, target, exports.append, said.put), daemon=True)
    thread.start()
    found = re.search(r"http://[\d.:]+/", said.get(timeout=60))
    assert found
    page = browser.new_page()
    page.set_default_timeout(20_000)
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(found[0])

    # A suspect is excluded: saved at once, and said so.
    page.get_by_role("radio", name="Suspects").check()
    suspect = card(page, "05.png")
    expect(suspect).to_contain_text("suspect")
    expect(button(suspect, "Let the export decide")).to_have_attribute("aria-pressed", "true")
    button(suspect, "Exclude image").click()
    expect(suspect).to_contain_text("Your choice: exclude the image. Saved, not in the bundle yet.")
    expect(button(suspect, "Exclude image")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#pending")).to_contain_text("1 change of your choices is saved")
    digests = prepared.images.digests
    assert read_choices(choices_path(target)).images[digests[5]].action == "exclude"

    # Of another, two patches: one by the keyboard, one by the mouse.
    page.get_by_role("radio", name="All").check()
    page.get_by_role("searchbox").fill("02")
    expect(page.locator(".card")).to_have_count(1)
    good = card(page, "02 <img src=x>&.png")
    button(good, "Enlarge").press("Enter")
    editor = page.get_by_role("dialog", name="02 <img src=x>&.png")
    editor.get_by_role("button", name="Clear").click()
    expect(editor.get_by_role("button", name="Exclude patches")).to_be_disabled()
    cells = editor.get_by_role("gridcell")
    expect(cells).to_have_count(64)
    editor.locator("[tabindex='0'][role=gridcell]").press("Control+Home")
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Space"):
        page.keyboard.press(key)
    expect(editor.get_by_role("gridcell", name="Row 2, column 3: ")).to_be_focused()
    expect(editor.get_by_role("gridcell", name="Row 2, column 3: ")).to_have_attribute(
        "aria-selected", "true"
    )
    cells.nth(8 * 6 + 4).click()
    cells.nth(0).click()
    cells.nth(0).click()  # and not after all
    expect(editor.locator("#marked")).to_have_text("2 patches marked.")
    editor.get_by_role("button", name="Exclude 2 patches").click()
    expect(editor).to_be_hidden()
    expect(good).to_contain_text("Your choice: exclude 2 patches, keep the others. Saved")
    assert read_choices(choices_path(target)).images[digests[2]].patches == ((1, 2), (6, 4))

    # Finish warns; the export shows what it did.
    page.get_by_role("button", name="Finish").click()
    warning = page.get_by_role("dialog", name="Finish without exporting?")
    expect(warning).to_contain_text("2 changes of your choices are saved, but not in the bundle yet")
    warning.get_by_role("button", name="Stay here").click()
    page.get_by_role("button", name="Export again").click()
    outcome = page.locator("#outcome")
    expect(outcome).to_contain_text("Excluded now: 1 image and 2 patches of 1 more", timeout=60_000)
    before, after = (f"{done.manifest.threshold.value:.4g}" for done in exports)
    expect(outcome).to_contain_text(f"Decision threshold {before} → {after}.")
    expect(page.locator("#excluded")).to_have_text("1 image and 2 patches of 1 more")
    expect(page.locator("#pending")).to_have_text("The bundle follows all your choices.")
    expect(good).to_contain_text("Last export: excluded 2 of its 64 patches.")
    expect(good).to_contain_text("Saved, and in the bundle.")
    origins = np.load(target / "origins.npy")
    assert not (origins[:, 0] == 5).any()
    assert not {(1, 2), (6, 4)} & {(r, c) for image, r, c in origins.tolist() if image == 2}

    # A choice that is taken back stays in sight, though its filter has nothing more to show.
    page.get_by_role("searchbox").fill("")
    page.get_by_role("radio", name="With a choice").check()
    expect(page.locator(".card")).to_have_count(2)
    button(good, "Let the export decide").click()
    expect(good).to_contain_text("the bundle still follows your earlier choice")
    page.get_by_role("button", name="Export again").click()
    expect(good).to_contain_text("Last export: used all of it.", timeout=60_000)

    # It fits a telephone, and each thing that can be pressed has a name.
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    expect(page.get_by_role("button", name=re.compile(r"^\s*$"))).to_have_count(0)

    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("dialog", name="Review finished")).to_be_visible()
    thread.join(30)
    assert not thread.is_alive()
    assert said.get(timeout=5) == "review finished"
    page.close()
    assert len(exports) == 3
    assert set(read_choices(choices_path(target)).images) == {digests[5]}
    assert all(url.startswith((found[0], "data:")) for url in asked), asked
    assert complaints == []


def test_a_choice_shows_on_the_card_of_now(
    browser: Browser, prepared: PreparedExport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list may be made anew while patches are marked, or answer late with what was true before."""
    monkeypatch.setattr(webbrowser, "open", lambda _: None)
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    arguments = (prepared, tmp_path / "bundles" / "disc", lambda _: None, said.put)
    threading.Thread(target=review, args=arguments, daemon=True).start()
    found = re.search(r"http://[\d.:]+/", said.get(timeout=60))
    assert found
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(found[0])
    page.get_by_role("radio", name="All").check()
    expect(page.locator(".card")).to_have_count(12)
    one = card(page, "03.png")
    told = re.compile("Your choice: exclude 1 patch, keep the others. Saved")

    # Made anew while the editor is open.
    held: queue.SimpleQueue[Route] = queue.SimpleQueue()
    page.route("**/images?*name=03*", lambda route: held.put(route))
    page.get_by_role("searchbox").fill("03")
    with page.expect_request("**/images?*name=03*"):
        pass
    button(one, "Enlarge").click()
    editor = page.get_by_role("dialog", name="03.png")
    editor.get_by_role("button", name="Clear").click()
    editor.get_by_role("gridcell").first.click()
    held.get().continue_()
    expect(page.locator(".card")).to_have_count(1)
    editor.get_by_role("button", name="Exclude 1 patch").click()
    expect(one).to_contain_text(told)

    # Asked before the choice was saved, answered after.
    page.unroute("**/images?*name=03*")
    late: queue.SimpleQueue[tuple[Route, APIResponse]] = queue.SimpleQueue()
    page.route("**/images?*show=chosen*", lambda route: late.put((route, route.fetch())), times=1)
    page.get_by_role("radio", name="With a choice").check()
    with page.expect_response("**/choices"):
        button(one, "Exclude image").click()
    expect(one).to_contain_text("Your choice: exclude the image")
    route, response = late.get()
    route.fulfill(response=response)
    expect(page.locator("#found")).to_contain_text("most worth a look first")
    expect(one).to_contain_text("Your choice: exclude the image")
    page.get_by_role("button", name="Finish").click()
    page.get_by_role("button", name="Finish anyway").click()
    page.close()


def card(page: Page, name: str) -> Locator:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=name, exact=True))


def button(within: Locator, name: str) -> Locator:
    return within.get_by_role("button", name=name)


def test_a_review_by_the_keyboard_alone(
    browser: Browser, prepared: PreparedExport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: None)
    target = tmp_path / "bundles" / "disc"
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    thread = threading.Thread(target=review, args=(prepared, target, lambda _: None, said.put), daemon=True)
    thread.start()
    found = re.search(r"http://[\d.:]+/", said.get(timeout=60))
    assert found
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(found[0])
    page.get_by_role("radio", name="All").focus()
    page.keyboard.press("Space")
    expect(page.locator(".card")).to_have_count(12)
    expect(page.locator("#looked")).to_be_hidden()
    names = page.locator(".card h3").all_text_contents()
    digests = dict(zip(prepared.images.names, prepared.images.digests, strict=True))

    def chosen(name: str) -> str:
        own = read_choices(choices_path(target)).images.get(digests[name])
        return own.action if own else ""

    # The search field and the filters keep their keys.
    with page.expect_response("**/images?*name=b&*"):
        page.get_by_role("searchbox").press("b")
    expect(page.locator(".card")).to_have_count(0)
    with page.expect_response("**/images?*name=&*"):
        page.get_by_role("searchbox").fill("")
    expect(page.locator(".card")).to_have_count(12)
    assert not read_choices(choices_path(target)).images

    # Bad, good, good, and one back: each goes on to the next image.
    page.get_by_role("searchbox").blur()
    page.keyboard.press("ArrowRight")
    expect(button(card(page, names[0]), "Enlarge")).to_be_focused()
    page.keyboard.press("b")
    expect(button(card(page, names[1]), "Enlarge")).to_be_focused()
    page.keyboard.press("g")
    page.keyboard.press("G")
    expect(button(card(page, names[3]), "Enlarge")).to_be_focused()
    expect(card(page, names[2])).to_contain_text("Your choice: keep all of it")
    assert [chosen(name) for name in names[:4]] == ["exclude", "keep", "keep", ""]
    expect(page.locator("#looked")).to_contain_text(re.compile(r"After 3 looks: .* 1 w(as|ere) found"))
    page.keyboard.press("ArrowLeft")
    expect(button(card(page, names[2]), "Enlarge")).to_be_focused()
    page.keyboard.press("u")
    expect(card(page, names[2])).to_contain_text("The export decides")
    assert chosen(names[2]) == ""

    # Enlarged: a mark is kept when the next image is shown; good and bad go on as well.
    expect(button(card(page, names[3]), "Enlarge")).to_be_focused()
    page.keyboard.press("Enter")
    editor = page.locator("#editor")
    expect(editor.locator("h2")).to_have_text(names[3])
    page.keyboard.press("Control+Home")
    page.keyboard.press("Space")
    page.keyboard.press("PageDown")
    expect(editor.locator("h2")).to_have_text(names[4])
    page.keyboard.press("PageUp")
    expect(editor.locator("h2")).to_have_text(names[3])
    expect(editor.get_by_role("gridcell").first).to_have_attribute("aria-selected", "true")
    assert (0, 0) in read_choices(choices_path(target)).images[digests[names[3]]].patches
    page.keyboard.press("PageDown")
    expect(editor.locator("h2")).to_have_text(names[4])
    page.keyboard.press("b")
    expect(editor.locator("h2")).to_have_text(names[5])
    page.keyboard.press("Escape")
    expect(editor).to_be_hidden()
    expect(card(page, names[4])).to_contain_text("Your choice: exclude the image")
    assert chosen(names[4]) == "exclude"
    assert chosen(names[5]) == ""
    expect(page.locator("#looked")).to_contain_text(re.compile(r"After 4 looks: .* 3 w(as|ere) found"))

    page.get_by_role("button", name="Finish").press("Enter")
    page.get_by_role("button", name="Finish anyway").press("Enter")
    thread.join(30)
    page.close()
