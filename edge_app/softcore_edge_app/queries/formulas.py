"""Ledger formulas: texts that a spreadsheet would take for a formula, and run.

A part's name comes from whoever triggers, and a table of parts is opened in a spreadsheet by somebody else:
`=HYPERLINK(...)` would send what is in the table to a stranger.
"""

from __future__ import annotations

from typing import TypeVar

__all__ = ["defuse_formula"]

# With the full-width forms, which spreadsheets of East Asian languages read alike.
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_Value = TypeVar("_Value")


def defuse_formula(value: _Value) -> _Value | str:
    """Put an apostrophe before a text that begins like a formula; give everything else as it is.

    Blanks before it don't hide it. The apostrophe says to a spreadsheet that a text follows.
    """
    if isinstance(value, str) and (value.startswith(_RISKY) or value.lstrip().startswith(_RISKY)):
        return f"'{value}"
    return value
