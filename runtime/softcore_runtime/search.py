"""Search: the weighted distance of every patch to the memory bank, decided as exactly as exhaustively.

The proof, for a patch p, its true nearest entry m*, any entry m, the weights w and W = max w::

    s(p) = w(m*) ||p - m*||  <=  W ||p - m*||  <=  W ||p - m||

so a patch whose bound W ||p - m|| is at most some value, for whatever entry m the HNSW index returned, can't
be above it. Two values matter: the limit, and the highest score that is known exactly. Only patches whose
bound exceeds one of them are compared with the whole bank. The index decides how fast, not what.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.hnsw import HnswIndex

__all__ = ["PatchScores", "Search", "exact_nearest"]

_STEP = 16  # patches compared with the whole bank at a time, in search of the highest score
_BLOCK = 1 << 24  # entries of one block of the distance matrix: 64 MB


@dataclass(frozen=True, eq=False)
class PatchScores:
    """Scores float32 `[q]` and how many patches needed the exhaustive search."""

    scores: NDArray[np.float32]
    searched_exactly: int


class Search:
    """The memory bank, ready to be searched.

    Args:
        bank: float32 `[n, d]`.
        weights: float32 `[n]`, >= 0.
        index: an HNSW index over `bank`.
    """

    def __init__(self, bank: NDArray[np.float32], weights: NDArray[np.float32], index: HnswIndex) -> None:
        self._bank = np.asarray(bank)  # a view: drops np.memmap, whose every slice is slow
        self._weights = weights
        self._index = index
        self._weight_max = float(weights.max())

    def score(self, patches: NDArray[np.float32], limit: float) -> PatchScores:
        """Score patches float32 `[q, d]` as s(p) = w(m*) ||p - m*|| (DESIGN section 4).

        A score is exact wherever it could exceed `limit`, and so is the highest of all; elsewhere m* is the
        index's answer.
        """
        entries = self._index.nearest(patches)
        distances = _distances(patches, self._bank[entries])
        bounds = self._weight_max * distances
        exact = np.zeros(len(patches), np.bool_)
        rows = np.flatnonzero(bounds > limit)
        if not len(rows):
            rows = _highest(bounds, np.arange(len(patches)))
        while len(rows):
            entries[rows] = exact_nearest(patches[rows], self._bank)
            distances[rows] = _distances(patches[rows], self._bank[entries[rows]])
            exact[rows] = True
            highest = float((self._weights[entries[exact]] * distances[exact]).max())
            rows = _highest(bounds, np.flatnonzero(~exact & (bounds > highest)))
        return PatchScores(self._weights[entries] * distances, int(exact.sum()))


def _highest(bounds: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose those `_STEP` of `rows` whose `bounds` are the highest."""
    return rows[np.argsort(-bounds[rows], kind="stable")[:_STEP]]


def exact_nearest(queries: NDArray[np.float32], bank: NDArray[np.float32]) -> NDArray[np.int64]:
    """Find the nearest entry of `bank` `[n, d]` to each query `[q, d]`, exhaustively: int64 `[q]`.

    By ||p - m||^2 = ||p||^2 - 2 p.m + ||m||^2, one matrix product a block of queries.
    """
    halves = 0.5 * np.einsum("nd,nd->n", bank, bank)
    nearest = np.empty(len(queries), np.int64)
    step = max(1, _BLOCK // len(bank))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        nearest[start : start + step] = np.argmin(halves - block @ bank.T, axis=1)
    return nearest


def _distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Euclidean distances between the rows of `a` and of `b`, `[q]`, without cancellation."""
    difference = a - b
    return np.asarray(np.sqrt(np.einsum("qd,qd->q", difference, difference)), np.float32)
