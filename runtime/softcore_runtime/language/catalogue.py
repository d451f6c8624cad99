"""Catalogue: the texts of a package's pages in another language than English, and how it writes numbers.

A template marks its texts by `{% trans %}`, a page's script calls `translate`. Both keep the English text
where it is used, so that English needs no file: `catalogue.de.json` has them all in German, by the English
text. What a module says in plain words, for the terminal or a bundle too, stays English there. A page reads
it, by the form in the catalogue that it fits: `{n} images were skipped`.
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

__all__ = ["LANGUAGES", "Catalogue", "Language", "choose_language", "negotiate_language"]

Language = Literal["en", "de"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

_SWAPPED: Final = str.maketrans(",.", ".,")
_NUMBER: Final = re.compile(r"[-+]?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?([eE][-+]?\d+)?(\s?%)?")
_LONGEST: Final = 4000  # characters of a text that is read; what is longer quotes something


class Catalogue:
    """The texts of a package in a language.

    Args:
        folder: of the package, with `catalogue.de.json`.
        language: which.

    Attributes:
        language: which.
        texts: by the English ones; empty in English.

    Example:
        >>> _ = (folder / "catalogue.de.json").write_text('{"{n} images in all": "insgesamt {n} Bilder"}')
        >>> Catalogue(folder, "de").say("1,200 images in all"), Catalogue(folder, "en").say("9 images in all")
        ('insgesamt 1.200 Bilder', '9 images in all')
    """

    def __init__(self, folder: Path, language: Language) -> None:
        self.language = language
        self.texts: Mapping[str, str] = (
            {} if language == "en" else _read(folder / f"catalogue.{language}.json")
        )
        self._forms = () if language == "en" else _compile(folder / f"catalogue.{language}.json")

    def gettext(self, text: str) -> str:
        """Return a text in the language; one that isn't in the catalogue as it is."""
        return self.texts.get(text, text)

    def ngettext(self, one: str, many: str, n: int) -> str:
        """Return the text for one, or for another number."""
        return self.gettext(one if n == 1 else many)

    def say(self, text: str) -> str:
        """Return what a module says in English, in the language; what fits no form as it is."""
        text = str(text)
        if self.language == "en" or text in self.texts:
            return self.gettext(text)
        if len(text) <= _LONGEST:
            for pattern, form in self._forms:
                if found := pattern.fullmatch(text):
                    return form.format_map({name: self._fill(one) for name, one in found.groupdict().items()})
        return self.number(text) if _NUMBER.fullmatch(text) else text

    def number(self, text: str) -> str:
        """Return a number that is written as in English as the language writes it: `1.234,5` in German."""
        return text if self.language == "en" else text.translate(_SWAPPED)

    def moment(self, moment: datetime) -> str:
        """Return a time in UTC as the language writes it."""
        when = moment.astimezone(timezone.utc)
        if self.language == "en":
            return f"{when:%d %B %Y, %H:%M} UTC".lstrip("0")
        return f"{when:%d.%m.%Y, %H:%M} UTC"

    def install(self, environment: Any) -> None:
        """Give a Jinja environment the language: `{% trans %}`, `_()`, and the filters below."""
        environment.add_extension("jinja2.ext.i18n")
        environment.policies["ext.i18n.trimmed"] = True
        environment.install_gettext_callables(self.gettext, self.ngettext, newstyle=True)
        environment.filters.update(say=self.say, numeral=self.number, moment=self.moment)
        environment.globals["language"] = self.language

    def _fill(self, value: str) -> str:
        return self.number(value) if _NUMBER.fullmatch(value) else self.say(value)


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
        >>> negotiate_language("fr-FR,de;q=0.8,en;q=0.5"), negotiate_language("")
        ('de', 'en')
    """
    ranked = []
    for place, entry in enumerate(accepted.split(",")):
        name, _, quality = entry.strip().partition(";q=")
        weight = float(quality) if re.fullmatch(r"[01](\.\d{0,3})?", quality) else 1.0
        ranked.append((-weight, place, name.lower().split("-")[0]))
    return next((one for _, _, name in sorted(ranked) for one in LANGUAGES if name == one), "en")


@cache
def _read(file: Path) -> dict[str, str]:
    texts: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return texts


@cache
def _compile(file: Path) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Compile what reads the forms with `{names}`, first those that say the most themselves."""
    forms = [text for text in _read(file) if re.search(r"\{\w+\}", text)]
    ranked = sorted(forms, key=lambda text: -len(re.sub(r"\{\w+\}", "", text)))
    return tuple((_read_form(text), _read(file)[text]) for text in ranked)


def _read_form(text: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", text)
    seen: set[str] = set()
    found = ""
    for place, piece in enumerate(pieces):
        if place % 2 == 0:
            found += re.escape(piece)
        else:
            found += f"(?P={piece})" if piece in seen else f"(?P<{piece}>.+?)"
            seen.add(piece)
    return re.compile(found, re.DOTALL)
