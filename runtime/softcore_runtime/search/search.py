"""Certified search: the decision of an exhaustive search, mostly without one.

See docs/explanation/certified-search.md. The proof, for a patch p, its true nearest entry m*, any entry m,
the weights w and W = max w::

    s(p) = w(m*) ||p - m*||  <=  W ||p - m*||  <=  W ||p - m||

so a patch whose bound W ||p - m|| is at most the threshold T, for whatever entry m, is *certified*: it can't
be above the threshold. Entries come from three places, each asked only about what the one before couldn't
certify:

1. hints: the entry that served this position in the last frame, then those that served it most often in
   training. They may be wrong, doubled or missing; then fewer patches are certified here, no others.
2. the HNSW index, whatever its `ef`; or on a GPU a search of the whole bank in float32.
3. the whole bank (`ExhaustiveSearch`): the true nearest entry and the true score, in float64.

**Rounding.** The bounds are float32, the score that counts is float64's. For squares S = ||p - m||^2, summed
in any order, float32 gives S' with |S' - S| <= (d + 4) u S + d 2^-125 (u = 2^-24; the last term is underflow,
where some library has the processor take small numbers for zero). So p is certified only where S' <= `reach`,
with reach <= ((T / W)^2 - d 2^-125) (1 - (d + 16) u), rounded down: then W ||p - m|| stays below T by more
than float64's own rounding. What lies within that margin of T is searched exhaustively. A score of
exactly T passes; between two entries at the same float64 distance the first in the bank is the nearest. No
step depends on luck: the decision is always max s(p) > T as float64 has it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from softcore_runtime.backends.engine import Index
from softcore_runtime.decision import Bound
from softcore_runtime.errors import FrameError
from softcore_runtime.search.exhaustive import UNIT, ExhaustiveSearch

__all__ = ["Search", "SearchResult"]

_EVERYWHERE = 4  # hints that every patch of a map is compared with
_WORST = 2  # patches asked about first: on a defective part one of the worst settles the matter
_FEW = 32  # patches whose exhaustive search takes one thread
_CANDIDATES = 32  # patches asked about at a time, in search of the highest score
_HINTED, _INDEXED, _EXACT = 1, 2, 3  # how far a patch has come
_UNDERFLOW = 2.0**-125  # what float32 may lose of one square
_SMALLEST = float(np.finfo(np.float32).tiny)
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class SearchResult:
    """What a search found out about one frame.

    Attributes:
        above: whether the highest score is above the threshold; always as an exhaustive search has it.
        score: the highest score, or a bound of it.
        bound: which of the two.
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


@dataclass(eq=False)
class _Frame:
    """What is known of a frame's patches, from stage to stage.

    Attributes:
        patches: float32 `[P, d]`.
        threshold: the threshold, the highest score that passes.
        reach: what `squares` may be where a patch is certified.
        entries: int64 `[P]`, the nearest entry so far.
        squares: float32 `[P]`, the squared distance to it.
        asked: int8 `[P]`, how far the patch has come: all hints, the index, the whole bank.
        scores: float64 `[P]`, where the whole bank was asked.
        highest: the highest of these; -1 where there is none.
    """

    patches: NDArray[np.float32]
    threshold: float
    reach: float
    entries: NDArray[np.int64]
    squares: NDArray[np.float32]
    asked: NDArray[np.int8]
    scores: NDArray[np.float64]
    highest: float = -1.0

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Where the score is known, bool `[P]`."""
        return np.asarray(self.asked == _EXACT)

    def open(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Keep those of patches `rows` that may yet be above the threshold; NaN is never certified."""
        return np.asarray(rows[~((self.squares[rows] <= self.reach) | (self.asked[rows] == _EXACT))])

    def worst_first(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sort patches `rows` by what is known of their distances."""
        return rows[np.argsort(-self.squares[rows], kind="stable")]


@functools.cache
def _threads() -> ThreadpoolController:
    """Find the process's thread pools; looking for them takes milliseconds."""
    return ThreadpoolController()


class Search:
    """The memory bank, ready to be searched. Two threads must not search at once: buffers are reused.

    Args:
        bank: float32 `[n, d]`; not copied.
        weights: float32 `[n]`, >= 0.
        index: a search of `bank` that may err.
        hints: int32 `[P, h]`, h >= 0, entries worth comparing first at each position of a frame.

    Example:
        >>> from softcore_runtime.search.hnsw import HnswIndex
        >>> bank = np.random.default_rng(0).random((500, 8), np.float32)
        >>> index = HnswIndex.build(bank, m=8, ef_construction=50, seed=0)
        >>> search = Search(bank, np.ones(500, np.float32), index, np.zeros((64, 1), np.int32))
        >>> patches = bank[:64].copy()  # 64 patches that the bank has itself
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
        index: Index,
        hints: NDArray[np.int32],
    ) -> None:
        self._bank = np.asarray(bank)  # a view: drops np.memmap, whose every slice is slow
        self._weights = weights.astype(np.float64)
        self._weight_max = float(weights.max())
        self._index = index
        self._exhaustive = ExhaustiveSearch(bank)
        self._hints = np.ascontiguousarray(hints.T, np.int64)  # [h, P]
        # By camera: each position's entry in the last frame, and its vector, in a row: read twice as fast.
        self._last: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
        positions, dim = len(hints), bank.shape[1]
        self._lost = (dim + 16) * UNIT
        self._difference = np.empty((positions, dim), np.float32)
        self._squares = np.empty(positions, np.float32)
        self._all = np.arange(positions)

    def decide(self, patches: NDArray[np.float32], threshold: float, camera: int = 0) -> SearchResult:
        """Say whether the highest score of a frame's patches is above a threshold, and no more.

        Stops as soon as that is certain. The score is the highest one, exactly, where that is known by then;
        otherwise an upper bound of it where it isn't above `threshold`, and where it is, a lower bound: the
        exact score of the worst of the patches looked at. The bound depends on the camera's frame before,
        the decision never does.

        Args:
            patches: float32 `[P, d]`.
            threshold: the threshold T, in the units of the scores.
            camera: whose frame it is: the entries that served its last frame are compared first.

        Raises:
            FrameError: a patch is NaN or infinite.
        """
        frame = self._start(patches, threshold, camera)
        rows = frame.worst_first(frame.open(self._all))
        few = _WORST
        while len(rows) and not frame.highest > threshold:
            some, rows = rows[:few], rows[few:]
            few *= 8
            self._ask_hints(frame, some)
            self._ask_index(frame, some := frame.open(some))
            some = frame.worst_first(frame.open(some))
            self._ask_everyone(frame, some[:1])
            if not frame.highest > threshold:
                self._ask_everyone(frame, some[1:])
        self._remember(frame, camera)
        return self._tell(frame)

    def inspect(
        self, patches: NDArray[np.float32], threshold: float, camera: int = 0
    ) -> tuple[SearchResult, NDArray[np.float32]]:
        """Score every patch of a frame: s(p) = w(m*) ||p - m*||, m* the nearest entry to p.

        A score is exact wherever it could exceed `threshold`, and so is the highest of all; elsewhere m* is
        the nearest of those entries that were compared. See docs/explanation/method.md.

        Args:
            patches: float32 `[P, d]`.
            threshold: as for `decide`.
            camera: as for `decide`.

        Returns:
            what was found, and the scores float32 `[P]`.

        Raises:
            FrameError: a patch is NaN or infinite.
        """
        frame = self._start(patches, threshold, camera)
        for entries in self._hints[:_EVERYWHERE]:
            self._try(frame, self._all, entries[:, None])
        self._ask_hints(frame, frame.open(self._all))
        self._ask_index(frame, frame.open(self._all))
        self._ask_everyone(frame, frame.open(self._all))
        few = 1
        while len(rows := self._candidates(frame)):
            asked = frame.asked[rows]
            if frame.highest < 0 and asked[0] >= _HINTED:  # one exact score rules most others out
                self._ask_everyone(frame, rows[:1])
            elif asked.min() < _HINTED:
                self._ask_hints(frame, rows[asked < _HINTED])
            elif asked.min() < _INDEXED:
                self._ask_index(frame, rows[asked < _INDEXED])
            else:
                self._ask_everyone(frame, rows[:few])
                few *= 2
        self._remember(frame, camera)
        distances = np.sqrt(np.where(frame.exact, 0, frame.squares).astype(np.float64))
        scores = np.where(frame.exact, frame.scores, self._weights[frame.entries] * distances)
        return self._tell(frame), np.minimum(scores, _LARGEST).astype(np.float32)

    def score(
        self, patches: NDArray[np.float32], threshold: float
    ) -> tuple[SearchResult, NDArray[np.float32]]:
        """Score every one of patches float32 `[P, d]` exactly, by an exhaustive search; see `inspect`."""
        frame = self._start(patches, threshold, 0)
        self._ask_everyone(frame, self._all)
        return self._tell(frame), np.minimum(frame.scores, _LARGEST).astype(np.float32)

    def _start(self, patches: NDArray[np.float32], threshold: float, camera: int) -> _Frame:
        """Measure every patch against the last frame's entry, or else the first hint.

        Raises:
            FrameError: a patch is NaN or infinite.
        """
        if patches.shape != self._difference.shape or patches.dtype != np.float32:
            raise ValueError(
                f"patches must be float32 {list(self._difference.shape)}, "
                f"not {patches.dtype} {list(patches.shape)}"
            )
        positions = len(patches)
        if camera not in self._last:
            first = self._hints[0] if len(self._hints) else np.zeros(positions, np.int64)  # any entry bounds
            first = first.clip(0, len(self._bank) - 1)
            self._last[camera] = first, self._bank[first]
        entries, vectors = self._last[camera]
        frame = _Frame(
            patches=patches,
            threshold=threshold,
            reach=self._reach(threshold),
            entries=entries.copy(),
            squares=self._squares,
            asked=np.zeros(positions, np.int8),
            scores=np.zeros(positions),
        )
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(patches, vectors, out=self._difference)
            np.einsum("pd,pd->p", self._difference, self._difference, out=frame.squares)
        odd = np.flatnonzero(~np.isfinite(frame.squares))
        if not np.isfinite(patches[odd]).all():
            raise FrameError("the network gives NaN or infinity for this frame")
        return frame

    def _reach(self, threshold: float) -> float:
        """Compute what a float32 square may be where W ||p - m|| <= `threshold` is certain (see above)."""
        if threshold < 0:
            return -1.0
        square = np.inf
        if self._weight_max > 0:
            with np.errstate(over="ignore"):
                square = float(np.square(np.float64(threshold) / self._weight_max))
        square = (square - self._bank.shape[1] * _UNDERFLOW) * (1 - self._lost)
        if square < 2 * _SMALLEST:
            return -1.0
        return float(np.nextafter(np.float32(min(square, _LARGEST)), np.float32(0)))

    def _bounds(self, squares: NDArray[np.float32]) -> NDArray[np.float64]:
        """Bound the scores of patches at `squares` from above: W ||p - m|| and what rounding may hide."""
        if self._weight_max == 0:
            return np.zeros(len(squares))
        bounds = squares.astype(np.float64)
        bounds += self._bank.shape[1] * _UNDERFLOW
        bounds *= 1 + self._lost
        return np.asarray(self._weight_max * np.sqrt(bounds, out=bounds))

    def _candidates(self, frame: _Frame) -> NDArray[np.int64]:
        """Name a few patches that may have the highest score, those of the highest bounds."""
        bounds = self._bounds(frame.squares)
        rows = np.flatnonzero(~((bounds <= frame.highest) | frame.exact))
        return rows[np.argsort(-bounds[rows], kind="stable")[:_CANDIDATES]]

    def _ask_hints(self, frame: _Frame, rows: NDArray[np.int64]) -> None:
        """Compare patches `rows` `[r]` with all hints of their positions, as many at a time as fit."""
        if len(rows):
            frame.asked[rows] = _HINTED
            hints = self._hints[:, rows].T  # [r, h]
            at_once = max(1, len(self._difference) // len(rows))
            for start in range(0, hints.shape[1], at_once):
                self._try(frame, rows, hints[:, start : start + at_once])

    def _ask_index(self, frame: _Frame, rows: NDArray[np.int64]) -> None:
        """Let the index name an entry for each of patches `rows` `[r]`."""
        if len(rows):
            frame.asked[rows] = _INDEXED
            self._try(frame, rows, self._index.nearest(frame.patches[rows])[:, None])

    def _try(self, frame: _Frame, rows: NDArray[np.int64], entries: NDArray[np.int64]) -> None:
        """Take the nearest of `entries` `[r, h]` for patches `rows` `[r]` where it is nearer than so far."""
        shape = entries.shape
        difference = self._difference[: entries.size]
        np.take(self._bank, entries.ravel(), axis=0, out=difference, mode="clip")
        difference = difference.reshape(*shape, -1)
        patches = frame.patches if rows is self._all else frame.patches[rows]
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(patches[:, None], difference, out=difference)
            squares = np.einsum("rhd,rhd->rh", difference, difference)
        best = self._all[: len(rows)], squares.argmin(axis=1)
        squares, entries = squares[best], entries[best]
        nearer = squares < frame.squares[rows]
        rows = rows[nearer]
        frame.squares[rows], frame.entries[rows] = squares[nearer], entries[nearer]

    def _ask_everyone(self, frame: _Frame, rows: NDArray[np.int64]) -> None:
        """Compare patches `rows` `[r]` with the whole bank."""
        if len(rows):
            # numpy's threads spin for a while after their work, and would take the next frame's network's.
            threads = 1 if len(rows) <= _FEW else None
            with _threads().limit(limits=threads, user_api="blas"):
                entries, distances = self._exhaustive.nearest(frame.patches[rows])
            scores = self._weights[entries] * distances
            frame.asked[rows] = _EXACT
            frame.entries[rows], frame.scores[rows] = entries, scores
            with np.errstate(over="ignore"):
                frame.squares[rows] = np.square(distances)
            frame.highest = max(frame.highest, float(scores.max()))

    def _remember(self, frame: _Frame, camera: int) -> None:
        """Keep the entries that certified their patches; those of a defect don't help the next frame."""
        entries, vectors = self._last[camera]
        rows = np.flatnonzero((frame.entries != entries) & (frame.squares <= frame.reach))
        entries[rows] = frame.entries[rows]
        vectors[rows] = self._bank[entries[rows]]

    def _tell(self, frame: _Frame) -> SearchResult:
        above = frame.highest > frame.threshold
        # Bounds grow with the square, and what is NaN stays NaN: that of the greatest is the greatest.
        rest = frame.squares[~frame.exact]
        least = float(self._bounds(rest.max(keepdims=True))[0]) if len(rest) else -1.0
        if frame.highest >= least:
            score, bound = frame.highest, Bound.EXACT
        elif above:
            score, bound = frame.highest, Bound.LOWER
        else:
            score, bound = min(least, frame.threshold), Bound.UPPER
        certified = frame.squares <= frame.reach
        return SearchResult(
            above=above,
            score=score,
            bound=bound,
            by_hint=int((certified & (frame.asked <= _HINTED)).sum()),
            by_hnsw=int((certified & (frame.asked == _INDEXED)).sum()),
            exact=int(frame.exact.sum()),
        )
