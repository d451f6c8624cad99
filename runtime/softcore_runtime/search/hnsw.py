"""HNSW index: the only module that uses hnswlib; it writes, reads and searches `index.hnsw`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.cpus import usable_cpus
from softcore_runtime.errors import BundleCorruptError
from softcore_runtime.missing_library import explain_import
from softcore_runtime.regular_file import open_regular
from softcore_runtime.search.hnsw_file import find_fault

try:
    import hnswlib
except ImportError as error:  # pragma: no cover - a hard requirement of the distribution
    raise explain_import(error, "cpu") from error

__all__ = ["HnswIndex"]

_BLOCK = 256  # number of entries added at a time
_COMPARED = 16  # number of entries nearest by Euclidean distance whose floors are compared
_QUERIES = 64  # number of queries for which another thread is worth its start


class HnswIndex:
    """An approximate nearest-neighbour index over the memory bank (Malkov and Yashunin, 2018)."""

    def __init__(self, index: hnswlib.Index) -> None:
        self._index = index
        self._floor_squares: NDArray[np.float32] | None = None
        self._threads = usable_cpus()

    @classmethod
    def build(
        cls,
        bank: NDArray[np.float32],
        m: int,
        ef_construction: int,
        seed: int,
        progress: Callable[[range], Iterable[int]] = iter,
    ) -> HnswIndex:
        """Build over `bank`, float32 `[n, d]`, on one thread, which makes the graph repeatable.

        `progress` wraps the iteration over the starts of blocks of entries, for example to show a bar.
        """
        index = hnswlib.Index(space="l2", dim=bank.shape[1])
        index.init_index(max_elements=len(bank), M=m, ef_construction=ef_construction, random_seed=seed)
        for start in progress(range(0, len(bank), _BLOCK)):
            stop = min(start + _BLOCK, len(bank))
            index.add_items(bank[start:stop], np.arange(start, stop), num_threads=1)
        return cls(index)

    @classmethod
    def load(cls, path: Path, n: int, dim: int, m: int, ef_search: int) -> HnswIndex:
        """Read an index of `n` entries of `dim` numbers with M = `m`.

        Raises:
            BundleCorruptError: it is missing, or no such index; see `softcore_runtime.search.hnsw_file`.
        """
        try:
            with open_regular(path) as stream:
                data = stream.read()
        except OSError as error:
            raise BundleCorruptError(f"{path}: missing from the bundle ({error.strerror})") from error
        fault = find_fault(data, n, dim, m)
        if fault:
            raise BundleCorruptError(f"{path}: {fault}")
        index = hnswlib.Index(space="l2", dim=dim)
        try:
            _load(index, data, n)
        except RuntimeError as error:
            raise BundleCorruptError(f"{path}: hnswlib refuses it ({error})") from error
        loaded = cls(index)
        loaded.ef_search = ef_search
        return loaded

    @property
    def ef_search(self) -> int:
        """Number of candidates that a search keeps: more find the nearest more often and take longer."""
        return int(self._index.ef)

    @ef_search.setter
    def ef_search(self, ef: int) -> None:
        self._index.set_ef(ef)

    def set_threads(self, threads: int) -> None:
        """Set the highest number of threads of a search; by default every CPU that the process may use."""
        self._threads = threads

    def set_floors(self, floors: NDArray[np.float32]) -> None:
        """Set the floors of the entries, float32 `[n]`; see `nearest`."""
        with np.errstate(over="ignore"):
            self._floor_squares = np.square(floors) if floors.any() else None

    def save(self, path: Path) -> None:
        """Write the index."""
        self._index.save_index(str(path))

    def nearest(self, queries: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return, for queries float32 `[q, d]`, an entry that is probably the nearest: int64 `[q]`.

        With floors F it is the one of the least max(||p - m||, F(m)) among a few that are probably the
        nearest by ||p - m||.
        """
        threads = min(self._threads, 1 + len(queries) // _QUERIES)
        if self._floor_squares is not None:
            count = min(_COMPARED, len(self._floor_squares))
            # From some graphs so few entries can be reached that hnswlib refuses.
            with contextlib.suppress(RuntimeError):
                entries, squares = self._index.knn_query(queries, k=count, num_threads=threads)
                best = np.maximum(squares, self._floor_squares[entries]).argmin(axis=1)
                return np.asarray(entries[np.arange(len(entries)), best], np.int64)
        entries, _ = self._index.knn_query(queries, k=1, num_threads=threads)
        return np.asarray(entries[:, 0], np.int64)


def _load(index: hnswlib.Index, data: bytes, n: int) -> None:
    """Load the checked content, and not the file, which may have changed since."""
    handle = os.memfd_create("index.hnsw")
    try:
        with os.fdopen(handle, "wb", closefd=False) as stream:
            stream.write(data)
        index.load_index(f"/proc/self/fd/{handle}", max_elements=n)
    finally:
        os.close(handle)
