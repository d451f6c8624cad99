from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.cameras.live_source import LiveSource
from softcore_edge_app.cameras.opencv_camera import OpenCvCamera
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.ledger import Ledger, Note, verify_ledger
from softcore_edge_app.pipeline.operator_service import OperatorService
from softcore_runtime import BundleError, Decision, LedgerError, UsageError
from softcore_runtime.bundle import bundle
from softcore_runtime.bundle import threshold_change as threshold_module
from softcore_runtime.bundle.threshold import Threshold

from .conftest import Build, Endless, Gate

NO_LEDGER = r"this needs a ledger"


def wait_until(happened: Callable[[], object], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it didn't happen"
        time.sleep(0.002)


def notes(tmp_path: Path) -> list[Any]:
    with Ledger.open(tmp_path / "line.ledger") as ledger:
        return [tuple(vars(note.change).values()) for note in ledger.read_notes()]


def break_ledger(monkeypatch: pytest.MonkeyPatch, *, at: int = 1) -> None:
    """Let the ledger refuse a note, from so many on."""
    note, count = Ledger.note, [0]

    def refuse(self: Ledger, change: Any) -> Note:
        count[0] += 1
        if count[0] >= at:
            raise LedgerError("line.ledger: database or disk is full")
        return note(self, change)

    monkeypatch.setattr(Ledger, "note", refuse)


def test_a_threshold_is_noted_and_holds_from_the_next_part_on(
    build: Build, decided: list[PublishedDecision], tiny_bundle: Path, bad_frame: np.ndarray, tmp_path: Path
) -> None:
    station = build(source=Endless(bad_frame))
    told: list[Note] = []
    station.add_note_listener(told.append)
    station.start()
    service = OperatorService(station)
    service.trigger()
    wait_until(lambda: len(decided) == 1)
    score = decided[0].record.score
    assert score
    old, new = service.change_threshold(1.2 * score, 1.5 * score, None, "page")
    assert (old.value, old.provisional) == (12.0, True)
    assert (new.value, new.fail_above, new.provisional, new.calibration) == (
        1.2 * score,
        1.5 * score,
        False,
        None,
    )
    assert new.method == "set on the page"
    assert station.describe().cameras[0].threshold == 1.2 * score
    service.trigger()
    wait_until(lambda: len(decided) == 2)
    assert [str(one.record.decision) for one in decided] == ["FAIL", "PASS"]
    assert decided[1].record.threshold == 1.2 * score
    manifest = bundle.read_manifest(tiny_bundle)
    assert manifest.threshold == new
    assert manifest.history[-1] == old
    assert [note.change.kind for note in told] == ["limit"]
    assert told[0].row == 1
    station.stop()
    assert notes(tmp_path) == [
        ("limit", "left", "tiny", "12.0", f"{1.2 * score!r} to {1.5 * score!r}", "page"),
    ]
    assert verify_ledger(tmp_path / "line.ledger").notes == 1


def test_a_threshold_that_is_set_during_a_decision_holds_from_the_next_on(
    build: Build, decided: list[PublishedDecision], gate: Gate
) -> None:
    gate.open.clear()
    station = build(deadline=60)
    station.start()
    pipeline = station.pipelines["left"]
    before = pipeline.recipes.current.inspector.seal
    station.trigger()
    assert gate.reached.wait(60)
    with ThreadPoolExecutor() as pool:
        setting = pool.submit(OperatorService(station).change_threshold, 11.0, None, None, "page")
        wait_until(lambda: pipeline.recipes.current.inspector.is_stale)
        station.trigger()  # its frame grabber sees the threshold, too
        time.sleep(0.3)
        assert not setting.done()
        gate.open.set()
        setting.result(60)
    wait_until(lambda: len(decided) == 2)
    after = pipeline.recipes.current.inspector.seal
    assert before != after
    assert [(one.record.threshold, one.record.bundle) for one in decided] == [(12.0, before), (11.0, after)]


def test_the_line_ends_though_an_inspection_hangs_and_a_threshold_was_set(
    build: Build, decided: list[PublishedDecision], gate: Gate, tiny_bundle: Path, good_frame: np.ndarray
) -> None:
    taken = []

    class Counted(Endless):
        def read_frames(self) -> Generator[Frame, None, None]:
            for frame in super().read_frames():
                taken.append(frame)
                yield frame

    gate.open.clear()
    station = build(source=Counted(good_frame))
    station.start()
    station.trigger()
    assert gate.reached.wait(60)
    threshold_module.set_threshold(
        tiny_bundle,
        Threshold(value=11.0, provisional=False, method="by hand"),
        bundle.read_manifest(tiny_bundle),
    )
    station.trigger()
    wait_until(lambda: len(taken) == 2)
    time.sleep(0.05)
    station.stop()
    assert [str(one.record.decision) for one in decided] == ["INVALID", "INVALID"]
    wait_until(lambda: "left frame grabber" not in {thread.name for thread in threading.enumerate()}, 5)
    gate.open.set()


def test_a_threshold_keeps_the_mask_and_the_area(build: Build, tiny_bundle: Path) -> None:
    mask = np.zeros((48, 48, 3), np.uint8)
    mask[:10] = 255
    before = Threshold(value=10, provisional=False, method="calibrated", min_area=3)
    png = cv2.imencode(".png", mask)[1].tobytes()
    threshold_module.set_threshold(tiny_bundle, before, bundle.read_manifest(tiny_bundle), png)
    station = build()
    _, new = OperatorService(station).change_threshold(11, None, None, "page")
    assert (new.min_area, new.fail_above) == (3, None)
    assert new.mask
    assert (tiny_bundle / new.mask).read_bytes() == png


def test_what_can_not_be_noted_is_not_done(
    build: Build, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    strict = Path(shutil.copytree(tiny_bundle, tiny_bundle.with_name("strict")))
    station = build(bundles={"tiny": tiny_bundle, "strict": strict})
    service = OperatorService(station)
    station.start()
    break_ledger(monkeypatch)
    with pytest.raises(LedgerError, match="full"):
        service.change_threshold(3.5, None, None, "page")
    with pytest.raises(LedgerError, match="full"):
        service.switch_recipe("strict", by="page")
    with pytest.raises(LedgerError, match="full"):
        service.set_running(False, None, "page")
    with pytest.raises(LedgerError, match="full"):
        service.note_mark("run-left-1", "left", None, "good", "page")
    camera = station.describe().cameras[0]
    assert (camera.threshold, camera.recipe, camera.running) == (12.0, "tiny", True)
    assert bundle.read_manifest(tiny_bundle).threshold.value == 12.0
    station.stop()
    monkeypatch.undo()
    assert notes(tmp_path) == []


@pytest.mark.parametrize(("value", "fail_above"), [(1e9, None), (3.5, 1e9), (1e300, 1e308)])
def test_a_threshold_by_which_nothing_fails_is_neither_noted_nor_set(
    build: Build, tiny_bundle: Path, tmp_path: Path, value: float, fail_above: float | None
) -> None:
    station = build()
    with pytest.raises(
        UsageError, match=r"tiny: at a threshold of 1e\+\d+ no golden frame fails .* nothing was"
    ):
        OperatorService(station).change_threshold(value, fail_above, None, "http")
    station.stop()
    assert bundle.read_manifest(tiny_bundle).threshold.value == 12.0
    assert notes(tmp_path) == []


def test_a_threshold_by_whose_area_nothing_fails_is_neither_noted_nor_set(
    build: Build, tiny_bundle: Path, tmp_path: Path
) -> None:
    exported = bundle.read_manifest(tiny_bundle)
    area = exported.threshold.model_copy(update={"min_area": 900})
    threshold_module.set_threshold(tiny_bundle, area, exported)
    station = build()
    with pytest.raises(UsageError, match="at a threshold of 100 over 900 pixels no golden frame fails"):
        OperatorService(station).change_threshold(100.0, None, None, "http")
    station.stop()
    assert bundle.read_manifest(tiny_bundle).threshold == area
    assert notes(tmp_path) == []


def test_what_was_noted_and_can_not_be_done_is_taken_back(
    build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    station = build()
    service = OperatorService(station)

    def refuse(*_given: Any) -> None:
        raise UsageError("manifest.json: can't be written (Read-only file system)")

    monkeypatch.setattr("softcore_edge_app.pipeline.operator_service.set_threshold", refuse)
    with pytest.raises(UsageError, match="Read-only"):
        service.change_threshold(3.5, None, None, "http")
    break_ledger(monkeypatch, at=2)
    with pytest.raises(UsageError, match="Read-only"):
        service.change_threshold(4.5, None, None, "http")
    assert "can't be taken back" in caplog.text
    station.stop()
    monkeypatch.undo()
    assert notes(tmp_path) == [
        ("limit", "left", "tiny", "12.0", "3.5", "http"),
        ("limit", "left", "tiny", "3.5", "12.0", "http"),
        ("limit", "left", "tiny", "12.0", "4.5", "http"),
    ]


def test_without_a_ledger_nothing_is_set_up_and_work_goes_on(
    build: Build, decided: list[PublishedDecision]
) -> None:
    station = build(ledger=None)
    service = OperatorService(station)
    station.start()
    for change in (
        lambda: service.change_threshold(3.5, None, None, "page"),
        lambda: service.switch_recipe("tiny", by="page"),
        lambda: service.set_running(False, None, "page"),
        lambda: service.note_mark("x", "left", None, "good", "page"),
    ):
        with pytest.raises(UsageError, match=NO_LEDGER):
            change()
    assert service.trigger_by_hand(None, "7", "page") == "run-left-1-page"
    wait_until(lambda: len(decided) == 1)
    assert station.describe().cameras[0].running


def test_recipes_are_noted_with_who_asked(build: Build, tiny_bundle: Path, tmp_path: Path) -> None:
    strict = Path(shutil.copytree(tiny_bundle, tiny_bundle.with_name("strict")))
    damaged = Path(shutil.copytree(tiny_bundle, tiny_bundle.with_name("damaged")))
    (damaged / "bank.npy").write_bytes(b"")
    station = build(bundles={"tiny": tiny_bundle, "strict": strict, "damaged": damaged})
    station.switch_recipe("strict", None, "modbus")
    with pytest.raises(BundleError):
        station.switch_recipe("damaged", None, "mqtt")
    with pytest.raises(UsageError):
        station.switch_recipe("none", None, "mqtt")
    station.switch_recipe("tiny")
    station.stop()
    assert notes(tmp_path) == [
        ("recipe", "left", None, "tiny", "strict", "modbus"),
        ("recipe", "left", None, "strict", "tiny", "command"),
    ]


def test_what_is_triggered_while_the_line_is_stopped_is_invalid_at_once(
    build: Build, decided: list[PublishedDecision], tmp_path: Path
) -> None:
    station = build("left", "right", deadline=60)
    service = OperatorService(station)
    station.start()
    with pytest.raises(UsageError, match="name a camera"):
        service.set_running(False, None, "page")
    for _ in range(2):  # the second time there is nothing to be changed
        service.set_running(False, "left", "page")
    assert not station.describe().ready
    asked = [service.trigger("left") for _ in range(3)]
    wait_until(lambda: len(decided) == 3)
    assert {one.record.reason for one in decided} == {"the line was stopped on the page"}
    assert {one.record.decision for one in decided} == {Decision.INVALID}
    asked.append(service.trigger("right"))
    service.set_running(True, "left", "page")
    assert station.describe().ready
    asked.append(service.trigger("left"))
    wait_until(lambda: len(decided) == 5)
    assert [str(one.record.decision) for one in decided[3:]] == ["PASS", "PASS"]
    station.stop()
    with Ledger.open(tmp_path / "line.ledger") as ledger:
        assert sorted(row.record.trigger for row in ledger) == sorted(asked)
    assert notes(tmp_path) == [
        ("running", "left", None, "true", "false", "page"),
        ("running", "left", None, "false", "true", "page"),
    ]


@pytest.mark.parametrize("stopped", [False, True])
def test_a_camera_that_goes_by_itself_pauses(
    build: Build, decided: list[PublishedDecision], good_frame: np.ndarray, stopped: bool
) -> None:
    """And the line ends in the middle of a pause."""
    station = build(trigger="auto", source=Endless(good_frame))
    service = OperatorService(station)
    station.start()
    wait_until(lambda: len(decided) > 3)
    service.set_running(False, None, "page")
    wait_until(lambda: station.pipelines["left"].queue.waiting == 0)
    settled, quiet = -1, 0
    while quiet < 20:  # what was under way comes to its end
        quiet = quiet + 1 if settled == len(decided) else 0
        settled = len(decided)
        time.sleep(0.01)
    assert {one.record.decision for one in decided} == {Decision.PASS}
    triggered = [one.record.trigger for one in decided]
    assert triggered == [f"run-left-{number}" for number in range(1, settled + 1)]
    if not stopped:
        service.set_running(True, None, "page")
        wait_until(lambda: len(decided) > settled + 3)
    station.stop()
    status = station.describe().cameras[0]
    assert status.triggers == status.decisions == len(decided)
    names = [one.record.name for one in decided]
    assert names == [f"frame {number}" for number in range(1, len(decided) + 1)]  # no image was left out


class Still(LiveSource):
    """A camera that has an image whenever one is wanted; `given` counts them."""

    def __init__(self, image: np.ndarray) -> None:
        super().__init__(OpenCvCamera(0, "still", "camera"))
        self.image, self.given = image, 0
        self._left = threading.Event()

    def open(self) -> None:
        pass

    def leave(self) -> None:
        self._left.set()

    def close(self) -> None:
        pass

    def take(self, number: int, since: float, until: float) -> Frame:  # noqa: ARG002 - it needn't wait
        self.given += 1
        return Frame(number, f"still#{self.given}", self.image, taken=time.monotonic())

    def read_frames(self) -> Generator[Frame, None, None]:
        while not self._left.wait(0.005):
            yield self.take(self.given, 0, 0)


@pytest.mark.parametrize("trigger", ["auto", "interval"])
def test_a_live_camera_pauses_and_goes_on_with_a_new_image(
    build: Build, decided: list[PublishedDecision], good_frame: np.ndarray, trigger: str
) -> None:
    interval = 0.005 if trigger == "interval" else None
    camera = Still(good_frame)
    station = build(trigger=trigger, interval=interval, source=camera, deadline=60, queue=9_999)
    service = OperatorService(station)
    station.start()
    wait_until(lambda: len(decided) > 3)
    service.set_running(False, None, "page")
    wait_until(lambda: station.pipelines["left"].queue.waiting == 0)
    settled, quiet = -1, 0
    while quiet < 20:
        quiet = quiet + 1 if settled == (len(decided), camera.given) else 0
        settled = len(decided), camera.given
        time.sleep(0.01)
    halted, given = settled
    assert given - halted <= 1
    service.set_running(True, None, "page")
    wait_until(lambda: len(decided) > halted + 3)
    assert decided[halted].record.name == f"still#{given + 1}"  # and not one of before the halt
    assert {one.record.decision for one in decided} == {Decision.PASS}
    station.stop()  # a trigger of this moment has no frame any more
    status = station.describe().cameras[0]
    assert status.triggers == status.decisions == len(decided)
    assert (status.live, status.trigger) == (True, trigger)


def test_a_trigger_by_hand_is_noted(build: Build, decided: list[PublishedDecision], tmp_path: Path) -> None:
    station = build()
    service = OperatorService(station)
    station.start()
    service.trigger(None, "of the PLC", "modbus")
    assert service.trigger_by_hand(None, "7", "page") == "run-left-2-page"
    service.trigger_by_hand("left", None, "page")
    wait_until(lambda: len(decided) == 3)
    station.writer.fault = "the ledger can't be written (full)"
    with pytest.raises(LedgerError, match="nothing was triggered"):
        service.trigger_by_hand(None, None, "page")
    station.writer.fault = None
    assert station.describe().cameras[0].triggers == 3
    station.stop()
    assert notes(tmp_path) == [
        ("trigger", "left", "run-left-2-page", None, "7", "page"),
        ("trigger", "left", "run-left-3-page", None, None, "page"),
    ]


def test_what_a_camera_sees(build: Build, decided: list[PublishedDecision], good_frame: np.ndarray) -> None:
    station = build()
    service = OperatorService(station)
    assert service.view(None).image is None
    assert service.view("left").image_statistics.shape == (12, 3)
    station.start()
    service.trigger()
    wait_until(lambda: len(decided) == 1)
    np.testing.assert_array_equal(service.view(None).image, good_frame)
    with pytest.raises(UsageError, match="no camera 'up'"):
        service.view("up")


def test_changes_from_many_threads_are_all_noted_between_the_decisions(
    build: Build, decided: list[PublishedDecision], tmp_path: Path
) -> None:
    station = build(queue=10_000, deadline=60)
    service = OperatorService(station)
    station.start()

    def change(thread: int) -> None:
        for number in range(10):
            service.note_mark(f"t{number}", "left", None, "good", f"{thread}")

    threads = [threading.Thread(target=change, args=[number]) for number in range(3)]
    for thread in threads:
        thread.start()
    asked = [service.trigger() for _ in range(100)]
    for thread in threads:
        thread.join()
    wait_until(lambda: len(decided) == 100)
    station.stop()
    verified = verify_ledger(tmp_path / "line.ledger")
    assert (verified.rows, verified.notes, verified.fault) == (100, 30, None)
    assert [one.record.trigger for one in decided] == asked
    assert [one.record.number for one in decided] == [*range(1, 101)]
