"""Bookkeeper: enters decisions in the ledger, and lets none be published that isn't in it."""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, repeat
from pathlib import Path

import numpy as np
from softcore_runtime import Decision, Inspection, LedgerError, UsageError
from softcore_runtime.manifest import Manifest, dump_manifest

from softcore_edge_app.frames.sources import Frame
from softcore_edge_app.ledger.ledger import Change, Entry, Ledger, Note, Row, UnprovenError
from softcore_edge_app.line.trigger import Trigger
from softcore_edge_app.verdict import Verdict

__all__ = ["Bookkeeper", "Entered"]

_OWED = 10_000  # entries that wait for the disk: minutes of a fast line, and some megabytes
_AT_ONCE = 100  # of them with one batch: a millisecond or two

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entered:
    """A decision to be published; `number` is its row's, None where it could not be entered, or never is."""

    number: int | None
    entry: Entry
    verdict: Verdict


class Bookkeeper:
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
        pairs = [self._describe(trigger) for trigger in triggers]
        if self.ledger is None:
            return [Entered(None, entry, verdict) for entry, verdict in pairs], []
        try:
            owed, rows = self._append(self.ledger, [entry for entry, _ in pairs])
        except LedgerError as error:
            added = error.rows if isinstance(error, UnprovenError) else ()
            numbers = [row.number for row in added] or repeat(None, len(pairs))
            refused = [
                self._refuse(*pair, str(error), self.ledger.path, corrects=number)
                for pair, number in zip(pairs, numbers, strict=True)
            ]
            return refused, []
        entered = [
            Entered(row.number, row.entry, verdict) for row, (_, verdict) in zip(rows, pairs, strict=True)
        ]
        return entered, [*owed, *rows]

    def correct(
        self, entered: Sequence[Entered], reasons: Sequence[str | None]
    ) -> tuple[list[Entered], list[Row]]:
        """Make decisions INVALID that were entered and can't be published any more.

        Args:
            entered: decisions.
            reasons: why, of each; None of one that stands.

        Returns:
            what is to be published, in the order given; and the rows that correct. Where these can't be
            entered now, they are later.
        """
        published_at = time.time_ns()
        corrected = [
            one if reason is None else _correct(one, reason, published_at)
            for one, reason in zip(entered, reasons, strict=True)
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

    def _refuse(
        self, entry: Entry, verdict: Verdict, fault: str, path: Path, *, corrects: int | None = None
    ) -> Entered:
        reason = self._tell(fault, path)
        if corrects is not None:  # it is in there, and nothing proves it
            corrected = _correct(Entered(corrects, entry, verdict), reason, time.time_ns())
            self._corrections.append(corrected.entry)
            return corrected
        verdict = _invalidate(verdict, reason)
        entry = _invalidate_entry(entry, verdict)
        if len(self._owed) == _OWED:
            self._owed.popleft()
            self._lost += 1
        self._owed.append(entry)
        return Entered(None, entry, verdict)

    def _tell(self, fault: str, path: Path) -> str:
        """Say once that nothing can be entered, and give it as a reason."""
        fault = fault.removeprefix(f"{path}: ")
        if self.fault is None:
            _log.error("%s: can't be written (%s); frames are INVALID until it can", path, fault)
        self.fault = f"the ledger can't be written ({fault})"
        return self.fault

    def _describe(self, trigger: Trigger) -> tuple[Entry, Verdict]:
        verdict, manifest = trigger.verdict, trigger.manifest
        if verdict is None or manifest is None:
            raise ValueError(f"trigger {trigger.id} has no decision")
        verdict = replace(
            verdict,
            trigger=trigger.id if self.ledger else None,
            camera=trigger.camera,
            part=None if trigger.part == trigger.id else trigger.part,
        )
        if verdict.score is not None and not math.isfinite(verdict.score):
            verdict = _invalidate(verdict, f"the score is {verdict.score}")
        x, y = _locate(trigger.inspection, trigger.frame)
        backbone = trigger.recipe.inspector.backbone
        due = None if trigger.deadline is None else int(1e9 * (trigger.deadline - trigger.at)) + trigger.wall
        entry = Entry(
            trigger=trigger.id,
            part=_encodable(trigger.part),
            name=_encodable(verdict.name),
            camera=trigger.camera,
            category=_encodable(manifest.category),
            bundle=self.seal(manifest),
            decision=verdict.decision,
            score=verdict.score,
            bound=verdict.bound,
            threshold=verdict.threshold,
            fail_above=verdict.fail_above,
            engine=backbone.engine,
            provider=backbone.provider,
            precision=backbone.precision,
            triggered_at=trigger.wall,
            deadline_at=due,
            decided_at=trigger.tell_time(),
            milliseconds=verdict.milliseconds,
            reason=verdict.reason and _encodable(verdict.reason),
            x=x,
            y=y,
        )
        return entry, verdict

    def seal(self, manifest: Manifest) -> str:
        """Give the seal of the manifest that decided, whatever its file holds by now."""
        known = self._seals.get(id(manifest))
        if known is None:
            seal = str(json.loads(dump_manifest(manifest))["seal"])
            self._seals = dict(list(self._seals.items())[-15:])  # cameras, and their limits of just now
            known = self._seals[id(manifest)] = manifest, seal
        return known[1]


def _locate(inspection: Inspection | None, frame: Frame | None) -> tuple[float | None, float | None]:
    """Say where in a frame the highest patch score lies, as shares of its width and height."""
    if inspection is None or frame is None or frame.picture is None:
        return None, None
    scores, window = inspection.patch_scores, inspection.window
    row, column = np.unravel_index(int(scores.argmax()), scores.shape)
    height, width = frame.picture.shape[:2]
    x = window.x + (int(column) + 0.5) / scores.shape[1] * window.width
    y = window.y + (int(row) + 0.5) / scores.shape[0] * window.height
    return x / width, y / height


def _invalidate(verdict: Verdict, reason: str) -> Verdict:
    return replace(
        verdict,
        decision=Decision.INVALID,
        score=None,
        bound=None,
        share=None,
        milliseconds=None,
        certified_by_hint=None,
        by_hnsw=None,
        exact=None,
        reason=f"{reason}; {verdict.reason}" if verdict.reason else reason,
    )


def _invalidate_entry(entry: Entry, verdict: Verdict) -> Entry:
    """Let an entry say what a verdict says that was made INVALID."""
    return replace(
        entry,
        decision=verdict.decision,
        score=None,
        bound=None,
        milliseconds=None,
        reason=verdict.reason and _encodable(verdict.reason),
        x=None,
        y=None,
    )


def _correct(one: Entered, reason: str, published_at: int) -> Entered:
    """Make a decision INVALID that has its row, if there is a ledger."""
    verdict = _invalidate(one.verdict, reason)
    entry = replace(_invalidate_entry(one.entry, verdict), corrects=one.number, published_at=published_at)
    return Entered(None, entry, verdict)


def _encodable(text: str) -> str:
    """Escape what isn't UTF-8: a file's name may hold any byte."""
    return text.encode("utf-8", "backslashreplace").decode()
