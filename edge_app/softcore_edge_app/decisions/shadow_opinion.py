"""Shadow opinion: what a bundle on trial says of a part on which another one has decided.

A line keeps them in its ledger's notes, many in one, so that they cost it few flushes of the disk.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from softcore_runtime import Decision, InspectionResult

from softcore_edge_app.decisions.decision_record import escape_surrogates

__all__ = ["OpinionBatch", "ShadowBundle", "ShadowOpinion"]

_BATCH = ("bundle", "path", "category", "threshold", "fail_above", "provisional", "skipped", "opinions")


@dataclass(frozen=True)
class ShadowBundle:
    """A bundle on trial as it is while an opinion is formed.

    Attributes:
        bundle: seal of its manifest, SHA-256 in hex.
        path: its folder, as the configuration names it.
        category: its category.
        threshold: its threshold.
        fail_above: the same, or the upper end of its grey zone.
        provisional: whether its threshold is: nobody has calibrated it.

    Raises:
        ValueError: a threshold isn't finite.
    """

    bundle: str
    path: str
    category: str
    threshold: float
    fail_above: float
    provisional: bool

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and math.isfinite(self.fail_above)):
            raise ValueError(f"a threshold must be finite, not {self.threshold} to {self.fail_above}")


@dataclass(frozen=True)
class ShadowOpinion:
    """What a bundle on trial says of a part.

    Attributes:
        row: number of the row in which the ledger has the line's own decision; None where it has none.
        trigger: id of the part's trigger.
        decision: PASS, REVIEW, FAIL or INVALID.
        score, bound: as in `DecisionRecord`; None where INVALID.
        milliseconds: wall time of the inspection; None where INVALID.
        reason: why it is INVALID, else None.

    Raises:
        ValueError: another decision, or a number that isn't finite.
    """

    row: int | None
    trigger: str
    decision: Decision
    score: float | None = None
    bound: str | None = None
    milliseconds: float | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "decision", Decision(self.decision))
        for name in ("score", "milliseconds"):
            value = vars(self)[name]
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} must be finite, not {value}")

    @classmethod
    def from_result(cls, row: int | None, trigger: str, result: InspectionResult) -> ShadowOpinion:
        """Return the opinion of an inspection; INVALID where its score is no number."""
        if not math.isfinite(result.score):
            return cls.invalid(row, trigger, f"the score is {result.score}")
        return cls(row, trigger, result.decision, float(result.score), str(result.bound), result.milliseconds)

    @classmethod
    def invalid(cls, row: int | None, trigger: str, reason: str) -> ShadowOpinion:
        """Return the opinion on a part that can't be inspected."""
        return cls(row, trigger, Decision.INVALID, reason=escape_surrogates(reason))


@dataclass(frozen=True)
class OpinionBatch:
    """The opinions of one bundle on trial, as a note of the ledger holds them.

    Attributes:
        shadow: the bundle.
        skipped: number of parts since the batch before that it was not asked about, for the line's sake.
        opinions: what it says of the others, in the order in which it was asked.
    """

    shadow: ShadowBundle
    skipped: int
    opinions: tuple[ShadowOpinion, ...]

    def dump(self) -> str:
        """Return it as JSON, in ASCII.

        Example:
            >>> shadow = ShadowBundle("ab" * 32, "bundles/new", "pill", 12.0, 12.0, False)
            >>> opinion = ShadowOpinion(1, "run-1", Decision.PASS, 6.5, "exact", 3.0)
            >>> batch = OpinionBatch(shadow, 0, (opinion,))
            >>> OpinionBatch.load(batch.dump()) == batch
            True
        """
        opinions = [[*vars(one).values()] for one in self.opinions]
        fields = {**vars(self.shadow), "skipped": self.skipped, "opinions": opinions}
        return json.dumps(fields, separators=(",", ":"), allow_nan=False)

    @classmethod
    def load(cls, text: str) -> OpinionBatch:
        """Read what `dump` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            fields: dict[str, Any] = json.loads(text)
            *shadow, skipped, opinions = (fields[name] for name in _BATCH)
            return cls(ShadowBundle(*shadow), int(skipped), tuple(ShadowOpinion(*one) for one in opinions))
        except (TypeError, KeyError) as error:
            raise ValueError(f"no opinions of a shadow ({error})") from error
