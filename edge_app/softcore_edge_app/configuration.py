"""Configuration: what a line is told, by one TOML file, by the command's options, or by both."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from softcore_runtime.errors import MissingLibraryError, UsageError

from softcore_edge_app.options import CameraOptions, Configuration

__all__ = ["configure", "describe_configuration", "merge", "parse_setting", "read_configuration"]


def configure(file: Path | None, options: Mapping[str, Any]) -> Configuration:
    """Make the configuration of a run: what `options` leave open is the file's, then the default.

    Args:
        file: a TOML file, if there is one.
        options: by key; None is left open. What is given of a table leaves the rest of it as it is.

    Raises:
        UsageError: as `read_configuration`, or the two don't go together.
    """
    given = {key: value for key, value in options.items() if value is not None}
    fields = _read(file) if file else {}
    if "camera" in given or "source" in given:
        fields = {key: value for key, value in fields.items() if key not in ("camera", "source")}
    return _validate(merge(fields, given), f"{file}: " if file else "")


def read_configuration(file: Path) -> Configuration:
    """Read and check a file; opens nothing that it names.

    Raises:
        UsageError: it can't be read, is no TOML, has an unknown key (the nearest known one is named) or a
            wrong value, says nothing of where frames come from, or things that don't go together.
    """
    return _validate(_read(file), f"{file}: ")


def describe_configuration(configuration: Configuration) -> list[str]:
    """Give what is set as lines, by the keys' names."""
    fields = configuration.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return [f"{key} = {value}" for key, value in _flatten(fields)]


def parse_setting(text: str) -> dict[str, Any]:
    """Read `KEY=VALUE` as TOML does; a value that is no TOML is a text.

    Raises:
        UsageError: there is no key, or no `=`.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {text}: takes KEY=VALUE, such as mqtt.host=broker or cameras.left.queue=4")
    with suppress(ValueError):
        return _parse(text)
    try:
        return _parse(f"{key} = {_quote(value.strip())}")
    except ValueError as error:
        raise UsageError(f"--set {text}: {key.strip()} is no key") from error


def _read(file: Path) -> dict[str, Any]:
    try:
        return _parse(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: can't be read ({error.strerror})") from error
    except ValueError as error:  # of TOML, or of UTF-8
        raise UsageError(f"{file}: not TOML ({error})") from error


def _parse(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ModuleNotFoundError as error:
            raise MissingLibraryError("tomli", "edge") from error
    fields: dict[str, Any] = tomllib.loads(text)
    return fields


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def merge(fields: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Put what is given over what there is, table by table."""
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


def _validate(fields: Mapping[str, Any], where: str) -> Configuration:
    try:
        found = Configuration.model_validate(fields)
    except ValidationError as error:
        raise UsageError(where + _explain(error)) from error
    for name, camera in found.cameras.items() or [("", found)]:
        _check_camera(camera, where + (f"cameras.{name}: " if name else ""))
    if found.cameras:
        both = sorted(found.model_fields_set & CameraOptions.model_fields.keys())
        if both:
            raise UsageError(
                f"{where}{both[0]}: belongs into each camera's table where there are tables [cameras.NAME]"
            )
    if found.fast and found.save_overlays:
        raise UsageError(
            f"{where}--fast draws no maps, so there are no overlays to save; leave one of the two out"
        )
    for output in ("mqtt", "modbus"):
        if getattr(found, output) and found.ledger is None:
            raise UsageError(f"{where}{output}: needs a ledger (--ledger FILE), which keeps what it misses")
    outside = found.mqtt or found.modbus or found.http
    for name, camera in found.cameras.items() or [("", found)]:
        if camera.trigger == "external" and not outside:
            place = f"{where}cameras.{name}." if name else where
            raise UsageError(f"{place}trigger: nobody can trigger it: that takes mqtt, modbus or http")
    return found


def _check_camera(camera: CameraOptions, where: str) -> None:
    if (camera.camera is None) == (camera.source is None):
        raise UsageError(f"{where}needs either camera or source (--camera, --source)")
    if (camera.trigger == "interval") != (camera.interval is not None):
        raise UsageError(f"{where}an interval goes with trigger = interval, and that with an interval")
    if camera.recipes and camera.bundle is not None:
        raise UsageError(f"{where}recipes: the first of them is in use at the start; leave bundle out")


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    # Of a choice between literals pydantic names each; a key has no bracket.
    place = [str(part) for part in first["loc"] if "[" not in str(part)]
    if first["type"] != "extra_forbidden":
        return f"{'.'.join(place)}: {first['msg']}, not {first['input']!r}"
    known = _list_keys(Configuration, place[:-1])
    near = difflib.get_close_matches(place[-1], known, n=1)
    meant = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
    return f"{'.'.join(place)}: no such key; {meant}"


def _list_keys(model: type[BaseModel], place: Sequence[str]) -> list[str]:
    """List the keys of a table, of which `place` is the path."""
    if not place:
        return [field.alias or name for name, field in model.model_fields.items()]
    kinds = [model.model_fields[place[0]].annotation]
    while kinds:
        kind = kinds.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return _list_keys(kind, place[1:])
        if place[0] == "cameras":
            return _list_keys(CameraOptions, place[2:])
        kinds.extend(get_args(kind))
    return []
