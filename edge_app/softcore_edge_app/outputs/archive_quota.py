"""Archive quota: what an archive holds, and what goes when that is too much or too old."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

from softcore_runtime import Decision

from softcore_edge_app.outputs.archive_record import Kept, format_moment, list_kept, remove_files

__all__ = ["ArchiveQuota"]

# What is missed least goes first.
_ORDER = (Decision.PASS, Decision.INVALID, Decision.REVIEW, Decision.FAIL)
_DAY = 86_400 * 10**9
_EARLIEST = -(2**63)  # ns, of what a ledger can hold


class ArchiveQuota:
    """Keeps an archive within its limits. Use it in one thread.

    The folder is looked through once; from then on the books are kept in memory, some 300 bytes a part, and
    a removal costs the same however much there is.

    Args:
        folder: the archive's.
        max_bytes: what all parts together may take on the disk.
        max_days: how old a part may grow.
    """

    def __init__(self, folder: Path, max_bytes: float, max_days: float) -> None:
        self.bytes = 0
        self._folder, self._max_bytes, self._max_days = folder, max_bytes, max_days
        self._heaps: dict[Decision, list[tuple[Kept, int]]] = {decision: [] for decision in _ORDER}
        self._early: set[Kept] | None = set()  # entered before the folder was looked through

    def scan(self) -> Iterator[None]:
        """Enter what is there already, a camera's day at a time, so that others needn't wait meanwhile."""
        for found in list_kept(self._folder):
            for kept, size in found.items():
                if not (self._early and kept in self._early):
                    self._push(kept, size)
            yield
        self._early = None

    def enter(self, kept: Kept, size: int) -> None:
        """Enter a part that was just written, and the bytes that it takes on the disk."""
        if self._early is not None:
            self._early.add(kept)
        self._push(kept, size)

    def trim(self, now: int) -> None:
        """Remove what is too old at `now` (ns of UTC since 1970), then what is too much.

        Nothing is removed before all is known that there is: the oldest may come last.

        Raises:
            OSError: something can't be removed; it is tried again next time.
        """
        if self._early is not None:
            return
        oldest = format_moment(int(max(now - self._max_days * _DAY, _EARLIEST)))
        for heap in self._heaps.values():
            while heap and heap[0][0].moment < oldest:
                self._remove_oldest(heap)
        for decision in _ORDER:
            while self._heaps[decision] and self.bytes > self._max_bytes:
                self._remove_oldest(self._heaps[decision])

    def make_room(self, size: int) -> bool:
        """Remove the oldest PASS until `size` bytes are free that weren't, or none is left.

        Returns:
            whether there was any.

        Raises:
            OSError: one can't be removed.
        """
        before = self.bytes
        passed = self._heaps[Decision.PASS]
        while passed and self.bytes > before - size:
            self._remove_oldest(passed)
        return self.bytes < before

    def _push(self, kept: Kept, size: int) -> None:
        heapq.heappush(self._heaps[kept.decision], (kept, size))
        self.bytes += size

    def _remove_oldest(self, heap: list[tuple[Kept, int]]) -> None:
        kept, size = heap[0]
        remove_files(self._folder, kept)
        heapq.heappop(heap)
        self.bytes -= size
