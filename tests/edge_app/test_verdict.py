from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from softcore_edge_app.sources import Frame
from softcore_edge_app.verdict import Verdict, decide, format_json, format_line, printable
from softcore_runtime import Decision, Inspector

FAIL = Verdict(12, "scratch/7.png", Decision.FAIL, 22.0134567, 12.0, 22.0134567 / 12, 3.25)
INVALID = Verdict(13, "b.png", Decision.INVALID, None, 12.0, None, None, reason="not a picture")


def test_good_passes_bad_fails_and_the_rest_is_invalid(
    tiny_bundle: Path, good_frame: np.ndarray, bad_frame: np.ndarray
) -> None:
    inspector = Inspector.load(tiny_bundle)
    good, bad = (decide(inspector, Frame(1, "x", picture=picture)) for picture in (good_frame, bad_frame))
    assert (good[0].decision, bad[0].decision) == (Decision.PASS, Decision.FAIL)
    assert bad[1] is not None
    assert (bad[0].score, bad[0].share) == (bad[1].score, bad[1].score / 12)
    assert bad[0].milliseconds == bad[1].milliseconds

    unread, inspection = decide(inspector, Frame(2, "y", reason="cut off"))
    assert inspection is None
    assert unread == Verdict(2, "y", Decision.INVALID, None, 12.0, None, None, reason="cut off")


def test_a_frame_too_small_is_invalid(tiny_bundle: Path) -> None:
    frame = Frame(1, "x", picture=np.zeros((1, 1, 3), np.uint8))
    verdict, inspection = decide(Inspector.load(tiny_bundle), frame)
    assert inspection is None
    assert verdict.decision is Decision.INVALID
    assert "1 x 1 pixels is too small" in (verdict.reason or "")


def test_json_has_the_same_keys_for_every_frame() -> None:
    fail, invalid = json.loads(format_json(FAIL)), json.loads(format_json(INVALID))
    assert list(fail) == list(invalid)
    assert fail == {
        "frame": 12, "name": "scratch/7.png", "decision": "FAIL", "score": 22.0134567, "threshold": 12.0,
        "share": 22.0134567 / 12, "milliseconds": 3.25, "overlay": None, "reason": None,
    }  # fmt: skip
    assert (invalid["decision"], invalid["score"], invalid["reason"]) == ("INVALID", None, "not a picture")


def test_json_keeps_every_bit_of_a_score() -> None:
    score = float(np.nextafter(np.float64(0.1), 1))
    verdict = Verdict(1, "x", Decision.PASS, score, 12.0, score / 12, 1.0, overlay=Path("out/1.png"))
    fields = json.loads(format_json(verdict))
    assert (fields["score"], fields["overlay"]) == (score, "out/1.png")


def test_a_line_says_it_all() -> None:
    assert format_line(FAIL).split() == [
        "12", "FAIL", "1.834", "x", "limit", "score", "22.0135", "3.2", "ms", "scratch/7.png",
    ]  # fmt: skip
    assert format_line(INVALID).split()[:2] == ["13", "INVALID"]
    assert format_line(INVALID).endswith("  b.png: not a picture")


def test_names_stand_below_each_other() -> None:
    assert format_line(FAIL).index("scratch") == format_line(INVALID).index("b.png")


def test_colour_is_only_about_the_decision() -> None:
    assert "\x1b" not in format_line(FAIL)
    coloured = format_line(FAIL, colour=True)
    assert "\x1b[1;31mFAIL   \x1b[0m" in coloured
    assert coloured.count("\x1b") == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", "a\\nb"), ("\x1b[2J", "\\x1b[2J"), ("\udcff", "\\udcff"), ("ä b.png", "ä b.png")],
)
def test_names_cannot_break_a_line_or_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert shown in format_line(Verdict(1, text, Decision.INVALID, None, 12.0, None, None, reason="x"))
    assert json.loads(format_json(Verdict(1, text, Decision.INVALID, None, 1, None, None)))["name"] == text
