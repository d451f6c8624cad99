"""Catalogue: the page's texts, for reports that are made here."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, Literal, cast

from softcore_edge_app.decisions.phrases import Phrase

__all__ = ["Language", "format_phrases", "format_point", "read_catalogue", "translate", "translate_known"]

Language = Literal["en", "de"]
_PAGE: Final = Path(__file__).parents[1] / "page"
# Values that are words of the line.
_WORDS = ("quantity", "decision", "pace", "device", "role", "own_role", "mark", "state")


@cache
def read_catalogue(language: Language) -> dict[str, str]:
    """Return the texts of a language, by key."""
    text = (_PAGE / f"catalogue.{language}.json").read_text("utf-8")
    return cast("dict[str, str]", json.loads(text))


def translate(language: Language, key: str, **values: object) -> str:
    """Return the text of a key in a language, with `values` in place of its `{names}`."""
    return read_catalogue(language)[key].format_map(values)


def translate_known(language: Language, key: str, otherwise: str) -> str:
    """Return the text of a key in a language, or `otherwise` if there is none."""
    return read_catalogue(language).get(key, otherwise)


def format_point(language: Language, number: str) -> str:
    """Return a number with the decimal point of a language."""
    return number.replace(".", translate(language, "number.point"))


def format_phrases(language: Language, phrases: Sequence[Phrase]) -> str:
    """Return what phrases say in a language; format.js does the same on the page."""
    return "; ".join(
        translate(
            language,
            f"phrase.{phrase.key}",
            **{name: _format_value(language, name, value) for name, value in phrase.values.items()},
        )
        for phrase in phrases
    )


def _format_value(language: Language, name: str, value: str) -> str:
    if name in _WORDS:
        return translate_known(language, f"value.{value}", value)
    return format_point(language, value) if re.fullmatch(r"\d+\.\d+%?", value) and name != "text" else value
