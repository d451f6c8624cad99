"""Projection: a memory bank in few dimensions, which rules out most entries without their vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNIT", "Projection"]

UNIT = 2.0**-24  # float32's unit roundoff
_AXES = 64  # largest number of axes
_SKETCHED = 32  # number of axes of a sketch, those of the most variance
_SHARE = 4  # of the bank's dimensions at most a fourth become axes
_SAMPLE = 2048  # number of entries from which the axes are found
_ITERATIONS = 3
_BLOCK = 2048  # number of entries projected at a time
_PRODUCTS = 1 << 20  # number of products at a time
_FEW = 3  # up to so many queries BLAS is faster one at a time, because it needn't reorder the bank
_WORTH = 16  # if more than a 16th of the bank is left, comparing all of it is faster


class Projection:
    """Tells which entries of a memory bank may be the nearest to a patch, and which seem to be.

    With k orthonormal axes V and a centre c, let

        q(x) = (V'(x - c), ||(x - c) - V V'(x - c)||)    in k + 1 dimensions

    By Pythagoras and the triangle inequality ||q(p) - q(m)|| <= ||p - m|| for any patch p and entry m, so an
    entry with ||q(p) - q(m)|| > U isn't the nearest if some entry is within U. The axes are those of most
    variance, roughly, found by subspace iteration: then few entries are left. Which axes they are, matters to
    that alone.

    A float32 product gives L(m) = ||q(m)||^2 / 2 - q(p).q(m). The axes, q and ||q(m)||^2 / 2 are float64
    before they are rounded to float32. So the computed L is off by at most (Higham, section 3.1, in any order
    of summation, with a margin that also covers the rounding of float64)

        e = (k + 16) u (||p|| + M)^2 + k 2^-120,    u = 2^-24, M = max ||m||

    and entries with L(m) > (U^2 - ||q(p)||^2) / 2 + e are ruled out.

    Args:
        bank: float32 `[n, d]`, finite; not kept.
        longest: M.
    """

    def __init__(self, bank: NDArray[np.float32], longest: float) -> None:
        count, dim = bank.shape
        sample = bank[:: max(1, count // _SAMPLE)].astype(np.float64)
        self._centre = sample.mean(axis=0)
        sample -= self._centre
        axes = np.random.default_rng(0).normal(size=(dim, min(_AXES, max(1, dim // _SHARE))))
        for _ in range(_ITERATIONS):
            axes = np.linalg.qr(sample.T @ (sample @ axes))[0]
        inside = sample @ axes
        axes = axes @ np.linalg.eigh(inside.T @ inside)[1][:, ::-1]  # the axis of the most variance first
        self._axes = axes  # [d, k]
        sketched = axes[:, :_SKETCHED]
        self._sketched_axes = np.column_stack((sketched, self._centre)).astype(np.float32)  # [d, s + 1]
        self._offset = np.append(self._centre @ sketched, 0).astype(np.float32)
        self._centre_square = np.float32(self._centre @ self._centre)
        self._points = np.empty((count, axes.shape[1] + 1), np.float32)
        self._halves = np.empty(count, np.float32)
        for start in range(0, count, _BLOCK):
            part = slice(start, start + _BLOCK)
            points = self._project(bank[part])
            self._points[part] = points
            self._halves[part] = np.einsum("nk,nk->n", points, points) / 2
        self._longest = longest

    def select(
        self, queries: NDArray[np.float32], within: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Pair each query with all entries that may be at most `within` away from it.

        Args:
            queries: float32 `[q, d]`.
            within: float64 `[q]`, >= 0.

        Returns:
            rows, ascending, and entries, int64 `[pairs]`; None if too many are left.
        """
        points = self._project(queries)
        squares = np.einsum("qk,qk->q", points, points)
        lengths = np.sqrt(np.einsum("qd,qd->q", queries, queries, dtype=np.float64))
        axes = self._axes.shape[1]
        slack = (axes + 16) * UNIT * (lengths + self._longest) ** 2 + axes * 2.0**-120
        with np.errstate(over="ignore"):
            bounds = ((np.square(within) - squares) / 2 + slack).astype(np.float32)
        bounds = np.nextafter(bounds, np.float32(np.inf))
        rounded = points.astype(np.float32)
        most = len(self._halves) // _WORTH + 64
        pairs = []
        step = max(1, _PRODUCTS // len(self._halves))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            lows = self._compute_lows(rounded[part])
            found = np.flatnonzero(~(lows > bounds[part, None]))  # what can't be told is paired, too
            if len(found) > most * len(lows):
                return None
            row, entry = np.divmod(found, len(self._halves))
            pairs.append((row + start, entry))
        rows, entries = zip(*pairs, strict=True)
        return np.concatenate(rows), np.concatenate(entries)

    def sketch(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute q of vectors float32 `[v, d]` with the first s axes: float32 `[v, s + 1]`.

        It is quick, and there is no bound on its rounding: distances of sketches are estimates.
        """
        points = vectors @ self._sketched_axes
        outside = np.einsum("vd,vd->v", vectors, vectors)
        outside += self._centre_square - 2 * points[:, -1]
        points -= self._offset
        points[:, -1] = 0
        outside -= np.einsum("vs,vs->v", points, points)
        points[:, -1] = np.sqrt(np.maximum(outside, 0))
        return points

    def sketch_entries(self, entries: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the sketches of entries of the bank, int64 `[...]`: float32 `[..., s + 1]`."""
        points = self._points[entries]
        sketched = len(self._offset) - 1
        inside, outside = points[..., :sketched], points[..., sketched:]
        return np.concatenate((inside, np.linalg.norm(outside, axis=-1, keepdims=True)), axis=-1)

    def _project(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute q of vectors `[v, d]`: float64 `[v, k + 1]`."""
        centred = vectors - self._centre
        inside = centred @ self._axes
        centred -= inside @ self._axes.T
        outside = np.sqrt(np.einsum("vd,vd->v", centred, centred))
        return np.column_stack((inside, outside))

    def _compute_lows(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute L of all pairs of a query's q `[q, k + 1]` and an entry: `[q, n]`."""
        lows = np.empty((len(points), len(self._halves)), np.float32)
        with np.errstate(invalid="ignore"):  # BLAS may set the flag by numbers that it reads and drops
            if len(points) <= _FEW:
                for point, products in zip(points, lows, strict=True):
                    np.matmul(self._points, point, out=products)
            else:
                np.matmul(points, self._points.T, out=lows)
        return np.subtract(self._halves, lows, out=lows)
