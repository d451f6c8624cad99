"""Exhaustive search: the nearest of all entries of the memory bank, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.search.projection import UNIT, Projection

__all__ = ["ExhaustiveSearch"]

_QUERIES = 256  # number of queries compared with the bank at a time
_PRODUCTS = 1 << 19  # number of products in a full block, which fits the cache
_FEW = 8  # up to so many queries BLAS is faster one at a time, because it needn't reorder the bank
_GROUP = 8  # number of entries of which only the least is kept
_PAIRS = 2048  # number of candidates measured at a time
_SAFE = 1e30  # squared lengths below this can't overflow float32


class ExhaustiveSearch:
    """Compares patches with all of a memory bank.

    The nearest entry m to a patch p is that of the least distance D = max(||p - m||, F(m)); without floors F
    it is the Euclidean one. A float32 matrix product selects candidates, float64 decides. The product gives
    c(m) = ||m||^2 / 2 - p.m, which is least where ||p - m|| is. Computed in any order of summation it is off
    by at most (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1, with a margin)

        e = (d + 8) u (||p|| M + M^2) + d 2^-120,    u = 2^-24, M = max ||m||

    With floors it is c(m) = max(||m||^2 / 2 - p.m, F(m)^2 / 2 - ||p||^2 / 2) = (D^2 - ||p||^2) / 2. The
    second part is off by at most u (F(m)^2 + ||p||^2), half of it by rounding the two halves to float32 and
    half of it by their difference, and by underflow. The greater of two numbers is off by no more than that
    one of them that is off more. The entry of the least floor is no further than R = max(||p|| + M, min F),
    so no entry with F(m) > R is the nearest; and rounding is monotone, so none of those is computed to be
    nearer than it would be with F(m) = R. Hence, with a margin, for the nearest entry and for that of the
    least computed c

        e = (d + 8) u (||p|| M + M^2) + d 2^-120 + 2 u (||p||^2 + R^2) + 2^-120

    An entry whose computed c lies more than 2 e above the least computed one isn't the nearest. As that
    holds for any order, c may be computed twice: first of all entries, keeping only the least of each group;
    then of the entries of each group whose least is low. Where some entry is known to be near, a `Projection`
    instead rules out those that are further, and c is computed of the others alone; no entry whose floor is
    above that distance is the nearest, either. The few that are left are measured in float64:
    sqrt(sum((p - m)^2)), each difference and square separately, so nothing cancels. Entries at the same
    float64 distance are a tie; the first in the bank is the nearest, as in `numpy.argmin`.

    Args:
        bank: float32 `[n, d]`; neither copied nor changed.
        floors: float32 `[n]`, >= 0; None or zeros without floors.

    Attributes:
        projection: the bank in few dimensions.
    """

    def __init__(self, bank: NDArray[np.float32], floors: NDArray[np.float32] | None = None) -> None:
        self._bank = np.asarray(bank)  # a view: slices of np.memmap are slow
        squares = np.concatenate(
            [
                np.einsum("nd,nd->n", block, block)
                for block in (
                    self._bank[start : start + _PAIRS].astype(np.float64)
                    for start in range(0, len(self._bank), _PAIRS)
                )
            ]
        )
        self._longest = float(np.sqrt(squares.max()))
        with np.errstate(over="ignore"):
            self._halves = (squares / 2).astype(np.float32)  # [n]
        self._floors: NDArray[np.float64] | None = None
        self._lowest = 0.0
        if floors is not None and floors.any():
            self._floors = floors.astype(np.float64)
            self._lowest = float(self._floors.min())
            with np.errstate(over="ignore"):
                self._floor_halves = (np.square(self._floors) / 2).astype(np.float32)  # [n]
        self._columns = max(1, _PRODUCTS // (_QUERIES * _GROUP))  # number of groups in a block
        with np.errstate(over="ignore"):
            self.projection = Projection(self._bank, self._longest)

    def nearest(
        self, queries: NDArray[np.float32], guesses: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Find the nearest entry to each query float32 `[q, d]`; all must be finite.

        Args:
            queries: float32 `[q, d]`.
            guesses: int64 `[q]`, entries that are probably near, which makes it faster.

        Returns:
            entries int64 `[q]` and their distances D, float64 `[q]`.
        """
        entries = np.empty(len(queries), np.int64)
        distances = np.empty(len(queries), np.float64)
        for start in range(0, len(queries), _QUERIES):
            part = slice(start, start + _QUERIES)
            block = np.ascontiguousarray(queries[part])
            row, entry = self._find_candidates(block, None if guesses is None else guesses[part])
            distance = self._measure(block, row, entry)
            # By row, then by distance, then by entry: the first of each row is its nearest.
            order = np.lexsort((entry, distance, row))
            first = order[np.unique(row[order], return_index=True)[1]]
            entries[part], distances[part] = entry[first], distance[first]
        return entries, distances

    def measure(self, queries: NDArray[np.float32], entries: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the distance D of each query float32 `[q, d]` to one of `entries` `[q]`: float64 `[q]`.

        It is no less than the one that `nearest` finds, to the last bit.
        """
        return self._measure(queries, np.arange(len(queries)), entries.clip(0, len(self._bank) - 1))

    def _find_candidates(
        self, block: NDArray[np.float32], guesses: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pair each query `[q, d]` with all entries that may be its nearest: rows and entries `[pairs]`."""
        lengths = np.sqrt(np.einsum("qd,qd->q", block, block, dtype=np.float64))
        if not max(self._longest, float(lengths.max()), self._lowest) ** 2 < _SAFE:
            row, entry = np.divmod(np.arange(len(block) * len(self._bank)), len(self._bank))
            return row, entry
        dim = block.shape[1]
        slack = 2 * (dim + 8) * UNIT * (lengths * self._longest + self._longest**2)
        slack += dim * 2.0**-119  # 2 e
        own = np.empty(0, np.float32)
        if self._floors is not None:
            slack += 4 * UNIT * (lengths**2 + np.maximum(lengths + self._longest, self._lowest) ** 2)
            slack += 2.0**-119
            own = (lengths**2 / 2).astype(np.float32)  # [q], ||p||^2 / 2
        pairs = None if guesses is None else self._rule_out(block, guesses)
        row, entry = pairs or self._pair_by_groups(block, own, slack)

        # Compute c of these pairs.
        halves = np.empty(len(row), np.float32)
        for start in range(0, len(row), _PAIRS):
            some = slice(start, start + _PAIRS)
            products = np.einsum("pd,pd->p", block[row[some]], self._bank[entry[some]])
            halves[some] = self._halves[entry[some]] - products
            if self._floors is not None:
                np.maximum(halves[some], self._floor_halves[entry[some]] - own[row[some]], out=halves[some])
        lows = np.minimum.reduceat(halves, np.searchsorted(row, np.arange(len(block))))
        near = halves <= _add(lows, slack)[row]
        return row[near], entry[near]

    def _rule_out(
        self, block: NDArray[np.float32], guesses: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Pair each query with all entries that may be as near as its guess; None if they are too many."""
        within = self.measure(block, guesses)
        pairs = self.projection.select(block, within)
        if pairs is not None and self._floors is not None:
            row, entry = pairs
            low = self._floors[entry] <= within[row]
            pairs = row[low], entry[low]
        return pairs

    def _pair_by_groups(
        self, block: NDArray[np.float32], own: NDArray[np.float32], slack: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pair each query with the entries of the groups that may hold its nearest, by c of all entries."""
        lows = self._find_group_minima(block, own)
        row, group = np.divmod(np.flatnonzero(lows <= _add(lows.min(axis=1), slack)[:, None]), lows.shape[1])
        part, column = np.divmod(group, self._columns)
        entry = ((part * _GROUP)[:, None] + np.arange(_GROUP)) * self._columns + column[:, None]
        row, entry = np.repeat(row, _GROUP), entry.ravel()
        inside = entry < len(self._bank)
        return row[inside], entry[inside]

    def _find_group_minima(self, block: NDArray[np.float32], own: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute c for all pairs of a query `[q, d]` and an entry; of each group the least: `[q, groups]`.

        Every `_columns`th entry of a block is in the same group; the last block may have fewer. `own` is
        ||p||^2 / 2 of each query, `[q]`, where there are floors.
        """
        size = _GROUP * self._columns
        parts = range(0, len(self._bank), size)
        lows = np.empty((len(block), len(parts), self._columns), np.float32)
        apart = np.empty((len(block), size), np.float32)
        raised = None if self._floors is None else np.empty_like(apart)
        for number, start in enumerate(parts):
            entries = self._bank[start : start + size]
            here = apart[:, : len(entries)]
            with np.errstate(invalid="ignore"):  # BLAS may set the flag by numbers that it reads and drops
                if len(block) <= _FEW:
                    for query, products in zip(block, here, strict=True):
                        np.matmul(entries, query, out=products)
                else:
                    np.matmul(block, entries.T, out=here)
            np.subtract(self._halves[start : start + size], here, out=here)
            if raised is not None:
                floors = raised[:, : len(entries)]
                np.subtract(self._floor_halves[start : start + size], own[:, None], out=floors)
                np.maximum(here, floors, out=here)
            apart[:, len(entries) :] = np.inf
            apart.reshape(len(block), _GROUP, self._columns).min(axis=1, out=lows[:, number])
        return lows.reshape(len(block), -1)

    def _measure(
        self, block: NDArray[np.float32], row: NDArray[np.int64], entry: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Measure the distance D of each pair, float64 `[pairs]`."""
        distances = np.empty(len(row), np.float64)
        for start in range(0, len(row), _PAIRS):
            part = slice(start, start + _PAIRS)
            apart = block[row[part]].astype(np.float64) - self._bank[entry[part]]
            distances[part] = np.sqrt(np.einsum("qd,qd->q", apart, apart))
        if self._floors is not None:
            np.maximum(distances, self._floors[entry], out=distances)
        return distances


def _add(lows: NDArray[np.float32], slack: NDArray[np.float64]) -> NDArray[np.float32]:
    """Add `slack` to float32 numbers, rounded up."""
    return np.asarray(np.nextafter((lows + slack).astype(np.float32), np.float32(np.inf)))
