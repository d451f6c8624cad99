"""People on the operator's page in a real browser: log-in by PIN, badge and glove, and what a role may do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect
from softcore_edge_app.web.people.people_file import write_people

from ..stub_line import TOKEN, StubLine
from ..test_page import PANEL, PHONE, OpenedPage, examine, find_small
from ..test_page import serve as serve
from ..test_page import show as show
from .conftest import BADGE, SECRETS, make_people

Serve = Callable[..., StubLine]
Show = Callable[..., OpenedPage]


@pytest.fixture
def stub(serve: Serve, people_file: Path) -> StubLine:
    return serve(people=people_file)


def log_in(shown: OpenedPage, name: str, secret: str | None = None) -> None:
    login = shown.page.locator("#login")
    login.get_by_label("Or name").fill(name)
    login.get_by_label("and PIN").fill(SECRETS[name] if secret is None else secret)
    login.get_by_role("button", name="Log in").click()


def test_a_change_asks_who_it_is_and_stands_under_the_name(stub: StubLine, show: Show) -> None:
    stub.decide("FAIL")
    shown = show(stub)
    shown.refusals = True
    page = shown.page
    expect(page.locator("#who")).to_have_text("")
    page.locator("#enlarge").click()
    part = page.locator("#part")
    part.get_by_role("button", name="Was good").click()
    log_in(shown, "Bert", "0000")
    expect(page.locator("#login-state")).to_have_text("Name, PIN or badge is wrong.")
    expect(page.locator("#login").get_by_label("and PIN")).to_be_focused()
    log_in(shown, "Bert")
    expect(part.locator("#mark-state")).to_have_text("Mark saved in the ledger.")
    expect(page.locator("#who")).to_have_text("Bert")
    assert [(note["kind"], note["by"]) for note in stub.notes] == [("mark", "Bert")]
    # Nothing of it can be read by a script, and it holds after the page is loaded anew.
    assert page.evaluate("document.cookie") == ""
    assert SECRETS["Bert"] not in page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    shown.load()
    expect(page.locator("#who")).to_have_text("Bert")
    shown.view("reports")
    expect(page.locator("#notes li")).to_contain_text("by Bert")


def test_what_a_role_may_not_do_is_disabled_and_says_who_may(stub: StubLine, show: Show) -> None:
    for _ in range(3):
        stub.decide("PASS")
    shown = show(stub)
    shown.refusals = True
    page = shown.page
    shown.view("set-up")
    expect(page.locator("#lock")).to_contain_text("Nobody is logged in.")
    expect(page.locator(".needs:visible")).to_have_count(0)
    page.locator("#lock").get_by_role("button", name="Log in").click()
    log_in(shown, "Bert")
    expect(page.locator("#lock")).to_contain_text("Bert, operator: may mark and settle parts")
    for name in ("Stop", "pill", "capsule", "Apply"):
        expect(page.locator("#set-up").get_by_role("button", name=name, exact=True)).to_be_disabled()
    expect(page.locator("#set-up .needs:visible")).to_have_text(
        ["Setters may do this; Bert is operator."] * 3
    )
    page.get_by_role("button", name="New threshold: 1 % more").click()
    expect(page.locator("#threshold-table td").first).to_be_visible()
    expect(page.locator("#threshold-apply")).to_be_disabled()
    page.get_by_role("button", name="Trigger once").click()
    expect(page.locator("#trigger-state")).to_contain_text("Triggered")

    # A viewer changes nothing at all.
    page.locator("#lock").get_by_role("button", name="Log out").click()
    expect(page.locator("#who")).to_have_text("")
    page.locator("#lock").get_by_role("button", name="Log in").click()
    log_in(shown, "Vera")
    expect(page.get_by_role("button", name="Trigger once")).to_be_disabled()
    expect(page.locator("#set-up .needs:visible")).to_have_count(4)
    shown.view("live")
    page.locator("#enlarge").click()
    expect(page.locator("#part").get_by_role("button", name="Was good")).to_be_disabled()
    expect(page.locator("#part .needs")).to_have_text("Operators and setters may do this; Vera is viewer.")
    page.keyboard.press("Escape")

    # A setter changes all of it.
    page.locator("#menu").click()
    page.locator("#unlock").click()
    page.locator("#unlock").click()
    log_in(shown, "Anna")
    page.locator("#options").get_by_role("button", name="Close").click()
    shown.view("set-up")
    expect(page.locator(".needs:visible")).to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    page.locator("#confirmation").get_by_role("button", name="Stop").click()
    expect(page.locator("#run-state")).to_contain_text("left is stopped")
    assert [(note["kind"], note["by"]) for note in stub.notes] == [("trigger", "Bert"), ("running", "Anna")]


def test_a_badge_and_enter_are_enough(stub: StubLine, show: Show) -> None:
    shown = show(stub)
    shown.refusals = True
    page = shown.page
    shown.view("set-up")
    page.get_by_role("button", name="Trigger once").click()
    expect(page.locator("#login")).to_be_visible()
    page.keyboard.type("no-badge-of-it\n")
    expect(page.locator("#login-state")).to_have_text("Name, PIN or badge is wrong.")
    page.keyboard.type(f"{BADGE}\n")  # as a scanner does
    expect(page.locator("#trigger-state")).to_contain_text("Triggered")
    expect(page.locator("#who")).to_have_text("Bert")
    assert [note["by"] for note in stub.notes] == ["Bert"]


def test_gloves_log_in_by_the_keys_of_the_screen(stub: StubLine, show: Show) -> None:
    shown = show(stub)
    page = shown.page
    shown.view("set-up")
    page.locator("#lock").get_by_role("button", name="Log in").click()
    assert find_small(page) == []
    examine(page, "login")
    for key in "bert":
        page.locator(f"#login-keys [data-key='{key}']").click()
    page.get_by_label("and PIN").click()
    for key in SECRETS["Bert"]:
        page.locator(f"#login-keys [data-key='{key}']").click()
    page.locator("#login").get_by_role("button", name="Log in").click()
    expect(page.locator("#who")).to_have_text("Bert")
    examine(page, "set-up of an operator")
    assert page.evaluate("document.documentElement.scrollHeight") <= PANEL["height"]
    # The name is known the next time; the PIN alone is typed, and Enter ends it.
    page.locator("#lock").get_by_role("button", name="Log out").click()
    page.locator("#lock").get_by_role("button", name="Log in").click()
    expect(page.get_by_label("Or name")).to_have_value("Bert")
    page.get_by_label("and PIN").fill(SECRETS["Bert"])
    page.keyboard.press("Enter")
    expect(page.locator("#who")).to_have_text("Bert")


def test_wrong_tries_make_wait(stub: StubLine, show: Show) -> None:
    shown = show(stub)
    shown.refusals = True
    page = shown.page
    shown.view("set-up")
    page.locator("#lock").get_by_role("button", name="Log in").click()
    for number in range(3):
        log_in(shown, "Anna", f"{number}")
        expect(page.locator("#login-state")).to_have_text("Name, PIN or badge is wrong.")
        expect(page.get_by_label("and PIN")).to_have_value("")
        page.evaluate("document.getElementById('login-state').textContent = ''")
    log_in(shown, "Anna")
    expect(page.locator("#login-state")).to_contain_text("Too many wrong tries. Wait")
    expect(page.locator("#who")).to_have_text("")


def test_a_session_ends_by_itself_and_the_next_change_asks_again(
    serve: Serve,
    show: Show,
    people_file: Path,
) -> None:
    stub = serve(people=people_file, idle=1.5)
    shown = show(stub)
    shown.refusals = True
    page = shown.page
    shown.view("set-up")
    page.get_by_role("button", name="Trigger once").click()
    log_in(shown, "Bert")
    expect(page.locator("#trigger-state")).to_contain_text("Triggered")
    expect(page.locator("#lock")).to_contain_text("Nobody is logged in.")  # without a touch
    expect(page.locator("#who")).to_have_text("")
    page.get_by_role("button", name="Trigger once").click()
    expect(page.locator("#login")).to_be_visible()


def test_one_who_is_removed_is_logged_out(
    stub: StubLine,
    show: Show,
    people_file: Path,
) -> None:
    shown = show(stub)
    shown.refusals = True
    page = shown.page
    shown.view("set-up")
    page.locator("#lock").get_by_role("button", name="Log in").click()
    log_in(shown, "Anna")
    expect(page.locator("#who")).to_have_text("Anna")
    write_people(people_file, make_people()[1:])
    page.get_by_role("button", name="Trigger once").click()
    expect(page.locator("#login-state")).to_have_text("The session has ended. Log in again.")
    log_in(shown, "Bert")
    expect(page.locator("#trigger-state")).to_contain_text("Triggered")
    assert [note["by"] for note in stub.notes] == ["Bert"]


def test_who_is_added_first_makes_the_page_ask_for_names(
    serve: Serve,
    show: Show,
    tmp_path: Path,
) -> None:
    stub = serve(people=tmp_path / "later.json")
    shown = show(stub)
    shown.view("set-up")
    expect(shown.page.locator("#lock")).to_contain_text("changes need the token")
    write_people(tmp_path / "later.json", make_people())
    expect(shown.page.locator("#lock")).to_contain_text("Nobody is logged in.")
    headers = {"X-SoftCore-Token": TOKEN}  # of a machine
    assert httpx.post(f"{stub.url}api/trigger", json={"camera": "left"}, headers=headers).status_code == 200


@pytest.mark.parametrize("viewport", [PANEL, PHONE, {"width": 1920, "height": 1080}])
def test_the_dialog_is_on_the_screen_in_german_too(
    stub: StubLine,
    show: Show,
    viewport: dict[str, int],
) -> None:
    shown = show(stub, locale="de-DE", viewport=viewport)
    page = shown.page
    shown.view("set-up")
    page.locator("#lock").get_by_role("button", name="Anmelden").click()
    box = page.locator("#login").bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= viewport["width"]
    assert page.locator("#login").evaluate("one => one.scrollWidth <= one.clientWidth")
    expect(page.locator("#login").get_by_role("button", name="Anmelden")).to_be_in_viewport()
