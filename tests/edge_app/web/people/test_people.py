from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from softcore_edge_app.web.people.people import LoginRefusal, People
from softcore_edge_app.web.people.person import Person, Role
from softcore_runtime.errors import UsageError

from .conftest import BADGE, SECRETS, Clock, make_people

Rewrite = Callable[[tuple[Person, ...]], None]


@pytest.fixture
def people(people_file: Path, clock: Clock) -> People:
    return People(people_file, 60, 3600, clock)


def find_name(people: People, key: str) -> str | None:
    state = people.find(key)
    return state and state.person.name


def test_who_has_the_secret_is_logged_in(people: People, clock: Clock) -> None:
    key = people.log_in("ANNA", SECRETS["Anna"], "a")
    state = people.find(key)
    assert state
    assert (state.person.name, state.person.role, state.rest) == ("Anna", Role.SETTER, 60)
    badge = people.log_in(None, BADGE, "a")
    assert (find_name(people, key), find_name(people, badge)) == ("Anna", "Bert")
    people.log_out(key)
    assert (find_name(people, key), find_name(people, badge)) == (None, "Bert")
    clock.now += 61
    assert find_name(people, badge) is None


@pytest.mark.parametrize(
    ("name", "secret"),
    [("Anna", "0815"), ("Anna", ""), ("Nobody", "4711"), (None, "4711"), (None, ""), ("Bert", BADGE)],
)
def test_who_has_another_one_is_not(people: People, name: str | None, secret: str) -> None:
    with pytest.raises(LoginRefusal) as refused:
        people.log_in(name, secret, "a")
    assert refused.value.wait == 0


def test_after_wrong_tries_the_right_one_must_wait_too(people: People, clock: Clock) -> None:
    for _ in range(3):
        with pytest.raises(LoginRefusal):
            people.log_in("Anna", "wrong", "a")
    with pytest.raises(LoginRefusal) as refused:
        people.log_in("Anna", SECRETS["Anna"], "a")
    assert refused.value.wait == 2
    assert people.log_in("Anna", SECRETS["Anna"], "b")
    clock.now += 2
    assert people.log_in("Anna", SECRETS["Anna"], "a")


def test_a_change_of_the_file_holds_at_once(people: People, rewrite: Rewrite) -> None:
    anna, bert, _ = make_people()
    keys = [people.log_in(name, SECRETS[name], "a") for name in ("Anna", "Bert", "Vera")]
    rewrite((anna, replace(bert, role=Role.VIEWER)))
    # One whose role or secret was changed logs in anew.
    assert [find_name(people, key) for key in keys] == ["Anna", None, None]
    with pytest.raises(LoginRefusal):
        people.log_in("Vera", SECRETS["Vera"], "a")
    rewrite(())
    assert find_name(people, keys[0]) is None
    assert not people.exist


def test_a_file_that_can_not_be_read_opens_nothing(people: People, people_file: Path) -> None:
    key = people.log_in("Anna", SECRETS["Anna"], "a")
    people_file.write_text("{")
    assert find_name(people, key) is None
    assert people.exist  # nothing goes on as if there had never been people
    with pytest.raises(LoginRefusal):
        people.log_in("Anna", SECRETS["Anna"], "a")
    with pytest.raises(UsageError, match="holds no people"):
        People(people_file, 60, 3600)
    people_file.unlink()
    assert not people.exist


def test_a_line_without_people(tmp_path: Path) -> None:
    for file in (None, tmp_path / "people.json"):
        people = People(file, 60, 3600)
        assert not people.exist
        with pytest.raises(LoginRefusal):
            people.log_in("Anna", "4711", "a")


def test_a_try_is_logged_without_the_secret(people: People, caplog: pytest.LogCaptureFixture) -> None:
    for name, secret in (("Anna\n", "guess 1"), (None, "guess 2")):
        with pytest.raises(LoginRefusal):
            people.log_in(name, secret, "10.0.0.7")
    assert [record.getMessage() for record in caplog.records] == [
        "from 10.0.0.7 somebody tried to log in with 'Anna\\n', and a wrong secret",
        "from 10.0.0.7 somebody tried to log in with a badge, and a wrong secret",
    ]
