"""People command: `softcore-edge people`, which says who may change a line, and by what role."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from softcore_runtime import UsageError
from softcore_runtime.cli.command_line import Parser

from softcore_edge_app.web.people.people_file import change_people, check_name, read_people
from softcore_edge_app.web.people.person import Person, Role, find_person

__all__ = ["add_command"]

_FILE = Path("people.json")
_SHORTEST = {Role.VIEWER: 4, Role.OPERATOR: 4, Role.SETTER: 6}  # characters of a PIN or password
_SHORTEST_BADGE = 6

_DESCRIPTION = """\
Say who may change a line over its page, and by what role: an operator marks parts, settles REVIEW,
acknowledges alarms and triggers; a setter also changes recipe and threshold, and stops the line; a viewer
changes nothing. Each change stands in the ledger under the person's name.

The file holds names, roles and hashes of secrets. The line's configuration names it (http.people_file); a
line that runs notices each change of it."""

_SECRETS = """\
A secret is typed twice without being shown, or read from standard input."""

_EPILOG = """\
examples:
  softcore-edge people add Anna --role setter
  softcore-edge people badge Anna                 hold her badge to the scanner, twice
  softcore-edge people list
  softcore-edge people remove Anna

exit codes:
  0  done
  2  a mistake in the command, or a file that can't be read or written"""


def add_command(commands: Parser) -> None:
    """Add `people`, with its own commands, to the commands of `softcore-edge`."""
    parser = commands.add_command("people", "say who may change a line", _DESCRIPTION, _EPILOG)

    def add(
        name: str, work: Callable[[argparse.Namespace], None], title: str, text: str, example: str
    ) -> Parser:
        command = parser.add_command(name, title, text, f"examples:\n  {example}", work=work)
        if name != "list":
            command.add_argument("name", metavar="NAME", help="as the ledger has it")
        command.add_argument(
            "--people-file", type=Path, metavar="FILE", default=_FILE, help=f"(default: {_FILE})"
        )
        return command

    adding = add(
        "add",
        _add,
        "add a person, or change role and secret",
        f"Add a person; of one who is there role and secret are changed. {_SECRETS}",
        "softcore-edge people add Anna --role setter",
    )
    adding.add_argument(
        "--role", type=Role, choices=list(Role), required=True, metavar="ROLE", help=", ".join(Role)
    )
    add("list", _list, "list them", "List names, roles, and who has a badge.", "softcore-edge people list")
    add(
        "remove",
        _remove,
        "remove a person",
        "Remove a person, who is logged out.",
        "softcore-edge people remove Anna",
    )
    add(
        "badge",
        _set_badge,
        "give a person a badge",
        f"Give a person a badge, by what a scanner types of it; the one before is valid no more. {_SECRETS}",
        "softcore-edge people badge Anna",
    )


def _add(options: argparse.Namespace) -> None:
    people = read_people(options.people_file)
    known = find_person(people, options.name)
    if known is None:
        check_name(people, options.name)
    secret = _ask("PIN or password", _SHORTEST[options.role])
    # Imported late: only who sets a secret needs the library.
    from softcore_edge_app.web.people.secret import hash_secret

    added = Person(known.name if known else options.name, options.role, hash_secret(secret))

    def add(there: tuple[Person, ...]) -> tuple[Person, ...]:
        known = find_person(there, options.name)
        if known is None:
            check_name(there, options.name)
        person = replace(added, badge=known.badge if known else None)
        return (*(one for one in there if one != known), person)

    change_people(options.people_file, add)
    print(f"{options.people_file}: {added.name} is {added.role}")
    if not people:
        print(f'name the file in the configuration of the line: [http] people_file = "{options.people_file}"')


def _list(options: argparse.Namespace) -> None:
    people = read_people(options.people_file)
    if not people:
        print(f"{options.people_file}: nobody is in it")
    for person in sorted(people, key=lambda one: one.name.casefold()):
        print(f"{person.name}\t{person.role}{', badge' if person.badge else ''}")


def _remove(options: argparse.Namespace) -> None:
    person = _require(options, read_people(options.people_file))

    def remove(there: tuple[Person, ...]) -> tuple[Person, ...]:
        gone = _require(options, there)
        return tuple(one for one in there if one != gone)

    change_people(options.people_file, remove)
    print(f"{options.people_file}: {person.name} is removed")


def _set_badge(options: argparse.Namespace) -> None:
    person = _require(options, read_people(options.people_file))
    code = _ask("badge", _SHORTEST_BADGE)
    from softcore_edge_app.web.people.secret import hash_badge, match_badge

    def set_badge(there: tuple[Person, ...]) -> tuple[Person, ...]:
        holder, owners = _require(options, there), [one for one in there if one.badge]
        place = match_badge(code, [str(one.badge) for one in owners])
        if place is not None and owners[place] != holder:
            raise UsageError(f"this badge is {owners[place].name}'s; nothing was changed")
        badge = hash_badge(code, owners[0].badge if owners else None)
        return tuple(replace(one, badge=badge) if one == holder else one for one in there)

    change_people(options.people_file, set_badge)
    print(f"{options.people_file}: {person.name} has a badge")


def _require(options: argparse.Namespace, people: tuple[Person, ...]) -> Person:
    person = find_person(people, options.name)
    if person is None:
        there = ", ".join(one.name for one in people) or "nobody"
        raise UsageError(f"{options.people_file}: no person {options.name}; there is {there}")
    return person


def _ask(what: str, shortest: int) -> str:
    """Ask for a secret, twice at a terminal and else once, as a line of standard input.

    Raises:
        UsageError: there is none, the two differ, or it is too short.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        secret = getpass.getpass(f"{what}: ")
        if getpass.getpass(f"{what}, again: ") != secret:
            raise UsageError(f"the two are not the same {what}; nothing was changed")
    else:
        secret = sys.stdin.readline() if sys.stdin is not None else ""
    secret = secret.strip()
    if not shortest <= len(secret) <= 200 or not secret.isprintable():
        raise UsageError(f"a {what} has {shortest} to 200 printable characters here; nothing was changed")
    return secret
