"""Tally: the summary of a run: counts, latencies, frames per second."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
from softcore_runtime import Decision

from softcore_edge_app.decisions.decision_record import DecisionRecord

__all__ = ["Tally"]

_KEPT = 100_000  # latencies: hours of a line, and under a megabyte or so


class Tally:
    """Counts decisions and keeps their latencies (the last 100 000 for the percentiles)."""

    def __init__(self) -> None:
        self._counts: Counter[Decision] = Counter()
        self._milliseconds: deque[float] = deque(maxlen=_KEPT)
        self._slowest = 0.0

    def add(self, record: DecisionRecord) -> None:
        """Count one decision."""
        self._counts[record.decision] += 1
        if record.milliseconds is not None:
            self._milliseconds.append(record.milliseconds)
            self._slowest = max(self._slowest, record.milliseconds)

    @property
    def total(self) -> int:
        """Number of frames."""
        return self._counts.total()

    @property
    def decided(self) -> int:
        """Number of frames that were inspected."""
        return self.total - self._counts[Decision.INVALID]

    def count(self, decision: Decision) -> int:
        """Return the number of frames with this decision."""
        return self._counts[decision]

    def percentile(self, percent: float) -> float:
        """Return the milliseconds that so many percent of the inspections took at most; needs one of them."""
        return float(np.percentile(self._milliseconds, percent, method="higher"))

    def describe(self, seconds: float) -> list[str]:
        """Return the lines of a summary.

        Args:
            seconds: wall time of the run, reading and writing included.
        """
        named = [
            d for d in Decision if d is not Decision.REVIEW or self.count(d)
        ]  # few bundles have a grey zone
        counts = ", ".join(f"{self.count(decision)} {decision}" for decision in named)
        lines = [f"{self.total} frame{'' if self.total == 1 else 's'}: {counts}"]
        if self.decided:
            lines.append(
                f"an inspection took {self.percentile(50):.1f} ms (p50), {self.percentile(95):.1f} ms (p95), "
                f"{self._slowest:.1f} ms (max); "
                f"{self.total / seconds:.1f} frames/s with reading and writing"
            )
        return lines
