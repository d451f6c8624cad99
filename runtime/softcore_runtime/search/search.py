"""Certified search: the decision of an exhaustive search, mostly without one.

See docs/explanation/certified-search.md. A bank has weights w or floors F: without floors F = 0, with floors
w = 1. The *distance* D of a patch p and an entry m, and the score of p::

    D(p, m) = max(||p - m||, F(m))
    s(p) = w(m*) D(p, m*),    m* the nearest entry: that of the least D(p, m)

The proof, for any entry m and W = max w::

    s(p) = w(m*) D(p, m*)  <=  W D(p, m*)  <=  W D(p, m)

so a patch whose bound W D(p, m) is at most the threshold T, for any entry m, is *certified*: it can't be
above the threshold. An entry with W F(m) > T certifies nothing; among the others the nearest by ||p - m||
does wherever any does, and s(p) <= T holds exactly there if all weights are 1. Entries come from three
stages, each used only for what the stage before couldn't certify:

1. hints: the entry that was nearest at this position in the last frame, then that one of those nearest most
   often in training which seems nearest in few dimensions (`Suggestions`). They may be wrong or doubled; then
   fewer patches are certified here, no wrong ones.
2. the HNSW index, whatever its `ef`; or on a GPU a search of the whole bank in float32. What it answers for
   one patch is compared with others, too.
3. the whole bank (`ExhaustiveSearch`): the true nearest entry and the true score, in float64. The distance
   to the best entry so far rules most others out.

**A map** takes little more work than its highest score. That is exact when no bound W D(p, m) exceeds the
highest exact score. `_measure` compares such bounds in float64, where s(p) <= W D(p, m) to the last bit, for
D(p, m*) is the least of those distances. For every other patch the map holds w(m) D(p, m) of the nearest
entry compared, at most the highest score; all weights being 1 that is an upper bound of s(p).
The number of patches that the index is asked for, to draw a map, and of those that the whole bank is
searched for beyond what the highest score needs, don't grow with the defect.

**Rounding.** The bounds are float32, the score that counts is float64's. For squares S = ||p - m||^2, summed
in any order, float32 gives S' with |S' - S| <= (d + 4) u S + d 2^-125 (u = 2^-24; the last term is underflow,
if some library lets the processor flush small numbers to zero). The same holds for F^2, which is rounded
once. The greater of two numbers is rounded no further, and is off by no more than that one of them that is
off more: so the same holds for the greater square S' and S = D^2. p is certified only where S' <= `reach`,
with reach <= ((T / W)^2 - d 2^-125) (1 - (d + 16) u), rounded down: then W D(p, m) stays below T by more
than float64's own rounding. What lies within that margin of T is searched exhaustively. A distance of NaN
stays NaN beside any floor, and certifies nothing. A score of exactly T passes; between two entries at the
same float64 distance D the first in the bank is the nearest. The decision is always max s(p) > T as float64
has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.engine import Index
from softcore_runtime.decision import Bound
from softcore_runtime.errors import FrameError
from softcore_runtime.search.exhaustive import ExhaustiveSearch
from softcore_runtime.search.frame_state import ALL_HINTS, BANK, HINTS, INDEX, FrameState
from softcore_runtime.search.projection import UNIT
from softcore_runtime.search.suggestions import Suggestions, limit_blas

__all__ = ["Search", "SearchResult"]

_FIRST = 2  # number of patches searched first: on a defective part one of the worst is enough
_ONE_THREAD = 64  # number of patches up to which an exhaustive search takes one thread
_CANDIDATES = 8  # number of patches compared first to find the highest score
_REGION = 16  # number of patches of a map that are exact if they are above the threshold, the highest
_UNDERFLOW = 2.0**-125  # largest error of one square by underflow of float32
_SMALLEST = float(np.finfo(np.float32).tiny)
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The result of a search for one frame.

    Attributes:
        above: whether the highest score is above the threshold; always as an exhaustive search decides.
        score: the highest score, or a bound of it.
        bound: whether it is the score or a bound.
        by_hint: number of patches that a hint certified.
        by_hnsw: number of patches that an answer of the index certified.
        exact: number of patches that were compared with the whole bank.
    """

    above: bool
    score: float
    bound: Bound
    by_hint: int
    by_hnsw: int
    exact: int


class Search:
    """Searches a memory bank. Two threads must not search at once: buffers are reused.

    Args:
        bank: float32 `[n, d]`; not copied.
        weights: float32 `[n]`, >= 0; 1 beside floors.
        floors: float32 `[n]`, >= 0, the least distance to each entry; None or zeros without floors.
        index: an approximate search of `bank`.
        hints: int32 `[P, h]`, h >= 1, entries worth comparing first at each position of a frame.

    Raises:
        ValueError: there are floors beside weights other than 1, or not one for each entry.

    Example:
        >>> from softcore_runtime.search.hnsw import HnswIndex
        >>> bank = np.random.default_rng(0).random((500, 8), np.float32)
        >>> index = HnswIndex.build(bank, m=8, ef_construction=50, seed=0)
        >>> search = Search(bank, np.ones(500, np.float32), None, index, np.zeros((64, 1), np.int32))
        >>> patches = bank[:64].copy()  # 64 patches that are in the bank
        >>> found = search.decide(patches, threshold=1.0)
        >>> found.above, found.score <= 1
        (False, True)
        >>> patches[5] += 3
        >>> found, scores = search.inspect(patches, threshold=1.0)
        >>> found.above, int(scores.argmax())
        (True, 5)
    """

    def __init__(
        self,
        bank: NDArray[np.float32],
        weights: NDArray[np.float32],
        floors: NDArray[np.float32] | None,
        index: Index,
        hints: NDArray[np.int32],
    ) -> None:
        if floors is not None and floors.shape != weights.shape:
            raise ValueError(f"floors must be [{len(weights)}], not {list(floors.shape)}")
        if floors is not None and floors.any() and (weights != 1).any():
            raise ValueError("a memory bank has soft weights or floors, not both")
        self._weights = weights.astype(np.float64)
        self._weight_max = float(weights.max())
        self._exhaustive = ExhaustiveSearch(bank, floors)
        self._suggestions = Suggestions(bank, floors, index, hints, self._exhaustive.projection)
        self._shape = len(hints), bank.shape[1]
        self._rounding = (bank.shape[1] + 16) * UNIT
        self._underflow = bank.shape[1] * _UNDERFLOW
        self._squares = np.empty(len(hints), np.float32)
        self._all = np.arange(len(hints))

    def decide(self, patches: NDArray[np.float32], threshold: float, camera: int = 0) -> SearchResult:
        """Decide whether the highest score of a frame's patches is above a threshold, and no more.

        Stops as soon as that is certain. The score is the highest one, exactly, if that is known by then;
        otherwise an upper bound if it isn't above `threshold`, or a lower bound if it is: the highest of the
        exact scores so far. The bound depends on the camera's last frame, the decision never does.

        Args:
            patches: float32 `[P, d]`.
            threshold: the threshold T, in the units of the scores.
            camera: number of the frame's camera: the entries nearest in its last frame are compared first.

        Raises:
            FrameError: a patch is NaN or infinite.
        """
        frame = self._begin(patches, threshold, camera)
        rows = frame.sort_worst_first(frame.select_open(self._all))
        few = _FIRST
        while len(rows) and not frame.highest > threshold:
            some, rows = rows[:few], rows[few:]
            few *= 16
            self._suggestions.compare_hints(frame, some)
            self._suggestions.query_index(frame, some := frame.select_open(some), frame.reach)
            self._suggestions.compare_all_hints(frame, frame.select_open(some), frame.reach)
            some = frame.sort_worst_first(frame.select_open(some))
            self._search_exhaustively(frame, some[:1])
            if not frame.highest > threshold:
                self._search_exhaustively(frame, some[1:])
        self._suggestions.keep_entries(frame, camera)
        return self._summarize(frame)

    def inspect(
        self, patches: NDArray[np.float32], threshold: float, camera: int = 0
    ) -> tuple[SearchResult, NDArray[np.float32]]:
        """Score every patch of a frame: s(p) = w(m*) D(p, m*), m* the nearest entry to p (see above).

        The highest score is exact, and of those above `threshold` the 16 of the highest bounds. In place of
        any other stands w(m) D(p, m) of the nearest entry m of those that were compared: with weights of 1 an
        upper bound, which is mostly the score itself. See docs/explanation/certified-search.md.

        Args:
            patches: float32 `[P, d]`.
            threshold: as for `decide`.
            camera: as for `decide`.

        Returns:
            the result, and the scores float32 `[P]`.

        Raises:
            FrameError: a patch is NaN or infinite.
        """
        frame = self._begin(patches, threshold, camera)
        self._suggestions.compare_hints(frame, self._all)
        self._suggestions.query_index(frame, frame.select_open(self._all), frame.reach, sampled=True)
        self._find_highest(frame)
        rows = frame.sort_worst_first(frame.select_open(self._all))
        self._search_exhaustively(frame, rows[: max(0, _REGION - int(frame.exact.sum()))])
        self._suggestions.keep_entries(frame, camera)
        known = frame.exact | frame.lower
        with np.errstate(invalid="ignore"):  # a weight of 0 and a distance that overflows
            scores = np.where(known, frame.scores, self._weights[frame.entries] * np.sqrt(frame.squares))
        scores = np.fmin(scores, min(frame.highest, _LARGEST))
        return self._summarize(frame), scores.astype(np.float32)

    def score(
        self, patches: NDArray[np.float32], threshold: float
    ) -> tuple[SearchResult, NDArray[np.float32]]:
        """Score all patches, float32 `[P, d]`, exactly, by an exhaustive search; see `inspect`."""
        frame = self._begin(patches, threshold, 0)
        self._suggestions.ask_index(frame, self._all)
        self._search_exhaustively(frame, self._all)
        return self._summarize(frame), np.minimum(frame.scores, _LARGEST).astype(np.float32)

    def _begin(self, patches: NDArray[np.float32], threshold: float, camera: int) -> FrameState:
        """Compare every patch with the last frame's entry, or else with the first hint.

        Raises:
            FrameError: a patch is NaN or infinite.
        """
        if patches.shape != self._shape or patches.dtype != np.float32:
            raise ValueError(
                f"patches must be float32 {list(self._shape)}, not {patches.dtype} {list(patches.shape)}"
            )
        positions = len(patches)
        frame = FrameState(
            patches=patches,
            threshold=threshold,
            reach=self._reach(threshold),
            entries=np.empty(positions, np.int64),
            squares=self._squares,
            stage=np.zeros(positions, np.int8),
            lower=np.zeros(positions, np.bool_),
            scores=np.zeros(positions),
        )
        self._suggestions.compare_last_frame(frame, camera)
        odd = np.flatnonzero(~np.isfinite(frame.squares))
        if not np.isfinite(patches[odd]).all():
            raise FrameError("the network gives NaN or infinity for this frame")
        return frame

    def _reach(self, threshold: float) -> float:
        """Return the largest float32 square for which W D(p, m) <= `threshold` is certain (see above)."""
        if threshold < 0:
            return -1.0
        square = np.inf
        if self._weight_max > 0:
            with np.errstate(over="ignore"):
                square = float(np.square(np.float64(threshold) / self._weight_max))
        square = (square - self._underflow) * (1 - self._rounding)
        if square < 2 * _SMALLEST:
            return -1.0
        return float(np.nextafter(np.float32(min(square, _LARGEST)), np.float32(0)))

    def _bounds(self, squares: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return upper bounds of the scores at `squares`: W D(p, m), and what rounding may hide."""
        if self._weight_max == 0:
            return np.zeros(len(squares))
        bounds = squares.astype(np.float64)
        bounds += self._underflow
        bounds *= 1 + self._rounding
        return np.asarray(self._weight_max * np.sqrt(bounds, out=bounds))

    def _find_highest(self, frame: FrameState) -> None:
        """Compare patches until no bound of a score exceeds the highest exact one."""
        few = 1
        suggest: Callable[[FrameState, NDArray[np.int64], float], None] = self._suggestions.query_index
        while len(rows := self._sort_candidates(frame)):
            asked = frame.stage[rows] >= INDEX
            if asked[0]:
                self._search_exhaustively(frame, self._measure(frame, rows[asked][:few]))
                few *= 4
            elif (
                asked.any()
            ):  # what was found for that one is probably right: only those before it matter yet
                first = int(asked.argmax())
                bound = float(self._bounds(frame.squares[rows[first : first + 1]])[0])
                suggest(frame, rows[:first], self._reach(bound))
            elif frame.highest < 0:
                if not self._suggestions.try_both(frame, rows[:_CANDIDATES]):
                    suggest = self._suggestions.compare_all_hints
            else:
                suggest(frame, rows, self._reach(frame.highest))

    def _sort_candidates(self, frame: FrameState) -> NDArray[np.int64]:
        """Return the patches that may have a higher score than the highest exact one, the likeliest first."""
        bounds = self._bounds(frame.squares)
        rows = np.flatnonzero(~((bounds <= frame.highest) | frame.exact | frame.lower))
        return rows[np.argsort(-bounds[rows], kind="stable")]

    def _measure(self, frame: FrameState, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of `rows` that may be above the highest exact score, by distances in float64."""
        distances = self._exhaustive.measure(frame.patches[rows], frame.entries[rows])
        lower = self._weight_max * distances <= frame.highest
        frame.lower[rows[lower]] = True
        frame.scores[rows] = self._weights[frame.entries[rows]] * distances
        return rows[~lower]

    def _search_exhaustively(self, frame: FrameState, rows: NDArray[np.int64]) -> None:
        """Compare patches `rows` `[r]` with the whole bank."""
        if len(rows):
            # numpy's threads spin for a while after their work, and would slow down the next frame's network.
            threads = 1 if len(rows) <= _ONE_THREAD else None
            with limit_blas(threads):
                entries, distances = self._exhaustive.nearest(frame.patches[rows], frame.entries[rows])
            scores = self._weights[entries] * distances
            frame.stage[rows] = BANK
            frame.entries[rows], frame.scores[rows] = entries, scores
            with np.errstate(over="ignore"):
                frame.squares[rows] = np.square(distances)
            frame.highest = max(frame.highest, float(scores.max()))

    def _summarize(self, frame: FrameState) -> SearchResult:
        """Return what is known of the highest score, and the patches that each stage certified."""
        above = frame.highest > frame.threshold
        # Bounds grow with the square, and NaN stays NaN, so the greatest square has the greatest bound.
        rest = frame.squares[~(frame.exact | frame.lower)]
        least = float(self._bounds(rest.max(keepdims=True))[0]) if len(rest) else -1.0
        if frame.highest >= least:
            score, bound = frame.highest, Bound.EXACT
        elif above:
            score, bound = frame.highest, Bound.LOWER
        else:
            score, bound = min(least, frame.threshold), Bound.UPPER
        certified, by_hint = frame.certified, (frame.stage <= HINTS) | (frame.stage == ALL_HINTS)
        return SearchResult(
            above=above,
            score=score,
            bound=bound,
            by_hint=int((certified & by_hint).sum()),
            by_hnsw=int((certified & ~(by_hint | frame.exact)).sum()),
            exact=int(frame.exact.sum()),
        )
