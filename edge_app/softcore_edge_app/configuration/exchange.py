"""Exchange: two values of a configuration file change places, and every other character of it stays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from itertools import product
from pathlib import Path
from typing import Any

from softcore_runtime import UsageError
from softcore_runtime.atomic_file import write_atomically

from softcore_edge_app.configuration.combinations import Place
from softcore_edge_app.configuration.configuration import parse_configuration, read_text

__all__ = ["exchange_texts", "exchange_values"]

_TEXT = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')  # a text in TOML, on one line
_MOST = 400  # pairs of texts that are tried


def exchange_values(file: Path, first: Place, second: Place) -> None:
    """Let the texts of two keys of a file change places, in one step.

    Args:
        file: a TOML file.
        first: the path of a key.
        second: that of the other.

    Raises:
        UsageError: the file can't be read or written, or written so that it can't be changed safely: the
            message says what to write instead.
    """
    text = read_text(file)
    found = exchange_texts(text, first, second)
    if found is None:
        fields = parse_configuration(text)
        values = [json.dumps(_get(fields, place)) for place in (second, first)]
        lines = " and ".join(
            f"{'.'.join(place)} = {value}" for place, value in zip((first, second), values, strict=True)
        )
        raise UsageError(f"{file}: can't be changed safely; write it by hand: {lines}")
    try:
        write_atomically(file.resolve(), found.encode())  # a symbolic link stays one
    except OSError as error:
        raise UsageError(f"{file}: can't be written ({error.strerror})") from error


def exchange_texts(text: str, first: Place, second: Place) -> str | None:
    r"""Let the texts of two keys of a configuration change places.

    What comes out is parsed, and must mean the same but for the two values.

    Args:
        text: the configuration, in TOML.
        first: the path of a key.
        second: that of the other.

    Returns:
        the new configuration; None where that can't be had by exchanging two texts.

    Example:
        >>> print(exchange_texts('bundle = "a" # good\nshadow = "b"', ("bundle",), ("shadow",)))
        bundle = "b" # good
        shadow = "a"
    """
    fields = parse_configuration(text)
    values = _get(fields, first), _get(fields, second)
    wanted = deepcopy(fields)
    for place, value in zip((second, first), values, strict=True):
        _get(wanted, place[:-1])[place[-1]] = value
    tokens = [(match, _read(match.group())) for match in _TEXT.finditer(text)]
    places = [[match for match, read in tokens if read == value] for value in values]
    pairs = list(product(*places))
    for one, other in pairs[:_MOST]:
        changed = _replace(
            text, sorted([(one, values[1]), (other, values[0])], key=lambda put: put[0].start())
        )
        if _means(changed, wanted):
            return changed
    return None


def _replace(text: str, puts: Sequence[tuple[re.Match[str], str]]) -> str:
    def parts() -> Iterator[str]:
        end = 0
        for match, value in puts:
            yield text[end : match.start()]
            literal = match.group()[0] == "'" and "'" not in value and value.isprintable()
            yield (
                f"'{value}'" if literal else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            )
            end = match.end()
        yield text[end:]

    return "".join(parts())


def _means(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return parse_configuration(text) == wanted
    except ValueError:
        return False


def _read(token: str) -> str | None:
    try:
        return str(parse_configuration(f"text = {token}")["text"])
    except ValueError:
        return None


def _get(fields: dict[str, Any], place: Place) -> Any:
    found: Any = fields
    for key in place:
        found = found[key]
    return found
