from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_benchmarks.line.growth import Growth, measure_growth
from softcore_benchmarks.line.rig.broker import find_mosquitto
from softcore_benchmarks.line.rig.rig import Plan, Rig

pytestmark = pytest.mark.skipif(
    not find_mosquitto() or not shutil.which("ffmpeg"),
    reason="needs mosquitto and ffmpeg: apt install mosquitto mosquitto-clients ffmpeg",
)


def test_memory_is_looked_at_under_load(tiny_bundle: Path, good_frame: np.ndarray, tmp_path: Path) -> None:
    image = cv2.resize(good_frame, (96, 96))
    plan = Plan(tiny_bundle, tiny_bundle, image, 100, tmp_path / "archive", engine="onnxruntime")
    with Rig(tmp_path, plan) as rig:
        growth = measure_growth(rig, 0.2)
    assert growth.decisions > 20
    assert 10 < growth.early < 10_000
    assert growth.threads > 5
    assert len(growth.course) > 5
    assert all(10 < size < 10_000 for size in growth.course)
    assert Growth(20, 1, 100.0, 104.0, [], 9).share == pytest.approx(0.04)
