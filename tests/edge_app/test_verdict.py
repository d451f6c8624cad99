from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.verdict import Verdict, decide, format_json, format_line, printable
from softcore_runtime import Decision, Inspector

FAIL = Verdict(
    frame=12, name="scratch/7.png", decision=Decision.FAIL, score=22.0134567, bound="exact",
    threshold=12.0, fail_above=12.0,
    share=22.0134567 / 12, milliseconds=3.25, certified_by_hint=60, by_hnsw=3, exact=1,
)  # fmt: skip
INVALID = Verdict(13, "b.png", Decision.INVALID, None, None, 12.0, 12.0, None, None, reason="not an image")


def test_good_passes_bad_fails_and_the_rest_is_invalid(
    tiny_bundle: Path, good_frame: np.ndarray, bad_frame: np.ndarray
) -> None:
    inspector = Inspector.load(tiny_bundle)
    good, bad = (decide(inspector, Frame(1, "x", image=image)) for image in (good_frame, bad_frame))
    assert (good[0].decision, bad[0].decision) == (Decision.PASS, Decision.FAIL)
    assert bad[1] is not None
    assert (bad[0].score, bad[0].share) == (bad[1].score, bad[1].score / 12)
    assert bad[0].milliseconds == bad[1].milliseconds
    assert (
        bad[1].frame is bad_frame
    )  # which the line keeps as long as the inspection: no second frame in memory

    unread, inspection = decide(inspector, Frame(2, "y", reason="cut off"))
    assert inspection is None
    assert unread == Verdict(2, "y", Decision.INVALID, None, None, 12.0, 12.0, None, None, reason="cut off")


def test_fast_decides_the_same_without_an_inspection(
    tiny_bundle: Path, good_frame: np.ndarray, bad_frame: np.ndarray
) -> None:
    fast, thorough, plain = (Inspector.load(tiny_bundle, self_test=False) for _ in range(3))
    for number, image in enumerate((good_frame, bad_frame, good_frame), 1):
        frame = Frame(number, "x", image=image)
        verdict, inspection = decide(fast, frame, fast=True)
        assert inspection is None
        result = plain.decide(image)
        assert (verdict.score, verdict.bound) == (result.score, result.bound.value)
        assert (verdict.certified_by_hint, verdict.by_hnsw, verdict.exact) == (
            result.certified_by_hint, result.by_hnsw, result.exact,
        )  # fmt: skip
        assert verdict.share == verdict.score / 12
        slow = decide(thorough, frame)[0]
        assert slow.decision is verdict.decision
        assert slow.bound == "exact"
        settled = (slow.certified_by_hint, slow.by_hnsw, slow.exact)
        assert sum(count for count in settled if count) == 64
    unread, _ = decide(fast, Frame(4, "y", reason="cut off"), fast=True)
    assert (unread.decision, unread.reason) == (Decision.INVALID, "cut off")


def test_a_network_that_gives_no_numbers_is_invalid(
    tiny_bundle: Path, good_frame: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reason, it is neither a PASS nor the end of the run."""
    inspector = Inspector.load(tiny_bundle)
    features = np.full((1, 64, 3), np.nan, np.float32)
    monkeypatch.setattr(inspector.backbone, "features", lambda _crops, _out: features)
    for fast in (False, True):
        verdict, inspection = decide(inspector, Frame(1, "x", image=good_frame), fast=fast)
        assert (verdict.decision, verdict.score, inspection) == (Decision.INVALID, None, None)
        assert "NaN" in (verdict.reason or "")


def test_a_frame_too_small_is_invalid(tiny_bundle: Path) -> None:
    frame = Frame(1, "x", image=np.zeros((1, 1, 3), np.uint8))
    verdict, inspection = decide(Inspector.load(tiny_bundle), frame)
    assert inspection is None
    assert verdict.decision is Decision.INVALID
    assert "1 x 1 pixels is too small" in (verdict.reason or "")


def test_json_has_the_same_keys_for_every_frame() -> None:
    fail, invalid = json.loads(format_json(FAIL)), json.loads(format_json(INVALID))
    assert list(fail) == list(invalid)
    assert fail == {
        "frame": 12, "name": "scratch/7.png", "decision": "FAIL", "score": 22.0134567, "bound": "exact",
        "threshold": 12.0, "fail_above": 12.0, "share": 22.0134567 / 12, "milliseconds": 3.25,
        "certified_by_hint": 60,
        "by_hnsw": 3, "exact": 1, "overlay": None, "reason": None, "trigger": None,
        "camera": None, "part": None,
    }  # fmt: skip
    assert (invalid["decision"], invalid["score"], invalid["reason"]) == ("INVALID", None, "not an image")
    assert [invalid[key] for key in ("bound", "certified_by_hint", "by_hnsw", "exact")] == [None] * 4


def test_json_keeps_every_bit_of_a_score() -> None:
    score = float(np.nextafter(np.float64(0.1), 1))
    verdict = Verdict(
        1, "x", Decision.PASS, score, "upper", 12.0, 12.0, score / 12, 1.0, overlay=Path("out/1.png")
    )
    fields = json.loads(format_json(verdict))
    assert (fields["score"], fields["overlay"]) == (score, "out/1.png")


def test_a_line_says_it_all() -> None:
    assert format_line(FAIL).split() == [
        "12", "FAIL", "1.834", "x", "threshold", "score", "22.0135", "3.2", "ms", "scratch/7.png",
    ]  # fmt: skip
    assert format_line(INVALID).split()[:2] == ["13", "INVALID"]
    assert format_line(INVALID).endswith("  b.png: not an image")


def test_a_line_names_the_camera_where_there_are_several_and_the_part_that_was_named() -> None:
    told = format_line(replace(FAIL, camera="left", part="4711"), camera_width=5)
    assert told.endswith("  left   scratch/7.png, part 4711")
    assert "left" not in format_line(replace(FAIL, camera="left"))


@pytest.mark.parametrize(("bound", "sign"), [("exact", ""), ("upper", "<="), ("lower", ">=")])
def test_a_bound_is_told_from_a_score(bound: str, sign: str) -> None:
    words = format_line(replace(FAIL, bound=bound)).split()
    assert words[2:-7] == [*([sign] if sign else []), "1.834"]
    assert json.loads(format_json(replace(FAIL, bound=bound)))["bound"] == bound


def test_names_stand_below_each_other() -> None:
    places = {
        format_line(replace(FAIL, bound=bound)).index("scratch") for bound in ("exact", "upper", "lower")
    }
    assert places == {format_line(INVALID).index("b.png")}


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
    verdict = Verdict(1, text, Decision.INVALID, None, None, 12.0, 12.0, None, None, reason="x")
    assert shown in format_line(verdict)
    assert json.loads(format_json(verdict))["name"] == text
