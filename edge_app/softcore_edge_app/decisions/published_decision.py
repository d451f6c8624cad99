"""Published decision: what the line's listeners get of each decision."""

from __future__ import annotations

from dataclasses import dataclass

from softcore_runtime import InspectionResult

from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.decisions.decision_record import DecisionRecord

__all__ = ["PublishedDecision"]


@dataclass(frozen=True, eq=False)
class PublishedDecision:
    """A decision that may be published: it is in the ledger, or says INVALID because it can't be.

    Attributes:
        record: the decision.
        frame: what was inspected; None where no frame was taken.
        result: the runtime's result, with the map unless only a decision was wanted; None where INVALID.
    """

    record: DecisionRecord
    frame: Frame | None
    result: InspectionResult | None
