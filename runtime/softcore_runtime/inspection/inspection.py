"""Inspection: what is known of one frame after it was inspected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.engine import Provider
from softcore_runtime.decision import Bound, Decision
from softcore_runtime.images.image_file import check_frame, to_bgr8
from softcore_runtime.images.preprocessing import Window
from softcore_runtime.inspection.notebook import draw_card
from softcore_runtime.inspection.overlays import COLOURS, bring_to_size, colour, outline

__all__ = ["Inspection", "Ruling"]

_SIGNS = {Bound.EXACT: "=", Bound.UPPER: "<=", Bound.LOWER: ">="}
_WORDS = {Bound.EXACT: "", Bound.UPPER: "at most ", Bound.LOWER: "at least "}
_PANEL = 360  # pixels of the longer side of an image in a notebook


@dataclass(frozen=True, eq=False, repr=False)
class Ruling:
    """The decision on one frame, with what it rests on: what `Inspector.decide` returns.

    In a notebook it shows the frame and these numbers.

    Attributes:
        decision: PASS where the score is at most `threshold`, FAIL where it is above `fail_above`, REVIEW
            between the two; always the decision of an exhaustive search.
        score: the highest patch score, >= 0, or what is known of it: see `bound`. (A bundle's threshold may
            define the score of a part by an area instead: see `Threshold.min_area`.)
        bound: EXACT; or UPPER, on a PASS by certificate: the highest patch score is at most `score`, which is
            at most the threshold; or LOWER, on a FAIL that stopped at the first proof: the highest patch
            score is at least `score`.
        threshold: the bundle's threshold, in the units of `score`.
        fail_above: the upper end of the bundle's grey zone; equal to `threshold` where there is none.
        window: the inspected part of the frame, in pixels of the frame.
        certified_by_hint: number of patches that a hint proved to be below the threshold.
        by_hnsw: number of patches that the index, after the hints, proved to be below the threshold.
        exact: number of patches that needed an exhaustive search. On a FAIL some patches may not have been
            looked at.
        milliseconds: wall time of this frame; where it came in a batch, the batch's time divided by its size.
        provider: what computed the network: `cpu`, `cuda` or `tensorrt`.
        frame: the array that was inspected, as a reference and not a copy: it shows what the array holds
            now. Whoever collects many results keeps their frames in memory, unless
            `dataclasses.replace(ruling, frame=None)` drops them.

    Raises:
        ValueError: the decision contradicts the score, or the threshold isn't above 0.
        FrameError: `frame` is no frame (see `softcore_runtime.images.image_file.check_frame`).

    Example:
        >>> ruling = inspector.decide(frame)
        >>> ruling
        Ruling(PASS, score<=..., <=0... x threshold, ... ms)
        >>> ruling.bound is Bound.EXACT or ruling.score <= ruling.threshold
        True
        >>> ruling.certified_by_hint + ruling.by_hnsw + ruling.exact
        64
        >>> ruling.frame is frame
        True
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
    frame: NDArray[np.generic] | None = field(default=None, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise ValueError(f"threshold must be above 0, not {self.threshold}")
        if self.frame is not None:
            check_frame(self.frame)
        expected = Decision.PASS
        if not self.score <= self.threshold:
            expected = Decision.REVIEW if self.score <= self.fail_above else Decision.FAIL
        if self.decision is not expected:
            thresholds = (
                f"{self.threshold}"
                if self.fail_above == self.threshold
                else f"{self.threshold} to {self.fail_above}"
            )
            raise ValueError(f"{self.decision} contradicts score {self.score}, threshold {thresholds}")

    @property
    def share(self) -> float:
        """The score divided by the threshold: above 1.0 a part doesn't pass.

        Example:
            >>> inspector.inspect(bad_frame).share > 1
            True
        """
        return self.score / self.threshold

    def __repr__(self) -> str:
        sign = _SIGNS[self.bound]
        share = f"{sign.strip('=') and sign}{self.share:.2f} x threshold"
        numbers = [f"score{sign}{self.score:.4g}", share, *self._describe_map()]
        return f"{type(self).__name__}({self.decision}, {', '.join(numbers)}, {self.milliseconds:.1f} ms)"

    def _repr_html_(self) -> str:
        """Show the frame and what was decided on it, in a notebook."""
        word = _WORDS[self.bound]
        threshold = f"{self.threshold:.5g}"
        if self.fail_above > self.threshold:
            threshold += f", FAIL above {self.fail_above:.5g}"
        rows = [
            ("score", f"{word}{self.score:.5g}"),
            ("threshold", threshold),
            ("share", f"{word}{self.share:.2f} x threshold"),
            ("time", f"{self.milliseconds:.1f} ms on {self.provider}"),
            ("patches", f"{self.certified_by_hint} certified by hints, {self.by_hnsw} by the index, "
                        f"{self.exact} searched exhaustively"),
            ("map", ", ".join(self._describe_map()).removeprefix("map ") or "none; inspect() draws it"),
        ]  # fmt: skip
        images = [] if self.frame is None else self._draw_frame(self.frame)
        return draw_card(str(self.decision), rows, images, COLOURS[self.decision])

    def _describe_map(self) -> list[str]:
        return []

    def _draw_frame(self, frame: NDArray[np.generic]) -> Sequence[tuple[str, NDArray[np.uint8]]]:
        """Draw the frame for a notebook: captions and images uint8 BGR `[h, w, 3]`."""
        return [("frame", bring_to_size(to_bgr8(frame), _PANEL))]


@dataclass(frozen=True, eq=False, repr=False)
class Inspection(Ruling):
    """A ruling whose score is exact, with the whole anomaly map: what `Inspector.inspect` returns.

    In a notebook it shows the frame, the map over it, and the numbers.

    Attributes:
        patch_scores: float32 `[H, W]` on the feature grid: s(p) = w(m*) * ||p - m*||, the weighted
            Euclidean distance of each patch p to its nearest entry m* of the memory bank (see
            docs/explanation/method.md). Exact where a patch could lie above the threshold, and at the
            highest patch; elsewhere m* is the nearest of the entries that were compared.
        anomaly_map: float32 `[crop, crop]`, in the units of `score`: `patch_scores` interpolated
            bilinearly to the crop, then smoothed by a Gaussian of sigma 4 pixels. It covers `window` of the
            frame.

    Raises:
        ValueError: as `Ruling`; or an array isn't float32 `[H, W]`, or `bound` isn't EXACT.

    Example:
        >>> inspection = inspector.inspect(bad_frame)
        >>> inspection
        Inspection(FAIL, score=..., ... x threshold, map 32x32, ... ms)
        >>> inspection.patch_scores.shape, inspection.anomaly_map.shape
        ((8, 8), (32, 32))
        >>> row, column = np.unravel_index(inspection.anomaly_map.argmax(), inspection.anomaly_map.shape)
        >>> window, crop = inspection.window, len(inspection.anomaly_map)
        >>> x = window.x + (column + 0.5) * window.width / crop
        >>> y = window.y + (row + 0.5) * window.height / crop
        >>> print(f"the worst place of the frame is at x {x:.0f}, y {y:.0f}")
        the worst place of the frame is at x 34, y 25
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

    def _describe_map(self) -> list[str]:
        return ["map {}x{}".format(*self.anomaly_map.shape)]

    def _draw_frame(self, frame: NDArray[np.generic]) -> Sequence[tuple[str, NDArray[np.uint8]]]:
        return [("frame", outline(frame, self, _PANEL)), ("anomaly map", colour(frame, self, _PANEL))]
