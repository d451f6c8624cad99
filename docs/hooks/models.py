"""Models as Markdown: the fields of a pydantic model with their kinds, ranges, defaults and descriptions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

__all__ = ["list_keys", "render_record", "render_table"]

_NAMES = {"string": "text", "boolean": "true or false", "null": "null"}
_FORMATS = {"path": "path", "date-time": "time (ISO 8601)"}
_SHA256 = "^[0-9a-f]{64}$"


def render_table(model: type[BaseModel], *, own: bool = False) -> str:
    """Make a table of the keys that a person writes into a file, with their defaults.

    Args:
        model: the model.
        own: leave out what it inherits from the model that it extends.
    """
    schema = model.model_json_schema()
    required = schema.get("required", [])
    lines = ["| key | kind | default | meaning |", "|---|---|---|---|"]
    for key in list_keys(model, own=own):
        field = schema["properties"][key]
        kind = ", ".join(_describe_kinds(field, schema.get("$defs", {}), "table"))
        default = "required" if key in required else _show(field.get("default"))
        lines.append(f"| `{key}` | {kind} | {default} | {field.get('description', '')} |")
    return "\n".join(lines)


def render_record(model: type[BaseModel]) -> str:
    """Make a table of the fields that a file of JSON holds; objects in it link to headings of their names."""
    schema = model.model_json_schema()
    lines = ["| field | kind | meaning |", "|---|---|---|"]
    for key in list_keys(model):
        field = schema["properties"][key]
        kind = " or ".join(_describe_kinds(field, schema.get("$defs", {}), "object", null=True))
        lines.append(f"| `{key}` | {kind} | {field.get('description', '')} |")
    return "\n".join(lines)


def list_keys(model: type[BaseModel], *, own: bool = False) -> list[str]:
    """List the keys of a model as a file has them."""
    names = model.__annotations__ if own else model.model_fields
    return [model.model_fields[name].alias or name for name in names if name in model.model_fields]


def _describe_kinds(
    field: dict[str, Any], definitions: dict[str, Any], noun: str, *, null: bool = False
) -> Iterator[str]:
    """Say by its JSON schema what a field takes, each kind by itself; an object is called by the noun."""

    def describe(one: dict[str, Any]) -> str:
        return ", ".join(_describe_kinds(one, definitions, noun))

    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        if definitions[name].get("type") == "object":
            yield noun if noun == "table" else f"[{name}](#{name.lower()})"
        else:
            yield describe(definitions[name])
    elif "anyOf" in field:
        for one in field["anyOf"]:
            if null or one.get("type") != "null":
                yield from _describe_kinds(one, definitions, noun)
    elif "enum" in field or "const" in field:
        yield ", ".join(f"`{json.dumps(value)}`" for value in field.get("enum", [field.get("const")]))
    elif "prefixItems" in field:
        kinds = dict.fromkeys(map(describe, field["prefixItems"]))
        yield f"array of {len(field['prefixItems'])}: {', '.join(kinds)}"
    elif field.get("type") == "array":
        yield f"array of {describe(field['items'])}"
    elif field.get("type") == "object":
        yield f"{noun} of {describe(field['additionalProperties'])}, by name"
    elif field.get("pattern") == _SHA256:
        yield "SHA-256 in hex"
    else:
        kind = str(field.get("type"))
        words = _FORMATS.get(field.get("format", ""), _NAMES.get(kind, kind))
        yield ", ".join([words, *_describe_range(field)])


def _describe_range(field: dict[str, Any]) -> Iterator[str]:
    bounds = {key: f"{field[key]:,.12g}" for key in _BOUNDS if key in field}
    if {"minimum", "maximum"} <= bounds.keys():
        yield f"{bounds['minimum']} to {bounds['maximum']}"
        return
    for key, value in bounds.items():
        yield _BOUNDS[key].format(value)
    if "maxLength" in field:
        yield f"at most {field['maxLength']} characters"


_BOUNDS = {
    "exclusiveMinimum": "above {}",
    "minimum": "from {}",
    "exclusiveMaximum": "below {}",
    "maximum": "up to {}",
}


def _show(default: Any) -> str:
    if default is None or default in ({}, []) or isinstance(default, dict):
        return ""
    return f"`{json.dumps(default)}`"
