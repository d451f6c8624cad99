"""Archive quota: the parts in an archive, and which to remove when they are too many or too old."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

from softcore_runtime import Decision

from softcore_edge_app.outputs.archive_record import Kept, format_moment, list_kept, remove_files

__all__ = ["ArchiveQuota"]

# The least needed goes first.
_ORDER = (Decision.PASS, Decision.INVALID, Decision.REVIEW, Decision.FAIL)
_DAY = 86_400 * 10**9
_EARLIEST = -(2**63)  # ns, that a ledger can store


class ArchiveQuota:
    """Keeps an archive within its limits. Use it in one thread.

    The folder is scanned once; from then on the parts are known in memory, with some 300 bytes each, and a
    removal takes the same time however many there are.

    Args:
        folder: the archive's folder.
        max_bytes: bytes that all parts together may take on the disk.
        max_days: age that a part may reach.
    """

    def __init__(self, folder: Path, max_bytes: float, max_days: float) -> None:
        self.bytes = 0
        self._folder, self._max_bytes, self._max_days = folder, max_bytes, max_days
        self._heaps: dict[Decision, list[tuple[Kept, int]]] = {decision: [] for decision in _ORDER}
        self._early: set[Kept] | None = set()  # entered before the folder was scanned

    def scan(self) -> Iterator[None]:
        """Enter the parts that are there already, a camera's day at a time, so that others needn't wait."""
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
        """Remove parts that are too old at `now` (ns of UTC since 1970), then those that are too many.

        Nothing is removed before all parts are known: the oldest may come last.

        Raises:
            OSError: a part can't be removed; the next call tries again.
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
        """Remove the oldest PASS parts until `size` more bytes are free, or none is left.

        Returns:
            whether any was removed.

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
