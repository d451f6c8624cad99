"""Catalogue: the texts of a package in a language, by the English text, and how the language writes numbers.

A page's template marks its texts by `{% trans %}`, a module makes `Message`s, and a script calls `translate`.
Each keeps its English text where it is used, so that English needs no file; `catalogue.de.json` of a package
has them all in German.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, get_args

from softcore_runtime.language.message import Message

__all__ = ["LANGUAGES", "Catalogue", "Language", "choose_language", "negotiate_language"]

Language = Literal["en", "de"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

_SWAPPED: Final = str.maketrans(",.", ".,")
_NUMBER: Final = re.compile(r"[-+]?\d[\d,]*(\.\d+)?([eE][-+]?\d+)?(\s?%)?")


class Catalogue:
    """The texts of a package in a language.

    Args:
        folder: of the package, with `catalogue.de.json`.
        language: which; English needs no file.

    Example:
        >>> catalogue = Catalogue(Path(), "en")
        >>> catalogue.say(Message("{n} images", n=3))
        '3 images'
    """

    def __init__(self, folder: Path, language: Language) -> None:
        self.language = language
        self.texts: Mapping[str, str] = {} if language == "en" else _read(folder / f"catalogue.{language}.json")

    def say(self, text: str) -> str:
        """Return a message in the language; a text that is none, or isn't in the catalogue, as it is."""
        if not isinstance(text, Message) or self.language == "en":
            return str(text)
        return self.gettext(text.form).format_map({name: self._fill(one) for name, one in text.values.items()})

    def gettext(self, text: str) -> str:
        """Return a text without values in the language."""
        return self.texts.get(text, text)

    def ngettext(self, one: str, many: str, n: int) -> str:
        """Return the text for one, or for another number."""
        return self.gettext(one if n == 1 else many)

    def number(self, text: str) -> str:
        """Return a number, written as in English, as the language writes it.

        Example:
            >>> Catalogue(Path(), "en").number("1,234.5")
            '1,234.5'
        """
        if self.language == "en":
            return text
        return re.sub(r"(?<=\d)%", "\N{NO-BREAK SPACE}%", text.translate(_SWAPPED))

    def moment(self, moment: datetime) -> str:
        """Return a time in UTC as the language writes it."""
        form = {"en": "%d %B %Y, %H:%M UTC", "de": "%d.%m.%Y, %H:%M UTC"}[self.language]
        return moment.astimezone(timezone.utc).strftime(form).lstrip("0")

    def install(self, environment: Any) -> None:
        """Let a Jinja environment's templates speak the language: `{% trans %}`, `_()`, `say`, `number`."""
        environment.add_extension("jinja2.ext.i18n")
        environment.policies["ext.i18n.trimmed"] = True
        environment.install_gettext_callables(self.gettext, self.ngettext, newstyle=True)
        environment.filters.update(say=self.say, number=self.number, moment=self.moment)
        environment.globals["language"] = self.language

    def _fill(self, value: object) -> object:
        if isinstance(value, str):
            return self.number(value) if _NUMBER.fullmatch(value) else self.say(value)
        return self.number(f"{value:,}") if isinstance(value, int) else value


def choose_language(wanted: str | None, environment: Mapping[str, str] = os.environ) -> Language:
    """Return the language that is wanted, or else that of the locale, or else English.

    Example:
        >>> choose_language(None, {"LANG": "de_AT.UTF-8"}), choose_language("en", {"LANG": "de_AT.UTF-8"})
        ('de', 'en')
    """
    given = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = wanted or next((one for one in given if one), "")
    return next((one for one in LANGUAGES if locale.lower().startswith(one)), "en")


def negotiate_language(accepted: str) -> Language:
    """Return the language that a browser prefers, by its header Accept-Language.

    Example:
        >>> negotiate_language("fr-FR,de;q=0.8,en;q=0.5")
        'de'
    """
    ranked = []
    for place, entry in enumerate(accepted.split(",")):
        name, _, quality = entry.strip().partition(";q=")
        with_quality = float(quality) if re.fullmatch(r"[01](\.\d*)?", quality) else 1.0
        ranked.append((-with_quality, place, name.lower()))
    known = (one for _, _, name in sorted(ranked) for one in LANGUAGES if name.split("-")[0] == one)
    return next(known, "en")


@cache
def _read(file: Path) -> dict[str, str]:
    texts: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return texts
