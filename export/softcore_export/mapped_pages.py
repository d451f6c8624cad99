"""Mapped pages: gives back the memory that the pages of a mapped array take up once they were read."""

from __future__ import annotations

import mmap

import numpy as np
from numpy.typing import NDArray

__all__ = ["release_pages"]


def release_pages(array: NDArray[np.generic]) -> None:
    """Give back the memory of a mapped array's pages; when needed, they are read from its file again.

    The system would give them back when memory is short, but until then they count as this process's. An
    array that isn't mapped stays as it is.

    Args:
        array: read-only, or unchanged since it was mapped.

    Example:
        >>> np.save(folder / "zeros.npy", np.zeros(1000))
        >>> mapped = np.load(folder / "zeros.npy", mmap_mode="r")
        >>> release_pages(mapped[10:])
        >>> float(mapped.sum())
        0.0
    """
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
