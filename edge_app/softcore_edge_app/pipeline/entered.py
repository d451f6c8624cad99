"""Entered: a decision as it is entered in the ledger and published, and how it becomes INVALID."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from softcore_runtime import Decision, InspectionResult

from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.ledger.row import Entry
from softcore_edge_app.pipeline.trigger import Trigger
from softcore_edge_app.verdict import Verdict

__all__ = ["Entered", "correct", "describe", "invalidate"]


@dataclass(frozen=True)
class Entered:
    """A decision to be published; `number` is its row's, None where it could not be entered, or never is."""

    number: int | None
    entry: Entry
    verdict: Verdict


def describe(trigger: Trigger, bundle: str, *, named: bool) -> Entered:
    """Make an entry of a trigger's decision, which has no row yet.

    Args:
        trigger: which has its decision.
        bundle: the seal of the manifest that decided.
        named: whether the verdict has the trigger's id, by which it is found in the ledger.

    Raises:
        ValueError: a number or a text that no ledger takes, or there is no decision.
    """
    verdict, manifest = trigger.verdict, trigger.manifest
    if verdict is None or manifest is None:
        raise ValueError(f"trigger {trigger.id} has no decision")
    verdict = replace(
        verdict,
        trigger=trigger.id if named else None,
        camera=trigger.camera,
        part=None if trigger.part == trigger.id else trigger.part,
    )
    if verdict.score is not None and not math.isfinite(verdict.score):
        verdict = _invalidate_verdict(verdict, f"the score is {verdict.score}")
    valid = verdict.decision is not Decision.INVALID
    x, y = _locate(trigger.inspection, trigger.frame) if valid else (None, None)
    backbone = trigger.recipe.inspector.backbone
    due = None if trigger.deadline is None else int(1e9 * (trigger.deadline - trigger.at)) + trigger.wall
    entry = Entry(
        trigger=trigger.id,
        part=_encodable(trigger.part),
        name=_encodable(verdict.name),
        camera=trigger.camera,
        category=_encodable(manifest.category),
        bundle=bundle,
        decision=verdict.decision,
        score=verdict.score,
        bound=verdict.bound,
        threshold=verdict.threshold,
        fail_above=verdict.fail_above,
        engine=backbone.engine,
        provider=backbone.provider,
        precision=backbone.precision,
        triggered_at=trigger.wall,
        deadline_at=due,
        decided_at=trigger.tell_time(),
        milliseconds=verdict.milliseconds,
        reason=verdict.reason and _encodable(verdict.reason),
        x=x,
        y=y,
    )
    return Entered(None, entry, verdict)


def invalidate(one: Entered, reason: str) -> Entered:
    """Make a decision INVALID that has no row."""
    verdict = _invalidate_verdict(one.verdict, reason)
    entry = replace(
        one.entry,
        decision=verdict.decision,
        score=None,
        bound=None,
        milliseconds=None,
        reason=verdict.reason and _encodable(verdict.reason),
        x=None,
        y=None,
    )
    return Entered(None, entry, verdict)


def correct(one: Entered, reason: str, trigger: Trigger) -> Entered:
    """Make a decision INVALID, by a further row where it has one."""
    invalid = invalidate(one, reason)
    entry = replace(invalid.entry, corrects=one.number, published_at=trigger.tell_time())
    return replace(invalid, entry=entry)


def _locate(inspection: InspectionResult | None, frame: Frame | None) -> tuple[float | None, float | None]:
    """Say where in a frame the highest patch score lies, as shares of its width and height."""
    if inspection is None or frame is None or frame.image is None:
        return None, None
    scores = inspection.patch_scores
    if scores is None:
        return None, None
    window = inspection.window
    row, column = np.unravel_index(int(scores.argmax()), scores.shape)
    height, width = frame.image.shape[:2]
    x = window.x + (int(column) + 0.5) / scores.shape[1] * window.width
    y = window.y + (int(row) + 0.5) / scores.shape[0] * window.height
    return x / width, y / height


def _invalidate_verdict(verdict: Verdict, reason: str) -> Verdict:
    return replace(
        verdict,
        decision=Decision.INVALID,
        score=None,
        bound=None,
        share=None,
        milliseconds=None,
        certified_by_hint=None,
        by_hnsw=None,
        exact=None,
        reason=f"{reason}; {verdict.reason}" if verdict.reason else reason,
    )


def _encodable(text: str) -> str:
    """Escape what isn't UTF-8: a file's name may hold any byte."""
    return text.encode("utf-8", "backslashreplace").decode()
