"""Suggestion: the known name that a mistyped one means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["find_nearest", "suggest"]


def find_nearest(given: str, known: Iterable[str]) -> str | None:
    """Return the known name that is nearest to a mistyped one, or that begins with it; None if none is near.

    Example:
        >>> find_nearest("chekc", ["ask", "check", "replay"])
        'check'
        >>> find_nearest("--sav", ["--save-overlays", "--source"])
        '--save-overlays'
    """
    names = {_fold(name): name for name in known}
    sought = _fold(given)
    begun = [name for name in names if len(sought.strip("-")) > 1 and name.startswith(sought)]
    near = difflib.get_close_matches(sought, begun, n=1, cutoff=0) or difflib.get_close_matches(
        sought, names, n=1
    )
    return names[near[0]] if near else None


def suggest(given: str, known: Iterable[str]) -> str:
    """Return "; did you mean NAME?" with the nearest known name, to end a message; empty if none is near.

    Example:
        >>> suggest("chekc", ["ask", "check", "replay"])
        '; did you mean check?'
        >>> suggest("pill", ["ask", "check", "replay"])
        ''
    """
    near = find_nearest(given, known)
    return f"; did you mean {near}?" if near else ""


def _fold(name: str) -> str:
    return name.lower().replace("_", "-")
