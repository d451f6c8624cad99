from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from softcore_benchmarks.scaling import Line, learn
from softcore_runtime.engine import Engine, Precision
from softcore_runtime.preprocessing import Preprocessing

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
    assert isinstance(line, Line)
    assert told["bank"] == 50
    for frame in frames[12:]:
        assert line.decide([frame]) == line.inspect([frame]) == [False]
    assert line.decide([frames[12], 255 - frames[13]]) == [False, True]
    # No limit of its own lies below a good picture's score.
    bank = line.search._bank
    assert cdist(features[12:].reshape(-1, 3), bank).min(1).max() <= line.limit * (1 + 1e-6)
