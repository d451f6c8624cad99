from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.ledger.ledger import Change, Ledger, verify_ledger
from softcore_edge_app.pipeline.operator_service import OperatorService
from softcore_edge_app.queries.shadow_figures import compute_shadow_figures, read_shadowed_parts
from softcore_edge_app.shadow import shadow_camera as camera_module
from softcore_edge_app.shadow import shadow_line as line_module
from softcore_runtime import Decision, Inspector, LedgerError, UsageError

from .conftest import Build, change_threshold, wait_until

INSPECT = Inspector.inspect
NUMBERS = count()


def run(station: Any) -> None:
    station.start()
    station.wait()
    station.stop()


def stream(decided: list[PublishedDecision]) -> list[tuple[Any, ...]]:
    """All that a line says of its parts, but for their times."""
    return [
        (one.record.trigger, one.record.name, one.record.decision, one.record.score, one.record.bound,
         one.record.threshold, one.record.bundle, one.record.reason, one.record.x, one.record.y)
        for one in decided
    ]  # fmt: skip


def test_both_see_each_recorded_part_and_the_ledger_says_where_they_differ(
    build: Build, lenient_bundle: Path, good_frame: np.ndarray, bad_frame: np.ndarray, tmp_path: Path
) -> None:
    station = build([good_frame, bad_frame, good_frame, bad_frame], lenient_bundle)
    run(station)
    status = station.describe().cameras[0].shadow
    assert status
    assert (status.seen, status.differing, status.skipped, status.fault) == (4, 2, 0, None)
    path = tmp_path / "line.ledger"
    assert verify_ledger(path).fault is None
    (figures,) = compute_shadow_figures(path)
    assert figures.decisions == {(Decision.PASS, Decision.PASS): 2, (Decision.FAIL, Decision.PASS): 2}
    assert figures.differing == {(Decision.FAIL, Decision.PASS): ["run-2", "run-4"]}
    # As each of them says by itself.
    alone = Inspector.load(lenient_bundle)
    for part, frame in zip(
        read_shadowed_parts(path), [good_frame, bad_frame, good_frame, bad_frame], strict=True
    ):
        expected = alone.inspect(frame)
        assert (part.opinion.decision, part.opinion.score) == (expected.decision, expected.score)
        assert (part.shadow.bundle, part.shadow.threshold) == (expected.seal, 150.0)
        assert part.opinion.milliseconds
        assert part.opinion.milliseconds > 0
    assert [one.record.trigger for one in station.shadow.list_differences("left")] == ["run-4", "run-2"]  # type: ignore[union-attr]


@pytest.mark.parametrize("fast", [False, True])
def test_a_fast_line_has_a_fast_shadow(
    build: Build, new_bundle: Path, good_frame: np.ndarray, fast: bool, tmp_path: Path
) -> None:
    station = build([good_frame])
    shadow = line_module.ShadowLine(station, {"left": {"tiny": str(new_bundle)}}, Inspector.load, fast=fast)
    station.shadow = shadow
    station.add_listener(shadow.offer)
    run(station)
    (part,) = read_shadowed_parts(tmp_path / "line.ledger")
    assert part.opinion.bound == ("upper" if fast else "exact")


def test_the_end_waits_for_the_last_recorded_part(
    build: Build, new_bundle: Path, good_frame: np.ndarray
) -> None:
    def load(path: Path) -> Inspector:
        inspector = Inspector.load(path)

        def inspect(*given: Any) -> Any:
            time.sleep(1.5)  # longer than the station takes to end
            return INSPECT(inspector, *given)

        inspector.inspect = inspect  # type: ignore[method-assign]
        return inspector

    station = build([good_frame], new_bundle, load=load)
    run(station)
    status = station.describe().cameras[0].shadow
    assert status
    assert (status.seen, status.skipped) == (1, 0)


def do_nothing(self: Inspector, *given: Any) -> Any:
    return INSPECT(self, *given)


def fail(_: Inspector, *_given: Any) -> Any:
    raise RuntimeError("CUDA failure 700")


def exhaust(_: Inspector, *_given: Any) -> Any:
    raise MemoryError


def dawdle(self: Inspector, *given: Any) -> Any:
    time.sleep(0.02)
    return INSPECT(self, *given)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    bad=st.lists(st.sampled_from(["good", "bad", "dark"]), min_size=1, max_size=5),
    does=st.sampled_from([do_nothing, fail, exhaust, dawdle, None]),
    recorded=st.booleans(),
)
def test_whatever_a_shadow_does_the_line_decides_as_without_it(
    build: Build,
    decided: list[PublishedDecision],
    new_bundle: Path,
    good_frame: np.ndarray,
    bad_frame: np.ndarray,
    tmp_path: Path,
    bad: list[str],
    does: Any,
    recorded: bool,
) -> None:
    frames = {"good": good_frame, "bad": bad_frame, "dark": good_frame // 8}
    images = [frames[one] for one in bad]
    streams = []
    for shadow in (None, new_bundle):
        decided.clear()
        name = f"{next(NUMBERS)}.ledger"

        def load(path: Path) -> Inspector:
            if does is None:
                raise RuntimeError("no such library")
            inspector = Inspector.load(path)
            inspector.inspect = does.__get__(inspector)  # type: ignore[method-assign]
            return inspector

        options = {} if recorded else {"trigger": "external", "deadline": 60}
        station = build(images, shadow, ledger=name, load=load, **options)
        station.start()
        if not recorded:
            for number in range(len(images)):
                station.trigger(part=f"part {number}")
            wait_until(lambda: len(decided) == len(images))
        else:
            station.wait()
        station.stop()
        streams.append(stream(decided))
        assert verify_ledger(tmp_path / name).fault is None
        with Ledger.open(tmp_path / name) as ledger:
            assert [row.record.trigger for row in ledger] == [one.record.trigger for one in decided]
    assert streams[0] == streams[1]


def test_what_fails_in_the_shadow_is_its_invalid(
    build: Build, new_bundle: Path, good_frame: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def load(path: Path) -> Inspector:
        inspector = Inspector.load(path)
        inspector.inspect = fail.__get__(inspector)  # type: ignore[method-assign]
        return inspector

    run(build([good_frame], new_bundle, load=load))
    (part,) = read_shadowed_parts(tmp_path / "line.ledger")
    assert (part.decision, part.opinion.decision) == (Decision.PASS, Decision.INVALID)
    assert part.opinion.reason == "internal error: RuntimeError: CUDA failure 700"
    assert "left: the shadow failed on trigger run-1 (CUDA failure 700); the decision stands" in caplog.text


class Hold:
    """Holds every inspection of the bundle on trial until it is let go."""

    def __init__(self) -> None:
        self.go, self.reached = threading.Event(), threading.Event()

    def load(self, path: Path) -> Inspector:
        inspector = Inspector.load(path)

        def inspect(*given: Any) -> Any:
            self.reached.set()
            assert self.go.wait(60)
            return INSPECT(inspector, *given)

        inspector.inspect = inspect  # type: ignore[method-assign]
        return inspector


@pytest.fixture
def hold() -> Iterator[Hold]:
    held = Hold()
    yield held
    held.go.set()


def test_no_decision_waits_for_a_shadow_and_what_it_has_no_time_for_is_counted(
    build: Build, decided: list[PublishedDecision], new_bundle: Path, good_frame: np.ndarray, hold: Hold,
    tmp_path: Path,
) -> None:  # fmt: skip
    station = build([good_frame], new_bundle, load=hold.load, trigger="external", deadline=60)
    station.start()
    station.trigger()
    assert hold.reached.wait(60)
    for _ in range(5):
        station.trigger()
    wait_until(lambda: len(decided) == 6)  # while the shadow still has the first
    hold.go.set()
    wait_until(lambda: (status := station.shadow.describe("left")) and status.seen == 2)  # type: ignore[union-attr]
    station.stop()
    (figures,) = compute_shadow_figures(tmp_path / "line.ledger")
    assert (figures.seen, figures.skipped) == (2, 4)
    assert [part.trigger for part in read_shadowed_parts(tmp_path / "line.ledger")] == ["run-1", "run-6"]


def test_none_is_begun_while_a_trigger_waits(
    build: Build, decided: list[PublishedDecision], new_bundle: Path, good_frame: np.ndarray, hold: Hold,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    station = build([good_frame], new_bundle, load=hold.load, trigger="external", deadline=60)
    gate, second, inspected = threading.Event(), threading.Event(), count()

    def inspect(self: Inspector, *given: Any) -> Any:
        if next(inspected):  # the second part waits for its decision
            second.set()
            assert gate.wait(60)
        return INSPECT(self, *given)

    station.start()
    queue = station.pipelines["left"].queue
    monkeypatch.setattr(Inspector, "inspect", inspect)
    # The first part is published, and offered to the shadow, only when the second is being inspected.
    station._listeners.insert(0, lambda _: second.wait(60))
    station.trigger()
    station.trigger()
    wait_until(lambda: len(decided) == 1 and second.is_set())
    time.sleep(0.6)
    assert queue.waiting == 1
    assert not hold.reached.is_set()
    gate.set()
    assert hold.reached.wait(60)


def test_a_shadow_that_hangs_is_left_and_said(
    build: Build, decided: list[PublishedDecision], new_bundle: Path, good_frame: np.ndarray, hold: Hold,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(camera_module, "_STUCK", 0.3)
    station = build([good_frame] * 4, new_bundle, load=hold.load)
    station.start()
    station.wait()
    assert len(decided) == 4
    (alarm,) = station.describe().alarms
    assert alarm.startswith("shadow of left: an inspection has taken ")
    assert alarm.endswith("; the line runs on without it")
    assert station.describe().ready


def test_a_line_runs_on_without_a_shadow_that_cant_be_opened(
    build: Build, decided: list[PublishedDecision], new_bundle: Path, good_frame: np.ndarray,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    (new_bundle / "bank.npy").write_bytes(b"spoiled")
    station = build([good_frame] * 2, new_bundle)
    run(station)
    assert [one.record.decision for one in decided] == [Decision.PASS] * 2
    status = station.describe()
    assert status.ready
    assert status.cameras[0].shadow
    assert "bank.npy" in str(status.cameras[0].shadow.fault)
    assert status.alarms == (
        f"shadow of left: {status.cameras[0].shadow.fault}; the line runs on without it",
    )
    assert "left: no shadow: " in caplog.text
    with pytest.raises(UsageError, match="its shadow can't be promoted"):
        OperatorService(station).promote_shadow(None, "http")


def test_without_a_ledger_it_is_counted_alone(
    build: Build, lenient_bundle: Path, bad_frame: np.ndarray
) -> None:
    station = build([bad_frame], lenient_bundle, ledger=None)
    run(station)
    status = station.shadow.describe("left")  # type: ignore[union-attr]
    assert status
    assert (status.seen, status.differing) == (1, 1)


def test_what_cant_be_noted_is_noted_later(
    build: Build, new_bundle: Path, good_frame: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "_BATCH", 2)
    refused, note = count(), Ledger.note

    def refuse_first(self: Ledger, change: Change) -> Any:
        if change.kind == "shadow" and next(refused) < 2:
            raise LedgerError("disk full")
        return note(self, change)

    monkeypatch.setattr(Ledger, "note", refuse_first)
    run(build([good_frame] * 5, new_bundle))
    assert [part.trigger for part in read_shadowed_parts(tmp_path / "line.ledger")] == [
        f"run-{number}" for number in range(1, 6)
    ]


def test_each_recipe_has_its_own_shadow(
    build: Build, tiny_bundle: Path, new_bundle: Path, good_frame: np.ndarray, tmp_path: Path,
    decided: list[PublishedDecision],
) -> None:  # fmt: skip
    bundles = {"one": tiny_bundle, "two": tiny_bundle}
    station = build([good_frame], {"two": str(new_bundle)}, bundles=bundles, trigger="external", deadline=60)
    station.start()
    assert station.describe().cameras[0].shadow is None
    station.trigger()
    wait_until(lambda: len(decided) == 1)
    station.switch_recipe("two")
    wait_until(lambda: (found := station.describe().cameras[0].shadow) and not found.fault)
    station.trigger()
    wait_until(lambda: (found := station.describe().cameras[0].shadow) and found.seen)
    station.switch_recipe("one")
    station.stop()
    assert [part.trigger for part in read_shadowed_parts(tmp_path / "line.ledger")] == ["run-2"]


def test_a_threshold_that_is_set_meanwhile_begins_a_new_count(
    build: Build, new_bundle: Path, good_frame: np.ndarray, tmp_path: Path
) -> None:
    station = build([good_frame], new_bundle, trigger="external", deadline=60)
    station.start()
    station.trigger()
    wait_until(lambda: (found := station.describe().cameras[0].shadow) and found.seen == 1)
    change_threshold(new_bundle, 14.0)
    station.trigger()
    wait_until(lambda: (found := station.describe().cameras[0].shadow) and found.threshold == 14.0)
    wait_until(lambda: (found := station.describe().cameras[0].shadow) and found.seen == 1)
    station.stop()
    figures = compute_shadow_figures(tmp_path / "line.ledger")
    assert [(one.shadow.threshold, one.seen) for one in figures] == [(13.0, 1), (14.0, 1)]


def test_a_shadow_takes_the_place_of_the_bundle_and_gives_it_back(
    build: Build, tiny_bundle: Path, lenient_bundle: Path, bad_frame: np.ndarray, tmp_path: Path,
    decided: list[PublishedDecision],
) -> None:  # fmt: skip
    station = build([bad_frame], lenient_bundle, trigger="external", deadline=60)
    service = OperatorService(station)
    station.start()
    with pytest.raises(UsageError, match="has seen no part yet"):
        service.promote_shadow(None, "http")
    with pytest.raises(UsageError, match="recipe other is not in use now, tiny is"):
        service.promote_shadow(None, "http", recipe="other")
    with pytest.raises(UsageError, match="its shadow is another bundle than the one to be promoted"):
        service.promote_shadow(None, "http", bundle="ab" * 32)
    station.trigger()
    wait_until(lambda: (found := station.describe().cameras[0].shadow) and found.seen)
    assert service.promote_shadow(None, "http") == (tiny_bundle, lenient_bundle)
    camera = station.describe().cameras[0]
    assert (camera.recipe, camera.threshold) == ("tiny-new", 150.0)
    station.trigger()
    wait_until(lambda: len(decided) == 2)
    wait_until(lambda: (found := station.describe().cameras[0].shadow) and found.path == str(tiny_bundle))
    wait_until(lambda: (found := station.describe().cameras[0].shadow) and not found.fault)
    with pytest.raises(UsageError, match=r"has seen no part yet|is provisional"):
        service.promote_shadow("left", "http")
    assert service.promote_shadow("left", "http", force=True) == (lenient_bundle, tiny_bundle)
    wait_until(lambda: (found := station.describe().cameras[0].shadow) and not found.fault)
    station.trigger()
    wait_until(lambda: len(decided) == 3)
    station.stop()
    assert [str(one.record.decision) for one in decided] == ["FAIL", "PASS", "FAIL"]
    with Ledger.open(tmp_path / "line.ledger") as ledger:
        changes = [note.change for note in ledger.read_notes() if note.change.kind == "bundle"]
    assert changes == [
        Change("bundle", "left", "tiny", str(tiny_bundle), str(lenient_bundle), "http"),
        Change("bundle", "left", "tiny-new", str(lenient_bundle), str(tiny_bundle), "http"),
    ]


def test_a_provisional_shadow_is_promoted_by_force_alone(
    build: Build, tiny_bundle: Path, good_frame: np.ndarray
) -> None:
    other = Path(shutil.copytree(tiny_bundle, tiny_bundle.with_name("other")))
    station = build([good_frame], other)
    station.start()
    station.wait()
    service = OperatorService(station)
    with pytest.raises(UsageError, match=r"the threshold of its shadow .*other is provisional"):
        service.promote_shadow(None, "http")
    assert service.promote_shadow(None, "http", force=True) == (tiny_bundle, other)
