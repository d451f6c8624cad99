from __future__ import annotations

import io
import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.outputs.overlay_folder import OverlayFolder
from softcore_edge_app.outputs.printer import Printer
from softcore_edge_app.pipeline.trigger import Decided
from softcore_edge_app.verdict import decide
from softcore_runtime import Inspector

from ..delivery.test_worker import entry


@pytest.fixture
def decided(tiny_bundle: Path, bad_frame: np.ndarray) -> Decided:
    frame = Frame(1, "a.png", image=bad_frame)
    verdict, inspection = decide(Inspector.load(tiny_bundle), frame)
    return Decided(entry(1), verdict, frame, inspection, {})


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


def test_a_line_for_each(decided: Decided, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    printer = make(json=True, overlays=OverlayFolder(tmp_path / "seen"))
    for _ in range(3):
        printer.print(decided)
    printer.close(60)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["decision"] for line in lines] == ["FAIL"] * 3
    assert all(Path(line["overlay"]).is_file() for line in lines)


def test_one_who_does_not_read_holds_up_nothing(decided: Decided, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Blocked()
    monkeypatch.setattr(sys, "stdout", out)
    printer = make()
    for _ in range(500):
        printer.print(decided)
    assert 400 < printer.left_out < 500
    out.go.set()
    printer.close(60)
    assert len(out.getvalue().splitlines()) + printer.left_out == 500


def test_a_recording_waits_for_its_reader(decided: Decided, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Blocked()
    monkeypatch.setattr(sys, "stdout", out)
    printer = make(lossless=True)
    threading.Timer(0.3, out.go.set).start()
    for _ in range(500):
        printer.print(decided)
    printer.close(60)
    assert (len(out.getvalue().splitlines()), printer.left_out) == (500, 0)


def test_an_output_that_breaks_is_told_once(decided: Decided, monkeypatch: pytest.MonkeyPatch) -> None:
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
