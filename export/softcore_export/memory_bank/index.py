"""Index: builds the HNSW index over the memory bank and chooses its search effort."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.manifest import IndexRecord
from softcore_runtime.cli.progress import track
from softcore_runtime.errors import ExportError
from softcore_runtime.search.exhaustive import ExhaustiveSearch
from softcore_runtime.search.hnsw import HnswIndex

__all__ = ["LEAST_RECALL", "BuiltIndex", "build_index", "choose_queries"]

LEAST_RECALL = 0.99
_EF_CONSTRUCTION = 200
_M = (16, 32, 64)  # links per entry, tried in this order
_QUERIES = 2000  # patches that recall is measured with
_LEAST_EF = 16


@dataclass(frozen=True, eq=False)
class BuiltIndex:
    """An index, and its record for the manifest."""

    index: HnswIndex
    record: IndexRecord


def build_index(bank: NDArray[np.float32], queries: NDArray[np.float32], seed: int) -> BuiltIndex:
    """Build over `bank` `[n, d]`, on one thread, and raise `ef_search` until recall@1 is `LEAST_RECALL`.

    Args:
        bank: float32 `[n, d]`.
        queries: float32 `[q, d]`, patches that aren't in the bank.
        seed: of the index's levels.

    Raises:
        ExportError: no setting reaches the recall.
    """
    nearest = ExhaustiveSearch(bank).nearest(queries)[1]
    recall = 0.0
    for m in _M:
        index = HnswIndex.build(bank, m, _EF_CONSTRUCTION, seed, lambda blocks: track(blocks, "index"))
        ef = _LEAST_EF
        while True:
            index.ef_search = ef
            found = _distances(queries, bank[index.nearest(queries)])
            recall = float(np.mean(found <= nearest * (1 + 1e-6)))  # a tie counts
            if recall >= LEAST_RECALL:
                return BuiltIndex(
                    index, IndexRecord(m=m, ef_construction=_EF_CONSTRUCTION, ef_search=ef, recall=recall)
                )
            if ef >= len(bank):
                break
            ef = min(2 * ef, len(bank))
    raise ExportError(f"the HNSW index reaches a recall@1 of {recall:.3f}, {LEAST_RECALL} is needed")


def choose_queries(
    features: NDArray[np.float32], kept: NDArray[np.bool_], entries: NDArray[np.intp], seed: int
) -> NDArray[np.float32]:
    """Choose kept patches that aren't in the bank, float32 `[q, d]`; any kept ones if all are in it.

    Args:
        features: float32 `[N, P, d]`.
        kept: bool `[N, P]`.
        entries: int `[n]`, flat indices into `[N * P]` of the bank's entries.
        seed: of the choice.
    """
    free = kept.copy()
    free.flat[entries] = False
    candidates = np.flatnonzero(free if free.any() else kept)
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(candidates, min(_QUERIES, len(candidates)), replace=False))
    image, position = np.divmod(chosen, features.shape[1])
    return features[image, position]


def _distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(a.astype(np.float64) - b, axis=1))
