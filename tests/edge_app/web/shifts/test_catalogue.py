from __future__ import annotations

import pytest
from softcore_edge_app.decisions.invalid_kinds import INVALID_KINDS
from softcore_edge_app.ledger.note import KINDS
from softcore_edge_app.web.shifts.catalogue import Language, read_catalogue, translate
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
    ]
    assert set(wanted) <= set(texts)
