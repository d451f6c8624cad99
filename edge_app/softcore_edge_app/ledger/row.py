"""Ledger row: one decision as the ledger keeps it, and the hash that chains it to the one before."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

from softcore_runtime import Decision

from softcore_edge_app.ledger.layout import hash_content

__all__ = ["COLUMNS", "Entry", "Row"]

_INT64 = 2**63


@dataclass(frozen=True)
class Entry:
    """What is known of one decision when it is entered. Texts must be encodable as UTF-8.

    Attributes:
        trigger: what the frame was taken for; unique but for corrections, which the writer sees to.
        part: what the PLC or the broker calls the part; the trigger's id where they don't say.
        name: the frame's name.
        camera: where the frame came from.
        category: the bundle's.
        bundle: the seal of the manifest in use, SHA-256 in hex; it covers every file of the bundle.
        decision: PASS, REVIEW, FAIL or INVALID.
        score: the highest patch score, or a bound of it; None where INVALID.
        bound: what `score` is: `exact`, `upper` or `lower`; None where INVALID.
        threshold: the threshold, in the units of `score`.
        fail_above: the same, or the upper end of the grey zone.
        engine: what ran the network.
        provider: the part of the engine that computed.
        precision: what the network computed in.
        triggered_at: when the trigger came (a recording's: when its frame was read), in nanoseconds of UTC
            since 1970.
        deadline_at: by when it was to be decided on, likewise; None where there was no hurry.
        decided_at: when it was decided on, likewise. A clock that was set may put it before.
        milliseconds: wall time of the inspection; None where INVALID.
        reason: why it is INVALID, else None.
        x, y: where in the frame the highest patch score lies, as shares of its width and height from its
            upper left; None where there is no map.
        published_at: of a correction when the trigger's decision came out, too late, in nanoseconds of UTC
            since 1970; else None.
        corrects: the number of the row in whose place this one stands: the decision there was made in time
            and could not be published in time. None where it corrects none.

    Raises:
        ValueError: a number that isn't finite or doesn't fit 64 bits, or a text that isn't UTF-8.
    """

    trigger: str
    part: str
    name: str
    camera: str
    category: str
    bundle: str
    decision: Decision
    score: float | None
    bound: str | None
    threshold: float
    fail_above: float
    engine: str
    provider: str
    precision: str
    triggered_at: int
    deadline_at: int | None
    decided_at: int
    milliseconds: float | None
    reason: str | None
    x: float | None = None
    y: float | None = None
    published_at: int | None = None
    corrects: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "decision", Decision(self.decision))
        for name, value in vars(self).items():
            if name in _FLOATS and value is not None:
                if not math.isfinite(value):
                    raise ValueError(f"{name} must be finite, not {value}")
                # As SQLite gives it back: 3 comes back as 3.0, and -0.0 as 0.0.
                object.__setattr__(self, name, float(value) + 0.0)
            elif isinstance(value, int) and not -_INT64 <= value < _INT64:
                raise ValueError(f"{name} must fit 64 bits, not {value}")
            elif isinstance(value, str):
                value.encode()  # UnicodeEncodeError is a ValueError


_FLOATS = ("score", "threshold", "fail_above", "milliseconds", "x", "y")
COLUMNS = ("number", *(field.name for field in fields(Entry)), "previous", "hash")


@dataclass(frozen=True)
class Row:
    """An entry in its place.

    Attributes:
        number: counts from 1, without gaps.
        entry: the decision.
        previous: the hash of the row before, or of the header; SHA-256 in hex.
        hash: this row's.
    """

    number: int
    entry: Entry
    previous: str
    hash: str

    @classmethod
    def chain(cls, entry: Entry, number: int, previous: str) -> Row:
        """Put an entry in its place."""
        return cls(number, entry, previous, _hash(entry, number, previous))

    @classmethod
    def read(cls, values: tuple[Any, ...]) -> Row:
        """Take what SQLite gives, in the order of `COLUMNS`.

        Raises:
            TypeError, ValueError: no row that could have been written; not every one is found here.
        """
        number, *entry, previous, own = values
        return cls(number, Entry(*entry), previous, own)

    def values(self) -> tuple[Any, ...]:
        """Give what SQLite takes, in the order of `COLUMNS`."""
        entry = (str(value) if isinstance(value, Decision) else value for value in vars(self.entry).values())
        return self.number, *entry, self.previous, self.hash

    def hash_at(self, number: int) -> str:
        """Compute the hash that it would have with another number: SHA-256 of all its fields but `hash`."""
        return _hash(self.entry, number, self.previous)


def _hash(entry: Entry, number: int, previous: str) -> str:
    return hash_content({**vars(entry), "number": number, "previous": previous})
