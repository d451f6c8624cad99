from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_benchmarks.line.faults import inflict
from softcore_benchmarks.line.rig.broker import find_mosquitto
from softcore_benchmarks.line.rig.rig import Plan, Rig

pytestmark = pytest.mark.skipif(
    not find_mosquitto() or not shutil.which("ffmpeg"),
    reason="needs mosquitto and ffmpeg: apt install mosquitto mosquitto-clients ffmpeg",
)


def test_whatever_fails_each_trigger_has_its_one_decision(
    tiny_bundle: Path, good_frame: np.ndarray, tmp_path: Path, small_disk: Callable[..., Path]
) -> None:
    """Each fault once or so; `python -m softcore_benchmarks.line.faults` goes on for 10,000 triggers."""
    second = Path(shutil.copytree(tiny_bundle, tiny_bundle.with_name("second")))
    disk = small_disk(2_000_000)
    image = cv2.resize(good_frame, (96, 96))
    plan = Plan(tiny_bundle, second, image, 100, disk, engine="onnxruntime")
    (tmp_path / "rig").mkdir()
    with Rig(tmp_path / "rig", plan) as rig:
        findings = inflict(rig, 1000, 0.8, disk=disk)
        assert not findings.wrong, rig.log[-3000:]
    assert findings.decisions["PASS"] > 100
    assert findings.decisions["INVALID"]
    assert findings.rounds
    assert len(findings.memory) == findings.rounds
    assert all(10 < size < 10_000 for size in findings.memory)
