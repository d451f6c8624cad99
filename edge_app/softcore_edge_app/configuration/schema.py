"""Schema: which keys a configuration has, by the models that declare them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from softcore_edge_app.configuration.combinations import Place
from softcore_edge_app.configuration.options import Configuration

__all__ = [
    "find_model",
    "find_nearest_field",
    "find_place",
    "find_table",
    "list_choices",
    "list_keys",
    "list_tables",
    "walk_keys",
]


def list_keys(model: type[BaseModel]) -> list[str]:
    """List the keys of a table."""
    return [field.alias or name for name, field in model.model_fields.items()]


def list_tables() -> Iterator[tuple[str, type[BaseModel]]]:
    """List the tables of a line that have fixed names."""
    for name, field in Configuration.model_fields.items():
        model = find_model(field.annotation)
        if model:
            yield name, model


def walk_keys(model: type[BaseModel] = Configuration, place: Place = ()) -> Iterator[tuple[Place, FieldInfo]]:
    """List the keys of a table and of those in it; a part `NAME` stands for any name.

    Args:
        model: of the table.
        place: the path of the table.
    """
    for name, field in model.model_fields.items():
        key = (*place, field.alias or name)
        values = _find_values(field.annotation) if get_origin(field.annotation) is dict else None
        if table := find_model(field.annotation):
            yield from walk_keys(table, key)
        elif table := find_model(values):
            yield from walk_keys(table, (*key, "NAME"))
        else:
            yield ((*key, "NAME") if values else key), field


def find_place(location: tuple[int | str, ...]) -> Place:
    """Return the path of a key from the location of an error of pydantic.

    For a key that takes several types, pydantic adds which of them it tried.
    """
    place: list[str] = []
    kind: Any = Configuration
    for part in location:
        model, inner = find_model(kind), _find_values(kind)
        if model:
            field = _find_field(model, str(part))
            kind = field.annotation if field else None
        elif inner is not None:
            kind = inner
        else:
            break
        place.append(str(part))
    return tuple(place)


def find_table(place: Place) -> type[BaseModel] | None:
    """Return the model of a table; None if there is none at this path."""
    kind: Any = Configuration
    for part in place:
        kind = _find_kind(kind, part)[0]
    return find_model(kind)


def find_nearest_field(place: Place) -> FieldInfo | None:
    """Return the field of a key, or the one whose table or list has the key."""
    found = None
    kind: Any = Configuration
    for part in place:
        kind, field = _find_kind(kind, part)
        found = field or found
    return found


def find_model(kind: Any) -> type[BaseModel] | None:
    """Return the table among the types that a key takes."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) in (dict, tuple):
        return None
    return next(filter(None, map(find_model, get_args(kind))), None)


def list_choices(kind: Any) -> Iterator[str]:
    """List the texts that a key takes, if it takes only some."""
    if get_origin(kind) is Literal:
        yield from map(str, get_args(kind))
    else:
        for inner in get_args(kind):
            yield from list_choices(inner)


def _find_kind(kind: Any, part: str) -> tuple[Any, FieldInfo | None]:
    """Return the type of what a table or list has under a name, and its field in a table of fixed keys."""
    model = find_model(kind)
    field = _find_field(model, part) if model else None
    return (field.annotation if field else _find_values(kind)), field


def _find_field(model: type[BaseModel], key: str) -> FieldInfo | None:
    return next((field for name, field in model.model_fields.items() if key == (field.alias or name)), None)


def _find_values(kind: Any) -> Any:
    """Return the type of the values of a table of any names, or of a list; None if it is neither."""
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    return get_args(kind)[0] if get_origin(kind) is tuple else None
