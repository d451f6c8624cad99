"""Demands: how many parts an objective needs, which is known before any part is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from softcore_runtime.errors import DataError, UsageError

from softcore_calibration.bounds import find_allowed, find_smallest_sample, find_smallest_share
from softcore_calibration.objective import Objective

__all__ = ["Shortfall", "demand_enough", "demand_good", "find_shortfalls"]

_PROMISES = {"overkill": ("--max-overkill", "good"), "escape": ("--max-escape", "bad")}


@dataclass(frozen=True)
class Shortfall:
    """A promise that a sample is too small for.

    Attributes:
        option: the promise's option.
        kind: of the parts that it is about, good or bad.
        parts: number of parts of this kind in the sample.
        share: the promised share.
        confidence: of the promise; None for the marginal promise alone.
        needed: number of parts that the promise needs.
        possible: the smallest share, in whole thousandths, that the sample can promise; None without one.
    """

    option: str
    kind: str
    parts: int
    share: float
    confidence: float | None
    needed: int
    possible: float | None


def find_shortfalls(objective: Objective, good: int, bad: int) -> list[Shortfall]:
    """Find the promises of an objective that samples of these sizes can't carry.

    Example:
        >>> [(one.option, one.needed, one.possible) for one in find_shortfalls(Objective(), good=30, bad=0)]
        [('--max-overkill', 99, 0.033)]
    """
    wanted, confidence = objective.parameters, objective.confidence
    shares = {
        "overkill": {"overkill": wanted.get("share")},
        "escape": {"escape": wanted.get("share")},
        "band": {"overkill": wanted.get("overkill"), "escape": wanted.get("escape")},
    }.get(objective.kind, {})
    shortfalls = []
    for promise, share in shares.items():
        option, kind = _PROMISES[promise]
        parts = good if kind == "good" else bad
        if share is not None and find_allowed(parts, share, confidence) is None:
            needed, possible = find_smallest_sample(share, confidence), find_smallest_share(parts, confidence)
            shortfalls.append(Shortfall(option, kind, parts, share, confidence, needed, possible))
    return shortfalls


def demand_enough(
    objective: Objective,
    good: int | None,
    bad: int | None,
    *,
    stand_in: bool = False,
    rewrite: Callable[[dict[str, str]], str] | None = None,
) -> None:
    """Raise an error if a sample is too small for an objective.

    Args:
        objective: what the threshold is chosen for.
        good: number of good parts; None if it isn't known yet.
        bad: number of bad parts; None if it isn't known yet.
        stand_in: whether the good parts are the training images, because no good images were given.
        rewrite: returns the command with other values of options, for the advice in the message.

    Raises:
        DataError: the sample is too small for a promise; the message says how many parts are missing, and
            which share the sample can promise.
        UsageError: there is no part of a kind that the objective needs.

    Example:
        >>> demand_enough(Objective(), good=30, bad=0)
        Traceback (most recent call last):
            ...
        softcore_runtime.errors.DataError: 30 good images can't carry --max-overkill 0.01 (99 can); add 69
        more, or ask for --max-overkill 0.033
    """
    for option, kind, parts in _list_needed(objective, good, bad):
        if parts == 0:
            raise UsageError(
                f"{option}: needs {kind} images; give some with --{kind}, or both kinds with --data"
            )
    many = 10**9  # parts, enough for any promise
    shortfalls = find_shortfalls(objective, many if good is None else good, many if bad is None else bad)
    if not shortfalls:
        return
    told = []
    for shortfall in shortfalls:
        sure = f" with --confidence {shortfall.confidence!r}" if shortfall.confidence else ""
        instead = stand_in and shortfall.kind == "good"
        images = (
            "training images" if instead else f"{shortfall.kind} image{'' if shortfall.parts == 1 else 's'}"
        )
        remedy = (
            f"give {shortfall.needed:,} with --good"
            if instead
            else f"add {shortfall.needed - shortfall.parts:,} more"
        )
        promise = f"{shortfall.option} {shortfall.share!r}{sure} ({shortfall.needed:,} can)"
        told.append(f"{shortfall.parts:,} {images} can't carry {promise}; {remedy}")
    possible = {
        shortfall.option: repr(shortfall.possible)
        for shortfall in shortfalls
        if shortfall.possible is not None
    }
    advice = ""
    if len(possible) == len(shortfalls):
        asked = " and ".join(f"{option} {share}" for option, share in possible.items())
        advice = f", or run: {rewrite(possible)}" if rewrite else f", or ask for {asked}"
    raise DataError("; ".join(told) + advice)


def demand_good(*, masked: bool, min_area: int | None) -> None:
    """Raise an error if the scores of training images can't be used in place of good images' scores.

    Raises:
        DataError: a mask or a minimum area changes what a score is.

    Example:
        >>> demand_good(masked=False, min_area=None)
    """
    if masked or min_area is not None:
        raise DataError("a mask or --min-area changes the scores, so good images are needed (--good)")


def _list_needed(
    objective: Objective, good: int | None, bad: int | None
) -> list[tuple[str, str, int | None]]:
    """List the kinds of parts that an objective needs: option, kind, and number of parts."""
    return {
        "escape": [("--max-escape", "bad", bad)],
        "band": [("--max-escape", "bad", bad)],
        "cost": [("--cost-escape", "good", good), ("--cost-escape", "bad", bad)],
        "f1": [("--f1", "good", good), ("--f1", "bad", bad)],
        "youden": [("--youden", "good", good), ("--youden", "bad", bad)],
        "percentile": [("--percentile", "good", good)],
    }.get(objective.kind, [])
