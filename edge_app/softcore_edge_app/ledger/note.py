"""Ledger note: one change that somebody made, chained to the note before and to the decisions."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

from softcore_edge_app.ledger.layout import hash_content

__all__ = ["KINDS", "NOTE_COLUMNS", "Change", "Kind", "Note"]

Kind = Literal["mark", "limit", "recipe", "running", "trigger", "bundle", "shadow", "alarm"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Change:
    """A change, and who made it. What isn't UTF-8 in a text is escaped.

    Attributes:
        kind: a `mark` on a decision, a `limit`, a `recipe`, `running` (start and stop), a `trigger` by
            hand, a `bundle` that took another one's place, what a `shadow` says of some decisions, or an
            `alarm` that was raised, acknowledged or cleared.
        camera: name of the camera.
        subject: of a mark and of a trigger by hand the trigger's id, of a threshold and a bundle the
            recipe, of an alarm the rule; else None.
        before, after: the old and the new value, as texts; None where there is none. Of a shadow `after` is
            what `OpinionBatch.dump` returns.
        by: who made it: a person's name, or `page`, `http`, `mqtt`, `modbus` or `command` of who shows the
            token or needs none; of a shadow, and of an alarm that is raised or cleared, `line`.

    Raises:
        ValueError: another kind.
    """

    kind: Kind
    camera: str
    subject: str | None
    before: str | None
    after: str | None
    by: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a note is of one of {', '.join(KINDS)}, not {self.kind!r}")
        for name, value in vars(self).items():
            if isinstance(value, str):  # a camera's name may come from a file's, which may hold any byte
                object.__setattr__(self, name, value.encode("utf-8", "backslashreplace").decode())

    def undo(self) -> Change:
        """Return the change that undoes this one."""
        return replace(self, before=self.after, after=self.before)


NOTE_COLUMNS = (
    "number", "at", *(field.name for field in fields(Change)), "row", "row_hash", "previous", "hash",
)  # fmt: skip


@dataclass(frozen=True)
class Note:
    """A change with its place in the chain.

    Attributes:
        number: counts from 1, without gaps.
        at: when it was noted, in nanoseconds of UTC since 1970.
        change: what was changed.
        row, row_hash: number and hash of the last decision's row at that time, or 0 and what the first row
            follows; so a rewrite of the rows must rewrite the notes, too.
        previous: hash of the note before, or what the first one follows; SHA-256 in hex.
        hash: this note's hash.
    """

    number: int
    at: int
    change: Change
    row: int
    row_hash: str
    previous: str
    hash: str

    @classmethod
    def chain(cls, change: Change, number: int, at: int, *, row: int, row_hash: str, previous: str) -> Note:
        """Return the note of a change."""
        note = cls(number, at, change, row, row_hash, previous, "")
        return replace(note, hash=note.hash_at(number))

    @classmethod
    def read(cls, values: tuple[Any, ...]) -> Note:
        """Return the note of what SQLite returns, in the order of `NOTE_COLUMNS`.

        Raises:
            TypeError, ValueError: no note that could have been written; not every one is found here.
        """
        number, at, *change, row, row_hash, previous, own = values
        return cls(number, at, Change(*change), row, row_hash, previous, own)

    def values(self) -> tuple[Any, ...]:
        """Return what SQLite stores, in the order of `NOTE_COLUMNS`."""
        change = vars(self.change).values()
        return self.number, self.at, *change, self.row, self.row_hash, self.previous, self.hash

    def hash_at(self, number: int) -> str:
        """Compute the hash that it would have with another number: SHA-256 of all its fields but `hash`."""
        content = dict(zip(NOTE_COLUMNS[:-1], self.values()[:-1], strict=True))
        return hash_content({**content, "number": number})
