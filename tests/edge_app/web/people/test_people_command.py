from __future__ import annotations

import getpass
import io
import sys
from pathlib import Path

import pytest
from softcore_edge_app.cli.command import main
from softcore_edge_app.web.people.people_file import read_people
from softcore_edge_app.web.people.secret import match_badge, match_secret

Capsys = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.chdir(tmp_path)


def give(monkeypatch: Patch, secret: str, *arguments: str) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{secret}\nmore\n"))
    return main(["people", *arguments])


def test_people_are_added_listed_and_removed(monkeypatch: Patch, capsys: Capsys) -> None:
    assert main(["people", "list"]) == 0
    assert give(monkeypatch, "471100", "add", "Anna", "--role", "setter") == 0
    assert give(monkeypatch, "0815", "add", "Bert", "--role", "operator") == 0
    assert give(monkeypatch, "0004711-B", "badge", "bert") == 0
    assert main(["people", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "people.json: nobody is in it",
        "people.json: Anna is setter",
        'name the file in the configuration of the line: [http] people_file = "people.json"',
        "people.json: Bert is operator",
        "people.json: Bert has a badge",
        "Anna\tsetter",
        "Bert\toperator, badge",
    ]
    anna, bert = read_people(Path("people.json"))
    assert match_secret("471100", anna.secret)
    assert match_badge("0004711-B", [str(bert.badge)]) == 0
    # Another role and secret; the badge stays.
    assert give(monkeypatch, "081500", "add", "BERT", "--role", "setter") == 0
    assert main(["people", "remove", "anna"]) == 0
    (bert,) = read_people(Path("people.json"))
    assert (bert.name, str(bert.role), bert.badge is not None) == ("Bert", "setter", True)
    assert match_secret("081500", bert.secret)


def test_at_a_terminal_a_secret_is_asked_twice_and_not_shown(monkeypatch: Patch, capsys: Capsys) -> None:
    answers = iter(["4711", "4711", "0815", "0816"])
    asked = []
    monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or next(answers))
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    assert main(["people", "add", "Bert", "--role", "operator"]) == 0
    assert main(["people", "add", "Vera", "--role", "viewer"]) == 2
    assert asked == ["PIN or password: ", "PIN or password, again: "] * 2
    assert "the two are not the same PIN or password; nothing was changed" in capsys.readouterr().err
    assert [person.name for person in read_people(Path("people.json"))] == ["Bert"]


@pytest.mark.parametrize(
    ("secret", "arguments", "words"),
    [
        ("47110", ["add", "Cora", "--role", "setter"], "has 6 to 200 printable characters"),
        ("471", ["add", "Cora", "--role", "operator"], "has 4 to 200 printable characters"),
        ("", ["add", "Cora", "--role", "viewer"], "has 4 to 200 printable characters"),
        ("4711\x07", ["add", "Cora", "--role", "viewer"], "printable"),
        ("4711", ["add", "page", "--role", "operator"], "the ledger calls a machine page"),
        ("4711", ["add", "", "--role", "operator"], "1 to 60 printable"),
        ("4711", ["remove", "Cora"], "no person Cora; there is Anna, Bert"),
        ("000471", ["badge", "Cora"], "no person Cora"),
        ("00047", ["badge", "Anna"], "a badge has 6 to 200 printable characters"),
        ("0004711-B", ["badge", "Anna"], "this badge is Bert's; nothing was changed"),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(
    people_file: Path, monkeypatch: Patch, capsys: Capsys, secret: str, arguments: list[str], words: str
) -> None:
    before = people_file.read_bytes()
    assert people_file.name == "people.json"
    if "there is" in words:
        words = f"{words}, Vera"
    assert give(monkeypatch, secret, *arguments) == 2
    assert words in capsys.readouterr().err
    assert people_file.read_bytes() == before
