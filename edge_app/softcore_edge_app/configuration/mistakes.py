"""Mistakes: all that is wrong with a configuration, each thing in one line of our own words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from softcore_runtime.cli.numbers import describe_range
from softcore_runtime.cli.suggestion import find_nearest
from softcore_runtime.errors import UsageError

from softcore_edge_app.configuration.combinations import Place, find_clashes
from softcore_edge_app.configuration.options import Configuration

__all__ = ["ConfigurationError", "Mistake", "Reading", "find_mistakes"]

_LONGEST = 60  # characters of a wrong value
_TYPES = {  # pydantic's kinds of mistakes, by how they begin, and what is meant to be there
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a number",
    "bool": "true or false",
    "path": "a path",
    "string_type": "a text",
    "string_sub_type": "a text",
    "tuple": "a list",
}
_PATTERNS = {  # what a pattern means, by its key
    "topic": "a topic without + and #, that doesn't begin with $",
    "names": "the name or address of a machine, without a port",
}
_BOUNDS = ("greater_than", "less_than")


class ConfigurationError(UsageError):
    """Everything that is wrong with a configuration, or isn't there that it names; a line each.

    Attributes:
        mistakes: the lines.
    """

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = tuple(mistakes)

    @property
    def lines(self) -> tuple[str, ...]:
        """The mistakes."""
        return self.mistakes


@dataclass(frozen=True)
class Mistake:
    """What is wrong, and the path of its key: () where it is about several."""

    place: Place
    what: str

    def __str__(self) -> str:
        return f"{'.'.join(self.place)}: {self.what}" if self.place else self.what


@dataclass(frozen=True)
class Reading:
    """A configuration as far as it is right, and all that is wrong with it.

    Attributes:
        configuration: without the keys that are wrong.
        mistakes: empty where it is right as it is.
        wrong: the paths of the keys that are wrong, or were meant by one.
    """

    configuration: Configuration
    mistakes: tuple[Mistake, ...]
    wrong: frozenset[Place]


def find_mistakes(fields: Mapping[str, Any]) -> Reading:
    """Read a configuration from its keys, as TOML gives them."""
    rest = deepcopy(dict(fields))
    mistakes: list[Mistake] = []
    wrong: set[Place] = set()
    while True:
        try:
            found = Configuration.model_validate(rest)
            break
        except ValidationError as error:
            unsound: set[Place] = set()
            for place, details in _sort(error.errors(include_url=False)):
                told = _explain(place, details, wrong)
                if told:
                    mistakes.append(Mistake(place, told))
                wrong.add(place)
                unsound.add(place[:-1] if details["type"] == "missing" else place)
            for place in unsound:  # what is left shows what else is wrong
                _drop(rest, place)
    mistakes.extend(Mistake(place, why) for place, why in find_clashes(found, wrong))
    return Reading(found, tuple(mistakes), frozenset(wrong))


def _sort(errors: Sequence[ErrorDetails]) -> Iterator[tuple[Place, ErrorDetails]]:
    """Give each place's first error, unknown keys first: they may explain why others are missing."""
    first: dict[Place, ErrorDetails] = {}
    for details in sorted(errors, key=lambda one: one["type"] != "extra_forbidden"):
        first.setdefault(_find_place(details["loc"]), details)
    yield from first.items()


def _find_place(location: tuple[int | str, ...]) -> Place:
    """Give the path of a key; of a choice between types pydantic adds which one it tried."""
    place: list[str] = []
    kind: Any = Configuration
    for part in location:
        model, inner = _find_model(kind), _find_values(kind)
        if model:
            field = _find_field(model, str(part))
            kind = field.annotation if field else None
        elif inner is not None:
            kind = inner
        else:
            break
        place.append(str(part))
    return tuple(place)


def _explain(place: Place, details: ErrorDetails, wrong: set[Place]) -> str | None:
    """Say what is wrong; None where an unknown key with nearly this name says it already."""
    kind, value = details["type"], details["input"]
    if kind == "extra_forbidden":
        return _explain_key(place, wrong)
    if kind == "missing":
        table = ".".join(place[:-1])
        return None if place in wrong else f"is missing, and [{table}] needs it"
    if kind == "value_error":
        return str(details["ctx"]["error"])
    field = _find_nearest_field(place)
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
        choices = list(_list_choices(field.annotation))
        near = find_nearest(value, choices) if isinstance(value, str) else None
        meant = f"; did you mean {near}?" if near else ""
        return f"must be {', '.join(choices[:-1])} or {choices[-1]}, not {_show(value)}{meant}"
    bounds = describe_range(field) if field else ""
    if kind.startswith(_BOUNDS):
        return f"must be {bounds}, not {_show(value)}"
    for beginning, words in _TYPES.items():
        if kind.startswith(beginning):
            return f"must be {' '.join(filter(None, (words, bounds)))}, not {_show(value)}"
    return f"{details['msg']}, not {_show(value)}"  # one that no key of today can have


def _explain_key(place: Place, wrong: set[Place]) -> str:
    """Name the nearest key of its table (then in `wrong`, too), or those of just this name in others."""
    table, name = place[:-1], place[-1]
    model = _find_table(table)
    known = _list_keys(model) if model else []
    near = find_nearest(name, known)
    if near:
        wrong.add((*table, near))
        return f"no such key; did you mean {'.'.join((*table, near))}?"
    elsewhere = [f"{key}.{name}" for key, inner in _list_tables() if name in _list_keys(inner)]
    if name in _list_keys(Configuration) and table:
        elsewhere.insert(0, f"{name}, before the first [table]")
    if elsewhere:
        return f"no such key here; did you mean {' or '.join(elsewhere)}?"
    return f"no such key; there are: {', '.join(known)}"


def _drop(fields: dict[str, Any], place: Place) -> None:
    """Leave a key out; of a list the whole of it."""
    for part in place[:-1]:
        inner = fields.get(part)
        if not isinstance(inner, dict):
            fields.pop(part, None)
            return
        fields = inner
    fields.pop(place[-1], None)


def _list_keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _list_tables() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Configuration.model_fields.items():
        model = _find_model(field.annotation)
        if model:
            yield name, model


def _find_table(place: Place) -> type[BaseModel] | None:
    kind: Any = Configuration
    for part in place:
        model = _find_model(kind)
        field = _find_field(model, part) if model else None
        kind = field.annotation if field else _find_values(kind)
    return _find_model(kind)


def _find_nearest_field(place: Place) -> FieldInfo | None:
    """Find the field of a key, or the one whose table or list the key is in."""
    found = None
    kind: Any = Configuration
    for part in place:
        model = _find_model(kind)
        field = _find_field(model, part) if model else None
        found = field or found
        kind = field.annotation if field else _find_values(kind)
    return found


def _find_field(model: type[BaseModel], key: str) -> FieldInfo | None:
    return next((field for name, field in model.model_fields.items() if key == (field.alias or name)), None)


def _find_model(kind: Any) -> type[BaseModel] | None:
    """Find the table among the types that a key may have."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) in (dict, tuple):
        return None
    return next(filter(None, map(_find_model, get_args(kind))), None)


def _find_values(kind: Any) -> Any:
    """Give the type of what is in a table of any names, or in a list; None where it is neither."""
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    return get_args(kind)[0] if get_origin(kind) is tuple else None


def _list_choices(kind: Any) -> Iterator[str]:
    if get_origin(kind) is Literal:
        yield from map(str, get_args(kind))
    else:
        for inner in get_args(kind):
            yield from _list_choices(inner)


def _show(value: Any) -> str:
    """Write a value as TOML would, or say what it is."""
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, (str, bool)) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
