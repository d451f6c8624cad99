"""Ledger counts: what a ledger's header, its seal and its head file say of how much there is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counts"]


@dataclass(frozen=True)
class Counts:
    """What a ledger's header says.

    Attributes:
        ledger: its id.
        rows, notes: how many.
        head, notes_head: the last one's hash, or what the first one follows.
    """

    ledger: str
    rows: int
    head: str
    notes: int
    notes_head: str
