"""Scoring: what a threshold, with its grey zone or area, needs to know of a frame's patches."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.alignment.alignment import Registration
from softcore_runtime.backends.engine import Provider
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.decision import Bound, Decision
from softcore_runtime.inspection.active_manifest import ActiveManifest
from softcore_runtime.inspection.anomaly_map import draw_map, score_area
from softcore_runtime.inspection.result import InspectionResult
from softcore_runtime.search.search import Search, SearchResult

__all__ = ["FrameScore", "FrameScorer"]


@dataclass(frozen=True, eq=False)
class FrameScore:
    """The score of a frame.

    Attributes:
        found: what the search found; its score is the frame's, by patches or by an area.
        patch_scores: float32 `[H, W]`; None where only a decision was needed.
        anomaly_map: float32 `[h, w]`; likewise.
    """

    found: SearchResult
    patch_scores: NDArray[np.float32] | None = None
    anomaly_map: NDArray[np.float32] | None = None

    def decide(
        self,
        frame: NDArray[np.generic],
        active: ActiveManifest,
        provider: Provider,
        milliseconds: float,
        registration: Registration | None = None,
    ) -> InspectionResult:
        """Decide on the frame by the threshold that it was scored for.

        Args:
            frame: the frame.
            active: the manifest with that threshold.
            provider: what computed the network.
            milliseconds: wall time of this frame.
            registration: where the part lies in it; None where frames aren't aligned.
        """
        found, threshold = self.found, active.manifest.threshold
        # The score of a FAIL that stopped at the first proof may be a bound from below.
        decision = Decision.FAIL if found.bound is Bound.LOWER else threshold.decide(found.score)
        return InspectionResult(
            decision=decision,
            score=found.score,
            bound=found.bound,
            threshold=threshold.value,
            fail_above=threshold.upper,
            window=active.manifest.preprocessing.window(frame.shape[0], frame.shape[1]),
            certified_by_hint=found.by_hint,
            by_hnsw=found.by_hnsw,
            exact=found.exact,
            milliseconds=milliseconds,
            provider=provider,
            seal=active.seal,
            patch_scores=self.patch_scores,
            anomaly_map=self.anomaly_map,
            frame=frame,
            registration=registration,
        )


class FrameScorer:
    """Scores frames of one bundle. Two threads must not score at once.

    Args:
        search: the bundle's memory bank.
        manifest: the bundle's, for its grid and canvas.
    """

    def __init__(self, search: Search, manifest: Manifest) -> None:
        self._search = search
        self._grid = (manifest.grid.height, manifest.grid.width)
        self._canvas = manifest.preprocessing.canvas
        self._outside = manifest.preprocessing.find_outside(self._grid)

    def decide(self, patches: NDArray[np.float32], threshold: Threshold, camera: int) -> FrameScore:
        """Score a frame as far as its decision needs it.

        Args:
            patches: float32 `[P, d]`.
            threshold: the threshold.
            camera: the number of the frame's camera.

        Raises:
            FrameError: a patch is NaN or infinite.
        """
        found = self._search.decide(patches, threshold.value, camera)
        if not found.above:  # nor is any area of the map, which averages the patches
            return FrameScore(found if threshold.min_area is None else replace(found, bound=Bound.UPPER))
        if threshold.min_area is not None:
            return FrameScore(self.inspect(patches, threshold, camera).found)
        if threshold.fail_above is not None:
            found = self._search.decide(patches, threshold.fail_above, camera)
            if not found.above:
                found = self._search.inspect(patches, threshold.fail_above, camera)[0]
        return FrameScore(found)

    def inspect(self, patches: NDArray[np.float32], threshold: Threshold, camera: int) -> FrameScore:
        """Score a frame exactly, and draw its map; arguments and errors as for `decide`."""
        if threshold.min_area is None:
            found, scores = self._search.inspect(patches, threshold.value, camera)
        else:  # the score of an area depends on all patches around it
            found, scores = self._search.score(patches, threshold.value)
        patch_scores = self._arrange(scores)
        anomaly_map = draw_map(patch_scores, self._canvas)
        if threshold.min_area is not None:
            score = score_area(anomaly_map, threshold.min_area, found.score)
            found = replace(found, score=score, bound=Bound.EXACT, above=score > threshold.value)
        return FrameScore(found, patch_scores, anomaly_map)

    def score_patches(
        self, patches: NDArray[np.float32], threshold: float
    ) -> tuple[float, NDArray[np.float32]]:
        """Return the highest of a frame's patch scores, exactly, and the map's, float32 `[H, W]`.

        Args:
            patches: float32 `[P, d]`.
            threshold: as for `Search.inspect`.
        """
        found, scores = self._search.inspect(patches, threshold)
        return found.score, self._arrange(scores)

    def _arrange(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Arrange scores `[P]` on the grid, `[H, W]`; what isn't inspected scores 0."""
        arranged = scores.reshape(self._grid)
        if self._outside is not None:
            arranged[self._outside] = 0
        return arranged
