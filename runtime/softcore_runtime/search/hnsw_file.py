"""HNSW file: checks of an `index.hnsw` before hnswlib reads it, which doesn't check its file.

hnswlib 0.8 writes a header, then of each entry its links on the lowest level, its vector and its label, then
of each entry the links on the levels above. It follows all of these unchecked: a link beyond the last entry,
or to a level that an entry doesn't have, ends the process.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_fault"]

# offsetLevel0, max_elements, cur_element_count, size_data_per_element, label_offset, offsetData, maxlevel,
# enterpoint_node, maxM, maxM0, M, mult, ef_construction
_HEADER = struct.Struct("=6QiI3QdQ")
_LINK = 4  # bytes of a link, and of the count before an entry's links
_LABEL = 8


@dataclass(frozen=True)
class _Layout:
    """Sizes of the parts of an entry, which follow from the bank and from M."""

    m: int
    dim: int

    @property
    def lowest(self) -> int:
        """Size of an entry's links on the lowest level, in bytes: 2 M links."""
        return _LINK * (2 * self.m + 1)

    @property
    def higher(self) -> int:
        """Size of an entry's links on each level above, in bytes: M links."""
        return _LINK * (self.m + 1)

    @property
    def entry(self) -> int:
        """Size of an entry in bytes: its lowest links, its vector and its label."""
        return self.lowest + 4 * self.dim + _LABEL


def find_fault(data: bytes, n: int, dim: int, m: int) -> str | None:
    """Find a fault in the content of an index file of `n` entries of `dim` numbers with M = `m`.

    Returns:
        the fault in a few words; None if every number that hnswlib follows is valid.
    """
    if len(data) < _HEADER.size:
        return f"only {len(data)} bytes"
    layout = _Layout(m, dim)
    start, largest, count, entry, label, vector, top, first, most, most_lowest, degree, _, _ = _HEADER.unpack(
        data[: _HEADER.size]
    )
    if count != n:
        return f"holds {count} entries, the bank {n}"
    if vector == 4 * (2 * m + 1) and label - vector != 4 * dim:
        return f"its entries hold {(label - vector) // 4} numbers, the bank's {dim}"
    if (start, entry, label, vector) != (0, layout.entry, layout.entry - _LABEL, layout.lowest):
        return f"its entries aren't laid out as those of {dim} numbers with M = {m}"
    if (most, most_lowest, degree) != (m, 2 * m, m) or largest < n:
        return f"its header isn't that of M = {m}"
    end = _HEADER.size + n * layout.entry
    if len(data) < end + _LINK * n:
        return "ends early"
    levels = _read_levels(data, end, n, layout)
    if isinstance(levels, str):
        return levels
    heights, higher = levels
    if first >= n or top != heights[first] or heights.max() != top:
        return "its search doesn't begin at an entry of the highest level"
    return _check_lowest(data, n, layout) or _check_higher(higher, heights, n, layout)


def _read_levels(
    data: bytes, end: int, n: int, layout: _Layout
) -> tuple[NDArray[np.int64], list[tuple[int, NDArray[np.uint32]]]] | str:
    """Return the number of levels above the lowest of each entry, int64 `[n]`, and their links by entry."""
    heights = np.zeros(n, np.int64)
    higher = []
    sizes = memoryview(data)
    place = end
    for entry in range(n):
        if place + _LINK > len(data):
            return "ends early"
        size = int.from_bytes(sizes[place : place + _LINK], "little")
        place += _LINK
        if not size:
            continue
        if size % layout.higher or place + size > len(data):
            return f"entry {entry} has links on no whole number of levels"
        heights[entry] = size // layout.higher
        links = np.frombuffer(data, "<u4", size // _LINK, place)
        higher.append((entry, links.reshape(-1, layout.m + 1)))
        place += size
    if place != len(data):
        return f"has {len(data) - place} bytes too many"
    return heights, higher


def _check_lowest(data: bytes, n: int, layout: _Layout) -> str | None:
    rows = np.frombuffer(data, np.uint8, n * layout.entry, _HEADER.size).reshape(n, layout.entry)
    links = np.ascontiguousarray(rows[:, : layout.lowest]).view("<u4")
    labels = np.ascontiguousarray(rows[:, -_LABEL:]).view("<u8")[:, 0]
    if not np.array_equal(labels, np.arange(n)):
        return "its entries aren't numbered as the bank's"
    # The count has 16 bits; one of the others marks a deleted entry, which a bundle doesn't have.
    if (links[:, 0] > 2 * layout.m).any():
        return f"an entry has more than {2 * layout.m} links"
    used = np.arange(2 * layout.m) < links[:, :1]
    if (links[:, 1:][used] >= n).any():
        return "a link leads beyond the last entry"
    return None


def _check_higher(
    higher: list[tuple[int, NDArray[np.uint32]]], heights: NDArray[np.int64], n: int, layout: _Layout
) -> str | None:
    if not higher:
        return None
    links = np.concatenate([links for _, links in higher])
    level = np.concatenate([np.arange(1, len(links) + 1) for _, links in higher])
    if (links[:, 0] > layout.m).any():
        return f"an entry has more than {layout.m} links on a level above"
    used = np.arange(layout.m) < links[:, :1]
    targets = links[:, 1:]
    if (targets[used] >= n).any():
        return "a link leads beyond the last entry"
    reached = heights[np.where(used, targets, 0)]
    if (used & (reached < level[:, None])).any():
        return "a link leads to a level that its entry doesn't have"
    return None
