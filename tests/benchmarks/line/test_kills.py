from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from softcore_benchmarks.line.kills import kill_again_and_again
from softcore_benchmarks.line.rig.broker import find_mosquitto
from softcore_benchmarks.line.rig.rig import Plan, Rig

pytestmark = pytest.mark.skipif(
    not find_mosquitto() or not shutil.which("ffmpeg"),
    reason="needs mosquitto and ffmpeg: apt install mosquitto mosquitto-clients ffmpeg",
)


def test_kill_9_loses_no_decision_that_anybody_got(
    tiny_bundle: Path, good_frame: np.ndarray, tmp_path: Path
) -> None:
    """A few; `python -m softcore_benchmarks.line.kills` kills 200 times."""
    image = cv2.resize(good_frame, (96, 96))
    folder = tmp_path / "rig"
    folder.mkdir()
    plan = Plan(tiny_bundle, tiny_bundle, image, 100, folder / "archive", engine="onnxruntime", deadline=10)
    with Rig(folder, plan) as rig:
        losses = kill_again_and_again(rig, 4, seed=0)
        assert not losses.wrong, rig.log[-3000:]
    assert losses.kills == 4
    assert losses.by_broker == losses.rows > 0
