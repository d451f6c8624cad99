from __future__ import annotations

import gc
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_edge_app.pipeline import shared_inspectors as module
from softcore_edge_app.pipeline.recipes import Recipes
from softcore_edge_app.pipeline.shared_inspectors import (
    SharedInspector,
    SharedInspectors,
    find_largest_batch,
)
from softcore_runtime import FrameError, InspectionResult, Inspector
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.threshold_change import set_threshold

from .conftest import Build, Endless, Gate
from .test_inspection_station import wait_until

RECORDINGS = Path(__file__).parents[2] / "recordings" / "pill"


class Turns:
    """A shared inspector whose first inspection waits until others have asked; notes what is inspected."""

    def __init__(self, inspector: Inspector, largest_batch: int) -> None:
        self.shared = SharedInspector(inspector, largest_batch)
        self.batches: list[list[int]] = []
        self.held, self.go = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(8)
        for name in ("decide", "inspect", "decide_batch", "inspect_batch"):
            setattr(inspector, name, self._note(getattr(inspector, name)))

    def _note(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def noted(images: Any, camera: int | None = None, cameras: Sequence[int] = ()) -> Any:
            self.batches.append([*cameras] if camera is None else [camera])
            if not self.held.is_set():
                self.held.set()
                assert self.go.wait(60)
            return run(images, cameras=cameras) if camera is None else run(images, camera)

        return noted

    def ask(self, image: np.ndarray, camera: int, **options: Any) -> Future[InspectionResult]:
        before = len(self.shared._waiting)
        asked = self._pool.submit(self.shared.inspect, image, camera, **options)
        if camera:
            wait_until(lambda: len(self.shared._waiting) > before)
        else:
            assert self.held.wait(60)
        return asked


@pytest.fixture
def frames(good_frame: np.ndarray, bad_frame: np.ndarray) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    noisy = np.clip(good_frame.astype(int) + rng.integers(-9, 10, good_frame.shape), 0, 255)
    return [good_frame, bad_frame, noisy.astype(np.uint8), bad_frame[::-1].copy()]


def has_waiting(shared: SharedInspector, count: int) -> bool:
    return len(shared._waiting) == count


def maps_of(result: InspectionResult) -> np.ndarray:
    assert result.anomaly_map is not None
    assert result.patch_scores is not None
    return np.concatenate([result.anomaly_map.ravel(), result.patch_scores.ravel()])


@pytest.mark.parametrize("fast", [False, True])
def test_what_waits_is_inspected_in_one_batch_to_the_last_bit(
    tiny_bundle: Path, frames: list[np.ndarray], fast: bool
) -> None:
    turns = Turns(Inspector.load(tiny_bundle), 3)
    asked = [turns.ask(image, camera, fast=fast) for camera, image in enumerate(frames)]
    turns.go.set()
    results = [one.result(60) for one in asked]
    assert turns.batches == [[0], [1, 2, 3]]
    for camera, (image, result) in enumerate(zip(frames, results, strict=True)):
        alone = Inspector.load(tiny_bundle)
        single = alone.decide(image, camera) if fast else alone.inspect(image, camera)
        assert (result.decision, result.score, result.bound) == (single.decision, single.score, single.bound)
        assert result.frame is image
        if not fast:
            assert maps_of(result).tobytes() == maps_of(single).tobytes()


def test_without_batches_they_take_turns_in_order(tiny_bundle: Path, frames: list[np.ndarray]) -> None:
    turns = Turns(Inspector.load(tiny_bundle), 1)
    asked = [turns.ask(image, camera) for camera, image in enumerate(frames)]
    turns.go.set()
    for one in asked:
        one.result(60)
    assert turns.batches == [[0], [1], [2], [3]]


def test_no_batch_makes_one_late_that_alone_was_not(tiny_bundle: Path, frames: list[np.ndarray]) -> None:
    turns = Turns(Inspector.load(tiny_bundle), 4)
    turns.shared._seconds = {1: 100.0, 2: 150.0}
    asked = [turns.ask(frames[0], 0), turns.ask(frames[1], 1, until=time.monotonic() + 120)]
    asked += [turns.ask(frames[2], 2), turns.ask(frames[3], 3)]
    turns.go.set()
    for one in asked:
        one.result(60)
    assert turns.batches == [[0], [1], [2, 3]]


def test_one_of_another_kind_is_not_taken_along(tiny_bundle: Path, frames: list[np.ndarray]) -> None:
    turns = Turns(Inspector.load(tiny_bundle), 4)
    asked = [turns.ask(frames[0], 0), turns.ask(frames[1], 1), turns.ask(frames[2], 2, fast=True)]
    turns.go.set()
    assert [one.result(60).anomaly_map is None for one in asked] == [False, False, True]
    assert turns.batches == [[0], [1], [2]]


def test_one_that_cannot_be_inspected_takes_nothing_from_the_others(
    tiny_bundle: Path, frames: list[np.ndarray]
) -> None:
    turns = Turns(Inspector.load(tiny_bundle), 4)
    small = np.zeros((4, 4, 3), np.uint8)
    asked = [turns.ask(frames[0], 0), turns.ask(small, 1), turns.ask(frames[2], 2)]
    turns.go.set()
    assert asked[0].result(60).score == Inspector.load(tiny_bundle).inspect(frames[0]).score
    with pytest.raises(FrameError, match="too small"):
        asked[1].result(60)
    assert asked[2].result(60).score == Inspector.load(tiny_bundle).inspect(frames[2], 2).score
    assert turns.batches == [[0], [1, 2], [1], [2]]


def test_a_threshold_is_reloaded_in_its_turn(tiny_bundle: Path, frames: list[np.ndarray]) -> None:
    inspector = Inspector.load(tiny_bundle)
    turns = Turns(inspector, 4)
    first = turns.ask(frames[0], 0)
    threshold = Threshold(value=11.0, provisional=False, method="by hand")
    set_threshold(tiny_bundle, threshold, inspector.manifest)
    turns.shared.reload_threshold(lambda: True)  # the line ends: it doesn't wait
    assert not turns.shared._waiting
    reloading = threading.Thread(target=turns.shared.reload_threshold, args=[lambda: False])
    reloading.start()
    wait_until(lambda: turns.shared._waiting)
    after = [turns.ask(frames[1], 1), turns.ask(frames[2], 2)]
    turns.go.set()
    reloading.join(60)
    assert first.result(60).threshold == 12.0
    assert [one.result(60).threshold for one in after] == [11.0, 11.0]


def test_cameras_of_one_bundle_share_it_until_none_uses_it(tiny_bundle: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(tiny_bundle, tmp_path / "other"))
    link = tmp_path / "link"
    link.symlink_to(tiny_bundle)
    load = Mock(side_effect=Inspector.load)
    inspectors = SharedInspectors(load, 2)
    left = Recipes({"a": tiny_bundle, "b": other}, inspectors)
    right = Recipes({"c": link, "b": other}, inspectors)
    assert load.call_count == 1
    assert left.current.shared is right.current.shared
    left.switch("b")
    assert left.current.shared is not right.current.shared
    first, loaded = left.current.shared, left.current.inspector
    right.switch("b")  # verified and loaded anew, and then used by both
    assert load.call_count == 3
    assert right.current.shared is first
    assert left.current.inspector is right.current.inspector is not loaded
    gc.collect()
    assert [*inspectors._open] == [other.resolve()]


def test_another_export_in_its_place_is_not_shared(tiny_bundle: Path) -> None:
    inspectors = SharedInspectors(Inspector.load, 2)
    shared = inspectors.open(tiny_bundle)
    manifest = shared.inspector.manifest
    moved = manifest.model_copy(update={"category": "another"})
    shared.inspector = Mock(manifest=moved)
    assert inspectors.load(tiny_bundle) is not shared


def test_on_a_cpu_there_are_no_batches(tiny_bundle: Path) -> None:
    assert find_largest_batch(Inspector.load(tiny_bundle), 8) == 1


@pytest.mark.parametrize(
    ("seconds", "bit", "largest"),  # of batches of one frame, two, three, four
    [
        ((1.0, 1.0, 1.0, 1.0), 0, 4),
        ((1.0, 2.0, 3.0, 4.0), 0, 1),
        ((1.0, 1.0, 3.0, 1.0), 0, 2),
        ((1.0, 1.0, 1.0, 1.0), 1, 1),  # other features than alone
    ],
)
def test_on_a_gpu_a_batch_must_be_faster_and_the_same(
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds: tuple[float, ...],
    bit: int,
    largest: int,
) -> None:
    inspector = Inspector.load(tiny_bundle)
    real = inspector.backbone.features

    def features(crops: np.ndarray) -> np.ndarray:
        computed: np.ndarray = real(crops) + np.float32(bit * (len(crops) > 1))
        return computed

    monkeypatch.setattr(inspector.backbone, "provider", "cuda", raising=False)
    monkeypatch.setattr(inspector.backbone, "features", features)
    monkeypatch.setattr(module, "_measure_seconds", lambda _, crops: seconds[len(crops) - 1])
    found = find_largest_batch(inspector, 4)
    assert found == largest


def test_two_cameras_of_a_line_are_inspected_together(
    build: Build, decided: list[PublishedDecision], tiny_bundle: Path, gate: Gate
) -> None:
    """What each decides is what it decides alone, to the last bit."""
    gate.open.clear()
    station = build("first", "left", "right", deadline=60, unchecked=True)
    images = {
        name: np.asarray(cv2.imread(str(RECORDINGS / f"{file}.png")), np.uint8)
        for name, file in (("first", "06_good"), ("left", "07_chip"), ("right", "12_contamination"))
    }
    for name, image in images.items():
        station.pipelines[name].source = Endless(image)
    shared = station.pipelines["left"].recipes.current.shared
    assert shared is station.pipelines["right"].recipes.current.shared
    shared._largest_batch = 2
    station.start()
    station.trigger("first")
    assert gate.reached.wait(60)
    for waiting, name in enumerate(("left", "right"), 1):
        station.trigger(name)
        wait_until(partial(has_waiting, shared, waiting))
    gate.open.set()
    wait_until(lambda: len(decided) == 3)
    assert sorted(shared._seconds) == [1, 2]
    for number, (name, image) in enumerate(images.items()):
        alone = Inspector.load(tiny_bundle).inspect(image, number)
        (one,) = (one for one in decided if one.record.camera == name)
        assert one.result
        assert (one.record.decision, one.record.score) == (alone.decision, alone.score)
        assert maps_of(one.result).tobytes() == maps_of(alone).tobytes()
