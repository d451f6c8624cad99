from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined
from softcore_runtime.language.catalogue import Catalogue, choose_language, negotiate_language

TEXTS = {
    "{n} images": "{n} Bilder", "{told}; a grey zone of {width}": "{told}; eine Grauzone von {width}",
    "set by hand": "von Hand", "%(n)s parts": "%(n)s Teile", "part": "Teil", "parts": "Teile", "Go": "Los",
    "{n} images in {n} folders": "{n} Bilder in {n} Ordnern",
}  # fmt: skip


@pytest.fixture
def german(tmp_path: Path) -> Catalogue:
    (tmp_path / "catalogue.de.json").write_text(json.dumps(TEXTS))
    return Catalogue(tmp_path, "de")


@pytest.mark.parametrize(
    ("said", "german_text"),
    [
        ("1,200 images", "1.200 Bilder"),
        ("set by hand; a grey zone of 12.5%", "von Hand; eine Grauzone von 12,5%"),
        ("7 images in 7 folders", "7 Bilder in 7 Ordnern"),
        ("set by somebody", "set by somebody"),
        ("1,234.5", "1.234,5"),
        ("", ""),
    ],
)
def test_what_a_module_says(german: Catalogue, said: str, german_text: str) -> None:
    assert german.say(said) == german_text


def test_english_needs_no_file(tmp_path: Path) -> None:
    english = Catalogue(tmp_path, "en")
    assert english.say("1,200 images") == "1,200 images"
    assert english.number("1,234.5") == "1,234.5"
    moment = datetime(2026, 3, 4, 5, 6, tzinfo=timezone.utc)
    assert english.moment(moment) == "4 March 2026, 05:06 UTC"


def test_a_template_speaks_the_language(german: Catalogue) -> None:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    german.install(environment)
    source = '{% trans n="<b>" %}{{ n }} parts{% endtrans %} {{ _("Go") }} {{ language }} '
    source += '{{ "set by hand" | say }}'
    assert environment.from_string(source).render() == "&lt;b&gt; Teile Los de von Hand"
    assert (german.ngettext("part", "parts", 1), german.ngettext("part", "parts", 2)) == ("Teil", "Teile")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"), ({"LANG": "C.UTF-8"}, "en"), ({"LANG": "de_DE.UTF-8"}, "de"), ({"LANG": "fr_FR"}, "en"),
        ({"LC_ALL": "en_US", "LANG": "de_DE"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "de_AT", "LANG": "en"}, "de"),
    ],
)  # fmt: skip
def test_the_locale_chooses(environment: dict[str, str], language: str) -> None:
    assert choose_language(None, environment) == language
    assert choose_language("de", environment) == "de"


@given(st.text())
def test_any_header_of_a_browser_gives_a_language(accepted: str) -> None:
    assert negotiate_language(accepted) in ("en", "de")


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("de-AT,en;q=0.9", "de"),
        ("en,de;q=0.9", "en"),
        ("de;q=0.2, en-GB;q=0.8", "en"),
        ("fr", "en"),
        ("*", "en"),
    ],
)
def test_the_browser_chooses(accepted: str, language: str) -> None:
    assert negotiate_language(accepted) == language
