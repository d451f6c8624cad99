"""Mistakes: everything that is wrong with a configuration, a line for each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from softcore_runtime.cli.checks import MistakesError
from softcore_runtime.cli.numbers import describe_range
from softcore_runtime.cli.suggestion import find_nearest

from softcore_edge_app.configuration.combinations import Place, find_clashes
from softcore_edge_app.configuration.options import Configuration
from softcore_edge_app.configuration.schema import (
    find_nearest_field,
    find_place,
    find_table,
    list_choices,
    list_keys,
    list_tables,
)

__all__ = ["ConfigurationError", "Mistake", "Reading", "find_mistakes"]

_LONGEST = 60  # characters of a wrong value
_TYPES = {  # kinds of pydantic's errors, by how they begin, and what is expected
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a number",
    "bool": "true or false",
    "path": "a path",
    "string_type": "a text",
    "string_sub_type": "a text",
    "tuple": "a list",
}
_PATTERNS = {  # what a pattern means, by the key
    "topic": "a topic without + and #, that doesn't begin with $",
    "names": "the name or address of a machine, without a port",
}
_BOUNDS = ("greater_than", "less_than")


class ConfigurationError(MistakesError):
    """Everything that is wrong with a configuration, or missing that it names; a line for each."""


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and the path of its key; () if it is about several keys."""

    place: Place
    what: str

    def __str__(self) -> str:
        return f"{'.'.join(self.place)}: {self.what}" if self.place else self.what


@dataclass(frozen=True)
class Reading:
    """A configuration as far as it is right, and everything that is wrong with it.

    Attributes:
        configuration: without the keys that are wrong.
        mistakes: empty if nothing is wrong.
        wrong: the paths of the keys that are wrong, and of those that a mistyped key means.
    """

    configuration: Configuration
    mistakes: tuple[Mistake, ...]
    wrong: frozenset[Place]


def find_mistakes(fields: Mapping[str, Any]) -> Reading:
    """Read a configuration from its keys, as a TOML file has them."""
    rest = deepcopy(dict(fields))
    mistakes: list[Mistake] = []
    wrong: set[Place] = set()
    while True:
        try:
            found = Configuration.model_validate(rest)
            break
        except ValidationError as error:
            unsound: set[Place] = set()
            for place, details in _sort_errors(error.errors(include_url=False)):
                told = _explain(place, details, wrong)
                if told:
                    mistakes.append(Mistake(place, told))
                wrong.add(place)
                unsound.add(place[:-1] if details["type"] == "missing" else place)
            for place in unsound:  # the next round finds what is wrong with the rest
                _drop(rest, place)
    mistakes.extend(Mistake(place, why) for place, why in find_clashes(found, wrong))
    return Reading(found, tuple(mistakes), frozenset(wrong))


def _sort_errors(errors: Sequence[ErrorDetails]) -> Iterator[tuple[Place, ErrorDetails]]:
    """Return the first error of each place, unknown keys first: they may explain missing ones."""
    first: dict[Place, ErrorDetails] = {}
    for details in sorted(errors, key=lambda one: one["type"] != "extra_forbidden"):
        first.setdefault(find_place(details["loc"]), details)
    yield from first.items()


def _explain(place: Place, details: ErrorDetails, wrong: set[Place]) -> str | None:
    """Describe what is wrong; None if an unknown key with nearly this name is reported already."""
    kind, value = details["type"], details["input"]
    if kind == "extra_forbidden":
        return _explain_key(place, wrong)
    if kind == "missing":
        table = ".".join(place[:-1])
        return None if place in wrong else f"is missing, and [{table}] needs it"
    if kind == "value_error":
        return str(details["ctx"]["error"])
    field = find_nearest_field(place)
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"must be a table, not {_show(value)}"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_too_long":
        return f"must have at most {details['ctx']['max_length']} characters, not {len(value)}"
    if kind == "string_pattern_mismatch":
        meant = next((text for key, text in _PATTERNS.items() if key in place), "something else")
        return f"must be {meant}, not {_show(value)}"
    if kind == "literal_error" and field:
        choices = list(list_choices(field.annotation))
        near = find_nearest(value, choices) if isinstance(value, str) else None
        meant = f"; did you mean {near}?" if near else ""
        return f"must be {', '.join(choices[:-1])} or {choices[-1]}, not {_show(value)}{meant}"
    bounds = describe_range(field) if field else ""
    if kind.startswith(_BOUNDS):
        return f"must be {bounds}, not {_show(value)}"
    for beginning, words in _TYPES.items():
        if kind.startswith(beginning):
            return f"must be {' '.join(filter(None, (words, bounds)))}, not {_show(value)}"
    return f"{details['msg']}, not {_show(value)}"  # for a kind that no key has today


def _explain_key(place: Place, wrong: set[Place]) -> str:
    """Name the nearest key of the table and add it to `wrong`, or name the same key of other tables."""
    table, name = place[:-1], place[-1]
    model = find_table(table)
    known = list_keys(model) if model else []
    near = find_nearest(name, known)
    if near:
        wrong.add((*table, near))
        return f"no such key; did you mean {'.'.join((*table, near))}?"
    elsewhere = [f"{key}.{name}" for key, inner in list_tables() if name in list_keys(inner)]
    if name in list_keys(Configuration) and table:
        elsewhere.insert(0, f"{name}, before the first [table]")
    if elsewhere:
        return f"no such key here; did you mean {' or '.join(elsewhere)}?"
    return f"no such key; there are: {', '.join(known)}"


def _drop(fields: dict[str, Any], place: Place) -> None:
    """Remove a key; the whole list, if it is in one."""
    for part in place[:-1]:
        inner = fields.get(part)
        if not isinstance(inner, dict):
            fields.pop(part, None)
            return
        fields = inner
    fields.pop(place[-1], None)


def _show(value: Any) -> str:
    """Write a value as TOML would, or the kind of value that it is."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool)) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
