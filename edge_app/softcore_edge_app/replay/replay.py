"""Replay: repeats a recorded decision, and compares the two to the last bit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from softcore_runtime import Bound, Decision, FrameError, ImageError, Inspector, read_image

from softcore_edge_app.cameras.frame_checks import FrameChecks, find_fault
from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.replay.replay_bundles import Decider, ReplayBundles
from softcore_edge_app.replay.replay_records import Recorded

__all__ = ["Outcome", "Repeated", "repeat"]

# The kinds of INVALID that the image alone gives again; others (late, no frame, frozen) can't be repeated.
_SEEN_IN_IMAGE = ("dark", "bright", "flat", "blurred", "misplaced", "size")
# The fields that a repetition takes from the record.
_KEPT = (
    "trigger", "part", "name", "camera", "category", "bundle", "engine", "provider", "precision",
    "triggered_at", "deadline_at", "decided_at",
)  # fmt: skip


class Outcome(str, Enum):
    """The outcome of a repetition."""

    SAME_SCORE = "same score"
    SAME_DECISION = "same decision"
    DIFFERENT = "different"
    NOT_REPLAYED = "not replayed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Repeated:
    """A repeated decision.

    Attributes:
        recorded: the record.
        outcome: SAME_SCORE to the last bit; SAME_DECISION where there is no exact score to compare (a bound,
            an INVALID), or where this machine computes otherwise.
        detail: what is different, or why it wasn't replayed, or why the score wasn't compared, or that the
            bundle's seal is another; None where there is nothing to say.
        now: the record of the new decision; None where there is none.
    """

    recorded: Recorded
    outcome: Outcome
    detail: str | None = None
    now: DecisionRecord | None = None


def repeat(recorded: Recorded, bundles: ReplayBundles) -> Repeated:
    """Decide on a recorded part again, with the same bundle, threshold and engine, and compare.

    Raises:
        BundleError: a bundle that is needed was changed, or fails its self-test.
    """
    record = recorded.record
    if recorded.fault or record is None:
        return Repeated(recorded, Outcome.DIFFERENT, recorded.fault)
    if recorded.image is None:
        return Repeated(recorded, Outcome.NOT_REPLAYED, "there was no image")
    try:
        digest = hashlib.sha256(recorded.file.read_bytes()).hexdigest()
        if digest != recorded.image.sha256:
            return Repeated(recorded, Outcome.DIFFERENT, "its image was changed")
        image = read_image(recorded.file)
    except (OSError, ImageError) as error:
        return Repeated(recorded, Outcome.DIFFERENT, f"its image can't be read ({_shorten(error)})")
    if record.decision is Decision.INVALID and find_kind(record.reason) not in _SEEN_IN_IMAGE:
        return Repeated(recorded, Outcome.NOT_REPLAYED, "INVALID for what no image shows")
    decider = bundles.prepare(record)
    if decider is None:
        reason = f"no bundle of category {record.category} with the seal {record.bundle[:12]} is here"
        return Repeated(recorded, Outcome.NOT_REPLAYED, reason)
    # A part that was decided on had passed the checks, or wasn't checked.
    checks = decider.checks if record.decision is Decision.INVALID else None
    frame = Frame(1, record.name, image=image)
    return _compare(recorded, record, _decide_again(record, frame, checks, decider.inspector), decider)


def _decide_again(
    record: DecisionRecord, frame: Frame, checks: FrameChecks | None, inspector: Inspector
) -> DecisionRecord:
    """Return the record of the decision that is made on a part's frame now."""
    known = {name: vars(record)[name] for name in _KEPT}
    fault = find_fault(frame, checks)
    try:
        if frame.image is None or fault:
            raise FrameError(fault or "")
        return DecisionRecord.from_result(inspector.inspect(frame.image), **known)
    except FrameError as error:
        threshold = inspector.manifest.threshold
        held = {"threshold": threshold.value, "fail_above": threshold.upper}
        return DecisionRecord.invalid(None, str(error), **held, **known)


def _compare(recorded: Recorded, record: DecisionRecord, now: DecisionRecord, decider: Decider) -> Repeated:
    exactly = decider.otherwise is None
    remarks = [decider.otherwise] if decider.otherwise else []
    if not decider.sealed:
        remarks.append(f"no bundle with the seal {record.bundle[:12]} is here, one with this threshold is")
    if difference := _find_difference(record, now, exactly=exactly):
        return Repeated(recorded, Outcome.DIFFERENT, "; ".join([difference, *remarks]), now)
    if record.bound == Bound.EXACT and exactly:
        return Repeated(recorded, Outcome.SAME_SCORE, "; ".join(remarks) or None, now)
    remarks = remarks or ["no exact score was recorded"]
    return Repeated(recorded, Outcome.SAME_DECISION, "; ".join(remarks), now)


def _find_difference(record: DecisionRecord, now: DecisionRecord, *, exactly: bool) -> str | None:
    """Return how a decision differs from the recorded one, or None; scores are compared only if `exactly`."""
    thresholds = (now.threshold, now.fail_above)
    if thresholds != (record.threshold, record.fail_above):
        return (
            f"its threshold is {record.threshold!r} to {record.fail_above!r}, the bundle's was {thresholds}"
        )
    if now.decision is not record.decision:
        return (
            f"{record.decision} then ({_describe_score(record)}), {now.decision} now ({_describe_score(now)})"
        )
    if record.score is None or now.score is None or not exactly:
        return None
    holds = {
        Bound.EXACT: now.score == record.score,
        Bound.UPPER: now.score <= record.score,
        Bound.LOWER: now.score >= record.score,
    }
    if holds[Bound(record.bound)]:
        return None
    was, is_now = _describe_score(record), _describe_score(now)
    return f"{record.decision} then and now, but the score was {was} and is {is_now}"


def _describe_score(record: DecisionRecord) -> str:
    """Return the score to the last bit, or the reason why there is none."""
    if record.score is None:
        return record.reason or "no reason given"
    sign = {Bound.EXACT: "", Bound.UPPER: "<= ", Bound.LOWER: ">= "}[Bound(record.bound)]
    return f"{sign}{record.score!r}"


def _shorten(error: OSError | ImageError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).rpartition(": ")[2]
