"""Strict JSON: accepts only unambiguous documents, unlike Python's reader."""

from __future__ import annotations

import json
from typing import Any, NoReturn

__all__ = ["parse_json"]


def parse_json(data: bytes) -> Any:
    """Read UTF-8 JSON.

    Raises:
        ValueError: it is no JSON, is nested too deeply, names a key twice in one object, holds NaN or
            infinity, or half of a surrogate pair.

    Example:
        >>> parse_json(b'{"threshold": 12}')
        {'threshold': 12}
        >>> parse_json(b'{"threshold": 12, "threshold": 14}')
        Traceback (most recent call last):
            ...
        ValueError: the key 'threshold' comes twice
    """
    try:
        document = json.loads(data, object_pairs_hook=_make_object, parse_constant=_refuse_constant)
        json.dumps(document, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except UnicodeEncodeError as error:
        raise ValueError("holds half of a surrogate pair") from error
    return document


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} comes twice")
        found[key] = value
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
