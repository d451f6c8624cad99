"""Environment: the variables that set keys of a configuration.

`SOFTCORE_` and a key in capitals set it; `__` stands for the dot between a table and its key.
pydantic-settings reads them by the models of the keys, so that there is no second list of keys.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from softcore_runtime.cli.suggestion import find_nearest

from softcore_edge_app.configuration.combinations import Place
from softcore_edge_app.configuration.options import Configuration
from softcore_edge_app.configuration.schema import list_keys, walk_keys

__all__ = ["list_variables", "name_variable", "read_environment"]

_PREFIX, _DOT = "SOFTCORE_", "__"
# A key whose variable means something else: SOFTCORE_BUNDLE is the default bundle of every command.
_OTHER = ("bundle",)


class _Variables(Configuration, BaseSettings):
    """The keys of a configuration as pydantic-settings reads them."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_prefix_target="all", env_nested_delimiter=_DOT, frozen=True, extra="forbid"
    )


class _Source(EnvSettingsSource):
    """Reads the variables. One that should be JSON and isn't stays a text, to be reported as wrong."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Read a table or a list."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def read_environment() -> dict[str, Any]:
    """Read the keys that environment variables set, as a TOML file would have them.

    A variable that is nearly the name of a key is among them, to be reported as a mistake; other variables
    of this prefix are left to the programs that they are for.
    """
    fields = _Source(_Variables)()
    known = list_keys(Configuration)
    for name, value in os.environ.items():
        key = name.removeprefix(_PREFIX).partition(_DOT)[0].lower()
        if name.startswith(_PREFIX) and key not in known and find_nearest(key, known):
            fields[key] = value
    return {key: value for key, value in fields.items() if key not in _OTHER}


def name_variable(place: Place, environment: Mapping[str, str] = os.environ) -> str:
    """Name the variable that sets a key: its own, or that of a table in which it is.

    Example:
        >>> name_variable(("mqtt", "host"), {})
        'SOFTCORE_MQTT__HOST'
        >>> name_variable(("mqtt", "host"), {"SOFTCORE_MQTT": '{"host": "broker"}'})
        'SOFTCORE_MQTT'
    """
    names = [_PREFIX + _DOT.join(place[:length]).upper() for length in range(len(place), 0, -1)]
    given = {name.upper() for name in environment}
    return next((name for name in names if name in given), names[0])


def list_variables() -> dict[str, str]:
    """List the variables, each with the key that it sets; `NAME` stands for any name.

    Example:
        >>> list_variables()["SOFTCORE_HTTP__PORT"]
        'http.port'
    """
    places = [place for place, _ in walk_keys() if place not in {(key,) for key in _OTHER}]
    return {name_variable(place, {}): ".".join(place) for place in places}
