"""Bookkeeper: enters a run's decisions in its ledger, and lets none be published that isn't in it."""

from __future__ import annotations

import json
import math
import secrets
import sys
import time
from collections import deque
from dataclasses import replace
from itertools import islice

from softcore_runtime import Decision, Inspector, LedgerError
from softcore_runtime.manifest import Manifest, dump_manifest

from softcore_edge_app.frames.sources import Frame
from softcore_edge_app.ledger.ledger import Entry, Ledger
from softcore_edge_app.verdict import Verdict

__all__ = ["Bookkeeper"]

_OWED = 10_000  # entries that wait for the disk: minutes of a fast line, and some megabytes
_AT_ONCE = 100  # of them with one frame: a millisecond or two


class Bookkeeper:
    """Enters verdicts before they are published.

    The ledger may hold one decision more than was published, where the process was killed between the two;
    never one less. Where it can't be written a verdict becomes INVALID, with the reason; that one is entered
    once the ledger can be written again, before the next (the last 10 000 of them).

    Args:
        ledger: where to.
        inspector: what decides.
        camera: what gives the frames, in a word; no password may be in it.
    """

    def __init__(self, ledger: Ledger, inspector: Inspector, camera: str) -> None:
        self.ledger = ledger
        self._inspector = inspector
        self._camera = _encodable(camera)
        self._run = secrets.token_hex(8)
        self._owed: deque[Entry] = deque()
        self._lost = 0  # of the owed, beyond what is kept
        self._barred = False
        self._sealed: tuple[Manifest, str] | None = None

    def enter(self, frame: Frame, verdict: Verdict, received: int) -> Verdict:
        """Enter a verdict, and give back the one to be published.

        Args:
            frame: what was decided on.
            verdict: the decision.
            received: when the frame came, in nanoseconds of UTC since 1970; a live one says itself how long
                before that it was taken.
        """
        verdict = replace(verdict, trigger=f"{self._run}-{frame.number}")
        if verdict.score is not None and not math.isfinite(verdict.score):
            verdict = _refuse(verdict, f"the score is {verdict.score}")
        entry = self._describe(frame, verdict, received)
        due = list(islice(self._owed, _AT_ONCE))
        try:
            self.ledger.append_all([*due, entry])
        except LedgerError as error:
            fault = str(error).removeprefix(f"{self.ledger.path}: ")
            if not self._barred:
                self._barred = True
                _say(
                    f"alarm: {self.ledger.path}: can't be written ({fault}); frames are INVALID until it can"
                )
            verdict = _refuse(verdict, f"the ledger can't be written ({fault})")
            self._owe(
                replace(
                    entry,
                    decision=verdict.decision,
                    score=None,
                    bound=None,
                    milliseconds=None,
                    reason=verdict.reason and _encodable(verdict.reason),
                )
            )
            return verdict
        for _ in due:
            self._owed.popleft()
        if self._barred:
            self._barred = False
            _say(f"{self.ledger.path}: is written again")
        return verdict

    def close(self) -> None:
        """Try a last time to enter what is owed, and close the ledger; what fails is said, not raised."""
        try:
            self.ledger.append_all(list(self._owed))
            self._owed.clear()
        except LedgerError:
            pass  # said when it began, and in the remark
        try:
            self.ledger.close()
        except LedgerError as error:
            _say(f"warning: {error}")

    @property
    def remark(self) -> str:
        """The summary's line: how many rows, and the head, which proves them once it is noted elsewhere."""
        absent = len(self._owed) + self._lost
        missing = f"; {absent} INVALID are not in it" if absent else ""
        return f"ledger {self.ledger.path}: {self.ledger.rows} rows, head {self.ledger.head}{missing}"

    def _owe(self, entry: Entry) -> None:
        if len(self._owed) == _OWED:
            self._owed.popleft()
            self._lost += 1
        self._owed.append(entry)

    def _describe(self, frame: Frame, verdict: Verdict, received: int) -> Entry:
        inspector, now = self._inspector, time.time_ns()
        # A source's clock is monotonic; the ledger's is the wall's.
        taken = received if frame.taken is None else now - int(1e9 * (time.monotonic() - frame.taken))
        return Entry(
            trigger=verdict.trigger or "",
            part=verdict.trigger or "",
            name=_encodable(verdict.name),
            camera=self._camera,
            category=_encodable(inspector.manifest.category),
            bundle=self._seal(inspector.manifest),
            decision=verdict.decision,
            score=verdict.score,
            bound=verdict.bound,
            threshold=verdict.threshold,
            fail_above=verdict.fail_above,
            engine=inspector.backbone.engine,
            provider=inspector.backbone.provider,
            precision=inspector.backbone.precision,
            triggered_at=taken,
            deadline_at=None,
            decided_at=now,
            milliseconds=verdict.milliseconds,
            reason=verdict.reason and _encodable(verdict.reason),
        )

    def _seal(self, manifest: Manifest) -> str:
        """Give the seal of the manifest in use, whatever its file holds by now."""
        if self._sealed is None or self._sealed[0] is not manifest:
            self._sealed = manifest, str(json.loads(dump_manifest(manifest))["seal"])
        return self._sealed[1]


def _refuse(verdict: Verdict, reason: str) -> Verdict:
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


def _say(message: str) -> None:
    print(f"softcore-edge: {message}", file=sys.stderr)  # noqa: T201 - the alarm can't wait for the run's end
