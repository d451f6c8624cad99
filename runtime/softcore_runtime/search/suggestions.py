"""Suggestions: the entries of hints, of the last frame and of the index, with which patches are compared.

Nothing here needs to be right: any entry gives an upper bound (see `softcore_runtime.search.search`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from softcore_runtime.backends.engine import Index
from softcore_runtime.search.frame_state import ALL_HINTS, HINTS, INDEX, SHARED, FrameState
from softcore_runtime.search.projection import Projection

__all__ = ["Suggestions", "limit_blas"]

_ASKED = 4  # of many patches every fourth at most is asked for first
_SAMPLE = 64  # largest number of patches asked for first, or
_SHARE = 12  # a twelfth of all
_LAST = 3  # of a map so many times this number at most are asked for in the end
_MANY = 16  # number of patches above which that pays
_ROUNDS = 2
_AT_ONCE = 16  # number of patches that are compared with all hints at a time
_HELPED = 4  # the index helps if its answer is nearer than all hints for a fourth of some patches


@functools.cache
def _thread_pools() -> ThreadpoolController:
    """Return the process's thread pools; finding them takes milliseconds."""
    return ThreadpoolController()


@contextmanager
def limit_blas(threads: int | None) -> Iterator[None]:
    """Let matrix products take at most `threads` threads for a while; None changes nothing."""
    with _thread_pools().limit(limits=threads, user_api="blas"):
        yield


class Suggestions:
    """Compares a frame's patches with entries that may be near, and keeps the nearest in its `FrameState`.

    Args:
        bank: float32 `[n, d]`; not copied.
        floors: float32 `[n]`; None or zeros without floors.
        index: an approximate search of `bank`.
        hints: int32 `[P, h]`, h >= 1, entries worth comparing first at each position of a frame.
        projection: of `bank`.
    """

    def __init__(
        self,
        bank: NDArray[np.float32],
        floors: NDArray[np.float32] | None,
        index: Index,
        hints: NDArray[np.int32],
        projection: Projection,
    ) -> None:
        self._bank = np.asarray(bank)  # a view: slices of np.memmap are slow
        self._index = index
        self._projection = projection
        self._floor_squares: NDArray[np.float32] | None = None
        if floors is not None and floors.any():
            with np.errstate(over="ignore"):
                self._floor_squares = np.square(floors)
        self._hints = hints.astype(np.int64).clip(0, len(bank) - 1)  # [P, h]
        self._hint_points = projection.sketch_entries(self._hints)
        with np.errstate(over="ignore"):
            self._hint_squares = np.einsum("phs,phs->ph", self._hint_points, self._hint_points)
        # By camera: each position's entry in the last frame, and a contiguous copy of its vector, which is
        # read twice as fast.
        self._last_frames: dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]] = {}
        self._difference = np.empty((len(hints), bank.shape[1]), np.float32)
        self._all = np.arange(len(hints))
        self._sample = max(_SAMPLE, len(hints) // _SHARE)

    def compare_last_frame(self, frame: FrameState, camera: int) -> None:
        """Compare each patch with its position's entry in the camera's last frame, or else its first hint."""
        if camera not in self._last_frames:
            first = self._hints[:, 0].copy()
            self._last_frames[camera] = first, self._bank[first]
        entries, vectors = self._last_frames[camera]
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(frame.patches, vectors, out=self._difference)
            np.einsum("pd,pd->p", self._difference, self._difference, out=frame.squares)
        self._raise_to_floors(frame.squares, entries)
        frame.entries[:] = entries

    def keep_entries(self, frame: FrameState, camera: int) -> None:
        """Keep the entries that certified their patches; those of a defect don't help the next frame."""
        entries, vectors = self._last_frames[camera]
        rows = np.flatnonzero((frame.entries != entries) & frame.certified)
        entries[rows] = frame.entries[rows]
        vectors[rows] = self._bank[entries[rows]]

    def compare_hints(self, frame: FrameState, rows: NDArray[np.int64]) -> None:
        """Compare each of patches `rows` `[r]` with that hint of its position which seems nearest to it."""
        if len(rows):
            frame.stage[rows] = HINTS
            points, squares = self._hint_points, self._hint_squares
            if len(rows) < len(self._all):
                points, squares = points[rows], squares[rows]
            # More threads than one would wait for each other longer than they compute.
            with np.errstate(over="ignore", invalid="ignore"), limit_blas(1):
                sketches = self._sketch(frame, rows)
                products = np.matmul(points, sketches[:, :, None])[:, :, 0]
            self._compare_likeliest(frame, rows, self._hints[rows], squares, sketches, products)

    def _sketch(self, frame: FrameState, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the sketches of patches `rows` `[r]`: float32 `[r, s + 1]`."""
        if len(rows) == len(self._all):
            frame.sketches = self._projection.sketch(frame.patches)
        if frame.sketches is not None:
            return frame.sketches[rows]
        return self._projection.sketch(frame.patches[rows])

    def try_both(self, frame: FrameState, rows: NDArray[np.int64]) -> bool:
        """Compare patches `rows` `[r]` with all hints and the index's answers; tell if those are nearer.

        Where good parts lie alike, hints are mostly the nearest entries, and sooner found.
        """
        self.compare_all_hints(frame, rows, -1.0)
        before = frame.squares[rows]
        self.ask_index(frame, rows)
        return _HELPED * int((frame.squares[rows] < before).sum()) >= len(rows)

    def compare_all_hints(self, frame: FrameState, rows: NDArray[np.int64], reach: float) -> None:
        """Compare those of patches `rows` `[r]` whose square is above `reach` with all hints, in full."""
        rows = rows[~(frame.squares[rows] <= reach)]
        frame.stage[rows] = ALL_HINTS
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            hints = self._hints[some]  # [r, h]
            with np.errstate(over="ignore", invalid="ignore"):
                difference = self._bank[hints] - frame.patches[some][:, None]
                squares = np.einsum("rhd,rhd->rh", difference, difference)
            self._raise_to_floors(squares, hints)
            self._compare(frame, some, hints[self._all[: len(some)], squares.argmin(axis=1)])

    def query_index(
        self, frame: FrameState, rows: NDArray[np.int64], reach: float, *, sampled: bool = False
    ) -> None:
        """Compare patches `rows` `[r]` with the entries that the index finds, for them or for others of them.

        Neighbours are often near the same entry. So some are asked for first, and their answers are compared
        with the others: those whose square is at most `reach` then aren't asked for. If `sampled`, of those
        that are left after such rounds only some are: those of the least squares, which may yet be that low.
        """
        for _ in range(_ROUNDS):
            if len(rows) <= _MANY:
                break
            rows = np.sort(rows)
            step = max(_ASKED, -(-len(rows) // self._sample))
            some, rows = rows[::step], np.delete(rows, slice(None, None, step))
            self.ask_index(frame, some)
            self._share(frame, rows, np.unique(frame.entries[some]))
            rows = rows[~(frame.squares[rows] <= reach)]
        if sampled:
            rows = rows[np.argsort(frame.squares[rows], kind="stable")[: _LAST * self._sample]]
        self.ask_index(frame, rows)

    def ask_index(self, frame: FrameState, rows: NDArray[np.int64]) -> None:
        """Compare each of patches `rows` `[r]` with the entry that the index finds for it."""
        if len(rows):
            frame.stage[rows] = INDEX
            self._compare(frame, rows, self._index.nearest(frame.patches[rows]))

    def _share(self, frame: FrameState, rows: NDArray[np.int64], entries: NDArray[np.int64]) -> None:
        """Compare each of patches `rows` `[r]` with that of `entries` `[e]` which seems nearest to it."""
        frame.stage[rows] = SHARED
        points = self._projection.sketch_entries(entries.clip(0, len(self._bank) - 1))
        with np.errstate(over="ignore", invalid="ignore"), limit_blas(1):
            sketches = self._sketch(frame, rows)
            squares = np.einsum("es,es->e", points, points)
            products = sketches @ points.T
        every = np.broadcast_to(entries, products.shape)
        self._compare_likeliest(frame, rows, every, squares, sketches, products)

    def _compare_likeliest(
        self,
        frame: FrameState,
        rows: NDArray[np.int64],
        entries: NDArray[np.int64],
        squares: NDArray[np.float32],
        sketches: NDArray[np.float32],
        products: NDArray[np.float32],
    ) -> None:
        """Compare each of patches `rows` `[r]` with that of `entries` which seems nearest by its sketch.

        Args:
            frame: the frame.
            rows: int64 `[r]`.
            entries: int64 `[r, e]`.
            squares: float32 `[r, e]` or `[e]`, the squared lengths of the entries' sketches.
            sketches: float32 `[r, s + 1]`, the patches' sketches.
            products: float32 `[r, e]`, of the patches' and the entries' sketches; changed.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            products *= -2
            products += squares
            products += np.einsum("rs,rs->r", sketches, sketches)[:, None]
        self._raise_to_floors(products, entries)
        best = self._all[: len(rows)], products.argmin(axis=1)
        lows, chosen = products[best], entries[best]
        new = (lows < frame.squares[rows]) & (chosen != frame.entries[rows])
        self._compare(frame, rows[new], chosen[new])

    def _compare(self, frame: FrameState, rows: NDArray[np.int64], entries: NDArray[np.int64]) -> None:
        """Compare patches `rows` `[r]` with one of `entries` `[r]` each, and take those that are nearer."""
        difference = self._difference[: len(rows)]
        np.take(self._bank, entries, axis=0, out=difference, mode="clip")
        with np.errstate(over="ignore", invalid="ignore"):
            np.subtract(frame.patches[rows], difference, out=difference)
            squares = np.einsum("rd,rd->r", difference, difference)
        self._raise_to_floors(squares, entries)
        nearer = squares < frame.squares[rows]
        rows = rows[nearer]
        frame.squares[rows], frame.entries[rows] = squares[nearer], entries[nearer]

    def _raise_to_floors(self, squares: NDArray[np.float32], entries: NDArray[np.int64]) -> None:
        """Raise squared distances to the squared floors of their entries, in place."""
        if self._floor_squares is not None:
            np.maximum(squares, np.take(self._floor_squares, entries, mode="clip"), out=squares)
