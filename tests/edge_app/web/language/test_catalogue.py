from __future__ import annotations

import pytest
from softcore_edge_app.decisions.invalid_kinds import INVALID_KINDS
from softcore_edge_app.decisions.origin import ORIGINS
from softcore_edge_app.decisions.phrases import PHRASES, read_phrases
from softcore_edge_app.ledger.note import KINDS
from softcore_edge_app.web.language.catalogue import Language, format_phrases, read_catalogue, translate
from softcore_edge_app.web.shifts.report import THIRDS
from softcore_runtime import Decision


def test_a_text_has_what_stands_for_its_names() -> None:
    assert translate("en", "share", share="1.5") == "1.5 \N{MULTIPLICATION SIGN} threshold"
    assert translate("de", "share", share="{n}") == "{n} \N{MULTIPLICATION SIGN} Grenze"


def test_a_text_that_is_none_is_an_error() -> None:
    with pytest.raises(KeyError, match="nonsense"):
        translate("en", "nonsense")


@pytest.mark.parametrize("language", ["en", "de"])
def test_what_keys_are_put_together_of_is_there(language: Language) -> None:
    texts = read_catalogue(language)
    wanted = [
        *(f"kind.{kind}" for kind in INVALID_KINDS),
        *(f"decision.{decision}" for decision in Decision),
        *(f"region.{third.replace(' ', '-')}" for third in THIRDS),
        *(f"note.{kind}" for kind in KINDS if kind != "shadow"),
        *(f"phrase.{key}" for key in (*PHRASES, "other")),
        *(f"origin.{origin}" for origin in ORIGINS),
    ]
    assert set(wanted) <= set(texts)


@pytest.mark.parametrize(
    ("said", "german"),
    [
        ("the picture is black", "das Bild ist schwarz"),
        ("the line was stopped on the page", "die Linie war auf der Bedienseite angehalten"),
        ("blurred: its sharpness is 1.0, in training 12.5 at least",
         "unscharf: Schärfe 1,0, im Training mindestens 12,5"),
        ("the image is black; 1.5", "das Bild ist schwarz; 1.5"),
    ],
)  # fmt: skip
def test_what_the_line_says_in_another_language(said: str, german: str) -> None:
    assert format_phrases("de", read_phrases(said)) == german


@pytest.mark.parametrize("key", PHRASES)
def test_english_says_each_phrase_as_the_line_does(key: str) -> None:
    said = PHRASES[key].replace(" alarm)", ")").replace("{quantity}", "scores of good parts are")
    assert read_catalogue("en")[f"phrase.{key}"].replace("{quantity}", "scores of good parts are") == said
