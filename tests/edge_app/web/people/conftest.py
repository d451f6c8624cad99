"""What the tests of people share: a file of three, whose secrets are hashed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from softcore_edge_app.web.people.people_file import write_people
from softcore_edge_app.web.people.person import Person, Role
from softcore_edge_app.web.people.secret import hash_badge, hash_secret

SECRETS = {"Anna": "471100", "Bert": "0815", "Vera": "2222"}
BADGE = "0004711-B"  # Bert's


@cache
def make_people() -> tuple[Person, ...]:
    return (
        Person("Anna", Role.SETTER, hash_secret(SECRETS["Anna"])),
        Person("Bert", Role.OPERATOR, hash_secret(SECRETS["Bert"]), hash_badge(BADGE)),
        Person("Vera", Role.VIEWER, hash_secret(SECRETS["Vera"])),
    )


@pytest.fixture
def people_file(tmp_path: Path) -> Path:
    path = tmp_path / "people.json"
    write_people(path, make_people())
    return path


class Clock:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rewrite(people_file: Path) -> Callable[[tuple[Person, ...]], None]:
    """A function that writes other people to the file."""
    return lambda people: write_people(people_file, people)
