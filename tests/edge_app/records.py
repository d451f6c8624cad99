"""Records: decisions as a line makes and publishes them, for tests that have no line."""

from __future__ import annotations

from typing import Any

from softcore_edge_app.cameras.frame_checks import FrameChecks, find_fault
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.published_decision import PublishedDecision
from softcore_runtime import Decision, FrameError, Inspector

__all__ = ["decide", "make_record"]


def make_record(number: int = 1, **changes: Any) -> DecisionRecord:
    """Make the record of a part that passes, or of what `changes` say."""
    return DecisionRecord(
        **{
            "trigger": f"run-{number}", "part": f"run-{number}", "name": "a.png", "camera": "left",
            "category": "tiny", "bundle": "ab" * 32, "decision": Decision.PASS, "score": 6.0,
            "bound": "exact", "threshold": 12.0, "fail_above": 12.0, "engine": "onnxruntime",
            "provider": "cpu", "precision": "fp32", "triggered_at": 10**18, "deadline_at": None,
            "decided_at": 10**18, "milliseconds": 3.25, "reason": None, "frame_number": number,
            **changes,
        }
    )  # fmt: skip


def decide(
    inspector: Inspector,
    frame: Frame,
    trigger: str = "run-1",
    at: int = 10**18,
    *,
    checks: FrameChecks | None = None,
    fast: bool = False,
    **changes: Any,
) -> PublishedDecision:
    """Decide on a frame at a time, in nanoseconds, as a line does, without a ledger."""
    backbone, threshold = inspector.backbone, inspector.manifest.threshold
    known = {
        "trigger": trigger, "part": trigger, "name": frame.name, "camera": "left", "category": "tiny",
        "bundle": "ab" * 32, "engine": backbone.engine, "provider": backbone.provider,
        "precision": backbone.precision, "triggered_at": at, "deadline_at": None, "decided_at": at,
        "frame_number": frame.number, **changes,
    }  # fmt: skip
    reason, result = find_fault(frame, checks), None
    try:
        if frame.image is not None and reason is None:
            result = inspector.decide(frame.image) if fast else inspector.inspect(frame.image)
    except FrameError as error:
        reason = str(error)
    if result is None:
        held = {"threshold": threshold.value, "fail_above": threshold.upper}
        record = DecisionRecord.invalid(None, reason or "", **{**held, **known})
        return PublishedDecision(record, frame, None)
    record = DecisionRecord.from_result(result, **known)
    return PublishedDecision(record, frame, None if fast else result)
