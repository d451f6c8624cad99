"""Frame state: what a search knows of a frame's patches, from stage to stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALL_HINTS", "BANK", "HINTS", "INDEX", "SHARED", "FrameState"]

# The last stage that a patch went through.
HINTS, SHARED, INDEX, ALL_HINTS, BANK = 1, 2, 3, 4, 5


@dataclass(eq=False)
class FrameState:
    """The state of a frame's patches.

    Attributes:
        patches: float32 `[P, d]`.
        threshold: the highest score that passes.
        reach: the largest of `squares` that certifies a patch.
        entries: int64 `[P]`, the nearest entry so far.
        squares: float32 `[P]`, the squared distance to it, or its squared floor if that is greater.
        stage: int8 `[P]`, the last stage that each patch went through: the likeliest hint, the index's
            answers for other patches, its answer for this one, all hints, or the whole bank.
        lower: bool `[P]`, whether float64 has shown the score not to be above `highest`.
        scores: float64 `[P]`, of the patches that were compared with the whole bank; where `lower`, an
            estimate of it.
        highest: the highest of the first; -1 if there is none.
        sketches: float32 `[P, s + 1]`, the patches' sketches, once all were needed.
    """

    patches: NDArray[np.float32]
    threshold: float
    reach: float
    entries: NDArray[np.int64]
    squares: NDArray[np.float32]
    stage: NDArray[np.int8]
    lower: NDArray[np.bool_]
    scores: NDArray[np.float64]
    highest: float = -1.0
    sketches: NDArray[np.float32] | None = None

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Whether the score is exact, bool `[P]`."""
        return np.asarray(self.stage == BANK)

    @property
    def certified(self) -> NDArray[np.bool_]:
        """Whether the score is certainly not above the threshold, bool `[P]`; NaN is never certified."""
        return np.asarray(self.squares <= self.reach)

    def select_open(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of patches `rows` that may still be above the threshold; NaN is never certified."""
        return np.asarray(rows[~((self.squares[rows] <= self.reach) | (self.stage[rows] == BANK))])

    def sort_worst_first(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sort patches `rows` by `squares`, the greatest first."""
        return rows[np.argsort(-self.squares[rows], kind="stable")]
