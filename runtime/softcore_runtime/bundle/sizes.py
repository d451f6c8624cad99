"""Bundle sizes: checks the sizes of a bundle's files before they are read."""

from __future__ import annotations

import os
from pathlib import Path

from softcore_runtime.bundle import training
from softcore_runtime.bundle.array_file import HEADER
from softcore_runtime.bundle.manifest import Manifest
from softcore_runtime.errors import BundleCorruptError

__all__ = ["check_sizes"]

# Size limits in bytes; for the arrays and the index they follow from the manifest.
_SCORES_BYTES, _NETWORK_BYTES, _FILE_BYTES = 2**16, 2**32, 2**30


def check_sizes(path: Path, manifest: Manifest) -> None:
    """Compare the sizes of the files in a manifest with those that follow from its bank.

    Raises:
        BundleCorruptError: a file is larger than its content can be, or all are larger than this machine's
        memory.
    """
    bank, m = manifest.bank, manifest.index.m
    numbers = 4 * bank.n * bank.dim
    positions = manifest.grid.height * manifest.grid.width
    most = {
        "bank.npy": HEADER + numbers,
        "weights.npy": HEADER + 4 * bank.n,
        "floors.npy": HEADER + 4 * bank.n,
        "origins.npy": HEADER + 12 * bank.n,
        "hints.npy": HEADER + 4 * positions * manifest.hints.count,
        "index.hnsw": HEADER + numbers + bank.n * (4 * (2 * m + 1) + 8 + 4 + 8 * (m + 1)),
        "backbone.onnx": _NETWORK_BYTES,
        "golden/scores.json": _SCORES_BYTES,
        **training.limit_sizes(manifest.dataset.images),
    }
    for name, record in manifest.files.items():
        if record.bytes > most.get(name, _FILE_BYTES):
            raise BundleCorruptError(
                f"{path / name}: {record.bytes:,} bytes are more than it can hold by the manifest"
            )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # A sparse file takes no space on a disk, but takes as long to read as any other.
    total = sum(record.bytes for record in manifest.files.values())
    most_memory = max(numbers, 4 * positions * bank.dim, total)
    if most_memory > memory:
        raise BundleCorruptError(
            f"{path}: needs {most_memory / 2**30:,.1f} GB, more than this machine's memory of "
            f"{memory / 2**30:,.1f} GB; export with a smaller --coreset-ratio"
        )
