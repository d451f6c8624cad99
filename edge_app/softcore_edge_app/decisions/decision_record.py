"""Decision record: the one decision on a part, as the ledger keeps it and every output gets it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final

import numpy as np
from softcore_runtime import Decision, InspectionResult, Registration

from softcore_edge_app.decisions.invalid_kinds import InvalidKind, LineKind, find_kind, phrase_reason

__all__ = ["CONTENT", "DecisionRecord", "escape_surrogates"]

_INT64 = 2**63
_BESIDE: Final = {"beside": True}  # marks the fields that aren't in the ledger's columns
_FLOATS = ("score", "threshold", "fail_above", "milliseconds", "x", "y")


@dataclass(frozen=True)
class DecisionRecord:
    """The decision on a part. Texts must be encodable as UTF-8.

    The fields up to `corrects` are the ledger's columns, in their order: see `content`. Those after it are
    known only to the process that decided; they don't count when two records are compared.

    Attributes:
        trigger: id of the trigger; unique but for corrections.
        part: name that the PLC or the broker gave the part; the trigger's id where they gave none.
        name: the frame's name.
        camera: name of the camera.
        category: the bundle's category.
        bundle: seal of the manifest in use, SHA-256 in hex; it covers every file of the bundle.
        decision: PASS, REVIEW, FAIL or INVALID.
        score: highest patch score, or a bound of it; None where INVALID.
        bound: what `score` is: `exact`, `upper` or `lower`; None where INVALID.
        threshold: the threshold, in the units of `score`.
        fail_above: the same, or the upper end of the grey zone.
        engine: library that ran the network.
        provider: part of the engine that computed.
        precision: what the network computed in.
        triggered_at: when the trigger came (a recording's: when its frame was read), in nanoseconds of UTC
            since 1970.
        deadline_at: by when a decision was due, likewise; None where there was no deadline.
        decided_at: when it was decided, likewise. A clock that was set may put it before `triggered_at`.
        milliseconds: wall time of the inspection; None where INVALID.
        reason: why it is INVALID, else None.
        x, y: where in the frame the highest patch score lies, as shares of its width and height from its
            upper left; None where there is no map.
        published_at: of a correction when the trigger's decision came out, too late, in nanoseconds of UTC
            since 1970; else None.
        corrects: number of the row that this one replaces: the decision there was made in time and could not
            be published in time. None where it corrects none.
        number: number of the record's row in the ledger; None where it is in none.
        recipe: name of the recipe that decided; None where it isn't known.
        frame_number: number of the frame, or of the trigger where no frame was taken; None where it isn't
            known.
        certified_by_hint, by_hnsw, exact: number of patches that each stage of the search settled; None where
            INVALID.
        registration: where the part lies in the frame, and how surely; None where frames aren't aligned, and
            where INVALID.
        stages: seconds that each stage took: `frame` until the frame was taken and checked, `queue` until its
            inspection began, `inspection`, `ledger` until the decision was in the ledger, and `total`; only
            those that the part went through.

    Raises:
        ValueError: a number isn't finite or doesn't fit 64 bits, or a text isn't UTF-8.
    """

    trigger: str
    part: str
    name: str
    camera: str
    category: str
    bundle: str
    decision: Decision
    score: float | None
    bound: str | None
    threshold: float
    fail_above: float
    engine: str
    provider: str
    precision: str
    triggered_at: int
    deadline_at: int | None
    decided_at: int
    milliseconds: float | None
    reason: str | None
    x: float | None = None
    y: float | None = None
    published_at: int | None = None
    corrects: int | None = None
    number: int | None = field(default=None, kw_only=True, compare=False, metadata=_BESIDE)
    recipe: str | None = field(default=None, kw_only=True, compare=False, metadata=_BESIDE)
    frame_number: int | None = field(default=None, kw_only=True, compare=False, metadata=_BESIDE)
    certified_by_hint: int | None = field(default=None, kw_only=True, compare=False, metadata=_BESIDE)
    by_hnsw: int | None = field(default=None, kw_only=True, compare=False, metadata=_BESIDE)
    exact: int | None = field(default=None, kw_only=True, compare=False, metadata=_BESIDE)
    registration: Registration | None = field(default=None, kw_only=True, compare=False, metadata=_BESIDE)
    stages: Mapping[str, float] = field(default_factory=dict, kw_only=True, compare=False, metadata=_BESIDE)

    def __post_init__(self) -> None:
        object.__setattr__(self, "decision", Decision(self.decision))
        for name, value in vars(self).items():
            if name in _FLOATS and value is not None:
                if not math.isfinite(value):
                    raise ValueError(f"{name} must be finite, not {value}")
                # As SQLite returns it: 3 comes back as 3.0, and -0.0 as 0.0.
                object.__setattr__(self, name, float(value) + 0.0)
            elif isinstance(value, int) and not -_INT64 <= value < _INT64:
                raise ValueError(f"{name} must fit 64 bits, not {value}")
            elif isinstance(value, str):
                value.encode()  # UnicodeEncodeError is a ValueError

    @classmethod
    def from_result(cls, result: InspectionResult, **known: Any) -> DecisionRecord:
        """Return the record of an inspected frame; INVALID where its score is no number.

        Args:
            result: what the runtime decided.
            known: all other fields.
        """
        if not math.isfinite(result.score):
            thresholds = {"threshold": result.threshold, "fail_above": result.fail_above}
            return cls.invalid(None, f"the score is {result.score}", **thresholds, **known)
        x, y = _locate_peak(result)
        return cls(
            decision=result.decision,
            score=result.score,
            bound=str(result.bound),
            threshold=result.threshold,
            fail_above=result.fail_above,
            milliseconds=result.milliseconds,
            reason=None,
            x=x,
            y=y,
            certified_by_hint=result.certified_by_hint,
            by_hnsw=result.by_hnsw,
            exact=result.exact,
            registration=result.registration,
            **known,
        )

    @classmethod
    def invalid(cls, kind: LineKind | None, detail: str, **known: Any) -> DecisionRecord:
        """Return the record of a part that is INVALID; the only place where one is made so.

        Args:
            kind: of the reason; None where `detail` is the whole reason, as a camera or a check gives it.
            detail: why, in the words that follow the kind's: see `phrase_reason`.
            known: all other fields.
        """
        reason = detail if kind is None else phrase_reason(kind, detail)
        return cls(**{**known, **_NO_NUMBERS, "reason": escape_surrogates(reason)})

    def invalidate(self, kind: LineKind | None, detail: str) -> DecisionRecord:
        """Return this record as INVALID; a reason that it has already follows the new one.

        Args:
            kind: as for `invalid`.
            detail: as for `invalid`.
        """
        detail = f"{detail}; {self.reason}" if self.reason else detail
        return self.invalid(kind, detail, **vars(self))

    def correct(self, kind: LineKind | None, detail: str, published_at: int) -> DecisionRecord:
        """Return this record as INVALID; where it has a row already, as the one that corrects that row.

        Args:
            kind: as for `invalid`.
            detail: as for `invalid`.
            published_at: when it is published, in nanoseconds of UTC since 1970.
        """
        invalid = self.invalidate(kind, detail)
        return replace(invalid, corrects=self.number, number=None, published_at=published_at)

    @property
    def kind(self) -> InvalidKind | None:
        """Kind of the reason; None where the decision isn't INVALID."""
        return find_kind(self.reason) if self.decision is Decision.INVALID else None

    @property
    def share(self) -> float | None:
        """The score divided by the threshold; None where that is no finite number."""
        if self.score is None or not self.threshold:
            return None
        share = self.score / self.threshold
        return share if math.isfinite(share) else None

    def content(self) -> dict[str, Any]:
        """Return the ledger's columns by name, in their order, with the decision as text."""
        values = vars(self)
        return {**{name: values[name] for name in CONTENT}, "decision": str(self.decision)}


CONTENT: Final = tuple(one.name for one in fields(DecisionRecord) if not one.metadata.get("beside"))
_NO_NUMBERS: Final = {
    "decision": Decision.INVALID,
    **dict.fromkeys(
        ("score", "bound", "milliseconds", "x", "y", "certified_by_hint", "by_hnsw", "exact", "registration"),
        None,
    ),
}


def escape_surrogates(text: str) -> str:
    """Escape what isn't UTF-8: a file's name may hold any byte."""
    return text.encode("utf-8", "backslashreplace").decode()


def _locate_peak(result: InspectionResult) -> tuple[float | None, float | None]:
    """Return where in the frame the highest patch score lies, as shares of its width and height."""
    if result.patch_scores is None or result.frame is None:
        return None, None
    scores = result.patch_scores
    row, column = np.unravel_index(int(scores.argmax()), scores.shape)
    height, width = result.frame.shape[:2]
    x, y = result.locate((int(column) + 0.5) / scores.shape[1], (int(row) + 0.5) / scores.shape[0])
    return min(1.0, max(0.0, x / width)), min(1.0, max(0.0, y / height))
