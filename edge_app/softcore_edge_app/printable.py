"""Printable text: what may be written to a terminal, a log or a field of its own."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""Escape what would break a line or a terminal: a file's name may hold any character.

    Example:
        >>> print(printable("a\nb"))
        a\nb
    """
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
