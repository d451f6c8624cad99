"""Demands: how many parts an objective needs, which is known before any of them is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from softcore_runtime.errors import DataError, UsageError

from softcore_calibration.bounds import allow, fewest, find_carried
from softcore_calibration.objective import Objective

__all__ = ["Lack", "demand_enough", "demand_good", "find_lacks"]

_PROMISES = {"overkill": ("--max-overkill", "good"), "escape": ("--max-escape", "bad")}


@dataclass(frozen=True)
class Lack:
    """A promise that a sample is too small for.

    Attributes:
        option: of the promise.
        kind: of parts that it is made about, good or bad.
        parts: of this kind that are there.
        share: that is promised.
        confidence: None for the marginal promise alone.
        needed: parts that can carry it.
        carried: the smallest share, in whole thousandths, that those that are there can carry; None where
            there is none.
    """

    option: str
    kind: str
    parts: int
    share: float
    confidence: float | None
    needed: int
    carried: float | None


def find_lacks(objective: Objective, good: int, bad: int) -> list[Lack]:
    """Find the promises of an objective that so many parts can't carry.

    Example:
        >>> [(lack.option, lack.needed, lack.carried) for lack in find_lacks(Objective(), good=30, bad=0)]
        [('--max-overkill', 99, 0.033)]
    """
    wanted, confidence = objective.parameters, objective.confidence
    shares = {
        "overkill": {"overkill": wanted.get("share")},
        "escape": {"escape": wanted.get("share")},
        "band": {"overkill": wanted.get("overkill"), "escape": wanted.get("escape")},
    }.get(objective.kind, {})
    lacks = []
    for promise, share in shares.items():
        option, kind = _PROMISES[promise]
        parts = good if kind == "good" else bad
        if share is not None and allow(parts, share, confidence) is None:
            needed, carried = fewest(share, confidence), find_carried(parts, confidence)
            lacks.append(Lack(option, kind, parts, share, confidence, needed, carried))
    return lacks


def demand_enough(
    objective: Objective,
    good: int | None,
    bad: int | None,
    *,
    stand_in: bool = False,
    rewrite: Callable[[dict[str, str]], str] | None = None,
) -> None:
    """Refuse what a sample is too small for.

    Args:
        objective: what is wanted.
        good: good parts; None where that isn't known yet.
        bad: bad parts, too.
        stand_in: whether the good ones are the training images, whose scores stand in where none are given.
        rewrite: gives the command with other values of options, which the refusal then advises.

    Raises:
        DataError: the sample can't carry a promise; the message says how many lack, and what it can carry.
        UsageError: the objective needs parts of a kind that there is none of.

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
    many = 10**9  # parts that can carry anything
    lacks = find_lacks(objective, many if good is None else good, many if bad is None else bad)
    if not lacks:
        return
    told = []
    for lack in lacks:
        sure = f" with --confidence {lack.confidence!r}" if lack.confidence else ""
        instead = stand_in and lack.kind == "good"
        images = "training images" if instead else f"{lack.kind} image{'' if lack.parts == 1 else 's'}"
        remedy = f"give {lack.needed:,} with --good" if instead else f"add {lack.needed - lack.parts:,} more"
        promise = f"{lack.option} {lack.share!r}{sure} ({lack.needed:,} can)"
        told.append(f"{lack.parts:,} {images} can't carry {promise}; {remedy}")
    carried = {lack.option: repr(lack.carried) for lack in lacks if lack.carried is not None}
    advice = ""
    if len(carried) == len(lacks):
        asked = " and ".join(f"{option} {share}" for option, share in carried.items())
        advice = f", or run: {rewrite(carried)}" if rewrite else f", or ask for {asked}"
    raise DataError("; ".join(told) + advice)


def demand_good(*, masked: bool, min_area: int | None) -> None:
    """Refuse that training images' scores stand in for those of good ones where they aren't alike.

    Raises:
        DataError: a mask or an area changes what a score is.

    Example:
        >>> demand_good(masked=False, min_area=None)
    """
    if masked or min_area is not None:
        raise DataError("a mask or --min-area changes the scores, so good images are needed (--good)")


def _list_needed(
    objective: Objective, good: int | None, bad: int | None
) -> list[tuple[str, str, int | None]]:
    """Name the kinds of parts that an objective can't do without, each with its option."""
    return {
        "escape": [("--max-escape", "bad", bad)],
        "band": [("--max-escape", "bad", bad)],
        "cost": [("--cost-escape", "good", good), ("--cost-escape", "bad", bad)],
        "f1": [("--f1", "good", good), ("--f1", "bad", bad)],
        "youden": [("--youden", "good", good), ("--youden", "bad", bad)],
        "percentile": [("--percentile", "good", good)],
    }.get(objective.kind, [])
