"""Self-test: the golden frames' scores on this machine, compared with those that the export wrote down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.engine import Backbone, compute_alike
from softcore_runtime.bundle.bundle import Bundle
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.bundle.threshold_change import explain_threshold
from softcore_runtime.errors import SelfTestError
from softcore_runtime.inspection.anomaly_map import draw_map, score_area

__all__ = ["SELF_TEST_TOLERANCE", "GoldenFrames", "GoldenScore", "count_flipped", "largest_difference"]

# Relative. Other processors and libraries round differently, another precision more, but not by this much.
SELF_TEST_TOLERANCE, _OTHER_PRECISION = 1e-2, 1e-1

_Score = Callable[[NDArray[np.uint8], float], tuple[float, NDArray[np.float32]]]


@dataclass(frozen=True)
class GoldenScore:
    """The score of a golden frame on this machine, and at export.

    Attributes:
        file: its name in the bundle's `golden/`.
        exported: its score at export.
        here: its score on this machine.
        threshold: the threshold that the export set, for both decisions.
    """

    file: str
    exported: float
    here: float
    threshold: float

    @property
    def difference(self) -> float:
        """The difference of the two, relative to the higher of the exported score and the threshold."""
        return abs(self.here - self.exported) / max(self.exported, self.threshold)

    @property
    def flipped(self) -> bool:
        """Whether the decision is another."""
        return (self.here > self.threshold) != (self.exported > self.threshold)

    def is_clear(self, tolerance: float) -> bool:
        """Return whether the exported score lies further from the threshold than `tolerance` of it."""
        return abs(self.exported - self.threshold) > tolerance * max(self.exported, self.threshold)


def largest_difference(golden: tuple[GoldenScore, ...]) -> float:
    """Return the largest relative difference; 0 without frames."""
    return max((one.difference for one in golden), default=0.0)


def count_flipped(golden: tuple[GoldenScore, ...]) -> int:
    """Return the number of frames that are decided differently here."""
    return sum(one.flipped for one in golden)


class GoldenFrames:
    """The golden frames of a bundle, scored on this machine completely, without any mask.

    Args:
        bundle: the bundle.
        backbone: what computes here.
        score: computes, of a frame uint8 BGR `[H, W, 3]`, the exact highest patch score, and the patch
            scores float32 `[H, W]` of a map.

    Example:
        >>> golden = inspector.golden
        >>> [(one.file, one.flipped) for one in golden.compare()]
        [('good.png', False), ('spoiled.png', False)]
        >>> golden.check() < 0.01
        True
    """

    def __init__(self, bundle: Bundle, backbone: Backbone, score: _Score) -> None:
        self._bundle = bundle
        self._backbone = backbone
        self._score = score
        self._scores: list[tuple[float, NDArray[np.float32]]] = []  # empty until they are first needed

    def compare(self) -> tuple[GoldenScore, ...]:
        """Score the golden frames, and return the scores of each, here and at export."""
        threshold = self._bundle.manifest.exported_threshold.value
        return tuple(
            GoldenScore(golden.file, golden.score, here, threshold)
            for golden, (here, _) in zip(self._bundle.golden, self._score_all(), strict=True)
        )

    def check(self) -> float:
        """Score the golden frames, and return the largest relative difference to the scores at export.

        Raises:
            SelfTestError: a difference exceeds 1 %, or 10 % if the bank's features were computed otherwise
                than here; or a decision is another.
        """
        learned = self._bundle.manifest.backbone
        tolerance = SELF_TEST_TOLERANCE if compute_alike(learned, self._backbone) else _OTHER_PRECISION
        golden = self.compare()
        for one in golden:
            if one.difference > tolerance or (one.flipped and one.is_clear(tolerance)):
                raise SelfTestError(
                    f"{self._bundle.path}: self-test failed: {one.file} scores {one.here:.6g} here, "
                    f"{one.exported:.6g} at export; the libraries of this machine compute something else"
                )
        return largest_difference(golden)

    def explain_threshold(self, threshold: Threshold) -> str | None:
        """Explain why no golden frame would fail by a threshold; see `Inspector.explain_threshold`."""
        area, canvas = threshold.min_area, self._bundle.manifest.preprocessing.canvas
        scores = [
            score if area is None else score_area(draw_map(patches, canvas), area, score)
            for score, patches in self._scores or self._score_all()
        ]
        return explain_threshold(threshold, self._bundle.manifest, scores)

    def _score_all(self) -> list[tuple[float, NDArray[np.float32]]]:
        threshold = self._bundle.manifest.exported_threshold.value
        self._scores = [
            self._score(self._bundle.read_golden(golden), threshold) for golden in self._bundle.golden
        ]
        return self._scores
