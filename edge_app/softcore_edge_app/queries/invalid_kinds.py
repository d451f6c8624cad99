"""Invalid kinds: the few words under which reasons for an INVALID are counted."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["INVALID_KINDS", "find_kind"]

# The first that matches; a reason may name a second one after the first, and quote a file's name. Ledgers
# written up to 0.1 say "picture" for an image.
_PATTERNS: Final = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("ledger", r"^the ledger\b"),
        ("late", r"^late\b"),
        ("overflow", r"^too many triggers\b"),
        ("stopped", r"^the line was stopped\b|^the recording has come to its end\b"),
        ("internal", r"^internal error\b|^the score is\b|\bNaN or infinity\b"),
        ("frozen", r"^the (image|picture) has not changed\b"),
        ("black", r"^the (image|picture) is black\b"),
        ("dark", r"^too dark\b"),
        ("bright", r"^too bright\b"),
        ("flat", r"^without contrast\b"),
        ("blurred", r"^blurred\b"),
        ("size", r"\btoo small\b|^a frame must\b|^the (image|picture) has\b"),
        ("camera", r"^no new frame\b|\b(camera|stream|pipeline)\b"),
        ("unreadable", r"\bcan't (be read|decode)|\bempty\b|\bcut off\b|\bnot (an image|a picture)\b"),
    )
)
_OTHER = "other"
INVALID_KINDS: Final = (*(kind for kind, _ in _PATTERNS), _OTHER)


def find_kind(reason: str | None) -> str:
    """Find the kind of a reason; one of `INVALID_KINDS`, whatever the reason says."""
    for kind, pattern in _PATTERNS:
        if pattern.search(reason or ""):
            return kind
    return _OTHER
