"""Tally: what a run comes to. Counts, latencies, frames per second."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np
from softcore_runtime import Decision

from softcore_edge_app.verdict import Verdict

__all__ = ["Tally"]

_KEPT = 100_000  # latencies: hours of a line, and under a megabyte or so


class Tally:
    """Counts verdicts and keeps their latencies (the last 100 000 for the percentiles)."""

    def __init__(self) -> None:
        self._counts: Counter[Decision] = Counter()
        self._milliseconds: deque[float] = deque(maxlen=_KEPT)
        self._slowest = 0.0

    def add(self, verdict: Verdict) -> None:
        """Count one verdict."""
        self._counts[verdict.decision] += 1
        if verdict.milliseconds is not None:
            self._milliseconds.append(verdict.milliseconds)
            self._slowest = max(self._slowest, verdict.milliseconds)

    @property
    def total(self) -> int:
        """All frames."""
        return self._counts.total()

    @property
    def decided(self) -> int:
        """Frames that were inspected."""
        return self.total - self._counts[Decision.INVALID]

    def count(self, decision: Decision) -> int:
        """Say how many frames got this decision."""
        return self._counts[decision]

    def percentile(self, percent: float) -> float:
        """Milliseconds that this share of the inspections took at most; needs one decided frame."""
        return float(np.percentile(self._milliseconds, percent, method="higher"))

    def describe(self, seconds: float) -> list[str]:
        """Write the lines of a summary; `seconds` is the run's wall time, reading and writing included."""
        told = [
            d for d in Decision if d is not Decision.REVIEW or self.count(d)
        ]  # few bundles have a grey zone
        counts = ", ".join(f"{self.count(decision)} {decision}" for decision in told)
        lines = [f"{self.total} frame{'' if self.total == 1 else 's'}: {counts}"]
        if self.decided:
            lines.append(
                f"an inspection took {self.percentile(50):.1f} ms (p50), {self.percentile(95):.1f} ms (p95), "
                f"{self._slowest:.1f} ms (max); "
                f"{self.total / seconds:.1f} frames/s with reading and writing"
            )
        return lines
