from __future__ import annotations

import pytest
from softcore_runtime.cli.suggestion import find_nearest, suggest


@pytest.mark.parametrize(
    ("given", "known", "nearest"),
    [
        ("chekc", ["ask", "check", "replay"], "check"),
        ("smal", ["large", "small"], "small"),
        ("resnet19", ["resnet101", "resnet18", "resnet34"], "resnet18"),
        ("hots", ["host", "port"], "host"),
        ("Save_Overlays", ["save-overlays"], "save-overlays"),
        ("--sav", ["--save-overlays", "--source", "--serve"], "--save-overlays"),
        ("--cost", ["--cost-overkill", "--cost-escape"], "--cost-escape"),
        ("-", ["--source"], None),
        ("pill", ["ask", "check"], None),
        ("", ["ask"], None),
        ("ask", [], None),
    ],
)
def test_the_nearest_name(given: str, known: list[str], nearest: str | None) -> None:
    assert find_nearest(given, known) == nearest
    assert suggest(given, known) == (f"; did you mean {nearest}?" if nearest else "")
