"""Ledger writer: enters decisions in the ledger; none is published that isn't in it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from softcore_runtime import LedgerError, UsageError

from softcore_edge_app.decisions.decision_record import DecisionRecord
from softcore_edge_app.decisions.invalid_kinds import phrase_reason
from softcore_edge_app.ledger.ledger import Change, Ledger, Note, Row, UnprovenError
from softcore_edge_app.pipeline.trigger import Trigger

__all__ = ["LedgerWriter"]

_MOST_UNENTERED = 10_000  # records that wait for the disk: minutes of a fast line, and some megabytes
_AT_ONCE = 100  # of them with one batch: a millisecond or two

_log = logging.getLogger(__name__)


class LedgerWriter:
    """Enters decisions before they are published, in one thread; notes of changes come from any.

    Every published decision is in the ledger. It may also have decisions that were not published, if the
    process was killed between the two. While it can't be written, decisions become INVALID, with the reason;
    these are entered once the ledger can be written again, before the next one (the last 10 000 of them). A
    decision that was entered and must not be published is corrected by a further row.

    Args:
        ledger: the ledger; None enters nothing.
    """

    def __init__(self, ledger: Ledger | None) -> None:
        self.ledger = ledger
        self.fault: str | None = None
        self._unentered: deque[DecisionRecord] = deque()  # that wait for the disk
        self._corrections: list[DecisionRecord] = []  # likewise; entered first, for their rows are wrong
        self._unproven: list[Row] = []  # INVALID, entered and not published
        self._lost = 0  # of those that wait, beyond what is kept

    def enter(self, triggers: Sequence[Trigger]) -> tuple[list[DecisionRecord], list[Row]]:
        """Enter the decisions of triggers that have one, all in one step.

        Returns:
            the records to publish, in the order given; and the rows that were added, among them those of
            decisions that were published before and could not be entered then.

        Raises:
            ValueError: a trigger has no decision, or a number or a text that no ledger stores.
        """
        records = [trigger.make_record() for trigger in triggers]
        if self.ledger is None:
            return records, []
        try:
            late_rows, rows = self._append(self.ledger, records)
        except LedgerError as error:
            fault = self._report_fault(str(error), self.ledger.path)
            if isinstance(error, UnprovenError) and error.rows:  # they are in there, and nothing proves it
                invalid = [
                    row.record.correct("ledger", fault, trigger.read_clock())
                    for row, trigger in zip(error.rows, triggers, strict=True)
                ]
                self._corrections += invalid
            else:
                invalid = [record.invalidate("ledger", fault) for record in records]
                self._keep_for_later(invalid)
            return invalid, []
        return [row.record for row in rows], [*late_rows, *rows]

    def correct(
        self,
        triggers: Sequence[Trigger],
        records: Sequence[DecisionRecord],
        lateness: Sequence[str | None],
    ) -> tuple[list[DecisionRecord], list[Row]]:
        """Make decisions INVALID that were entered and come too late to be published.

        Args:
            triggers: the parts.
            records: their decisions.
            lateness: of each why it is late (see `DecisionRecord.invalid`); None where the decision stands.

        Returns:
            the records to publish, in the order given; and the rows that correct. Rows that can't be entered
            now are entered later.
        """
        corrected = [
            record if detail is None else record.correct("late", detail, trigger.read_clock())
            for trigger, record, detail in zip(triggers, records, lateness, strict=True)
        ]
        if self.ledger is None:
            return corrected, []
        places = [place for place, one in enumerate(corrected) if one is not records[place] and one.corrects]
        corrections = [corrected[place] for place in places]
        try:
            late_rows, rows = self._append(self.ledger, corrections)
        except LedgerError as error:
            if isinstance(error, UnprovenError) and error.rows:
                self._unproven += error.rows
            else:
                self._corrections += corrections
            self._report_fault(str(error), self.ledger.path)
            return corrected, []
        for place, row in zip(places, rows, strict=True):
            corrected[place] = row.record
        return corrected, [*late_rows, *rows]

    def maintain(self) -> list[Row]:
        """Maintain the ledger while there is nothing to enter, and return the rows that were added.

        Check that its files are still there, enter what could not be entered before, and copy its write-ahead
        log.
        """
        if self.ledger is None:
            return []
        if fault := self.ledger.find_fault():
            self._report_fault(fault, self.ledger.path)
            return []
        rows: list[Row] = []
        if self.fault:  # else a PLC that waits until all is well would wait for ever
            try:
                rows, _ = self._append(self.ledger, [])
            except LedgerError as error:
                self._report_fault(str(error), self.ledger.path)
        self.ledger.copy_log()
        return rows

    @property
    def alarms(self) -> list[str]:
        """What a person should check, in plain words."""
        if self.ledger is None or not self.ledger.touched:
            return []
        return [f"ledger {self.ledger.path}: another program has written to it; verify it"]

    def _append(self, ledger: Ledger, records: Sequence[DecisionRecord]) -> tuple[list[Row], list[Row]]:
        """Append records after those that wait; return the rows of those that waited, and theirs.

        Raises:
            UnprovenError: as `Ledger.append_all`, with the rows of `records` alone.
            LedgerError: likewise.
        """
        corrections = len(self._corrections)
        due = [*self._corrections, *islice(self._unentered, _AT_ONCE)]
        try:
            rows = ledger.append_all([*due, *records])
        except UnprovenError as error:
            if error.rows:
                self._forget_entered(corrections, len(due))
                self._unproven += error.rows[: len(due)]
            raise UnprovenError(str(error), error.rows[len(due) :]) from error
        self._forget_entered(corrections, len(due))
        if self.fault:
            self.fault = None
            _log.info("%s: is written again", ledger.path)
        proven, self._unproven = self._unproven, []
        return [*proven, *rows[: len(due)]], rows[len(due) :]

    def _forget_entered(self, corrections: int, due: int) -> None:
        """Drop the first records of those that wait, which are entered by now."""
        del self._corrections[:corrections]
        for _ in range(due - corrections):
            self._unentered.popleft()

    def note(self, change: Change) -> Note:
        """Note a change, which may be made only if this returns; from any thread.

        Raises:
            UsageError: there is no ledger.
            LedgerError: it can't be written.
        """
        if self.ledger is None:
            raise UsageError("this needs a ledger (--ledger FILE), which keeps what is changed and by whom")
        return self.ledger.note(change)

    def close(self) -> None:
        """Try a last time to enter what waits, and close the ledger; a failure is logged, not raised."""
        if self.ledger is None:
            return
        try:
            self.ledger.append_all([*self._corrections, *self._unentered])
            self._corrections.clear()
            self._unentered.clear()
        except LedgerError:
            pass  # logged when it began, and in the remark
        try:
            self.ledger.close()
        except LedgerError as error:
            _log.warning("%s", error)

    @property
    def remark(self) -> str | None:
        """The ledger's line in the summary: its rows, and its head, which proves them if noted elsewhere."""
        if self.ledger is None:
            return None
        absent = len(self._corrections) + len(self._unentered) + self._lost
        missing = f"; {absent} INVALID are not in it" if absent else ""
        return f"ledger {self.ledger.path}: {self.ledger.rows} rows, head {self.ledger.head}{missing}"

    def _keep_for_later(self, records: Iterable[DecisionRecord]) -> None:
        for record in records:
            if len(self._unentered) == _MOST_UNENTERED:
                self._unentered.popleft()
                self._lost += 1
            self._unentered.append(record)

    def _report_fault(self, fault: str, path: Path) -> str:
        """Log once that nothing can be entered, and return the detail of the reason for an INVALID."""
        fault = fault.removeprefix(f"{path}: ")
        if self.fault is None:
            _log.error("%s: can't be written (%s); frames are INVALID until it can", path, fault)
        detail = f"({fault})"
        self.fault = phrase_reason("ledger", detail)
        return detail
