from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest
from softcore_export.report.exam_section import describe_section

from ..exam.test_outcome import make_outcome, make_part


def test_parts_that_change_sides_are_shown() -> None:
    section = describe_section(
        make_outcome(
            make_part("same", "good", 1, 1),
            make_part("bad/a.png", "bad", 12, 0.5),
            make_part("z", "good", 11, 1),
        )
    )
    assert section.verdict == "Of 3 marked parts 1 are lost and 1 gained"
    assert (section.good, section.bad, section.lost, section.compared) == (2, 1, 1, True)
    lost, gained = section.changes
    assert [(card.name, card.kind, card.old, card.new) for card in lost.cards] == [
        ("bad/a.png", "bad", "FAIL at 12", "passes at equal overkill with 0.5")
    ]
    assert [card.name for card in gained.cards] == ["z"]
    _, _, data = lost.cards[0].image.partition("base64,")
    image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (96, 96, 3)


def test_nothing_has_changed() -> None:
    section = describe_section(make_outcome(make_part("same", "good", 1, 1)))
    assert section.verdict == "None of 1 marked part has changed sides"
    assert section.changes == []


@pytest.mark.parametrize("count", [1, 500])
def test_without_an_old_bundle_what_is_wrong_is_shown(count: int) -> None:
    section = describe_section(make_outcome(*(make_part(str(row), "bad", None, 2) for row in range(count))))
    assert section.verdict.startswith(f"{count} marked part")
    assert section.verdict.endswith(f"of which this bundle decides {count} wrongly")
    (wrong,) = section.changes
    assert (len(wrong.cards), wrong.more) == (min(count, 24), max(0, count - 24))
