"""Invalid kinds: the few words under which reasons for an INVALID are counted, and how a reason begins."""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

__all__ = ["INVALID_KINDS", "InvalidKind", "LineKind", "find_kind", "phrase_reason"]

# What the line itself says, and not a camera, an image or the frame checks.
LineKind = Literal["ledger", "late", "overflow", "stopped", "internal"]
InvalidKind = Literal[
    "ledger", "late", "overflow", "stopped", "internal", "frozen", "black", "dark", "bright", "flat",
    "blurred", "misplaced", "size", "camera", "unreadable", "other",
]  # fmt: skip
INVALID_KINDS: Final[tuple[InvalidKind, ...]] = get_args(InvalidKind)

# How the reasons of a kind begin, as the line writes them and as they are counted.
_BEGINNINGS: Final[dict[LineKind, str]] = {
    "ledger": "the ledger can't be written",
    "late": "late:",
    "overflow": "too many triggers:",
    "stopped": "the line was stopped",
    "internal": "internal error:",
}
# What else belongs to a kind: the reasons of cameras, images and checks, and those in older ledgers.
_OTHERS: Final[dict[InvalidKind, str]] = {
    "ledger": r"^the ledger\b",
    "late": r"^late\b",
    "overflow": r"^too many triggers\b",
    "stopped": r"^the recording has come to its end\b",
    "internal": r"^internal error\b|^the score is\b|\bNaN or infinity\b",
    "frozen": r"^the (image|picture) has not changed\b",
    "black": r"^the (image|picture) is black\b",
    "dark": r"^too dark\b",
    "bright": r"^too bright\b",
    "flat": r"^without contrast\b",
    "blurred": r"^blurred\b",
    "misplaced": r"^the part is not where it should be\b",
    "size": r"\btoo small\b|^a frame must\b|^the (image|picture) has\b",
    "camera": r"^no new frame\b|\b(camera|stream|pipeline)\b",
    "unreadable": r"\bcan't (be read|decode)|\bempty\b|\bcut off\b|\bnot (an image|a picture)\b",
}
# The first that matches: a reason may name a second one after the first, and quote a file's name. Ledgers
# written up to 0.1 say "picture" for an image.
_PATTERNS: Final[tuple[tuple[InvalidKind, re.Pattern[str]], ...]] = (
    *((kind, re.compile(f"^{re.escape(words)}|{_OTHERS[kind]}")) for kind, words in _BEGINNINGS.items()),
    *((kind, re.compile(words)) for kind, words in _OTHERS.items() if kind not in _BEGINNINGS),
)


def phrase_reason(kind: LineKind, detail: str) -> str:
    """Return the reason for an INVALID of a kind, which `find_kind` counts under it.

    Example:
        >>> phrase_reason("late", "its turn came only after 1.20 s")
        'late: its turn came only after 1.20 s'
    """
    return f"{_BEGINNINGS[kind]} {detail}"


def find_kind(reason: str | None) -> InvalidKind:
    """Return the kind of a reason, whatever the reason says.

    Example:
        >>> find_kind("late: its turn came only after 1.20 s")
        'late'
    """
    for kind, pattern in _PATTERNS:
        if pattern.search(reason or ""):
            return kind
    return "other"
