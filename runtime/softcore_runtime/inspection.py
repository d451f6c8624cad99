"""Inspection: what is known of one frame after it was inspected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.preprocessing import Window

__all__ = ["Decision", "Inspection"]


class Decision(str, Enum):
    """The verdict on a part."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    INVALID = "INVALID"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False)
class Inspection:
    """The decision on one frame, with what it rests on.

    Attributes:
        decision: FAIL where `score > threshold`, else PASS.
        score: the largest entry of `patch_scores`, >= 0; always that of an exhaustive search.
        threshold: the bundle's limit, in the units of `score`.
        patch_scores: float32 `[H, W]` on the feature grid: w(m*) * ||p - m*||, the weighted distance of
            each patch to its nearest entry of the memory bank (DESIGN section 4). Exact where
            a patch could lie above the threshold, and at the highest; elsewhere m* is the HNSW index's.
        anomaly_map: float32 `[crop, crop]`: `patch_scores` brought bilinearly to the crop, then Gaussian
            sigma 4 pixels. It covers `window` of the frame.
        window: the inspected part of the frame, in the frame's pixels.
        searched_exactly: how many patches needed the exhaustive search.
        milliseconds: wall time of this inspection.
    """

    decision: Decision
    score: float
    threshold: float
    patch_scores: NDArray[np.float32]
    anomaly_map: NDArray[np.float32]
    window: Window
    searched_exactly: int
    milliseconds: float

    def __post_init__(self) -> None:
        for name in ("patch_scores", "anomaly_map"):
            array = getattr(self, name)
            if array.ndim != 2 or array.dtype != np.float32:
                raise ValueError(f"{name} must be float32 [H, W], not {array.dtype} {list(array.shape)}")
        if not self.threshold > 0:
            raise ValueError(f"threshold must be above 0, not {self.threshold}")
        if (self.decision is Decision.PASS) != (self.score <= self.threshold):
            raise ValueError(f"{self.decision} contradicts score {self.score}, threshold {self.threshold}")

    @property
    def share(self) -> float:
        """The score as a share of the threshold: 1.0 is the limit."""
        return self.score / self.threshold
