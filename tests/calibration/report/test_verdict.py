from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from softcore_calibration.report.verdict import give_verdict, list_classes
from softcore_runtime import Inspector

from .test_report import imagine


@pytest.fixture
def inspector(tiny_bundle: Path) -> Inspector:
    return Inspector.load(tiny_bundle)


def judge(inspector: Inspector, good: list[float], bad: list[float], threshold: float) -> Any:
    return give_verdict(imagine(inspector, good, bad, threshold))


def test_many_escapes_are_not_ready_and_a_better_threshold_is_named(inspector: Inspector) -> None:
    verdict = judge(inspector, [1.0] * 40, [2.0] * 4 + [9.0] * 6, 5.0)
    assert (verdict.headline, verdict.ready) == ("4 of 10 bad parts pass: not ready", False)
    assert verdict.advice == [
        "A threshold just below 2 lets none of these pass and fails 0 of 40 good parts: try it below."
    ]


def test_where_no_threshold_helps_the_hardest_class_is_named(inspector: Inspector) -> None:
    verdict = judge(inspector, [3.0] * 40, [2.0] * 4 + [9.0] * 6, 5.0)
    assert verdict.headline == "4 of 10 bad parts pass: not ready"
    assert verdict.advice[0].startswith("No threshold tells them apart: the class ")
    assert verdict.advice[0].endswith("is hardest, 4 of 10 pass.")


def test_much_overkill_is_not_ready(inspector: Inspector) -> None:
    verdict = judge(inspector, [3.0] * 20 + [6.0] * 20, [9.0] * 10, 5.0)
    assert (verdict.headline, verdict.ready) == ("20 of 40 good parts fail: not ready", False)


def test_a_clean_outcome_is_ready(inspector: Inspector) -> None:
    verdict = judge(inspector, [3.0] * 40, [9.0] * 10, 5.0)
    assert verdict.headline == "0 of 10 bad parts pass, 0 of 40 good parts fail: ready"
    assert verdict.ready


@pytest.mark.parametrize(
    ("good", "bad", "words"), [([3.0], [], "give some with --bad"), ([], [9.0], "is not known")]
)
def test_without_a_kind_nobody_can_tell(
    inspector: Inspector, good: list[float], bad: list[float], words: str
) -> None:
    verdict = judge(inspector, good, bad, 5.0)
    assert verdict.ready is None
    assert words in verdict.headline


def test_classes_are_folders_the_worst_first(inspector: Inspector) -> None:
    found = imagine(inspector, [1.0], [2.0, 9.0, 9.0], 5.0)
    places = ("crack/0.png", "scratch/0.png", "crack/1.png")
    bad = [replace(one, path=Path("/parts") / place) for one, place in zip(found.bad, places, strict=True)]
    rows = list_classes(replace(found, bad=bad))
    assert [(row.name, row.images, row.passes, row.fails) for row in rows] == [
        ("crack", 2, 1, 1),
        ("scratch", 1, 0, 1),
    ]
    assert rows[0].lowest == pytest.approx(0.4)
