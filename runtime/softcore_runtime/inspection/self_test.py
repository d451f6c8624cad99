"""Self-test: the golden frames' scores on this machine, beside those that the export wrote down."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Repeated", "count_flipped", "largest_difference"]


@dataclass(frozen=True)
class Repeated:
    """A golden frame, inspected here.

    Attributes:
        file: its name in the bundle's `golden/`.
        exported: the score it gave at export.
        here: the score it gives on this machine.
        threshold: the threshold that the export set, which decides on both.
    """

    file: str
    exported: float
    here: float
    threshold: float

    @property
    def difference(self) -> float:
        """The difference of the two, relative to the higher of the exported score and the threshold."""
        return abs(self.here - self.exported) / max(self.exported, self.threshold)

    @property
    def flipped(self) -> bool:
        """Whether the decision is another."""
        return (self.here > self.threshold) != (self.exported > self.threshold)

    def clear(self, tolerance: float) -> bool:
        """Tell whether the exported score lies further from the threshold than `tolerance` of it."""
        return abs(self.exported - self.threshold) > tolerance * max(self.exported, self.threshold)


def largest_difference(repeated: tuple[Repeated, ...]) -> float:
    """The largest relative difference; 0 without frames."""
    return max((one.difference for one in repeated), default=0.0)


def count_flipped(repeated: tuple[Repeated, ...]) -> int:
    """How many decisions are others here."""
    return sum(one.flipped for one in repeated)
