"""Alarm notes: alarms in the ledger's notes, as they are written and as a line that starts reads them."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from softcore_runtime import Decision

from softcore_edge_app.alarms.alarm_reading import AlarmPart, AlarmReading
from softcore_edge_app.alarms.alarm_state import StateName
from softcore_edge_app.decisions.invalid_kinds import find_kind
from softcore_edge_app.ledger.chain import SELECT_NOTES
from softcore_edge_app.ledger.connection import connect_to_read
from softcore_edge_app.ledger.layout import HOLDS
from softcore_edge_app.ledger.note import Change, Note

__all__ = ["LINE", "AlarmHistory", "PastAlarm", "describe_step", "read_history"]

LINE: Final = "line"  # who raises and clears
_MOST_ROWS: Final = 20_000  # of the ledger, among which the last parts are looked for


@dataclass(frozen=True)
class PastAlarm:
    """An alarm that was not cleared when the line ended.

    Attributes:
        camera, rule: which.
        state: `raised` or `acknowledged`.
        since: when it was raised, in nanoseconds of UTC since 1970.
        reading: what raised it.
        by, at: who acknowledged it, and when; None where nobody has.
    """

    camera: str
    rule: str
    state: StateName
    since: int
    reading: AlarmReading
    by: str | None = None
    at: int | None = None


@dataclass(frozen=True)
class AlarmHistory:
    """What a line that starts takes up.

    Attributes:
        alarms: those that are open.
        parts: the last parts, the oldest first.
        shift: how many parts of the running shift are like each of these.
    """

    alarms: tuple[PastAlarm, ...] = ()
    parts: tuple[AlarmPart, ...] = ()
    shift: tuple[tuple[AlarmPart, int], ...] = ()


def describe_step(
    alarm: tuple[str, str], before: StateName, after: StateName, by: str, reading: AlarmReading | None = None
) -> Change:
    """Return the change that a ledger notes.

    Args:
        alarm: names of its camera and its rule.
        before: its state before.
        after: its state now.
        by: who changed it: `LINE`, or who acknowledged it.
        reading: what raised it, where it is raised.

    Example:
        >>> describe_step(("left", "run"), "cleared", "raised", LINE, AlarmReading("FAIL", 10, 10)).after
        'raised: FAIL 10/10'
    """
    text = f"{after}: {reading.dump()}" if reading else after
    return Change("alarm", *alarm, before, text, by)


def read_history(path: Path, cameras: Sequence[str], parts: int) -> AlarmHistory:
    """Read a ledger's open alarms, and the last parts of each camera.

    Args:
        path: the ledger.
        cameras: names of the cameras.
        parts: number of parts that are read of each.

    Raises:
        sqlite3.Error, ValueError: it can't be read.
    """
    with closing(connect_to_read(path)) as connection:
        notes = connection.execute(f"{SELECT_NOTES} WHERE kind = 'alarm' ORDER BY number")
        alarms = _find_open(Note.read(values) for values in notes)
        return AlarmHistory(alarms, _read_parts(connection, cameras, parts))


def _find_open(notes: Iterable[Note]) -> tuple[PastAlarm, ...]:
    found: dict[tuple[str, str], PastAlarm] = {}
    for note in notes:
        change = note.change
        key = change.camera, change.subject or ""
        state, _, text = (change.after or "").partition(": ")
        if state == "raised":
            found[key] = PastAlarm(*key, "raised", note.at, AlarmReading.parse(text))
        elif state == "acknowledged" and key in found:
            raised = found[key]
            found[key] = PastAlarm(*key, "acknowledged", raised.since, raised.reading, change.by, note.at)
        else:
            found.pop(key, None)
    return tuple(found.values())


def _read_parts(connection: sqlite3.Connection, cameras: Sequence[str], parts: int) -> tuple[AlarmPart, ...]:
    """Read the last parts of each camera, the oldest first; their images aren't in the ledger."""
    waiting = dict.fromkeys(cameras, parts)
    found: deque[AlarmPart] = deque()
    rows = connection.execute(
        f"SELECT camera, category, decision, decided_at, reason FROM rows WHERE {HOLDS} "  # noqa: S608 - of our own
        f"ORDER BY number DESC LIMIT {_MOST_ROWS}"
    )
    for camera, category, decision, at, reason in rows:
        if waiting.get(camera):
            waiting[camera] -= 1
            stopped = decision == Decision.INVALID and find_kind(reason) == "stopped"
            found.appendleft(AlarmPart(camera, category, Decision(decision), at, stopped))
        if not any(waiting.values()):
            break
    return tuple(found)
