"""Configuration: what a line is set to, by the command's options, the environment and one TOML file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from softcore_runtime.errors import UsageError
from softcore_runtime.missing_library import explain_import

from softcore_edge_app.configuration.alarm_options import DEFAULT_ALARMS
from softcore_edge_app.configuration.mistakes import ConfigurationError, Mistake, Reading, find_mistakes
from softcore_edge_app.configuration.options import Configuration

__all__ = [
    "configure",
    "describe_configuration",
    "merge",
    "parse_configuration",
    "parse_setting",
    "read_configuration",
    "read_text",
    "review_configuration",
]


_LARGEST = 2**20  # bytes of a file; a line of a hundred cameras takes a twentieth of it
_DEEPEST = 16  # tables in each other; a line has three
# Of a line of the file: TOML's readers take time and memory by the square of the parts of a key.
_MOST_DOTS = 100
_SHOWN = 200  # characters of a setting that is wrong
_PLACE_OF_FRAMES = {"camera", "source"}  # only one of them can be set


def configure(file: Path | None, options: Mapping[str, Any]) -> Configuration:
    """Make the configuration of a run.

    A key is set by the options; if they leave it open, by the environment; then by the file; then it has its
    default. A table is put together key by key.

    Args:
        file: a TOML file; None for none.
        options: values by key; None leaves a key open.

    Raises:
        UsageError: as `read_configuration`, for all sources together.
    """
    # Imported here, since the library takes a while to import and other commands don't read variables.
    from softcore_edge_app.configuration.environment import name_variable, read_environment

    given = {key: value for key, value in options.items() if value is not None}
    environment = read_environment()
    fields = _read(file) if file else {}
    for above in (environment, given):
        if _PLACE_OF_FRAMES & above.keys():
            fields = {key: value for key, value in fields.items() if key not in _PLACE_OF_FRAMES}
        fields = merge(fields, above)

    def describe(mistake: Mistake) -> str:
        if _holds(given, mistake.place):
            return str(mistake)
        if _holds(environment, mistake.place):
            return f"${name_variable(mistake.place)}: {mistake.what}"
        return f"{file}: {mistake}" if file else str(mistake)

    return _validate(fields, describe)


def read_configuration(file: Path) -> Configuration:
    """Read and check a file alone, without environment and options; nothing that it names is opened.

    Raises:
        UsageError: it can't be read, or is no TOML.
        ConfigurationError: everything that is wrong in it: unknown keys (the nearest known one is named),
            wrong values, no place that frames come from, keys that don't go together.
    """
    return _validate(_read(file), lambda mistake: f"{file}: {mistake}")


def review_configuration(file: Path) -> Reading:
    """Read a file as far as it is right, with everything that is wrong in it.

    Raises:
        UsageError: it can't be read, or is no TOML.
    """
    return find_mistakes(_read(file))


def describe_configuration(configuration: Configuration) -> list[str]:
    """Return what is set, a line for each key."""
    fields = configuration.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    changed = {name for name, rule in configuration.alarms.items() if rule != DEFAULT_ALARMS.get(name)}
    fields["alarms"] = {name: rule for name, rule in fields.get("alarms", {}).items() if name in changed}
    return [f"{key} = {value}" for key, value in _flatten(fields)]


def parse_setting(text: str) -> dict[str, Any]:
    """Read `KEY=VALUE` as TOML does; a value that isn't TOML is a text.

    Raises:
        UsageError: there is no key, or no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {text}: takes KEY=VALUE, such as mqtt.host=broker or cameras.left.queue=4")
    with suppress(ValueError):
        return parse_configuration(text)
    try:
        return parse_configuration(f"{key} = {_quote(value.strip())}")
    except ValueError as error:
        raise UsageError(f"--set {text[:_SHOWN]}: {key.strip()[:_SHOWN]} is no key") from error


def _read(file: Path) -> dict[str, Any]:
    text = read_text(file)
    try:
        return parse_configuration(text)
    except ValueError as error:
        raise UsageError(f"{file}: not TOML ({error})") from error


def read_text(file: Path) -> str:
    """Read a file's text.

    Raises:
        UsageError: it can't be read, or is no TOML.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise UsageError(f"{file}: no configuration of a line has more than {_LARGEST} bytes")
        return content.decode()
    except OSError as error:
        raise UsageError(f"{file}: can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: not TOML ({error})") from error


def parse_configuration(text: str) -> dict[str, Any]:
    """Parse TOML; what it says isn't checked.

    Raises:
        ValueError: it is none, or too deep.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError as error:
            raise explain_import(error, "edge") from error
    too_deep = ValueError(f"more than {_DEEPEST} tables, or lists, are in each other")
    if any(line.count(".") > _MOST_DOTS for line in text.splitlines() if line.lstrip()[:1] != "#"):
        raise too_deep
    try:
        fields: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise too_deep from None
    inner: list[Any] = [fields]
    for _ in range(_DEEPEST):
        inner = [value for each in inner for value in (each.values() if isinstance(each, dict) else each)]
        inner = [value for value in inner if isinstance(value, (dict, list))]
    if inner:
        raise too_deep
    return fields


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def merge(fields: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields with given ones in their place, table by table."""
    merged = dict(fields)
    for key, value in given.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _flatten(fields: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in fields.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{place}{key}.")
        else:
            yield f"{place}{key}", value


def _validate(fields: Mapping[str, Any], describe: Callable[[Mistake], str]) -> Configuration:
    reading = find_mistakes(fields)
    if reading.mistakes:
        raise ConfigurationError([describe(mistake) for mistake in reading.mistakes])
    return reading.configuration


def _holds(fields: Mapping[str, Any], place: Sequence[str]) -> bool:
    """Tell whether a key, or the table it would be in, is among the fields as a value."""
    if not place or place[0] not in fields:
        return False
    inner = fields[place[0]]
    return not isinstance(inner, Mapping) or _holds(inner, place[1:])
