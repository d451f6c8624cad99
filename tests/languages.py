"""Languages: finds texts of pages that bypass the catalogue.

By the files: `find_raw_texts` for templates and pages, `find_raw_strings` for scripts. By what is shown:
`find_alike` compares a page with the same page in another language. What each finds can be put right in one
way: in a template `{% trans %}Text{% endtrans %}` (or `_("Text")` in an expression), in a script
`translate("Text")` or the catalogue's key, in index.html `data-word` or `data-label`; and the text in each
catalogue.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

from jinja2 import Environment

__all__ = [
    "find_alike",
    "find_raw_strings",
    "find_raw_texts",
    "list_placeholders",
    "list_script_texts",
    "list_template_texts",
]

ATTRIBUTES = ("aria-label", "title", "alt", "placeholder")
_UNSEEN = {"style", "script", "code", "kbd", "noscript"}
_VOID = {"meta", "link", "img", "input", "br", "path", "rect", "circle", "use", "line"}
_WORD = re.compile(r"[A-Za-zÄÖÜäöüß]{2,}")
_JINJA = re.compile(r"\{%-?\s*trans\b.*?\{%-?\s*endtrans\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
# Names that no language has another word for.
SAME = {"SoftCore", "AUROC", "JavaScript", "Language", "Sprache", "English", "Deutsch", "ROC", "ms", "px"}
# A literal of a script that a person reads: words with a space between them, or one with a capital.
_PROSE = re.compile(
    r"[A-Za-z]{2,}[,.:;]? [a-z]|\} (?!ms\b|px\b)[a-z]{2,}|[a-z]{2,} \{|^[A-Z][a-z]+( |[.…!?]?$)"
)
_QUOTED = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
# What is a literal in a script, and not for people: selectors, attributes, kinds, drawing, keys.
_TECHNICAL = re.compile(
    r"^(use strict|Content-Type|X-[\w-]+|Accept-Language|Escape|Enter|Delete|Backspace|Arrow\w*|Page(Up|Down)"
    r"|Home|End|Tab|Shift|Space|Esc|GET|PUT|POST|exclude patches|leave out|.*\bsans-serif)$"
)
_TECHNICAL_CALL = re.compile(
    r"(querySelector(All)?|matches|closest|getPropertyValue|matchMedia|addEventListener|import|from|class:"
    r"|className =|setAttribute|classList\.\w+|new RegExp|createElementNS?|localStorage\.\w+)\(?\s*$"
)


class _Texts(HTMLParser):
    """Collects the visible texts of a page, each with its line."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[int, str]] = []
        self._open: list[str] = []
        self._lang: list[bool] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        foreign = "lang" in given and tag != "html"
        if tag not in _VOID:
            self._open.append(tag)
            self._lang.append(foreign)
        for name in ATTRIBUTES:
            if (text := given.get(name)) and not foreign:
                self._add(text)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            return
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        while self._open:
            self._lang.pop()
            if self._open.pop() == tag:
                break

    def handle_data(self, data: str) -> None:
        if not _UNSEEN & set(self._open) and not any(self._lang):
            self._add(data)

    def _add(self, text: str) -> None:
        text = " ".join(text.split())
        if text:
            self.found.append((self.getpos()[0], text))


def find_raw_texts(path: Path) -> Iterator[str]:
    """Find the texts of an HTML file or a Jinja template that come from no catalogue; a line each."""
    source = path.read_text(encoding="utf-8")
    keep = lambda found: "\n" * found.group(0).count("\n")  # noqa: E731 - so that lines keep their numbers
    for line, text in _Texts(_JINJA.sub(keep, source)).found:
        rest = [word for word in _WORD.findall(text) if word not in SAME]
        if rest:
            yield f"{path}:{line}: {text!r} comes from no catalogue; {_explain(path)}"
    for expression in re.finditer(r"\{\{(.*?)\}\}", source, re.DOTALL):
        bare = re.sub(r'\b_\(\s*"[^"]*"', "", expression.group(1))
        for text in re.findall(r'"([^"]*)"', bare):
            if _PROSE.search(text):
                line = source[: expression.start()].count("\n") + 1
                yield f'{path}:{line}: "{text}" comes from no catalogue; write _("{text}")'


def find_raw_strings(path: Path, known: Iterable[str] = ()) -> Iterator[str]:
    """Find the literals of a script that a person reads and that are no text of a catalogue; a line each.

    Args:
        path: the script.
        known: the English texts of the catalogue, where they are its keys.
    """
    known = set(known)
    for number, line, text in _list_literals(path):
        if text not in known and _PROSE.search(text) and not _TECHNICAL.match(text):
            yield f"{path}:{number}: {text!r} comes from no catalogue; {_explain(path)} ({line.strip()[:80]})"


def list_script_texts(path: Path) -> set[str]:
    """List the literals of a script, of which some are keys of a catalogue."""
    return {text for _, _, text in _list_literals(path)}


def list_template_texts(path: Path) -> set[str]:
    """List the texts that a Jinja template marks for translation."""
    environment = Environment(trim_blocks=True, lstrip_blocks=True, autoescape=True)
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    environment.newstyle_gettext = True  # type: ignore[attr-defined]
    extract = environment.extract_translations  # type: ignore[attr-defined]
    marked = [message for _, _, message in extract(path.read_text(encoding="utf-8"))]
    return {
        text
        for message in marked
        for text in (message if isinstance(message, tuple) else (message,))
        if isinstance(text, str)
    }


def list_placeholders(text: str) -> list[str]:
    """List the places of a text for values, `{name}` or `%(name)s`, each once."""
    return sorted(set(re.findall(r"\{\w+\}|%\(\w+\)s", text)))


def find_alike(page: str, other: str, names: Iterable[str] = ()) -> list[str]:
    """Find the texts that a page has in both of two languages.

    Args:
        page: HTML in a language.
        other: the same in another.
        names: texts that are no language's: of images, folders, devices.
    """
    names = [*names, *SAME]
    alike = {text for _, text in _Texts(page).found} & {text for _, text in _Texts(other).found}
    found = []
    for text in sorted(alike):
        rest = text
        for name in sorted(names, key=len, reverse=True):
            rest = rest.replace(name, "")
        if re.search(r"[A-Za-z]{3,}", rest):
            found.append(text)
    return found


def _list_literals(path: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        code = re.sub(r"^\s*(//|/?\*).*$|\s//\s[^\"`]*$", "", line)
        for before, text in _read_literals(code):
            if not _TECHNICAL_CALL.search(before):
                yield number, line, text


def _read_literals(code: str) -> Iterator[tuple[str, str]]:
    """Read the literals of a line: what is before each, and its text, with `{}` for what is put in."""
    start = 0
    while found := re.search(r'["`]', code[start:]):
        begin = start + found.start()
        if code[begin] == '"':
            quoted = _QUOTED.match(code, begin)
            if not quoted:
                return
            yield code[:begin], json.loads(quoted.group(0))
            start = quoted.end()
            continue
        text, place = "", begin + 1
        while place < len(code) and code[place] != "`":
            if not code.startswith("${", place):
                text, place = text + code[place], place + 1
                continue
            end = _find_end(code, place + 2)
            yield from _read_literals(code[place + 2 : end])
            text, place = f"{text}{{}}", end + 1
        yield code[:begin], text
        start = place + 1


def _find_end(code: str, place: int) -> int:
    """Find the brace that closes what is put into a template literal."""
    depth = 1
    while place < len(code):
        depth += {"{": 1, "}": -1}.get(code[place], 0)
        if not depth:
            return place
        place += 1
    return place


def _explain(path: Path) -> str:
    if path.suffix == ".j2":
        return "put it between {% trans %} and {% endtrans %}, and into catalogue.de.json"
    if path.suffix == ".html":
        return "name a key of the catalogues: data-word for a text, data-label for aria-label"
    return "use translate(...), with a text or key of the catalogues"
