"""Index: builds the HNSW index over the bank and sets how hard it searches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from softcore_runtime.bundle.manifest import IndexRecord
from softcore_runtime.cli.progress import track
from softcore_runtime.errors import ExportError
from softcore_runtime.search.exhaustive import ExhaustiveSearch
from softcore_runtime.search.hnsw import HnswIndex

__all__ = ["LEAST_RECALL", "build_index"]

LEAST_RECALL = 0.99
_EF_CONSTRUCTION = 200
_M = (16, 32, 64)  # links an entry; more where the bank is hard
_LEAST_EF = 16


@dataclass(frozen=True, eq=False)
class BuiltIndex:
    """An index and what the manifest says of it."""

    index: HnswIndex
    record: IndexRecord


def build_index(bank: NDArray[np.float32], queries: NDArray[np.float32], seed: int) -> BuiltIndex:
    """Build over `bank` `[n, d]`, on one thread, and raise `ef_search` until recall@1 is `LEAST_RECALL`.

    Args:
        bank: float32 `[n, d]`.
        queries: float32 `[q, d]`, patches that were held back from the bank.
        seed: of the index's levels.

    Raises:
        ExportError: the recall isn't reached by any setting.
    """
    nearest = ExhaustiveSearch(bank).nearest(queries)[1]
    recall = 0.0
    for m in _M:
        index = HnswIndex.build(bank, m, _EF_CONSTRUCTION, seed, lambda blocks: track(blocks, "index"))
        ef = _LEAST_EF
        while True:
            index.ef_search = ef
            found = _distances(queries, bank[index.nearest(queries)])
            recall = float(np.mean(found <= nearest * (1 + 1e-6)))  # a tie is as good
            if recall >= LEAST_RECALL:
                return BuiltIndex(
                    index, IndexRecord(m=m, ef_construction=_EF_CONSTRUCTION, ef_search=ef, recall=recall)
                )
            if ef >= len(bank):
                break
            ef = min(2 * ef, len(bank))
    raise ExportError(f"the HNSW index reaches a recall@1 of {recall:.3f}, {LEAST_RECALL} is needed")


def _distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(a.astype(np.float64) - b, axis=1))
