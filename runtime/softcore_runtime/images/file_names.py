"""File names: as text that can be written anywhere, for a name on Linux is any bytes, not always UTF-8."""

from __future__ import annotations

import os

__all__ = ["to_text"]


def to_text(name: str | os.PathLike[str]) -> str:
    r"""Make text of a file's name: what isn't UTF-8 is escaped, as the ledger does.

    Python reads such bytes as halves of surrogate pairs, which no UTF-8 file takes.

    Example:
        >>> to_text("gr\udcfcn.png")
        'gr\\udcfcn.png'
        >>> to_text("grün.png")
        'grün.png'
    """
    return os.fspath(name).encode("utf-8", "backslashreplace").decode()
