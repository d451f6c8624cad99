"""Index choice: whether the bank is searched by HNSW on the host, or on the GPU beside the network.

Either only suggests entries, which are measured again (`softcore_runtime.search.search`): decisions are the
same. Which one is faster depends on the GPU, its host and the bank, so it is measured once and recorded in
the bundle: every run uses the same index.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from softcore_runtime.backends.cpus import usable_cpus
from softcore_runtime.backends.devices import SearchTimes, read_search_times, save_search_times
from softcore_runtime.backends.engine import Backbone, Index
from softcore_runtime.bundle.bundle import BANK, INDEX, Bundle
from softcore_runtime.search.hnsw import HnswIndex
from softcore_runtime.search.search import Search

__all__ = ["choose_index", "measure_indexes"]

_ROUNDS = 5  # repetitions of each frame with each index; the first doesn't count


def choose_index(bundle: Bundle, backbone: Backbone, threads: int | None) -> Index:
    """Open the index that was faster on this machine; HNSW if nothing was measured.

    Raises:
        BundleCorruptError: the HNSW index doesn't fit the bundle's bank.
    """
    if backbone.device:
        digest = bundle.manifest.files[BANK].sha256
        times = read_search_times(bundle.path, backbone.device, backbone.version, digest)
        on_gpu = (
            backbone.open_index(bundle.bank, bundle.floors) if times and times.graph < times.hnsw else None
        )
        if on_gpu:
            return on_gpu
    return _load_hnsw(bundle, threads)


def measure_indexes(
    bundle: Bundle,
    backbone: Backbone,
    frames: list[NDArray[np.float32]],
    threshold: float,
    threads: int | None,
) -> SearchTimes | None:
    """Time the search of frames' patches, float32 `[P, d]` each, by both indexes, and record the medians.

    Returns:
        the times; None if there is only the host's index.

    Raises:
        UsageError: the bundle can't be written.
    """
    on_gpu = backbone.open_index(bundle.bank, bundle.floors)
    if on_gpu is None or backbone.device is None:
        return None
    spent: list[list[float]] = [[], []]
    for _ in range(_ROUNDS):
        for index, times in zip((_load_hnsw(bundle, threads), on_gpu), spent, strict=True):
            for patches in frames:
                search = Search(
                    bundle.bank, bundle.weights, bundle.floors, index, bundle.hints
                )  # without entries of a last frame
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
    save_search_times(bundle.path, measured)
    return measured


def _load_hnsw(bundle: Bundle, threads: int | None) -> HnswIndex:
    bank, record = bundle.manifest.bank, bundle.manifest.index
    index = HnswIndex.load(bundle.path / INDEX, bank.n, bank.dim, record.m, record.ef_search)
    index.set_floors(bundle.floors)
    index.set_threads(threads or usable_cpus())
    return index
