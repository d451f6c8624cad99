"""Formulas: texts that a spreadsheet would take for a formula, and run.

Whoever triggers a part names it, and somebody else opens a table of parts in a spreadsheet:
`=HYPERLINK(...)` would send the table's contents elsewhere.
"""

from __future__ import annotations

from typing import TypeVar

__all__ = ["defuse_formula"]

# With the full-width forms, which spreadsheets in East Asian languages read likewise.
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

_Value = TypeVar("_Value")


def defuse_formula(value: _Value) -> _Value | str:
    """Return a text that begins like a formula with an apostrophe before it; anything else unchanged.

    Leading blanks are ignored. The apostrophe marks a text for a spreadsheet.
    """
    if isinstance(value, str) and (value.startswith(_RISKY) or value.lstrip().startswith(_RISKY)):
        return f"'{value}"
    return value
