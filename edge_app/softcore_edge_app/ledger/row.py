"""Ledger row: one decision as the ledger keeps it, and the hash that chains it to the one before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from softcore_edge_app.decisions.decision_record import CONTENT, DecisionRecord
from softcore_edge_app.ledger.layout import ABSENT, FORMAT, hash_content

__all__ = ["COLUMNS", "Row"]

COLUMNS = ("number", *CONTENT, "previous", "hash")


@dataclass(frozen=True)
class Row:
    """A decision's record with its place in the chain.

    Attributes:
        number: counts from 1, without gaps.
        record: the decision, with the row's number.
        previous: hash of the row before, or of the header; SHA-256 in hex.
        hash: this row's hash.
        form: format of its ledger.
    """

    number: int
    record: DecisionRecord
    previous: str
    hash: str
    form: int = FORMAT

    @classmethod
    def chain(cls, record: DecisionRecord, number: int, previous: str) -> Row:
        """Return the row of a record."""
        return cls(number, replace(record, number=number), previous, _hash(record, number, previous))

    @classmethod
    def read(cls, values: tuple[Any, ...], form: int = FORMAT) -> Row:
        """Return the row of what SQLite returns, in the order of `COLUMNS`.

        Args:
            values: what SQLite returns; None for columns that the format hasn't.
            form: format of the ledger, on which the hash depends.

        Raises:
            TypeError, ValueError: no row that could have been written; not every one is found here.
        """
        number, *content, previous, own = values
        return cls(number, DecisionRecord(*content, number=number), previous, own, form)

    def values(self) -> tuple[Any, ...]:
        """Return what SQLite stores, in the order of `COLUMNS`."""
        return self.number, *self.record.content().values(), self.previous, self.hash

    def hash_at(self, number: int) -> str:
        """Compute the hash that it would have with another number: SHA-256 of all its fields but `hash`."""
        return _hash(self.record, number, self.previous, self.form)


def _hash(record: DecisionRecord, number: int, previous: str, form: int = FORMAT) -> str:
    content = {name: value for name, value in record.content().items() if name not in ABSENT[form]}
    return hash_content({**content, "number": number, "previous": previous})
