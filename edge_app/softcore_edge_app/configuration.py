"""Configuration: what a line is told, by one TOML file, by the command's options, or by both."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from softcore_runtime.errors import MissingLibraryError, UsageError

from softcore_edge_app.options import Configuration

__all__ = ["Configuration", "configure", "describe_configuration", "read_configuration"]


def configure(file: Path | None, options: Mapping[str, Any]) -> Configuration:
    """Make the configuration of a run: what `options` leave open is the file's, then the default.

    Args:
        file: a TOML file, if there is one.
        options: by key; None is left open.

    Raises:
        UsageError: as `read_configuration`, or the two don't go together.
    """
    given = {key: value for key, value in options.items() if value is not None}
    fields = _read(file) if file else {}
    if "camera" in given or "source" in given:
        fields = {key: value for key, value in fields.items() if key not in ("camera", "source")}
    return _validate({**fields, **given}, f"{file}: " if file else "")


def read_configuration(file: Path) -> Configuration:
    """Read and check a file; opens nothing that it names.

    Raises:
        UsageError: it can't be read, is no TOML, has an unknown key (the nearest known one is named) or a
            wrong value, or says nothing of where frames come from.
    """
    return _validate(_read(file), f"{file}: ")


def describe_configuration(configuration: Configuration) -> list[str]:
    """Give what is set as lines, by the keys' names."""
    fields = configuration.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return [f"{key} = {value}" for key, value in fields.items()]


def _read(file: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ModuleNotFoundError as error:
            raise MissingLibraryError("tomli", "edge") from error
    try:
        fields: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{file}: can't be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: not TOML ({error})") from error
    return fields


def _validate(fields: Mapping[str, Any], where: str) -> Configuration:
    try:
        found = Configuration.model_validate(fields)
    except ValidationError as error:
        raise UsageError(where + _explain(error)) from error
    if (found.camera is None) == (found.source is None):
        raise UsageError(f"{where}needs either camera or source (--camera, --source)")
    if found.fast and found.save_overlays:
        raise UsageError(
            f"{where}--fast draws no maps, so there are no overlays to save; leave one of the two out"
        )
    return found


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"][:1])
    if first["type"] != "extra_forbidden":
        return f"{key}: {first['msg']}, not {first['input']!r}"
    known = [field.alias or name for name, field in Configuration.model_fields.items()]
    near = difflib.get_close_matches(key, known, n=1)
    meant = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
    return f"{key}: no such key; {meant}"
