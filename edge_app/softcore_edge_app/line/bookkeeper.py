"""Bookkeeper: enters decisions in the ledger, and lets none be published that isn't in it."""

from __future__ import annotations

import json
import logging
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from softcore_runtime import Decision, Inspection, LedgerError, UsageError
from softcore_runtime.manifest import Manifest, dump_manifest

from softcore_edge_app.frames.sources import Frame
from softcore_edge_app.ledger.ledger import Change, Entry, Ledger, Note, Row
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

    Args:
        ledger: where to; None keeps none.
    """

    def __init__(self, ledger: Ledger | None) -> None:
        self.ledger = ledger
        self.fault: str | None = None
        self._owed: deque[Entry] = deque()
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
        due = list(islice(self._owed, _AT_ONCE))
        try:
            rows = self.ledger.append_all([*due, *(entry for entry, _ in pairs)])
        except LedgerError as error:
            return [self._refuse(*pair, str(error), self.ledger.path) for pair in pairs], []
        for _ in due:
            self._owed.popleft()
        if self.fault:
            self.fault = None
            _log.info("%s: is written again", self.ledger.path)
        entered = [
            Entered(row.number, row.entry, verdict)
            for row, (_, verdict) in zip(rows[len(due) :], pairs, strict=True)
        ]
        return entered, rows

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
            self.ledger.append_all(list(self._owed))
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
        absent = len(self._owed) + self._lost
        missing = f"; {absent} INVALID are not in it" if absent else ""
        return f"ledger {self.ledger.path}: {self.ledger.rows} rows, head {self.ledger.head}{missing}"

    def _refuse(self, entry: Entry, verdict: Verdict, fault: str, path: Path) -> Entered:
        fault = fault.removeprefix(f"{path}: ")
        if self.fault is None:
            _log.error("%s: can't be written (%s); frames are INVALID until it can", path, fault)
        self.fault = f"the ledger can't be written ({fault})"
        verdict = _invalidate(verdict, self.fault)
        entry = replace(
            entry,
            decision=verdict.decision,
            score=None,
            bound=None,
            milliseconds=None,
            reason=verdict.reason and _encodable(verdict.reason),
            x=None,
            y=None,
        )
        if len(self._owed) == _OWED:
            self._owed.popleft()
            self._lost += 1
        self._owed.append(entry)
        return Entered(None, entry, verdict)

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
            decided_at=time.time_ns(),
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


def _encodable(text: str) -> str:
    """Escape what isn't UTF-8: a file's name may hold any byte."""
    return text.encode("utf-8", "backslashreplace").decode()
