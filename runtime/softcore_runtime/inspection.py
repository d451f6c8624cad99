"""Inspection: what is known of one frame after it was inspected."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.engine import Provider
from softcore_runtime.preprocessing import Window

__all__ = ["Bound", "Decision", "Inspection", "Ruling"]


class Decision(str, Enum):
    """The verdict on a part."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    REVIEW = "REVIEW"
    FAIL = "FAIL"
    INVALID = "INVALID"

    def __str__(self) -> str:
        return self.value


class Bound(str, Enum):
    """What a score says of the highest patch score: it is that, or no less, or no more."""

    EXACT = "exact"
    UPPER = "upper"
    LOWER = "lower"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, eq=False)
class Ruling:
    """The decision on one frame, with what it rests on: what `Inspector.decide` gives.

    Attributes:
        decision: PASS where the score is at most `threshold`, FAIL where it is above `fail_above`, REVIEW
            between the two; always that of an exhaustive search.
        score: the highest patch score, >= 0 (the bundle's limit may say otherwise, see `Threshold`), or what
            is known of it: see `bound`.
        bound: EXACT; or UPPER, on a PASS by certificate: the score is at most this, and this is at most
            the threshold; or LOWER, on a FAIL that stopped at the first proof: it is at least this.
        threshold: the bundle's limit, in the units of `score`.
        fail_above: the same, or where the bundle has a grey zone its upper end.
        window: the inspected part of the frame, in the frame's pixels.
        certified_by_hint: patches that a hint proved to be below the threshold, at next to no cost.
        by_hnsw: patches that took a search of the index.
        exact: patches that took an exhaustive search. On a FAIL some may not have been looked at.
        milliseconds: wall time of this frame; its share of it, where it came with others.
        provider: what computed the network: `cpu`, `cuda` or `tensorrt`.
    """

    decision: Decision
    score: float
    bound: Bound
    threshold: float
    fail_above: float
    window: Window
    certified_by_hint: int
    by_hnsw: int
    exact: int
    milliseconds: float
    provider: Provider = field(kw_only=True)

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise ValueError(f"threshold must be above 0, not {self.threshold}")
        expected = Decision.PASS
        if not self.score <= self.threshold:
            expected = Decision.REVIEW if self.score <= self.fail_above else Decision.FAIL
        if self.decision is not expected:
            limits = (
                f"{self.threshold}"
                if self.fail_above == self.threshold
                else f"{self.threshold} to {self.fail_above}"
            )
            raise ValueError(f"{self.decision} contradicts score {self.score}, threshold {limits}")

    @property
    def share(self) -> float:
        """The score as a share of the threshold: 1.0 is the limit."""
        return self.score / self.threshold


@dataclass(frozen=True, eq=False)
class Inspection(Ruling):
    """A ruling whose score is exact, with the whole map: what `Inspector.inspect` gives.

    Attributes:
        patch_scores: float32 `[H, W]` on the feature grid: w(m*) * ||p - m*||, the weighted distance of
            each patch to its nearest entry of the memory bank (DESIGN section 4). Exact where
            a patch could lie above the threshold, and at the highest; elsewhere m* is the nearest of the
            entries that were looked at.
        anomaly_map: float32 `[crop, crop]`: `patch_scores` brought bilinearly to the crop, then Gaussian
            sigma 4 pixels. It covers `window` of the frame.
    """

    patch_scores: NDArray[np.float32]
    anomaly_map: NDArray[np.float32]

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("patch_scores", "anomaly_map"):
            array = getattr(self, name)
            if array.ndim != 2 or array.dtype != np.float32:
                raise ValueError(f"{name} must be float32 [H, W], not {array.dtype} {list(array.shape)}")
        if self.bound is not Bound.EXACT:
            raise ValueError(f"an inspection's score must be exact, not a bound ({self.bound})")
