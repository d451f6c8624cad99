"""Decision: the decision on a part, and the relation of its score to the highest patch score."""

from __future__ import annotations

from enum import Enum

__all__ = ["Bound", "Decision"]


class Decision(str, Enum):
    """The decision on a part; a string, so that it can be compared, printed and written as JSON.

    Attributes:
        PASS: the score is at most the threshold.
        REVIEW: the score is in the grey zone between the threshold and `fail_above`; a person decides.
        FAIL: the score is above the threshold, and above the grey zone if there is one.
        INVALID: no decision could be made (no frame, a black frame, too late). Only a line returns it;
            `Inspector` raises `FrameError` instead.

    Example:
        >>> Decision("FAIL") is Decision.FAIL
        True
        >>> Decision.FAIL == "FAIL"
        True
        >>> print(inspector.decide(frame).decision)
        PASS
    """

    PASS = "PASS"  # noqa: S105 - a decision, not a password
    REVIEW = "REVIEW"
    FAIL = "FAIL"
    INVALID = "INVALID"

    def __str__(self) -> str:
        return self.value


class Bound(str, Enum):
    """The relation of a result's `score` to the highest patch score of its frame.

    Attributes:
        EXACT: it is the highest patch score.
        UPPER: the highest patch score is at most this; only on a PASS.
        LOWER: the highest patch score is at least this; only on a FAIL.

    Example:
        >>> inspector.inspect(frame).bound
        <Bound.EXACT: 'exact'>
        >>> print(Bound.UPPER)
        upper
    """

    EXACT = "exact"
    UPPER = "upper"
    LOWER = "lower"

    def __str__(self) -> str:
        return self.value
