"""Preview: what another threshold would have meant for the last parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from softcore_runtime import Bound, Decision
from softcore_runtime.bundle.threshold import Threshold

from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.queries.parts import Part

__all__ = ["Preview", "preview_threshold"]

_INSPECTED = (Decision.PASS, Decision.REVIEW, Decision.FAIL)


@dataclass(frozen=True)
class Preview:
    """The decisions on parts, as they were and as they would be.

    Attributes:
        parts: number of parts.
        known: number of those with an exact score.
        scores: these scores, in the parts' order.
        now, then: number of parts with each decision, as it was made and as it would be.
        changed: the parts whose decision would be another, in their order.
    """

    parts: int
    known: int
    scores: list[float]
    now: dict[Decision, int]
    then: dict[Decision, int]
    changed: list[Part]


def preview_threshold(parts: Sequence[Part], threshold: Threshold) -> Preview:
    """Return what a threshold would have meant for parts that were inspected.

    If only a bound of a score is known, and it doesn't decide, the part keeps its decision.
    """
    then = [_decide(part.row.record, threshold) for part in parts]
    now = [part.row.record.decision for part in parts]
    changed = [part for part, was, is_now in zip(parts, now, then, strict=True) if was is not is_now]
    records = [part.row.record for part in parts]
    scores = [one.score for one in records if one.bound == Bound.EXACT and one.score is not None]
    return Preview(len(parts), len(scores), scores, _count(now), _count(then), changed)


def _decide(record: DecisionRecord, threshold: Threshold) -> Decision:
    if record.score is None:
        return record.decision
    decision = threshold.decide(record.score)
    proven = (
        record.bound == Bound.EXACT
        or (record.bound == Bound.UPPER and decision is Decision.PASS)
        or (record.bound == Bound.LOWER and decision is Decision.FAIL)
    )
    return decision if proven else record.decision


def _count(decisions: Sequence[Decision]) -> dict[Decision, int]:
    counts = Counter(decisions)
    return {decision: counts[decision] for decision in _INSPECTED}
