from __future__ import annotations

import io
import json
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.decisions.decision_record import DecisionRecord, escape_surrogates
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.outputs.overlay_folder import OverlayFolder
from softcore_edge_app.outputs.printer import Printer, format_json, format_line
from softcore_edge_app.printable import printable
from softcore_runtime import Decision, Inspector, Registration

from ..records import decide, make_record

FAIL = make_record(
    12, name="scratch/7.png", decision=Decision.FAIL, score=22.0134567, certified_by_hint=60, by_hnsw=3,
    exact=1,
)  # fmt: skip
INVALID = DecisionRecord.invalid(None, "not an image", **{**vars(FAIL), "name": "b.png", "frame_number": 13})


def as_json(record: DecisionRecord, **options: Any) -> str:
    return format_json(PublishedDecision(record, None, None), **options)


@pytest.fixture
def decided(tiny_bundle: Path, bad_frame: np.ndarray) -> PublishedDecision:
    return decide(Inspector.load(tiny_bundle), Frame(1, "a.png", image=bad_frame))


class Blocked(io.StringIO):
    """A reader that doesn't read."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        assert self.go.wait(60)
        return super().write(text)


def make(**options: object) -> Printer:
    given = {"json": False, "colour": False, "overlays": None, "lossless": False, "on_error": print}
    return Printer(**{**given, **options})  # type: ignore[arg-type]


def test_a_line_for_each(decided: PublishedDecision, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    printer = make(json=True, overlays=OverlayFolder(tmp_path / "seen"))
    for _ in range(3):
        printer.print(decided)
    printer.close(60)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["decision"] for line in lines] == ["FAIL"] * 3
    assert all(Path(line["overlay"]).is_file() for line in lines)


def test_one_who_does_not_read_holds_up_nothing(
    decided: PublishedDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Blocked()
    monkeypatch.setattr(sys, "stdout", out)
    printer = make()
    for _ in range(500):
        printer.print(decided)
    assert 400 < printer.left_out < 500
    out.go.set()
    printer.close(60)
    assert len(out.getvalue().splitlines()) + printer.left_out == 500


def test_a_recording_waits_for_its_reader(
    decided: PublishedDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Blocked()
    monkeypatch.setattr(sys, "stdout", out)
    printer = make(lossless=True)
    threading.Timer(0.3, out.go.set).start()
    for _ in range(500):
        printer.print(decided)
    printer.close(60)
    assert (len(out.getvalue().splitlines()), printer.left_out) == (500, 0)


def test_what_nobody_reads_in_the_end_is_left_out(
    decided: PublishedDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the line that is being written, which can't be taken back."""
    out = Blocked()
    monkeypatch.setattr(sys, "stdout", out)
    printer = make(lossless=True)
    for _ in range(40):
        printer.print(decided)
    printer.close(0.3)
    out.go.set()
    printer.close(60)
    assert printer.left_out == 39
    assert len(out.getvalue().splitlines()) == 1


def test_an_output_that_breaks_is_told_once(
    decided: PublishedDecision, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Broken())
    errors: list[OSError] = []
    printer = make(lossless=True, on_error=errors.append)
    for _ in range(300):
        printer.print(decided)
    printer.close(60)
    assert [type(error) for error in errors] == [BrokenPipeError]
    assert printer.error is errors[0]


def test_json_has_the_same_keys_for_every_frame() -> None:
    fail, invalid = json.loads(as_json(FAIL)), json.loads(as_json(INVALID))
    assert list(fail) == list(invalid)
    assert fail == {
        "frame": 12, "name": "scratch/7.png", "decision": "FAIL", "score": 22.0134567, "bound": "exact",
        "threshold": 12.0, "fail_above": 12.0, "share": 22.0134567 / 12, "milliseconds": 3.25,
        "certified_by_hint": 60,
        "by_hnsw": 3, "exact": 1, "overlay": None, "reason": None, "trigger": "run-12",
        "camera": "left", "part": None, "alignment": None,
    }  # fmt: skip
    assert (invalid["decision"], invalid["score"], invalid["reason"]) == ("INVALID", None, "not an image")
    assert [invalid[key] for key in ("bound", "certified_by_hint", "by_hnsw", "exact")] == [None] * 4


def test_json_says_how_a_part_was_aligned() -> None:
    registration = Registration(x=-3, y=12, angle=0.5, quality=0.875)
    aligned = replace(FAIL, registration=registration)
    assert json.loads(as_json(aligned))["alignment"] == {"x": -3, "y": 12, "angle": 0.5, "quality": 0.875}
    invalid = aligned.invalidate("late", "still being inspected after 1.00 s")
    assert json.loads(as_json(invalid))["alignment"] is None


def test_json_keeps_every_bit_of_a_score() -> None:
    score = float(np.nextafter(np.float64(0.1), 1))
    record = make_record(score=score, bound="upper")
    fields = json.loads(format_json(PublishedDecision(record, None, None), Path("out/1.png")))
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
    assert json.loads(as_json(replace(FAIL, bound=bound)))["bound"] == bound


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
    record = replace(INVALID, name=escape_surrogates(text))
    assert shown in format_line(record)
    frame = Frame(1, text, reason="x")
    assert json.loads(format_json(PublishedDecision(record, frame, None)))["name"] == text
