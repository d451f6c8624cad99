from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from softcore_benchmarks import scaling
from softcore_benchmarks.scaling import BareInspector, learn
from softcore_runtime.backends.engine import Engine, Precision
from softcore_runtime.images.preprocessing import Preprocessing

SMALL = Preprocessing(resize=72, crop=64)


@dataclass
class Cells:
    """A stand-in for a network: the mean colours of 16 cells."""

    engine: Engine = "onnxruntime"
    version: str = "0"
    provider: str = "none"
    precision: Precision = "fp32"

    def features(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        return crops.reshape(-1, 4, 16, 4, 16, 3).mean((2, 4), dtype=np.float32).reshape(-1, 16, 3)


def test_a_bank_is_learned_by_which_all_timed_parts_pass() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(80, 120, (20, 80, 80, 3), dtype=np.uint8)
    features = Cells().features(np.stack([SMALL.apply(frame) for frame in frames]))
    line, told = learn(features[:12], features[12:], 50, Cells(), SMALL)
    assert isinstance(line, BareInspector)
    assert told.entries == 50
    for frame in frames[12:]:
        assert line.decide([frame]) == line.inspect([frame]) == [False]
    assert line.decide([frames[12], 255 - frames[13]]) == [False, True]
    # No threshold of its own lies below a good image's score.
    bank = line.search._exhaustive._bank
    assert cdist(features[12:].reshape(-1, 3), bank).min(1).max() <= line.threshold * (1 + 1e-6)


def test_one_command_writes_page_image_and_numbers(
    root: Path,
    resnet18: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/pill").symlink_to(root / "stripes")
    monkeypatch.setattr(scaling, "calm_threads", lambda: None)  # it would start pytest anew
    arguments = ["--data", tmp_path / "data", "--out", tmp_path, "--rounds", 1, "--sizes", 20, 60]
    assert scaling.main([*map(str, arguments), "--weights", str(resnet18)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "SCALING.md")
    told = json.loads((tmp_path / "results/scaling.json").read_text())
    assert [bank["entries"] for bank in told["banks"]] == [20, 60]
    page = (tmp_path / "SCALING.md").read_text()
    for words in ("From 20 to 60 entries `decide`", "decide, 20 entries, 4 cameras", "| bare network"):
        assert words in page
    assert (tmp_path / "results/scaling.png").read_bytes()[:4] == b"\x89PNG"

    assert scaling.main([*map(str, arguments), "--weights", "nowhere.pth"]) == 2
