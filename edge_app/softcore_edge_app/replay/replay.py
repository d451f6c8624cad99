"""Replay: a recorded decision made again, and whether it is the same to the last bit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum

from softcore_runtime import Bound, Decision, ImageError, read_image

from softcore_edge_app.cameras.frame_source import Frame
from softcore_edge_app.ledger.row import Entry
from softcore_edge_app.queries.invalid_kinds import find_kind
from softcore_edge_app.replay.replay_bundles import Decider, ReplayBundles
from softcore_edge_app.replay.replay_records import Recorded
from softcore_edge_app.verdict import Verdict, decide, examine

__all__ = ["Outcome", "Repeated", "repeat"]

# Of the reasons for an INVALID those that an image gives again; others (late, no frame, frozen) it can't.
_SEEN_IN_IMAGE = ("dark", "bright", "flat", "blurred", "size")


class Outcome(str, Enum):
    """What came of a repetition."""

    SAME_SCORE = "same score"
    SAME_DECISION = "same decision"
    DIFFERENT = "different"
    NOT_REPLAYED = "not replayed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Repeated:
    """A decision made again.

    Attributes:
        recorded: the record.
        outcome: SAME_SCORE to the last bit; SAME_DECISION where there is no exact score to compare (a bound,
            an INVALID), or where this machine computes otherwise.
        detail: what is different, or why it wasn't replayed, or why the score wasn't compared, or that the
            bundle's seal is another; None where there is nothing to say.
        verdict: the new decision; None where there is none.
    """

    recorded: Recorded
    outcome: Outcome
    detail: str | None = None
    verdict: Verdict | None = None


def repeat(recorded: Recorded, bundles: ReplayBundles) -> Repeated:
    """Decide on a recorded part again, with the bundle, threshold and engine of then, and compare.

    Raises:
        BundleError: a bundle that is needed was changed, or fails its self-test.
    """
    entry = recorded.entry
    if recorded.fault or entry is None:
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
    if entry.decision is Decision.INVALID and find_kind(entry.reason) not in _SEEN_IN_IMAGE:
        return Repeated(recorded, Outcome.NOT_REPLAYED, "INVALID for what no image shows")
    decider = bundles.prepare(entry)
    if decider is None:
        reason = f"no bundle of category {entry.category} with the seal {entry.bundle[:12]} is here"
        return Repeated(recorded, Outcome.NOT_REPLAYED, reason)
    # What was decided on had passed the checks, or wasn't to be checked.
    checks = decider.checks if entry.decision is Decision.INVALID else None
    frame = Frame(1, entry.name, image=image)
    verdict, _ = decide(decider.inspector, frame, examine(frame, checks))
    return _compare(recorded, entry, verdict, decider)


def _compare(recorded: Recorded, entry: Entry, verdict: Verdict, decider: Decider) -> Repeated:
    exactly = decider.otherwise is None
    remarks = [decider.otherwise] if decider.otherwise else []
    if not decider.sealed:
        remarks.append(f"no bundle with the seal {entry.bundle[:12]} is here, one with this threshold is")
    if difference := _find_difference(entry, verdict, exactly=exactly):
        return Repeated(recorded, Outcome.DIFFERENT, "; ".join([difference, *remarks]), verdict)
    if entry.bound == Bound.EXACT and exactly:
        return Repeated(recorded, Outcome.SAME_SCORE, "; ".join(remarks) or None, verdict)
    remarks = remarks or ["no exact score was recorded"]
    return Repeated(recorded, Outcome.SAME_DECISION, "; ".join(remarks), verdict)


def _find_difference(entry: Entry, verdict: Verdict, *, exactly: bool) -> str | None:
    """Say in what a decision differs from the recorded one, whose score is compared only if `exactly`."""
    thresholds = (verdict.threshold, verdict.fail_above)
    if thresholds != (entry.threshold, entry.fail_above):
        return f"its threshold is {entry.threshold!r} to {entry.fail_above!r}, the bundle's was {thresholds}"
    if verdict.decision is not entry.decision:
        return f"{entry.decision} then ({_tell(entry)}), {verdict.decision} now ({_tell(verdict)})"
    if entry.score is None or verdict.score is None or not exactly:
        return None
    holds = {
        Bound.EXACT: verdict.score == entry.score,
        Bound.UPPER: verdict.score <= entry.score,
        Bound.LOWER: verdict.score >= entry.score,
    }
    if holds[Bound(entry.bound)]:
        return None
    return f"{entry.decision} then and now, but the score was {_tell(entry)} and is {_tell(verdict)}"


def _tell(decision: Entry | Verdict) -> str:
    """Give the score to the last bit, or the reason why there is none."""
    if decision.score is None:
        return decision.reason or "no reason given"
    sign = {Bound.EXACT: "", Bound.UPPER: "<= ", Bound.LOWER: ">= "}[Bound(decision.bound)]
    return f"{sign}{decision.score!r}"


def _shorten(error: OSError | ImageError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).rpartition(": ")[2]
