"""Catalogue: the page's texts, for reports that are made here."""

from __future__ import annotations

import json
from functools import cache
from typing import Literal, cast

from softcore_edge_app.web.page import PAGE

__all__ = ["Language", "read_catalogue", "translate"]

Language = Literal["en", "de"]


@cache
def read_catalogue(language: Language) -> dict[str, str]:
    """Return the texts of a language, by key."""
    text = (PAGE / f"catalogue.{language}.json").read_text("utf-8")
    return cast("dict[str, str]", json.loads(text))


def translate(language: Language, key: str, **values: object) -> str:
    """Return the text of a key in a language, with `values` in place of its `{names}`."""
    return read_catalogue(language)[key].format_map(values)
