"""File names: converts names to valid text; on Linux a name may be any bytes, not only UTF-8."""

from __future__ import annotations

import os

__all__ = ["to_text"]


def to_text(name: str | os.PathLike[str]) -> str:
    r"""Return a file's name as text; bytes that aren't UTF-8 are escaped, as in the ledger.

    Python decodes such bytes as halves of surrogate pairs, which UTF-8 can't encode.

    Example:
        >>> to_text("gr\udcfcn.png")
        'gr\\udcfcn.png'
        >>> to_text("grün.png")
        'grün.png'
    """
    return os.fspath(name).encode("utf-8", "backslashreplace").decode()
