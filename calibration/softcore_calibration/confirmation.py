"""Confirmation: asks a person before a threshold far from the earlier one is set, with the rates compared."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from softcore_runtime import Decision
from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import UsageError

__all__ = ["DRASTIC", "FACTOR", "compare_rates", "confirm", "describe_jump", "measure_jump"]

FACTOR: Final = 1.5  # by which a threshold may rise or fall without a question
DRASTIC: Final = 2.0  # by which even one that a person named needs a word more, and that is asked twice


def measure_jump(before: Threshold, after: Threshold) -> float:
    """Return the factor by which a threshold rises or falls, whichever end of its grey zone moves more.

    1 if the two have different minimum areas, because their scores then differ.

    Example:
        >>> before = Threshold(value=4, provisional=True, method="export")
        >>> measure_jump(before, Threshold(value=1, provisional=False, method="calibration"))
        4.0
    """
    if before.min_area != after.min_area:
        return 1.0
    return max(max(new / old, old / new) for old, new in _list_ends(before, after))


def describe_jump(before: Threshold, after: Threshold) -> str | None:
    """Describe how far a threshold is from the earlier one; None if that is at most `FACTOR`.

    Also None if the two have different minimum areas, see `measure_jump`.

    Example:
        >>> before = Threshold(value=1.044, provisional=True, method="export")
        >>> after = Threshold(value=0.519, provisional=False, method="calibration")
        >>> describe_jump(before, after)
        'the threshold would fall from 1.044 to 0.519, by a factor of 2.01'
        >>> describe_jump(before, before) is None
        True
    """
    factor = measure_jump(before, after)
    if factor <= FACTOR:
        return None
    old, new = max(_list_ends(before, after), key=lambda ends: max(ends[1] / ends[0], ends[0] / ends[1]))
    way = "rise" if new > old else "fall"
    return f"the threshold would {way} from {old:.6g} to {new:.6g}, by a factor of {factor:.3g}"


def compare_rates(before: Threshold, after: Threshold, good: Sequence[float], bad: Sequence[float]) -> str:
    """Compare what two thresholds do to scored images, in words; empty without images.

    Args:
        before: the threshold now.
        after: the other one.
        good: the scores of good images.
        bad: the scores of bad images.

    Example:
        >>> before = Threshold(value=4, provisional=True, method="export")
        >>> after = Threshold(value=1, provisional=False, method="calibration")
        >>> compare_rates(before, after, good=[0.5, 2, 3], bad=[3, 9])
        'of 3 good images 2 would fail (0 do now), of 2 bad images 0 would pass (1 does now)'
    """
    told = []
    for kind, scores, decision, does in (
        ("good", good, Decision.FAIL, "fail"),
        ("bad", bad, Decision.PASS, "pass"),
    ):
        if scores:
            now, then = (sum(at.decide(score) is decision for score in scores) for at in (before, after))
            verb = "does" if now == 1 else "do"
            told.append(f"of {len(scores)} {kind} images {then} would {does} ({now} {verb} now)")
    return ", ".join(told)


def confirm(bundle: Path, jump: str, rates: str, *, drastic: bool) -> None:
    """Ask a person at a terminal whether to set a threshold that is far from the earlier one.

    Args:
        bundle: the bundle's folder.
        jump: what `describe_jump` returns.
        rates: what `compare_rates` returns.
        drastic: whether to ask twice, and in red.

    Raises:
        UsageError: an answer isn't yes, or standard input is no terminal.
    """
    what = f"{bundle}: {jump}{f'; {rates}' if rates else ''}"
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"{what}; more than {FACTOR} needs a person's word: look at --report FILE.html, "
            "then repeat the command with --accept; nothing was changed"
        )
    questions = ["Set it?", "Really?"] if drastic else ["Set it?"]
    red, plain = ("\x1b[1;31m", "\x1b[0m") if drastic and not os.environ.get("NO_COLOR") else ("", "")
    for place, question in enumerate(questions):
        sys.stderr.write(f"{red}{f'{what}. ' if place == 0 else ''}{question}{plain} [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageError(f"{bundle}: {jump}; nothing was changed, for the answer was not yes")


def _list_ends(before: Threshold, after: Threshold) -> list[tuple[float, float]]:
    return [(before.value, after.value), (before.upper, after.upper)]
