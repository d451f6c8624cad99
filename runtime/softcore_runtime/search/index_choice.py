"""Index choice: which search of the bank serves on this machine, the host's HNSW or one beside the network.

Either only names entries that are measured again (`softcore_runtime.search.search`): decisions are the same.
Which one is faster depends on the GPU, its host and the bank, so it is measured once, and what was measured
is kept in the bundle: from run to run the same index serves.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.cpus import usable_cpus
from softcore_runtime.backends.devices import SearchTimes, keep_search_times, read_search_times
from softcore_runtime.backends.engine import Backbone, Index
from softcore_runtime.bundle.bundle import BANK, INDEX, Bundle
from softcore_runtime.search.hnsw import HnswIndex
from softcore_runtime.search.search import Search

__all__ = ["choose_index", "measure_indexes"]

_ROUNDS = 5  # of each frame with each index; the first doesn't count


def choose_index(bundle: Bundle, backbone: Backbone, threads: int | None) -> Index:
    """Open the index that was the faster on this machine; HNSW where nothing was measured.

    Raises:
        BundleCorruptError: the HNSW index isn't one over the bundle's bank.
    """
    if backbone.device:
        digest = bundle.manifest.files[BANK].sha256
        times = read_search_times(bundle.path, backbone.device, backbone.version, digest)
        beside = backbone.open_index(bundle.bank) if times and times.graph < times.hnsw else None
        if beside:
            return beside
    return _load_hnsw(bundle, threads)


def measure_indexes(
    bundle: Bundle,
    backbone: Backbone,
    frames: list[NDArray[np.float32]],
    threshold: float,
    threads: int | None,
) -> SearchTimes | None:
    """Time the search of frames' patches, float32 `[P, d]` each, by both indexes, and keep the medians.

    Returns:
        what was measured; None where there is only the host's index.

    Raises:
        UsageError: the bundle can't be written.
    """
    beside = backbone.open_index(bundle.bank)
    if beside is None or backbone.device is None:
        return None
    spent: list[list[float]] = [[], []]
    for _ in range(_ROUNDS):
        for index, times in zip((_load_hnsw(bundle, threads), beside), spent, strict=True):
            for patches in frames:
                search = Search(bundle.bank, bundle.weights, index, bundle.hints)  # no last frame helps it
                start = time.perf_counter()
                search.inspect(patches, threshold)
                times.append(1000 * (time.perf_counter() - start))
    hnsw, graph = (round(float(np.median(times[len(frames) :])), 3) for times in spent)
    measured = SearchTimes(
        device=str(backbone.device),
        onnxruntime=backbone.version,
        bank=bundle.manifest.files[BANK].sha256,
        hnsw=hnsw,
        graph=graph,
    )
    keep_search_times(bundle.path, measured)
    return measured


def _load_hnsw(bundle: Bundle, threads: int | None) -> HnswIndex:
    bank, record = bundle.manifest.bank, bundle.manifest.index
    index = HnswIndex.load(bundle.path / INDEX, bank.n, bank.dim, record.m, record.ef_search)
    index.set_threads(threads or usable_cpus())
    return index
