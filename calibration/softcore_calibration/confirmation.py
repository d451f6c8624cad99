"""Confirmation: asks a person before a threshold far from the earlier one is set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from softcore_runtime.bundle.threshold import Threshold
from softcore_runtime.errors import UsageError

__all__ = ["FACTOR", "confirm", "describe_jump"]

FACTOR: Final = 1.5  # by which a threshold may rise or fall without a question


def describe_jump(before: Threshold, after: Threshold) -> str | None:
    """Describe how far a threshold is from the earlier one; None if that is at most `FACTOR`.

    Also None if the two have different minimum areas, because their scores then differ.

    Example:
        >>> before = Threshold(value=1.044, provisional=True, method="export")
        >>> after = Threshold(value=0.519, provisional=False, method="calibration")
        >>> describe_jump(before, after)
        'the threshold would fall from 1.044 to 0.519, by a factor of 2.01'
        >>> describe_jump(before, before) is None
        True
    """
    if before.min_area != after.min_area:
        return None
    pairs = [(before.value, after.value), (before.upper, after.upper)]
    old, new = max(pairs, key=lambda pair: max(pair[1] / pair[0], pair[0] / pair[1]))
    factor = max(new / old, old / new)
    if factor <= FACTOR:
        return None
    way = "rise" if new > old else "fall"
    return f"the threshold would {way} from {old:.6g} to {new:.6g}, by a factor of {factor:.3g}"


def confirm(bundle: Path, jump: str) -> None:
    """Ask a person at a terminal whether to set a threshold that is far from the earlier one.

    Args:
        bundle: the bundle's folder.
        jump: what `describe_jump` returns.

    Raises:
        UsageError: the answer isn't yes, or standard input is no terminal.
    """
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"{bundle}: {jump}, and more than {FACTOR} needs a person's word: look at --report FILE.html, "
            "then repeat the command with --yes; nothing was changed"
        )
    sys.stderr.write(f"{bundle}: {jump}. Set it? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError(f"{bundle}: {jump}; nothing was changed, for the answer was not yes")
