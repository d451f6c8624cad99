"""Inspection result: what is known of one frame once it was inspected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.alignment.alignment import Registration
from softcore_runtime.backends.engine import Provider
from softcore_runtime.decision import Bound, Decision
from softcore_runtime.images.image_file import check_frame, to_bgr8
from softcore_runtime.images.preprocessing import Window
from softcore_runtime.inspection.notebook import draw_card
from softcore_runtime.inspection.overlays import COLOURS, bring_to_size, colour, outline

__all__ = ["InspectionResult"]

_SIGNS = {Bound.EXACT: "=", Bound.UPPER: "<=", Bound.LOWER: ">="}
_WORDS = {Bound.EXACT: "", Bound.UPPER: "at most ", Bound.LOWER: "at least "}
_SEAL = re.compile("[0-9a-f]{64}")
_PANEL = 360  # pixels of the longer side of an image in a notebook


@dataclass(frozen=True, eq=False, repr=False)
class InspectionResult:
    """The decision on one frame and what it rests on: what `Inspector.decide` and `Inspector.inspect` return.

    In a notebook it shows the frame, the anomaly map over it if there is one, and the numbers.

    Attributes:
        decision: PASS where the score is at most `threshold`, FAIL where it is above `fail_above`, REVIEW
            between the two; always the decision of an exhaustive search.
        score: the highest patch score, >= 0, or a bound of it: see `bound`. (A bundle's threshold may
            define the score of a part by an area instead: see `Threshold.min_area`.)
        bound: EXACT; or UPPER, on a PASS by certificate: the highest patch score is at most `score`, which is
            at most the threshold; or LOWER, on a FAIL that stopped at the first proof: the highest patch
            score is at least `score`. Always EXACT with an anomaly map.
        threshold: the bundle's threshold, in the units of `score`.
        fail_above: the upper end of the bundle's grey zone; equal to `threshold` without one.
        window: the inspected part of the frame, in pixels of the frame; of the aligned frame, which has the
            same size, where frames are aligned. `locate` gives places in the frame in either case.
        certified_by_hint: number of patches that a hint proved to be below the threshold.
        by_hnsw: number of patches that the index, after the hints, proved to be below the threshold.
        exact: number of patches that were searched exhaustively. On a FAIL some patches may be in none of the
            three.
        milliseconds: wall time of this frame; in a batch, the batch's time divided by its size.
        provider: what computed the network: `cpu`, `cuda` or `tensorrt`.
        seal: the seal of the manifest that decided, SHA-256 in hex (see `bundle.manifest.seal_of`).
        patch_scores: float32 `[H, W]` on the feature grid: s(p) = w(m*) * max(||p - m*||, F(m*)), with the
            memory bank's soft weights w (1 with floors) and floors F (0 without), m* the entry nearest to
            patch p by that maximum (see docs/explanation/method.md). Exact at the highest patch, and at the
            16 highest above the threshold; elsewhere m* is the nearest of the entries that were compared,
            which makes it an upper bound if all weights are 1 (see docs/explanation/certified-search.md).
            Exact everywhere if the threshold has a `min_area`. None from `decide`.
        anomaly_map: float32 `[h, w]`, in the units of `score`: `patch_scores` interpolated bilinearly to the
            size of the network's input (see `Preprocessing.canvas`), then smoothed by a Gaussian of sigma 4
            pixels. It covers `window` of the frame. None from `decide`.
        frame: the inspected array, as a reference and not a copy: it shows what the array holds now. A
            collection of results keeps their frames in memory, unless
            `dataclasses.replace(result, frame=None)` drops them.
        registration: where the part lies in the frame, and how surely; None where frames aren't aligned.

    Raises:
        ValueError: the decision contradicts the score, the threshold isn't above 0, `seal` isn't a SHA-256 in
            hex, only one of the two maps is given, one isn't float32 `[H, W]`, or with a map `bound` isn't
            EXACT.
        FrameError: `frame` is no frame (see `softcore_runtime.images.image_file.check_frame`).

    Example:
        >>> result = inspector.decide(frame)
        >>> result
        InspectionResult(PASS, score<=..., <=0... x threshold, ... ms)
        >>> result.bound is Bound.EXACT or result.score <= result.threshold
        True
        >>> result.certified_by_hint + result.by_hnsw + result.exact
        64
        >>> result.frame is frame, result.anomaly_map is None
        (True, True)
        >>> result = inspector.inspect(bad_frame)
        >>> result
        InspectionResult(FAIL, score=..., ... x threshold, map 32x32, ... ms)
        >>> result.patch_scores.shape, result.anomaly_map.shape
        ((8, 8), (32, 32))
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
    seal: str = field(kw_only=True)
    patch_scores: NDArray[np.float32] | None = field(default=None, kw_only=True)
    anomaly_map: NDArray[np.float32] | None = field(default=None, kw_only=True)
    frame: NDArray[np.generic] | None = field(default=None, kw_only=True)
    registration: Registration | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not self.threshold > 0:
            raise ValueError(f"threshold must be above 0, not {self.threshold}")
        if not _SEAL.fullmatch(self.seal):
            raise ValueError(f"seal must be a SHA-256 in hex, not {self.seal!r}")
        if self.frame is not None:
            check_frame(self.frame)
        self._check_decision()
        self._check_maps()

    def _check_decision(self) -> None:
        expected = Decision.PASS
        if not self.score <= self.threshold:
            expected = Decision.REVIEW if self.score <= self.fail_above else Decision.FAIL
        if self.decision is not expected:
            grey = "" if self.fail_above == self.threshold else f" to {self.fail_above}"
            raise ValueError(
                f"{self.decision} contradicts score {self.score}, threshold {self.threshold}{grey}"
            )

    def _check_maps(self) -> None:
        if self.patch_scores is None and self.anomaly_map is None:
            return
        for name in ("patch_scores", "anomaly_map"):
            array = getattr(self, name)
            if array is None:
                raise ValueError(f"{name} is missing: both maps are given, or neither")
            if array.ndim != 2 or array.dtype != np.float32:
                raise ValueError(f"{name} must be float32 [H, W], not {array.dtype} {list(array.shape)}")
        if self.bound is not Bound.EXACT:
            raise ValueError(f"with an anomaly map the score must be exact, not a bound ({self.bound})")

    @property
    def share(self) -> float:
        """The score divided by the threshold: above 1.0 a part doesn't pass.

        Example:
            >>> inspector.inspect(bad_frame).share > 1
            True
        """
        return self.score / self.threshold

    def locate(self, across: float, down: float) -> tuple[float, float]:
        """Return where in the frame a place of the window, and of the maps, lies: x and y, in its pixels.

        Args:
            across: share of the window's width, from its left edge.
            down: share of its height, from its upper edge.

        Raises:
            ValueError: the result doesn't hold its frame.

        Example:
            >>> result = inspector.inspect(bad_frame)
            >>> height, width = result.anomaly_map.shape
            >>> row, column = np.unravel_index(result.anomaly_map.argmax(), (height, width))
            >>> x, y = result.locate((column + 0.5) / width, (row + 0.5) / height)
            >>> print(f"the worst place of the frame is at x {x:.0f}, y {y:.0f}")
            the worst place of the frame is at x 34, y 25
        """
        if self.frame is None:
            raise ValueError("a place in the frame needs the frame")
        window = self.window
        x, y = window.x + across * window.width, window.y + down * window.height
        if self.registration is None:
            return x, y
        height, width = self.frame.shape[:2]
        # The middle of a pixel is a whole number for the matrix, and a half for a window.
        moved = self.registration.matrix(height, width) @ (x - 0.5, y - 0.5, 1)
        return float(moved[0]) + 0.5, float(moved[1]) + 0.5

    def __repr__(self) -> str:
        sign = _SIGNS[self.bound]
        share = f"{sign.strip('=') and sign}{self.share:.2f} x threshold"
        numbers = [f"score{sign}{self.score:.4g}", share]
        if self.anomaly_map is not None:
            numbers.append(f"map {self._map_size}")
        return f"{type(self).__name__}({self.decision}, {', '.join(numbers)}, {self.milliseconds:.1f} ms)"

    def _repr_html_(self) -> str:
        """Show the frame and the decision on it, in a notebook."""
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
            *([("alignment", self.registration.describe())] if self.registration else []),
            ("map", self._map_size or "none; inspect() draws it"),
        ]  # fmt: skip
        images = [] if self.frame is None else self._draw_frame(self.frame)
        return draw_card(str(self.decision), rows, images, COLOURS[self.decision])

    @property
    def _map_size(self) -> str:
        return "" if self.anomaly_map is None else "{}x{}".format(*self.anomaly_map.shape)

    def _draw_frame(self, frame: NDArray[np.generic]) -> Sequence[tuple[str, NDArray[np.uint8]]]:
        """Draw the frame for a notebook: captions and images uint8 BGR `[h, w, 3]`."""
        if self.anomaly_map is None:
            return [("frame", bring_to_size(to_bgr8(frame), _PANEL))]
        return [("frame", outline(frame, self, _PANEL)), ("anomaly map", colour(frame, self, _PANEL))]
