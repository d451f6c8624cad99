"""People file: who may change a line, with the hashes of their secrets; for the line's user alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from softcore_runtime.atomic_file import write_atomically
from softcore_runtime.bundle.folder_swap import lock_folder
from softcore_runtime.errors import UsageError

from softcore_edge_app.web.people.person import RESERVED, Person, Role, find_person

__all__ = ["change_people", "check_name", "read_people", "write_people"]

_MODE = 0o600
_MOST_BYTES = 10**6
_LONGEST_NAME = 60
_HASH = r"^\$argon2id\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$"
_Hash = Annotated[str, Field(pattern=_HASH, max_length=500)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    role: Role
    secret: _Hash
    badge: _Hash | None = None


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    people: list[_Entry]


def read_people(file: Path) -> tuple[Person, ...]:
    """Read the people of `HttpOptions.people_file`; none if it isn't there yet.

    Raises:
        UsageError: it can't be read, everybody on the machine can read or write it, or it is no such file.
    """
    try:
        mode = file.stat().st_mode
        if not stat.S_ISREG(mode):
            raise UsageError(f"{file}: the file of people is no file")
        with file.open(encoding="utf-8") as stream:
            text = stream.read(_MOST_BYTES)
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: the people can't be read ({error})") from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise UsageError(
            f"{file}: everybody on this machine can read or write the people; run: chmod o= {file}"
        )
    try:
        entries = _Content.model_validate_json(text).people
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(one) for one in first["loc"])
        raise UsageError(
            f"{file}: holds no people ({where}: {first['msg']}); write it by: people add"
        ) from error
    people: tuple[Person, ...] = ()
    for entry in entries:
        try:
            check_name(people, entry.name)
        except UsageError as error:
            raise UsageError(f"{file}: {error}") from error
        people = (*people, Person(entry.name, entry.role, entry.secret, entry.badge))
    return people


def change_people(file: Path, change: Callable[[tuple[Person, ...]], tuple[Person, ...]]) -> None:
    """Change people while nobody else changes them.

    Args:
        file: their file.
        change: returns those that are there afterwards, given those that are there now.

    Raises:
        UsageError: it can't be read or written.
    """
    try:
        with lock_folder(file.absolute().parent):
            write_people(file, change(read_people(file)))
    except OSError as error:
        raise UsageError(f"{file}: the people can't be written ({error.strerror})") from error


def write_people(file: Path, people: tuple[Person, ...]) -> None:
    """Write people in one step; a new file can be read by the user of this process alone.

    An existing file keeps its mode, and its owner and group where this process may set them.

    Raises:
        UsageError: it can't be written.
    """
    content = _Content(people=[_Entry(**vars(one)) for one in people])
    try:
        before = file.stat() if file.exists() else None
        write_atomically(file, f"{content.model_dump_json(indent=2)}\n", mode=_MODE)
        if before:
            with suppress(PermissionError):
                os.chown(file, before.st_uid, before.st_gid)
    except OSError as error:
        raise UsageError(f"{file}: the people can't be written ({error.strerror})") from error


def check_name(people: tuple[Person, ...], name: str) -> None:
    """Check a name for one more person.

    Raises:
        UsageError: it is empty, long, has a control character, is the ledger's own word, or somebody's.
    """
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise UsageError(f"a name has 1 to {_LONGEST_NAME} printable characters, unlike {name!r}")
    if name.casefold() in RESERVED:
        raise UsageError(f"the ledger calls a machine {name}; name the person otherwise")
    if find_person(people, name):
        raise UsageError(f"there is a {name} already; a name is given once, in upper or lower case")
