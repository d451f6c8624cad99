from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from softcore_edge_app.cli.command import main
from softcore_edge_app.health.compression_monitor import CompressionMonitor
from softcore_runtime.bundle import bundle
from softcore_runtime.images.compression import ENOUGH, measure_compression, summarize_compression
from softcore_runtime.images.compression_statistics import CompressionStatistics

SAID = (
    "front, pill: the images are compressed in blocks, as JPEG and video are, more than the training images; "
    "scores may be higher for that: train and calibrate on images that come the way the line's do"
)
Draw = Callable[[int], np.ndarray]


@pytest.fixture(scope="module")
def draw() -> Draw:
    def draw(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        coarse = cv2.resize(rng.uniform(60, 190, (6, 6)), (96, 96), interpolation=cv2.INTER_CUBIC)
        return np.clip(coarse[:, :, None] + rng.normal(0, 1, (96, 96, 3)), 0, 255).astype(np.uint8)

    return draw


@pytest.fixture(scope="module")
def known(draw: Draw) -> CompressionStatistics:
    traces = summarize_compression([measure_compression(draw(seed)) for seed in range(12)])
    assert traces is not None
    return traces


def encode(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image)[1], cv2.IMREAD_COLOR))


def feed(monitor: CompressionMonitor, make_decided: Any, images: list[np.ndarray], **fields: Any) -> None:
    for image in images:
        monitor.add(
            make_decided(9.0, image=image, **fields)
        )  # all FAIL: a line that learned PNG and sees video


def test_the_first_images_tell_and_the_log_says_it_once(
    draw: Draw, known: CompressionStatistics, make_decided: Any, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = CompressionMonitor(lambda _camera, _bundle: known)
    jpegs = [encode(draw(seed)) for seed in range(20, 60)]
    feed(monitor, make_decided, jpegs[: ENOUGH - 1])
    assert monitor.list_alarms() == []
    feed(monitor, make_decided, jpegs[ENOUGH - 1 :])
    assert monitor.list_alarms() == [SAID]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [SAID]


def test_images_that_come_the_same_way_are_no_alarm_nor_what_was_not_looked_at(
    draw: Draw, known: CompressionStatistics, make_decided: Any
) -> None:
    monitor = CompressionMonitor(lambda _camera, _bundle: known)
    feed(monitor, make_decided, [draw(seed) for seed in range(20, 60)])
    for _ in range(10):
        monitor.add(make_decided(None, reason="late", image=encode(draw(0))))
        monitor.add(make_decided(1.0))
    assert monitor.list_alarms() == []


def test_a_camera_that_is_set_to_another_format_while_the_line_runs(
    draw: Draw, known: CompressionStatistics, make_decided: Any
) -> None:
    monitor = CompressionMonitor(lambda _camera, _bundle: known)
    plain = [draw(seed) for seed in range(20, 220)]
    for images, alarms in ((plain, []), ([encode(image) for image in plain], [SAID]), (plain, [])):
        feed(monitor, make_decided, images)
        assert monitor.list_alarms() == alarms


def test_each_camera_and_bundle_is_compared_with_its_own(
    draw: Draw, known: CompressionStatistics, make_decided: Any
) -> None:
    asked = []

    def find(camera: str, bundle: str) -> CompressionStatistics | None:
        asked.append((camera, bundle))
        return known if bundle == "b1" else None

    monitor = CompressionMonitor(find)
    jpegs = [encode(draw(seed)) for seed in range(20, 26)]
    feed(monitor, make_decided, jpegs)
    feed(monitor, make_decided, [draw(seed) for seed in range(6)], camera="side")
    assert monitor.list_alarms() == [SAID]
    feed(monitor, make_decided, jpegs, bundle="b2")
    assert monitor.list_alarms() == []
    assert asked == [("front", "b1"), ("side", "b1"), ("front", "b2")]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_run_warns_on_standard_error(
    tiny_bundle: Path,
    good_frame: np.ndarray,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
) -> None:
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(good_frame + rng.normal(0, 1, good_frame.shape), 0, 255).astype(np.uint8) for _ in range(30)
    ]
    manifest = bundle.read_manifest(tiny_bundle)
    traces = summarize_compression([measure_compression(image) for image in noisy[:20]])
    dataset = manifest.dataset.model_copy(update={"traces": traces})
    bundle.write_manifest(tiny_bundle, manifest.model_copy(update={"dataset": dataset}))
    (tmp_path / "parts").mkdir()
    for number, image in enumerate(noisy[20:]):
        assert cv2.imwrite(str(tmp_path / "parts" / f"{number}{suffix}"), image)
    assert main([str(tiny_bundle), "--source", str(tmp_path / "parts")]) == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if "compressed" in line]
    said = SAID.replace("front, pill", f"{tmp_path / 'parts'}, tiny")
    assert warned == ([] if suffix == ".png" else [f"softcore-edge: warning: {said}"])
