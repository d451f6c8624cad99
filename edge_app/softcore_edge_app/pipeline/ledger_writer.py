"""Ledger writer: enters decisions in the ledger, and lets none be published that isn't in it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from softcore_runtime import LedgerError, UsageError
from softcore_runtime.bundle.manifest import Manifest, seal_of

from softcore_edge_app.ledger.ledger import Change, Entry, Ledger, Note, Row, UnprovenError
from softcore_edge_app.pipeline.entered import Entered, correct, describe, invalidate
from softcore_edge_app.pipeline.trigger import Trigger

__all__ = ["Entered", "LedgerWriter"]

_OWED = 10_000  # entries that wait for the disk: minutes of a fast line, and some megabytes
_AT_ONCE = 100  # of them with one batch: a millisecond or two

_log = logging.getLogger(__name__)


class LedgerWriter:
    """Enters decisions before they are published, in one thread; notes of changes come from any.

    The ledger may hold decisions that were not published, where the process was killed between the two; every
    one that was published is in it. Where it can't be written a decision becomes INVALID, with the reason;
    that one is entered once the ledger can be written again, before the next (the last 10 000 of them).
    A decision that was entered and must not be published is corrected by a further row.

    Args:
        ledger: where to; None keeps none.
    """

    def __init__(self, ledger: Ledger | None) -> None:
        self.ledger = ledger
        self.fault: str | None = None
        self._owed: deque[Entry] = deque()
        self._corrections: list[Entry] = []  # owed, and entered first: without them a row says what isn't so
        self._unproven: list[Row] = []  # INVALID, entered and not told of
        self._lost = 0  # of the owed, beyond what is kept
        self._seals: dict[int, tuple[Manifest, str]] = {}

    def enter(self, triggers: Sequence[Trigger]) -> tuple[list[Entered], list[Row]]:
        """Enter the decisions of triggers that have one, all in one step.

        Returns:
            what is to be published, in the order given; and the rows that were added, among them those of
            decisions that were published before and could not be entered then.
        """
        entered = [
            describe(trigger, self._seal_of(trigger), named=self.ledger is not None) for trigger in triggers
        ]
        if self.ledger is None:
            return entered, []
        try:
            owed, rows = self._append(self.ledger, [one.entry for one in entered])
        except LedgerError as error:
            reason = self._tell(str(error), self.ledger.path)
            if isinstance(error, UnprovenError) and error.rows:  # they are in there, and nothing proves it
                numbered = [
                    replace(one, number=row.number) for one, row in zip(entered, error.rows, strict=True)
                ]
                refused = [
                    correct(one, reason, trigger) for one, trigger in zip(numbered, triggers, strict=True)
                ]
                self._corrections += [one.entry for one in refused]
            else:
                refused = [invalidate(one, reason) for one in entered]
                self._owe(one.entry for one in refused)
            return refused, []
        return [replace(one, number=row.number) for one, row in zip(entered, rows, strict=True)], [
            *owed,
            *rows,
        ]

    def correct(
        self, triggers: Sequence[Trigger], entered: Sequence[Entered], reasons: Sequence[str | None]
    ) -> tuple[list[Entered], list[Row]]:
        """Make decisions INVALID that were entered and can't be published any more.

        Args:
            triggers: that wanted them.
            entered: decisions.
            reasons: why, of each; None of one that stands.

        Returns:
            what is to be published, in the order given; and the rows that correct. Where these can't be
            entered now, they are later.
        """
        corrected = [
            one if reason is None else correct(one, reason, trigger)
            for trigger, one, reason in zip(triggers, entered, reasons, strict=True)
        ]
        if self.ledger is None:
            return corrected, []
        places = [
            place for place, one in enumerate(corrected) if one is not entered[place] and one.entry.corrects
        ]
        entries = [corrected[place].entry for place in places]
        try:
            owed, rows = self._append(self.ledger, entries)
        except LedgerError as error:
            if isinstance(error, UnprovenError) and error.rows:
                self._unproven += error.rows
            else:
                self._corrections += entries
            self._tell(str(error), self.ledger.path)
            return corrected, []
        for place, row in zip(places, rows, strict=True):
            corrected[place] = replace(corrected[place], number=row.number)
        return corrected, [*owed, *rows]

    def look_after(self) -> list[Row]:
        """See to the ledger where there is nothing to enter, and give the rows that were added.

        That is whether it is still there, what is owed to it, and what lies in its write-ahead log.
        """
        if self.ledger is None:
            return []
        if fault := self.ledger.find_fault():
            self._tell(fault, self.ledger.path)
            return []
        rows: list[Row] = []
        if self.fault:  # else a PLC that waits until all is well would wait for ever
            try:
                rows, _ = self._append(self.ledger, [])
            except LedgerError as error:
                self._tell(str(error), self.ledger.path)
        self.ledger.copy_log()
        return rows

    @property
    def alarms(self) -> list[str]:
        """What a person should see to."""
        if self.ledger is None or not self.ledger.touched:
            return []
        return [f"ledger {self.ledger.path}: another program has written to it; verify it"]

    def _append(self, ledger: Ledger, entries: Sequence[Entry]) -> tuple[list[Row], list[Row]]:
        """Append entries after what is owed; give the rows of what was owed, and theirs.

        Raises:
            UnprovenError: as `Ledger.append_all`, with the rows of `entries` alone.
            LedgerError: likewise.
        """
        corrections = len(self._corrections)
        due = [*self._corrections, *islice(self._owed, _AT_ONCE)]
        try:
            rows = ledger.append_all([*due, *entries])
        except UnprovenError as error:
            if error.rows:
                self._settle(corrections, len(due))
                self._unproven += error.rows[: len(due)]
            raise UnprovenError(str(error), error.rows[len(due) :]) from error
        self._settle(corrections, len(due))
        if self.fault:
            self.fault = None
            _log.info("%s: is written again", ledger.path)
        proven, self._unproven = self._unproven, []
        return [*proven, *rows[: len(due)]], rows[len(due) :]

    def _settle(self, corrections: int, due: int) -> None:
        """Strike out what was owed and is entered."""
        del self._corrections[:corrections]
        for _ in range(due - corrections):
            self._owed.popleft()

    def note(self, change: Change) -> Note:
        """Note a change, which is made only if this returns; from any thread.

        Raises:
            UsageError: there is no ledger.
            LedgerError: it can't be written.
        """
        if self.ledger is None:
            raise UsageError("this needs a ledger (--ledger FILE), which keeps what is changed and by whom")
        return self.ledger.note(change)

    def close(self) -> None:
        """Try a last time to enter what is owed, and close the ledger; what fails is said, not raised."""
        if self.ledger is None:
            return
        try:
            self.ledger.append_all([*self._corrections, *self._owed])
            self._corrections.clear()
            self._owed.clear()
        except LedgerError:
            pass  # said when it began, and in the remark
        try:
            self.ledger.close()
        except LedgerError as error:
            _log.warning("%s", error)

    @property
    def remark(self) -> str | None:
        """The summary's line: how many rows, and the head, which proves them once it is noted elsewhere."""
        if self.ledger is None:
            return None
        absent = len(self._corrections) + len(self._owed) + self._lost
        missing = f"; {absent} INVALID are not in it" if absent else ""
        return f"ledger {self.ledger.path}: {self.ledger.rows} rows, head {self.ledger.head}{missing}"

    def _owe(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if len(self._owed) == _OWED:
                self._owed.popleft()
                self._lost += 1
            self._owed.append(entry)

    def _seal_of(self, trigger: Trigger) -> str:
        if trigger.manifest is None:
            raise ValueError(f"trigger {trigger.id} has no decision")
        return self.seal(trigger.manifest)

    def _tell(self, fault: str, path: Path) -> str:
        """Say once that nothing can be entered, and give it as a reason."""
        fault = fault.removeprefix(f"{path}: ")
        if self.fault is None:
            _log.error("%s: can't be written (%s); frames are INVALID until it can", path, fault)
        self.fault = f"the ledger can't be written ({fault})"
        return self.fault

    def seal(self, manifest: Manifest) -> str:
        """Give the seal of the manifest that decided, whatever its file holds by now."""
        known = self._seals.get(id(manifest))
        if known is None:
            seal = seal_of(manifest)
            self._seals = dict(list(self._seals.items())[-15:])  # cameras, and their thresholds of just now
            known = self._seals[id(manifest)] = manifest, seal
        return known[1]
