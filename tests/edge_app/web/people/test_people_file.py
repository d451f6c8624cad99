from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from softcore_edge_app.web.people.people_file import change_people, read_people, write_people
from softcore_edge_app.web.people.person import Person, Role
from softcore_runtime.errors import UsageError

from .conftest import SECRETS, make_people


def test_people_are_written_for_the_line_alone(people_file: Path) -> None:
    assert read_people(people_file) == make_people()
    assert stat.S_IMODE(people_file.stat().st_mode) == 0o600
    assert not any(secret in people_file.read_text() for secret in SECRETS.values())
    people_file.chmod(0o640)  # a group that reads it is somebody's decision, and stays
    write_people(people_file, make_people()[:1])
    assert stat.S_IMODE(people_file.stat().st_mode) == 0o640
    assert [person.name for person in read_people(people_file)] == ["Anna"]


def test_where_there_is_no_file_there_is_nobody(tmp_path: Path) -> None:
    assert read_people(tmp_path / "people.json") == ()


def change(**fields: object) -> str:
    anna = {"name": "Anna", "role": "setter", "secret": make_people()[0].secret, **fields}
    return json.dumps({"format": 1, "people": [anna]})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "holds no people"),
        ("[]", "holds no people"),
        ('{"format": 2, "people": []}', "format"),
        (change(role="chief"), "people.0.role"),
        (change(secret="4711"), "people.0.secret"),  # noqa: S106 - that it is none is tested
        (change(badge="0004711"), "people.0.badge"),
        (change(pin="4711"), "people.0.pin"),
        (change(name="page"), "the ledger calls a machine page"),
        (change(name="MQTT"), "the ledger calls a machine MQTT"),
        (change(name=""), "1 to 60 printable"),
        (change(name="a\nb"), "1 to 60 printable"),
        (change(name=" Anna"), "1 to 60 printable"),
        (change(name="x" * 61), "1 to 60 printable"),
        (
            change().replace("]", f", {json.loads(change(name='ANNA'))['people'][0]}]").replace("'", '"'),
            "already",
        ),
    ],
)
def test_what_is_no_file_of_people_is_refused(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "people.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(UsageError, match=r"people\.json: ") as refused:
        read_people(path)
    assert words in str(refused.value)
    assert make_people()[0].secret not in str(refused.value)


@pytest.mark.parametrize("mode", [0o604, 0o602])
def test_what_everybody_can_read_is_refused(people_file: Path, mode: int) -> None:
    people_file.chmod(mode)
    with pytest.raises(UsageError, match="chmod o="):
        read_people(people_file)


def test_what_can_not_be_read_or_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no file"):
        read_people(tmp_path)
    (tmp_path / "people.json").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="can't be read"):
        read_people(tmp_path / "people.json")
    with pytest.raises(UsageError, match="can't be written"):
        write_people(
            tmp_path / "none" / "people.json", (Person("Anna", Role.SETTER, make_people()[0].secret),)
        )


def test_of_two_who_change_it_at_once_nobody_is_lost(tmp_path: Path) -> None:
    file, (anna, *_) = tmp_path / "people.json", make_people()

    def add(name: str) -> None:
        change_people(file, lambda there: (*there, replace(anna, name=name)))

    names = [f"person {number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, names))
    assert sorted(person.name for person in read_people(file)) == sorted(names)


def test_people_whose_folder_is_missing_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be written"):
        change_people(tmp_path / "none" / "people.json", lambda there: there)
