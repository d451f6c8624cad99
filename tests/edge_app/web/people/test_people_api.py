"""Log-in, roles and sessions over real HTTP, with a line behind it that is none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from softcore_edge_app.web.people.people_file import write_people
from softcore_edge_app.web.people.person import Role
from softcore_edge_app.web.port.server import WebServer

from .conftest import BADGE, SECRETS, make_people

TOKEN = "a-token-for-the-tests-0123456789"  # noqa: S105 - opens nothing else
OPERATORS = {"/api/trigger": {}, "/api/alarms/acknowledge": {"rule": "fail-run", "by": "Anna"}}
SETTERS = {
    "/api/recipe": {"recipe": "cap"},
    "/api/running": {"running": False},
    "/api/promote": {},
    "/api/token": {},
}


@pytest.fixture
def peopled(serve: Callable[..., WebServer], people_file: Path, token_file: Path) -> WebServer:
    return serve(people_file=people_file, token_file=token_file)


@pytest.fixture
def open_page(peopled: WebServer) -> Iterator[Callable[[], httpx.Client]]:
    """A function that opens a browser's page: it has cookies, and tells its origin."""
    opened: list[httpx.Client] = []

    def work() -> httpx.Client:
        opened.append(
            httpx.Client(base_url=peopled.url, timeout=30, headers={"Origin": peopled.url.rstrip("/")})
        )
        return opened[-1]

    yield work
    for one in opened:
        one.close()


def log_in(page: httpx.Client, name: str) -> httpx.Response:
    return page.post("/api/login", json={"name": name, "secret": SECRETS[name]})


def test_each_role_may_do_its_own_and_is_named(open_page: Callable[[], httpx.Client], line: Any) -> None:
    allowed = {"Vera": {}, "Bert": OPERATORS, "Anna": {**OPERATORS, **SETTERS}}
    for name, may in allowed.items():
        page = open_page()
        told = log_in(page, name).json()
        assert (told["name"], told["people"]) == (name, True)
        line.asked.clear()
        for path, body in {**OPERATORS, **SETTERS}.items():
            answer = page.post(path, json=body)
            assert answer.status_code == (200 if path in may else 403), (name, path, answer.text)
            if path not in may:
                needs = "operator" if path in OPERATORS else "setter"
                detail = f"this needs the role {needs}; {name} is {told['role']}"
                assert answer.json() == {"detail": detail}
        by = [asked[-1] for asked in line.asked if asked[0] != "trigger"]
        assert set(by) == ({name} if may else set())
    assert [asked[0] for asked in line.asked] == [
        "trigger",
        "by hand",
        "alarm",
        "recipe",
        "running",
        "promote",
    ]


def test_who_is_not_logged_in_changes_nothing(open_page: Callable[[], httpx.Client], line: Any) -> None:
    page = open_page()
    assert page.get("/api/session").json() == {"people": True, "name": None, "role": None, "seconds": None}
    for path, body in {**OPERATORS, **SETTERS, "/api/session": {}, "/api/nowhere": {}}.items():
        answer = page.post(path, json=body)
        assert answer.status_code == 403
        assert answer.json()["detail"].startswith("this needs somebody who is logged in, or the line's token")
    for name, secret in (("Anna", "wrong"), ("Nobody", "4711"), ("Bert", BADGE)):
        answer = page.post("/api/login", json={"name": name, "secret": secret})
        assert (answer.status_code, answer.json()) == (403, {"detail": "name, PIN or badge is wrong"})
        assert "set-cookie" not in answer.headers
    for body in ({}, {"name": "Anna"}, {"secret": "4711"}, {"name": "Anna", "secret": "x", "badge": "x"}):
        assert page.post("/api/login", json=body).status_code == 409
    assert line.asked == []


def test_a_badge_is_enough(open_page: Callable[[], httpx.Client]) -> None:
    page = open_page()
    assert page.post("/api/login", json={"badge": f"{BADGE}\r"}).json()["name"] == "Bert"
    assert page.post("/api/login", json={"badge": "0004712-B"}).status_code == 403
    assert page.get("/api/session").json()["name"] == "Bert"


def test_a_session_begins_and_ends(open_page: Callable[[], httpx.Client], line: Any) -> None:
    page = open_page()
    answer = log_in(page, "Anna")
    cookie = answer.headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    assert name == f"softcore_session_{page.base_url.port}"
    assert set(rest.split("; ")[1:]) == {"HttpOnly", "Path=/", "SameSite=strict"}
    assert answer.headers["cache-control"] == "no-store"
    first = page.cookies[name]
    told = page.get("/api/session").json()
    assert (told["name"], told["role"]) == ("Anna", "setter")
    assert 0 < told["seconds"] <= 15 * 60
    assert page.post("/api/session", json={}).json()["name"] == "Anna"
    # Who logs in afterwards ends the session before, and the key of it is worth nothing.
    log_in(page, "Bert")
    for key in (first, "", "x", first[:-1], "\xff".encode().decode("latin-1")):
        headers = {"Cookie": f"{name}={key}".encode("latin-1")}
        assert httpx.post(f"{page.base_url}api/trigger", json={}, headers=headers).status_code == 403
    second = page.cookies[name]
    assert page.post("/api/logout", json={}).json()["name"] is None
    assert name not in page.cookies
    assert httpx.post(f"{page.base_url}api/trigger", json={}, cookies={name: second}).status_code == 403
    assert line.asked == []


def test_behind_tls_the_cookie_never_leaves_it(serve: Callable[..., WebServer], people_file: Path) -> None:
    server = serve(people_file=people_file, names=("line-3.factory",))
    headers = {"Host": "line-3.factory", "Origin": "https://line-3.factory"}
    body = {"name": "Anna", "secret": SECRETS["Anna"]}
    cookie = httpx.post(f"{server.url}api/login", json=body, headers=headers).headers["set-cookie"]
    assert cookie.startswith("softcore_session_http=")
    assert "; Secure" in cookie


def test_a_page_of_another_site_gets_nothing_by_it(open_page: Callable[[], httpx.Client], line: Any) -> None:
    page = open_page()
    log_in(page, "Anna")
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{(page.base_url.port or 0) + 1}"):
        for path, body in {**SETTERS, "/api/login": {"badge": BADGE}, "/api/logout": {}}.items():
            answer = page.post(path, json=body, headers={"Origin": origin})
            assert (answer.status_code, "another site" in answer.json()["detail"]) == (403, True)
    assert page.get("/api/session").json()["name"] == "Anna"
    assert line.asked == []


def test_the_token_stays_for_machines(peopled: WebServer, line: Any) -> None:
    headers = {"X-SoftCore-Token": TOKEN}
    for path, body in {**OPERATORS, **SETTERS}.items():
        assert httpx.post(f"{peopled.url}{path[1:]}", json=body, headers=headers).status_code == 200
    assert line.asked == [
        ("trigger", None, None), ("alarm", "fail-run", None, "Anna (http)"),
        ("recipe", None, "cap", "http"), ("running", False, None, "http"),
        ("promote", None, None, None, False, "http"),
    ]  # fmt: skip
    wrong = {"X-SoftCore-Token": f"{TOKEN}0"}
    assert httpx.post(f"{peopled.url}api/trigger", json={}, headers=wrong).status_code == 403


def test_wrong_tries_make_wait(open_page: Callable[[], httpx.Client]) -> None:
    page = open_page()
    answers = [page.post("/api/login", json={"name": "Anna", "secret": f"{n}"}) for n in range(6)]
    assert [answer.status_code for answer in answers] == [403] * 3 + [429] * 3
    assert answers[-1].json()["detail"] == "too many wrong tries; wait 2 s"
    assert answers[-1].headers["retry-after"] == "2"
    assert log_in(page, "Anna").status_code == 429
    assert log_in(page, "Bert").status_code == 200  # another person at the same screen


def test_tries_at_the_same_time_count_too(open_page: Callable[[], httpx.Client]) -> None:
    page, codes = open_page(), []

    def work(number: int) -> None:
        codes.append(page.post("/api/login", json={"name": "Anna", "secret": f"{number}"}).status_code)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (codes.count(403), codes.count(429)) == (3, 17)


def test_a_change_of_the_file_holds_without_a_restart(
    open_page: Callable[[], httpx.Client], people_file: Path, line: Any
) -> None:
    page = open_page()
    log_in(page, "Anna")
    anna, bert, vera = make_people()
    write_people(people_file, (replace(anna, role=Role.OPERATOR), bert, vera))
    assert page.post("/api/recipe", json={"recipe": "cap"}).status_code == 403
    assert page.get("/api/session").json()["name"] is None
    assert log_in(page, "Anna").json()["role"] == "operator"
    write_people(people_file, (bert,))
    assert page.post("/api/trigger", json={}).status_code == 403
    assert line.asked == []


def test_a_line_without_people_is_as_it_was(
    serve: Callable[..., WebServer], token_file: Path, tmp_path: Path, line: Any
) -> None:
    """Also where the file is named and isn't there yet; who is added is known at once."""
    file = tmp_path / "people.json"
    url = serve(token_file=token_file, people_file=file).url
    assert httpx.get(f"{url}api/status").json()["people"] is False
    assert httpx.get(f"{url}api/session").json() == dict.fromkeys(("name", "role", "seconds")) | {
        "people": False
    }
    for path in ("api/login", "api/logout", "api/session", "api/trigger"):
        answer = httpx.post(f"{url}{path}", json={"badge": BADGE})
        assert answer.json()["detail"] == "this needs the line's token, as X-SoftCore-Token or as a bearer's"
    assert httpx.post(f"{url}api/trigger", json={}, headers={"X-SoftCore-Token": TOKEN}).status_code == 200
    write_people(file, make_people())
    assert httpx.get(f"{url}api/status").json()["people"] is True
    assert httpx.post(f"{url}api/login", json={"badge": BADGE}).status_code == 200
    assert line.asked == [("trigger", None, None)]
